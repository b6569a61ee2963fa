# SPDX-License-Identifier: MIT
"""Raw sockets that see every byte, and which end it was."""
import contextlib
import itertools
import pathlib
import select
import socket
import struct

import wire
from stack import wait_for

IP_FREEBIND = 15
PATIENCE = 20
# Each client comes from an address of its own, by which its record is found.
numbers = itertools.count(256)


def free_socket(family, kind, address, port=0):
    """Bound to any address: in this namespace all of them are local."""
    s = socket.socket(family, kind)
    try:
        s.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        s.bind((address, port))
        s.settimeout(PATIENCE)
    except OSError:
        s.close()
        raise
    return s


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def new_source(net=10):
    n = next(numbers)
    return f"127.{net}.{n >> 8 & 255}.{n & 255}"


def reset(s):
    """Closes with RST."""
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def read_exactly(s, n):
    data = b""
    while len(data) < n:
        more = s.recv(n - len(data))
        assert more, f"the end came after {data!r}, {n} bytes were due"
        data += more
    return data


def read_to_end(s):
    """(all that comes, "FIN" or "RST")."""
    data = bytearray()
    try:
        while more := s.recv(65536):
            data += more
    except (ConnectionResetError, BrokenPipeError):
        return bytes(data), "RST"
    return bytes(data), "FIN"


def quiet(s):
    """Nothing to read now, not even an end."""
    if not select.select([s], [], [], 0)[0]:
        return True
    raise AssertionError(f"{s.recv(64)!r} came, nothing was due")


def tcp_table():
    """{(local, remote ports): (bytes not sent, bytes not read)} here."""
    found = {}
    for name in ("tcp", "tcp6"):
        for line in pathlib.Path("/proc/net", name).read_text().splitlines()[1:]:
            words = line.split()
            ports = tuple(int(w.rpartition(":")[2], 16) for w in words[1:3])
            addresses = tuple(w.rpartition(":")[0] for w in words[1:3])
            found[addresses + ports] = tuple(int(n, 16) for n in words[4].split(":"))
    return found


def hex_address(address):
    packed = socket.inet_pton(family_of(address), address)
    words = struct.unpack(f"={len(packed) // 4}I", packed)
    return "".join(f"{word:08X}" for word in words)


class Client:
    """A client of the stack, from an address nobody else has."""

    def __init__(self, stack, source=None, address="127.0.0.1"):
        self.stack = stack
        self.source = source or new_source()
        # Ports may meet where addresses differ, and the log tells ports only.
        port = 10000 + next(numbers) % 20000
        self.sock = free_socket(family_of(self.source), socket.SOCK_STREAM, self.source, port)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.connect((address, stack.socks))
        self.port = self.sock.getsockname()[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    # ---- bytes

    def send(self, *parts):
        with contextlib.suppress(ConnectionError):
            self.sock.sendall(b"".join(parts))
        return self

    def take(self, n):
        return read_exactly(self.sock, n)

    def expect(self, data):
        """Exactly these bytes come next."""
        got = self.take(len(data))
        assert got == data, f"{got.hex(' ')} instead of {data.hex(' ')}"
        return self

    def ends_with(self, data, end="FIN"):
        """These bytes come, then the end, and nothing else."""
        got = read_to_end(self.sock)
        assert got == (data, end), f"{got[0].hex(' ')} {got[1]}, not {data.hex(' ')} {end}"
        return self

    def sock_to_end(self):
        """All that comes until the end, whichever."""
        return read_to_end(self.sock)[0]

    def finish(self):
        """Nothing more is sent."""
        self.sock.shutdown(socket.SHUT_WR)
        return self

    def reset(self):
        reset(self.sock)

    def backlog(self):
        """Bytes the proxy has not read yet, or None if its socket is gone."""
        here, there = self.sock.getsockname(), self.sock.getpeername()
        key = (hex_address(there[0]), hex_address(here[0]), there[1], here[1])
        queues = tcp_table().get(key)
        return None if queues is None else queues[1]

    def wait_read(self):
        """Until the proxy has taken from its socket all that was sent."""
        wait_for("the proxy to read", lambda: not self.backlog())

    # ---- messages

    def enter(self):
        """Whatever it takes to be let in."""
        return self.send(self.stack.hello).expect(self.stack.welcome)

    def ask(self, host, port, command=wire.CONNECT):
        return self.send(wire.request(host, port, command))

    def reply(self):
        """(code, (host, port)) of the SOCKS5 reply that comes."""
        head = self.take(4)
        assert head[0] == 5 and head[2] == 0 and head[3] in (1, 4), head.hex(" ")
        rest = self.take((4 if head[3] == 1 else 16) + 2)
        return head[1], wire.split_address(head[3:] + rest)[0]

    def connected(self):
        """The reply is a success; the bound address."""
        code, bound = self.reply()
        assert code == wire.OK, f"reply {code:02x}"
        return bound

    def refused(self, code):
        """The ten bytes of that refusal, then FIN."""
        return self.ends_with(wire.refusal(code))

    def record(self, **fields):
        """The one record of this client, which says all of this."""
        return self.stack.record(self.source, **fields)
