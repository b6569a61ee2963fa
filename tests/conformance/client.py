# SPDX-License-Identifier: MIT
"""A client that sees every byte of its connection, and which end it was."""
import contextlib
import itertools
import socket

import wire
from sockets import family_of, free_socket, hex_address, read_exactly, read_to_end, reset, tcp_table
from stack import wait_for
from udp import Relay

# Each client comes from an address of its own, by which its record is found.
numbers = itertools.count(256)


def new_source(net=10):
    n = next(numbers)
    return f"127.{net}.{n >> 8 & 255}.{n & 255}"


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

    def associate(self, host="0.0.0.0", port=0, source=None, sport=0):
        """A UDP association, and a socket of this client to use it by."""
        self.ask(host, port, wire.UDP)
        bound = self.connected()
        return Relay(bound, source or self.source, sport)

    def refused(self, code):
        """The ten bytes of that refusal, then FIN."""
        return self.ends_with(wire.refusal(code))

    def record(self, **fields):
        """The one record of this client, which says all of this."""
        return self.stack.record(self.source, **fields)
