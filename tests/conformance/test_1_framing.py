# SPDX-License-Identifier: MIT
"""Section 1: framing and order (cases 1-6)."""
import base64
import contextlib
import os
import re
import select

import pytest
import wire
from sockets import quiet, read_exactly, tcp_table
from stack import wait_for
from targets import V4, DeadEnd, Echo
from wire import NONE, USERPASS, greeting, request

ANONYMOUS, LOGIN = greeting(NONE), greeting(USERPASS) + wire.login("plain", "correct horse")
GOOD = "Proxy-Authorization: Basic " + base64.b64encode(b"plain:correct horse").decode()
WRONG = "Proxy-Authorization: Basic " + base64.b64encode(b"plain:wrong").decode()
PORT = 7777  # of the echo server at all addresses
DATA = b"hello"
DIALOGS = {
    "v4": ANONYMOUS + request(V4, PORT) + DATA,
    "v6": ANONYMOUS + request("2600::1", PORT) + DATA,
    "login-name": LOGIN + request("split.test", PORT) + DATA,
    "login-wrong": greeting(NONE, USERPASS) + wire.login("plain", "wrong"),
    "login-empty": greeting(USERPASS) + b"\1\0",
    "no-method": greeting(1, 3),
    "version": ANONYMOUS + b"\4",
    "blocked": ANONYMOUS + request("evil.com", PORT),
    "bad-name": ANONYMOUS + request("a b.test", PORT),
    "no-command": ANONYMOUS + request(V4, PORT, command=9),
    "no-atyp": ANONYMOUS + b"\5\1\0\2",
    "nonsense": b"\6",
    "cut": ANONYMOUS + request(V4, PORT)[:-1],
    "4": wire.socks4(V4, PORT, user="me") + DATA,
    "4a": wire.socks4a("split.test", PORT, user="me") + DATA,
    "4-refused": wire.socks4("0.0.0.0", PORT),
    "4a-bad-name": wire.socks4a("a b", PORT),
    "4-command": wire.socks4(V4, PORT, command=9),
    "http": wire.http(f"split.test:{PORT}") + DATA,
    "http-v6": wire.http(f"[2600::1]:{PORT}") + DATA,
    "http-login": wire.http(f"{V4}:{PORT}", GOOD) + DATA,
    "http-retry": wire.http(f"{V4}:{PORT}", WRONG) + wire.http(f"{V4}:{PORT}", GOOD) + DATA,
    "http-bad": wire.http("split.test"),
    "http-method": wire.http("/", method="GET"),
    "http-blocked": wire.http(f"evil.com:{PORT}"),
}
# What differs from one session to the next, however it was delivered.
OWN = """session_id start_time end_time received_at duration_secs source_ip source_port
    stream_id close_seq setup_ms policy_generation packets_sent packets_received""".split()
# Whether somebody had to be asked depends on what is remembered, whether the
# end is waited for on when the client's comes.
CHANCE = ("auth_wait", "acl_wait", "resolve", "linger")


def without_own(data):
    """The port of BND is another each time, and the session that HTTP names;
    not their place."""
    data = re.sub(rb"session [0-9a-f-]{36}", b"session ID", data)
    data = re.sub(rb"(\x05\0\0\x01....)..", rb"\1PP", data, count=1, flags=re.S)
    data = re.sub(rb"(\x05\0\0\x04.{16})..", rb"\1PP", data, count=1, flags=re.S)
    return re.sub(rb"^(\0\x5a)..", rb"\1PP", data, flags=re.S)


def wait_all_read(clients):
    def unread():
        mine = {c.port for c in clients}
        return any(
            queues[1] for key, queues in tcp_table().items() if key[2] == clients[0].stack.socks and key[3] in mine
        )

    wait_for("the proxy to read", lambda: not unread())


def deliver(suite, ways, rows_each):
    """Each way is a list of pieces; [(replies, states, records)] of each."""
    with contextlib.ExitStack() as stack:
        since = suite.log_size()
        clients = [stack.enter_context(suite.client()) for _ in ways]
        for step in range(max(map(len, ways))):
            for c, pieces in zip(clients, ways):
                if step < len(pieces):
                    c.send(pieces[step])
            wait_all_read(clients)
        for c in clients:
            with contextlib.suppress(OSError):
                c.finish()
        replies = [without_own(c.sock_to_end()) for c in clients]
        net = {c.source: c for c in clients}
        rows = wait_for("the records", lambda: records(suite, net, rows_each))
        states = suite.states(clients, since)
        return [
            (r, [s for s in states[c.port] if s not in CHANCE], rows[c.source])
            for r, c in zip(replies, clients)
        ]


def records(suite, clients, rows_each):
    """{address: its rows without what is their own}, once each has so many."""
    found = {source: [] for source in clients}
    for row in suite.history("&source_ip=127.10.0.0/16"):
        if row["source_ip"] in found:
            found[row["source_ip"]].insert(0, {k: v for k, v in row.items() if k not in OWN})
    return found if all(len(rows) == rows_each for rows in found.values()) else None


def splits(data):
    """Whole, cut at every offset, a byte at a time."""
    yield [data]
    for at in range(1, len(data)):
        yield [data[:at], data[at:]]
    yield [data[i : i + 1] for i in range(len(data))]


@pytest.mark.parametrize("name", DIALOGS)
def test_case_01_every_split(either, nameserver, name):
    nameserver.add("split.test", A=V4, ttl=300)
    with Echo(V4, PORT), Echo("2600::1", PORT):
        ways = list(splits(DIALOGS[name]))
        # A lease is there, or its absence is known, for all of them.
        rows = 2 if name == "http-retry" else 1
        deliver(either, ways[:1], rows)
        results = deliver(either, ways, rows)
    whole = results[0]
    for way, result in zip(ways, results):
        for got, expected in zip(result, whole):
            assert got == expected, f"{way}:\n{got}\nnot\n{expected}"
    if DIALOGS[name].endswith(DATA):
        assert whole[0].endswith(DATA) and whole[2][-1]["bytes_sent"] == len(DATA)


