# SPDX-License-Identifier: MIT
"""npm's `socks`, a codec of its own for BIND and for the headers of datagrams,
and `socks-proxy-agent`, which keeps its tunnels (tests/e2e/npm)."""
import json
import os
import pathlib
import socket
import socketserver
import subprocess
import threading

import pytest

from interop import (Answer, Site, digest, free_port, front, guarded, need, run,  # noqa: F401
                     serve, tls)
from stack import PATIENCE, wait_for

HERE = pathlib.Path(__file__).resolve().parent
MODULES = pathlib.Path(os.environ.get("SALLYPORT_NODE_MODULES",
                                      HERE.parents[1] / "build-test/npm/node_modules"))


class Node:
    """client.js with its options, and what it tells, line by line."""

    def __init__(self, **options):
        self.process = subprocess.Popen(
            ["node", HERE / "npm/client.js", json.dumps(options)], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
            env=os.environ | {"NODE_PATH": str(MODULES)})

    def next(self):
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        return json.loads(line)

    def rest(self):
        """All that comes until it ends, and its exit code."""
        out, errors = self.process.communicate(timeout=PATIENCE)
        assert errors == "", errors
        return [json.loads(line) for line in out.splitlines()], self.process.returncode

    def close(self):
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def node():
    need("node")
    if not MODULES.is_dir():
        pytest.skip(f"npm's packages are not in {MODULES}; ./test.sh installs them")
    running = []

    def start(what, **options):
        running.append(Node(**{"do": what}, **options))
        return running[-1]

    yield start
    for client in running:
        client.close()


def proxy(suite, login=True, version=5):
    p = {"host": "127.0.0.1", "port": suite.socks, "type": version}
    if login:
        p |= {"userId": suite.user, "password": suite.password}
    return p


def at(host, port):
    return {"host": host, "port": port}


# ---- connect


@pytest.mark.parametrize("version, login", [(5, True), (5, False), (4, True), (4, False)],
                         ids=["5-login", "5", "4-user", "4"])
def test_connect(front, serve, node, version, login):  # noqa: F811
    """It sends names by 4a, and offers 00 and 02 where it has a login."""
    port = serve(Answer)
    told, code = node("connect", proxy=proxy(front, login, version),
                      destination=at("four.test", port), data="abc").rest()
    assert code == 0 and told[-1] == {"answer": digest(b"abc")}, told
    if version == 5:
        bound = told[0]["bound"]
        assert bound["host"] == "127.0.0.1" and bound["port"] > 0
    front.record(port, status="closed", carrier="socks5" if version == 5 else "socks4a",
                 user="demo" if login and version == 5 else "anonymous",
                 claimed_user="demo" if login and version == 4 else None,
                 dest_host="four.test", bytes_sent=3)


def test_errors(front, guarded, node):  # noqa: F811
    told, code = node("connect", proxy=proxy(front), destination=at("four.test", 9)).rest()
    assert code == 1 and "ConnectionRefused" in told[0]["error"], told
    told, code = node("connect", proxy=proxy(front), destination=at("four.test", 25)).rest()
    assert code == 1 and "NotAllowed" in told[0]["error"], told
    told, code = node("connect", proxy=proxy(front), destination=at("no.test", 80)).rest()
    assert code == 1 and "HostUnreachable" in told[0]["error"], told
    told, code = node("connect", proxy=proxy(guarded, False),
                      destination=at("four.test", 80)).rest()
    assert code == 1 and "no accepted authentication" in told[0]["error"], told
    told, code = node("connect", proxy=proxy(guarded) | {"password": "wrong"},
                      destination=at("four.test", 80)).rest()
    assert code == 1 and "authentication failed" in told[0]["error"].lower(), told
    told, code = node("connect", proxy=proxy(guarded, True, 4),
                      destination=at("four.test", 80)).rest()
    assert code == 1 and "Failed" in told[0]["error"], told


def test_chain(front, guarded, serve, node):  # noqa: F811
    port = serve(Answer)
    told, code = node("chain", proxies=[proxy(front), proxy(guarded)],
                      destination=at("six.test", port), data="x" * 100000).rest()
    assert (told, code) == ([{"answer": digest(b"x" * 100000)}], 0)
    guarded.record(port, status="closed", user="demo", bytes_sent=100000, dest_ip="::1")


# ---- bind


@pytest.mark.parametrize("version, login", [(5, True), (5, False), (4, False)],
                         ids=["5-login", "5", "4"])
def test_bind(front, node, version, login):  # noqa: F811
    """The peer that was named comes, speaks first, and half-closes."""
    client = node("bind", proxy=proxy(front, login, version),
                  destination=at("127.0.0.1", 0), data="from the client")
    bound = client.next()["bound"]
    assert bound["host"] == "127.0.0.1" and bound["port"] > 0, bound
    with socket.create_connection(("127.0.0.1", bound["port"]), 20) as peer:
        here = peer.getsockname()
        peer.sendall(b"from the peer")
        assert client.next()["peer"] == at(*here)
        peer.shutdown(socket.SHUT_WR)
        got = b""
        while more := peer.recv(4096):
            got += more
    assert got == b"from the client"
    assert client.rest() == ([{"answer": "from the peer"}], 0)
    rows = wait_for("the record", lambda: [
        r for r in front.history("&command=bind") if r["source_port"] and
        r["bytes_sent"] == len(got) and r["carrier"] == ("socks5" if version == 5 else "socks4") and
        r["user"] == ("demo" if login else "anonymous")])
    assert rows[0]["status"] == "closed" and rows[0]["protocol"] == "tcp", rows
    assert rows[0]["bytes_received"] == len("from the peer")
    assert rows[0]["destinations"] == 1 and rows[0]["dest_ip"] == "127.0.0.1", rows


