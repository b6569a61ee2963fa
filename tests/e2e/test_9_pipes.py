# SPDX-License-Identifier: MIT
"""Programs that connect a pipe: nc, socat, and any at all below proxychains.
They are the smallest clients, so they hang on an answer that is a byte short and
lose what comes after a half-close that was not passed on."""
import os
import pty
import select
import socketserver
import subprocess

import pytest

from interop import Answer, Echo, Site, digest, front, guarded, need, run, serve  # noqa: F401
from stack import PATIENCE, wait_for

DATA = bytes(range(256)) * 4000


class Hello(socketserver.BaseRequestHandler):
    """Has said all it has to say."""

    def handle(self):
        self.request.sendall(b"hello\n")


class Resettable(socketserver.BaseRequestHandler):
    """Notes how the other side ended."""

    ends = []

    def handle(self):
        try:
            while self.request.recv(4096):
                pass
            self.ends.append("fin")
        except ConnectionResetError:
            self.ends.append("reset")


# ---- nc

NC = {
    "5": ("socks5", "four.test", "127.0.0.1"),
    "4": ("socks4", "127.0.0.1", "127.0.0.1"),
    "connect": ("http", "six.test", "::1"),
}


@pytest.mark.parametrize("protocol", NC)
def test_nc_half_closes(front, serve, protocol):  # noqa: F811
    need("nc")
    carrier, host, address = NC[protocol]
    port = serve(Answer)
    done = run("nc", "-N", "-X", protocol, "-x", front.at, host, port, input=DATA)
    assert (done.returncode, done.stdout.decode()) == (0, digest(DATA)), done
    front.record(port, status="closed", carrier=carrier, dest_ip=address, user="anonymous",
                 bytes_sent=len(DATA), bytes_received=len(digest(DATA)),
                 close_reason="client_closed")


@pytest.mark.parametrize("protocol", NC)
def test_nc_without_input(front, serve, protocol):  # noqa: F811
    """The write side is closed while the connection is made (case 6)."""
    need("nc")
    port = serve(Answer)
    done = run("nc", "-N", "-X", protocol, "-x", front.at, NC[protocol][1], port, input=b"")
    assert done.stdout.decode() == digest(b""), done
    front.record(port, status="closed", bytes_sent=0)


@pytest.mark.parametrize("protocol, words", [
    ("5", "SOCKSv5 error: Connection refused"),
    ("4", "SOCKSv4 error: Request rejected or failed"),
    ("connect", 'Proxy error: "HTTP/1.1 502'),
])
def test_nc_is_refused(front, protocol, words):  # noqa: F811
    need("nc")
    done = run("nc", "-X", protocol, "-x", front.at, "127.0.0.1", 9, input=b"")
    assert done.returncode == 1 and words in done.stderr.decode(), done


def test_nc_has_no_login_for_socks5(guarded):  # noqa: F811
    need("nc")
    done = run("nc", "-X", "5", "-x", guarded.at, "127.0.0.1", 80, input=b"")
    assert done.returncode == 1 and b"authentication method negotiation failed" in done.stderr, done