def test_case_02_one_segment(login, target):
    """The replies of case 2, in order; each as soon as it is known."""
    whole = login.hello + request(target.host, target.port)
    with login.client() as c:
        c.send(whole)
        end = target.accept()
        c.expect(login.welcome).connected()
        c.sock.sendall(b"x")
        assert read_exactly(end, 1) == b"x"
        end.close()
    with login.asleep("authd") as wake, login.client() as c:
        c.send(greeting(USERPASS), wire.login("plain", "nobody knows this"), whole[-10:])
        c.expect(b"\5\2")
        assert quiet(c.sock)
        wake()
        c.ends_with(b"\1\1")


def test_case_02_the_other_method(login, bare, target):
    """Who bet on another method than the one chosen is out."""
    with login.client() as c:
        c.send(greeting(NONE, USERPASS), request(target.host, target.port))
        c.ends_with(b"\5\2\1\1").record(close_reason="auth_failed", user=None)
    with bare.client() as c:
        c.send(greeting(NONE, USERPASS), wire.login("plain", "x"), request(target.host, target.port))
        c.ends_with(b"\5\0").record(close_reason="invalid_request", reply_code=None)
    assert target.untouched()


INPUT_MAX = 1024  # of a connection that is not established yet


def test_case_03_early_data_is_delivered_first(either):
    """While the dial lasts no more than the buffer is read."""
    early = os.urandom(64 << 20)
    with DeadEnd() as target, either.client() as c:
        c.enter().ask(target.host, target.port)
        either.wait_state("dial")
        c.sock.setblocking(False)
        sent = 0
        with contextlib.suppress(BlockingIOError):
            while sent < len(early):
                sent += c.sock.send(early[sent:])
        assert INPUT_MAX * 4 < sent < len(early)
        # It stays where it is: in the sockets.
        either.wait_state("dial")
        here, there = c.sock.getsockname(), c.sock.getpeername()
        table = {key[2:]: queues for key, queues in tcp_table().items()}
        unsent, unread = table[here[1], there[1]][0], table[there[1], here[1]][1]
        assert sent - unsent - unread <= INPUT_MAX
        end = target.open()
        c.sock.settimeout(20)
        c.connected()
        end.sendall(b"go")
        c.expect(b"go")
        assert read_exactly(end, sent) == early[:sent]
        c.close()
        assert end.recv(1) == b""
        end.close()
        c.record(bytes_sent=sent, bytes_received=2, close_reason="client_closed")


def test_case_03_early_data_is_dropped_on_failure(either, target):
    """It is neither forwarded nor taken for another message."""
    second = greeting(NONE) + request(target.host, target.port)
    with either.client() as c:
        c.enter().send(request("evil.com", 80), second, second).refused(wire.NOT_ALLOWED)
        c.record(close_reason="policy_block", dest_host="evil.com", bytes_sent=0)
    assert target.untouched()


def test_case_04_one_reply_after_the_dial(either):
    with DeadEnd() as target, either.client() as c:
        c.enter().ask(target.host, target.port)
        either.wait_state("dial")
        assert quiet(c.sock)
        end = target.open()
        c.connected()
        # Nothing comes after it until the target speaks.
        c.sock.sendall(b"?")
        assert read_exactly(end, 1) == b"?"
        assert quiet(c.sock)
        end.close()
        c.ends_with(b"")


def test_case_05_dribbled_handshake(quick):
    """One deadline, which no byte moves: the end comes before the message
    does, though a byte follows another."""
    endless = greeting(*[1] * 255)
    with quick.client() as c:
        for byte in endless:
            c.send(bytes([byte])).wait_read()
            if select.select([c.sock], [], [], 0.05)[0]:
                break
        else:
            raise AssertionError("the deadline moved")
        c.ends_with(b"").record(close_reason="handshake_timeout", status="rejected", reply_code=None)


@pytest.mark.parametrize("sent", [b"\5", b"\5\2", ANONYMOUS, ANONYMOUS + b"\5\1\0\1\x09", b"\4\1\0", b"CONN"])
def test_case_05_silence(quick, sent):
    """No reply, whatever step it is."""
    with quick.client() as c:
        c.send(sent).ends_with(b"\5\0" if sent.startswith(ANONYMOUS) else b"")
        c.record(close_reason="handshake_timeout")


def test_case_05_stands_still_while_acld_is_asked(quick, target):
    """Who is asked has a budget of its own: acld sleeps for longer than the
    handshake may last, shown by a client that came at the same time."""
    with quick.asleep("acld") as wake, quick.client() as idle, quick.client() as c:
        idle.send(b"\5")
        c.enter().ask(target.host, target.port)
        quick.wait_state("acl_wait")
        idle.ends_with(b"")
        assert quiet(c.sock)
        wake()
        c.connected()
        target.accept().close()


@pytest.mark.parametrize("early", [b"", b"GET / HTTP/1.0\r\n\r\n"])
def test_case_06_half_close_with_the_request(either, target, early):
    answer = os.urandom(300000)
    with either.client() as c:
        c.send(either.hello, request(target.host, target.port), early).finish()
        end = target.accept()
        assert read_exactly(end, len(early)) == early and end.recv(1) == b""
        c.expect(either.welcome).connected()
        end.sendall(answer)
        end.close()
        c.ends_with(answer)
        c.record(bytes_sent=len(early), bytes_received=len(answer), close_reason="client_closed")