def test_bind_to_any_peer_needs_a_rule(front, node):  # noqa: F811
    """The policy of `front` lets `anonymous` be called by anybody."""
    told, code = node("bind", proxy=proxy(front), destination=at("0.0.0.0", 0)).rest()
    assert code == 1 and "NotAllowed" in told[0]["error"], told
    client = node("bind", proxy=proxy(front, False), destination=at("0.0.0.0", 0), data="hello")
    bound = client.next()["bound"]
    assert bound["host"] not in ("0.0.0.0", "::"), bound
    with socket.create_connection((bound["host"], bound["port"]), 20,
                                  source_address=("127.0.0.7", 0)) as peer:
        assert client.next()["peer"]["host"] == "127.0.0.7"
        peer.shutdown(socket.SHUT_WR)
        assert peer.recv(100, socket.MSG_WAITALL) == b"hello"


def test_bind_refuses_another_peer(front, node):  # noqa: F811
    """A stranger is reset, and the one that was named still served."""
    client = node("bind", proxy=proxy(front), destination=at("127.0.0.1", 0), data="for you")
    port = client.next()["bound"]["port"]
    with pytest.raises(ConnectionResetError):
        with socket.create_connection(("127.0.0.1", port), 20,
                                      source_address=("127.0.0.9", 0)) as stranger:
            assert stranger.recv(100) != b"", "a stranger was let go by a FIN"
    with socket.create_connection(("127.0.0.1", port), 20) as peer:
        peer.shutdown(socket.SHUT_WR)
        assert peer.recv(100, socket.MSG_WAITALL) == b"for you"
    assert client.rest()[1] == 0


# ---- associate


class Udp(socketserver.BaseRequestHandler):
    def handle(self):
        data, sock = self.request
        self.server.seen.append(data)
        sock.sendto(b"echo of " + data, self.client_address)


@pytest.fixture
def udp():
    """udp(host): the port of a server that echoes, and what it saw."""
    running = []

    def add(host):
        kind = type("U", (socketserver.ThreadingUDPServer,), {
            "address_family": socket.AF_INET6 if ":" in host else socket.AF_INET})
        server = kind((host, 0), Udp)
        server.seen = []
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        running.append(server)
        return server.server_address[1], server.seen

    yield add
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("login", [True, False], ids=["login", "anonymous"])
def test_associate(front, udp, node, login):  # noqa: F811
    """Three destinations of both families on one association, one by name, and
    a fragment that is dropped."""
    named, _ = udp("127.0.0.1")
    four, seen = udp("127.0.0.1")
    six, _ = udp("::1")
    targets = [at("four.test", named), at("127.0.0.1", four), at("::1", six)]
    told, code = node("associate", proxy=proxy(front, login), targets=targets,
                      stray=at("127.0.0.1", four)).rest()
    assert code == 0, told
    relay = told[0]["relay"]
    assert relay["host"] == "127.0.0.1" and relay["port"] > 0
    answers = {t["from"]["port"]: t for t in told[1:]}
    assert set(answers) == {named, four, six}, told
    for port, answer in answers.items():
        assert answer["data"] == f"echo of to {port}"
        assert answer["frame"] == 0 and answer["relay"] is True
    assert answers[named]["from"]["host"] == answers[four]["from"]["host"] == "127.0.0.1"
    assert answers[six]["from"]["host"].replace("0", "").strip(":") == "1"
    assert seen == [f"to {four}".encode()]

    (row,) = wait_for("the record", lambda: [
        r for r in front.history("&command=udp") if r["dest_port"] in answers])
    assert row["status"] == "closed" and row["close_reason"] == "control_closed", row
    assert (row["protocol"], row["carrier"], row["destinations"]) == ("udp", "socks5", 3)
    assert (row["packets_sent"], row["packets_received"]) == (3, 3)
    assert row["bytes_sent"] == sum(len(f"to {port}") for port in answers)
    assert row["bytes_received"] == row["bytes_sent"] + 3 * len("echo of ")
    assert row["user"] == ("demo" if login else "anonymous")
    assert row["acl_decision"] == "allow"


# ---- the agent


@pytest.mark.parametrize("login", [True, False], ids=["login", "anonymous"])
def test_agent(front, guarded, serve, tls, node, login):  # noqa: F811
    suite = guarded if login else front
    port = serve(Site, tls=tls)
    targets = [f"https://four.test:{port}/{i}" for i in range(6)]
    told, code = node("agent", url=suite.proxy("socks5h", login), targets=targets,
                      ca=tls.certificate.read_text()).rest()
    assert code == 0, told
    assert told == [{"body": f"hello /{i}\n"} for i in range(6)] + [{"tunnels": 1}]
    suite.record(port, status="closed", user="demo" if login else "anonymous",
                 dest_host="four.test")


def test_agent_tells_errors(front, node):  # noqa: F811
    told, code = node("agent", url=front.proxy("socks5h"),
                      targets=[f"https://four.test:{free_port()}/", "https://x.test/"], ca="").rest()
    assert code == 1 and "ConnectionRefused" in told[0]["error"], told
    assert "HostUnreachable" in told[1]["error"], told
