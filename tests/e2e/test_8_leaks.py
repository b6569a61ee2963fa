# SPDX-License-Identifier: MIT
"""After many connections of every kind, left at every stage, the proxy holds the
descriptors and the memory it held before. `./test.sh leaks` makes 100,000."""
import base64
import concurrent.futures
import os
import pathlib
import socket
import struct

import pytest

from stack import wait_for

CONNECTIONS = int(os.environ.get("SALLYPORT_LEAK_CONNECTIONS", 6000))
# What an allocator and full caches may add; a leak of a kind grows without end.
GROWTH_KIB = 4096
CLIENTS = 12


class Client:
    """One connection; each step sends, and reads what is owed for it."""

    def __init__(self, stack, port):
        self.stack, self.port = stack, port
        self.s = socket.create_connection(("127.0.0.1", stack.socks), 20)

    def read(self, n):
        got = b""
        while len(got) < n:
            more = self.s.recv(n - len(got))
            assert more, got
            got += more
        return got

    def greet(self):
        self.s.sendall(b"\5\1\2")
        assert self.read(2) == b"\5\2"

    def login(self, password=None):
        user = self.stack.user.encode()
        secret = (password or self.stack.password).encode()
        self.s.sendall(b"\1%c%s%c%s" % (len(user), user, len(secret), secret))

    def enter(self):
        self.greet()
        self.login()
        assert self.read(2) == b"\1\0"

    def ask(self, command=1, host="127.0.0.1", port=None):
        port = self.port if port is None else port
        self.s.sendall(b"\5%c\0\1" % command + socket.inet_aton(host) + port.to_bytes(2, "big"))

    def reply(self):
        return self.read(10)[1]

    def close(self, reset):
        if reset:
            self.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.s.close()


def http_get(c):
    c.s.sendall(b"GET /leak HTTP/1.0\r\n\r\n")
    answer = b""
    while more := c.s.recv(4096):
        answer += more
    assert answer.endswith(b"hello /leak\n"), answer


def connect_request(c, login):
    secret = base64.b64encode(f"{c.stack.user}:{c.stack.password}".encode()).decode()
    head = f"Proxy-Authorization: Basic {secret}\r\n" if login else ""
    c.s.sendall(f"CONNECT 127.0.0.1:{c.port} HTTP/1.1\r\n{head}\r\n".encode())


# ---- stages at which a connection may be left, whole ones among them


def nothing(c):
    pass


def half_a_greeting(c):
    c.s.sendall(b"\5")


def greeted(c):
    c.greet()


def half_a_login(c):
    c.greet()
    c.s.sendall(b"\1\4de")


def login_out(c):
    c.greet()
    c.login()


def logged_in(c):
    c.enter()


def half_a_request(c):
    c.enter()
    c.s.sendall(b"\5\1\0\1\x7f")


def asked(c):
    c.enter()
    c.ask()


def name_asked(c):
    c.enter()
    c.s.sendall(b"\5\1\0\3\x09localhost" + c.port.to_bytes(2, "big"))


def connected(c):
    c.enter()
    c.ask()
    assert c.reply() == 0


def in_the_middle(c):
    connected(c)
    c.s.sendall(b"GET /leak HTTP/1.0\r\n")


def whole(c):
    connected(c)
    http_get(c)


def refused(c):
    c.enter()
    c.ask(port=25)
    assert c.reply() == 2


def nobody_there(c):
    c.enter()
    c.ask(port=9)
    assert c.reply() == 5


def malformed(c):
    c.enter()
    c.s.sendall(b"\5\1\0\3\x03a b\0\x50")
    assert c.reply() == 1


def bind_left(c):
    c.enter()
    c.ask(2, port=0)
    assert c.reply() == 0


def bind_called(c):
    c.enter()
    c.ask(2, port=0)
    answer = c.read(10)
    port = int.from_bytes(answer[8:], "big")
    with socket.create_connection(("127.0.0.1", port), 20) as peer:
        assert c.reply() == 0
        peer.sendall(b"x")
        assert c.read(1) == b"x"


def associated(c):
    c.enter()
    c.ask(3, "0.0.0.0", 0)
    answer = c.read(10)
    assert answer[1] == 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        frame = b"\0\0\0\1" + socket.inet_aton("127.0.0.1") + b"\0\7" + b"x"
        udp.sendto(frame, ("127.0.0.1", int.from_bytes(answer[8:], "big")))


def socks4(c):
    c.s.sendall(b"\4\1" + c.port.to_bytes(2, "big") + b"\x7f\0\0\1me\0")
    assert c.read(8)[1] == 0x5B


def half_a_head(c):
    c.s.sendall(b"CONNECT 127.0.0.1:80 HTTP/1.1\r\nX: ")


def http_unknown(c):
    connect_request(c, False)
    assert c.read(12) == b"HTTP/1.1 407"


def http_whole(c):
    connect_request(c, True)
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += c.read(1)
    assert answer.startswith(b"HTTP/1.1 200"), answer
    http_get(c)


STAGES = (nothing, half_a_greeting, greeted, half_a_login, login_out, logged_in, half_a_request,
          asked, name_asked, connected, in_the_middle, whole, refused, nobody_there, malformed,
          bind_left, bind_called, associated, socks4, half_a_head, http_unknown, http_whole)


def leave(stack, port, number):
    stage = STAGES[number % len(STAGES)]
    c = Client(stack, port)
    try:
        stage(c)
    except (AssertionError, OSError) as error:
        raise AssertionError(f"{stage.__name__}: {error!r}") from error
    finally:
        c.close(reset=number // len(STAGES) % 2)


def leave_many(stack, port, n):
    """Each kind by a FIN and by a RST, from many clients at once."""
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        for _ in pool.map(lambda i: leave(stack, port, i), range(n), chunksize=1):
            pass


def descriptors(pid):
    return len(list(pathlib.Path(f"/proc/{pid}/fd").iterdir()))


def memory_kib(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0])


def quiet(stack, pid, most):
    """Once everything that was left is over: (descriptors, memory)."""
    wait_for("no session to be left",
             lambda: stack.api("/api/sessions/active")[1].get("items") == [])

    def few():
        n = descriptors(pid)
        return n if n <= most else None

    return wait_for("the proxy to let go of what was left", few), memory_kib(pid)


@pytest.fixture
def small_caches(monkeypatch):
    """The decision on each peer of a BIND is remembered, and its port is always
    another: that is a cache, full at 65,536, and not what is looked for."""
    monkeypatch.setenv("SALLYPORT_PROXY__LEASE__ENTRIES", "64")


def test_nothing_is_kept(small_caches, stack, servers):
    pid = stack.pid("proxy")
    before = descriptors(pid)
    # Caches, pools and the allocator take what they will: that is the start.
    leave_many(stack, servers.port, max(len(STAGES) * 40, CONNECTIONS // 20))
    wait_for("quiet", lambda: stack.api("/api/sessions/active")[1].get("items") == [])
    fds, memory = quiet(stack, pid, before + 8)
    curve = []
    for _ in range(5):
        leave_many(stack, servers.port, CONNECTIONS // 5)
        curve.append(memory_kib(pid))
    fds_after, memory_after = quiet(stack, pid, fds)
    print(f"{CONNECTIONS} connections: {fds} -> {fds_after} descriptors, "
          f"{memory} -> {curve} -> {memory_after} KiB")
    assert stack.pid("proxy") == pid, "the proxy was started again"
    assert fds_after <= fds
    # Sanitizers keep what was freed, and tell of leaks themselves.
    assert "ASAN_OPTIONS" in os.environ or memory_after - memory < GROWTH_KIB