def typed(password, *args):
    """A program on a terminal of its own, at which the password is typed
    whenever it is asked for."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp(args[0], [str(a) for a in args])
    said, answered = b"", 0
    try:
        while select.select([terminal], [], [], PATIENCE)[0]:
            said += os.read(terminal, 1024)
            if said.count(b"assword for") > answered:
                answered += 1
                os.write(terminal, password.encode() + b"\n")
    except OSError:  # it ended
        pass
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said.decode()


def test_nc_logs_in_by_connect(guarded, serve):  # noqa: F811
    need("nc")
    port = serve(Hello)
    _, said = typed(guarded.password, "nc", "-d", "-w", 20, "-X", "connect", "-P", "demo", "-x",
                    guarded.at, "four.test", port)
    assert "hello" in said, said
    # It asks without a login first, and comes again on another connection,
    # perhaps within the same millisecond.
    second, first = sorted(guarded.records(port, 2), key=lambda r: r["reply_code"])
    assert (first["status"], first["reply_code"], first["user"]) == ("rejected", 407, None)
    assert (second["user"], second["carrier"], second["bytes_received"]) == ("demo", "http", 6)
    code, said = typed("wrong", "nc", "-d", "-w", 20, "-X", "connect", "-P", "demo", "-x",
                       guarded.at, "four.test", port)
    assert code != 0 and "authentication failed" in said, said


# ---- socat

SOCAT = {
    "SOCKS4": ("SOCKS4:127.0.0.1:127.0.0.1:{port},socksport={at},socksuser=bob", "socks4"),
    "SOCKS4A": ("SOCKS4A:127.0.0.1:six.test:{port},socksport={at},socksuser=bob", "socks4a"),
    "PROXY": ("PROXY:127.0.0.1:four.test:{port},proxyport={at}", "http"),
    "PROXY-login": ("PROXY:127.0.0.1:four.test:{port},proxyport={at},proxyauth={login}", "http"),
    "SOCKS5-CONNECT": ("SOCKS5-CONNECT:127.0.0.1:{at}:four.test:{port}", "socks5"),
    "SOCKS5-CONNECT-login": (
        "SOCKS5-CONNECT:127.0.0.1:{at}:four.test:{port},socksuser={user},sockspass={password}",
        "socks5"),
}


def socat_address(suite, kind, port):
    need("socat")
    if "SOCKS5" in kind and b"SOCKS5-CONNECT" not in run("socat", "-h").stdout.upper():
        pytest.skip("this socat has no SOCKS5-CONNECT (1.8 has)")
    return SOCAT[kind][0].format(port=port, at=suite.socks, login=suite.login(), user=suite.user,
                                 password=suite.password)


@pytest.mark.parametrize("kind", SOCAT)
def test_socat_half_closes(front, serve, kind):  # noqa: F811
    port = serve(Answer)
    done = run("socat", "-t60", "-", socat_address(front, kind, port), input=DATA)
    assert (done.returncode, done.stdout.decode()) == (0, digest(DATA)), done
    front.record(port, status="closed", carrier=SOCAT[kind][1],
                 user="demo" if "login" in kind else "anonymous",
                 claimed_user="bob" if "SOCKS4" in kind else None, bytes_sent=len(DATA))


@pytest.mark.parametrize("kind", ["PROXY-login", "SOCKS5-CONNECT-login"])
def test_socat_where_a_login_is_required(guarded, serve, kind):  # noqa: F811
    port = serve(Answer)
    done = run("socat", "-t60", "-", socat_address(guarded, kind, port), input=DATA)
    assert (done.returncode, done.stdout.decode()) == (0, digest(DATA)), done
    guarded.record(port, status="closed", user="demo")


@pytest.mark.parametrize("kind", ["SOCKS4", "SOCKS4A", "PROXY"])
def test_socat_is_refused_without_login(guarded, kind):  # noqa: F811
    done = run("socat", "-", socat_address(guarded, kind, 80), input=b"")
    words = b"request rejected or failed" if "SOCKS4" in kind else b"Proxy Authentication Required"
    assert done.returncode == 1 and words in done.stderr, done


@pytest.mark.parametrize("kind", ["SOCKS4A", "PROXY-login"])
def test_socat_resets(front, serve, kind):  # noqa: F811
    """linger=0: what the client cuts off must not look complete."""
    port = serve(Resettable)
    Resettable.ends.clear()
    address = socat_address(front, kind, port) + ",linger=0,shut-close"
    assert run("socat", "-u", "-", address, input=b"half of it").returncode == 0
    wait_for("the end", lambda: Resettable.ends)
    assert Resettable.ends == ["reset"]
    front.record(port, status="failed", close_reason="client_reset")


# ---- proxychains

CHAINS = {
    "socks5-socks5": ("socks5 {front} {login}", "socks5 {guarded} {guarded_login}"),
    "socks5-http": ("socks5 {front}", "http {guarded} {guarded_login}"),
    "http-socks5": ("http {front} {login}", "socks5 {guarded} {guarded_login}"),
    "socks4-socks5": ("socks4 {front}", "socks5 {guarded} {guarded_login}"),
}


@pytest.fixture
def chain(front, guarded, tmp_path):  # noqa: F811
    """chain(kind): the command line before a program."""
    need("proxychains4")

    def make(kind):
        places = {"front": f"127.0.0.1 {front.socks}", "guarded": f"127.0.0.1 {guarded.socks}",
                  "login": f"{front.user} {front.password}",
                  "guarded_login": f"{guarded.user} {guarded.password}"}
        lines = [hop.format(**places) for hop in CHAINS[kind]]
        conf = tmp_path / "chain.conf"
        conf.write_text("strict_chain\nproxy_dns\ntcp_connect_time_out 20000\n"
                        "tcp_read_time_out 20000\n[ProxyList]\n" + "\n".join(lines) + "\n")
        return "proxychains4", "-q", "-f", conf

    return make


@pytest.mark.parametrize("kind", CHAINS)
def test_two_in_a_row(front, guarded, serve, chain, kind):  # noqa: F811
    port = serve(Site)
    before = len(front.history(f"&dest_port={guarded.socks}"))
    done = run(*chain(kind), "curl", "-sS", "--max-time", 20, f"http://six.test:{port}/x", text=True)
    assert (done.returncode, done.stdout) == (0, "hello /x\n"), done
    first, second = kind.split("-")
    guarded.record(port, status="closed", user="demo", carrier=second, dest_host="six.test")
    row = front.wait_history(before + 1, f"&dest_port={guarded.socks}")[0]
    assert row["carrier"] == first and row["status"] == "closed"
    assert row["user"] == ("demo" if "login" in CHAINS[kind][0] else "anonymous")


@pytest.mark.parametrize("kind", ["socks5-socks5", "http-socks5"])
def test_any_program_below_two(serve, chain, kind):  # noqa: F811
    """The target speaks first, and the client half-closes."""
    need("nc")
    port = serve(Answer)
    done = run(*chain(kind), "nc", "-N", "four.test", port, input=DATA)
    assert (done.returncode, done.stdout.decode()) == (0, digest(DATA)), done
    port = serve(Echo)
    with subprocess.Popen([str(a) for a in (*chain(kind), "nc", "-N", "four.test", port)],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as nc:
        assert nc.stdout.readline() == b"hello\n"
        for word in (b"one\n", b"two\n"):
            nc.stdin.write(word)
            nc.stdin.flush()
            assert nc.stdout.readline() == word
        nc.stdin.close()
        assert nc.wait(PATIENCE) == 0


def test_a_refusal_at_the_end_of_the_chain(guarded, chain):  # noqa: F811
    done = run(*chain("socks5-socks5"), "nc", "-w", "20", "four.test", 9, input=b"")
    assert done.returncode != 0, done
    wait_for("the record", lambda: [r for r in guarded.history("&dest_port=9")
                                    if r["close_reason"] == "connect_refused"])
