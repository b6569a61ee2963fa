# SPDX-License-Identifier: MIT
"""A client's side of a UDP association."""
import socket

import wire
from sockets import family_of, free_socket


class Relay:
    """Datagrams to and from the address that the proxy told."""

    def __init__(self, to, source, port=0):
        self.to = to
        self.sock = free_socket(family_of(source), socket.SOCK_DGRAM, source, port)
        self.port = self.sock.getsockname()[1]

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def raw(self, data):
        self.sock.sendto(data, self.to)

    def send(self, host, port, payload=b"", **header):
        self.raw(wire.datagram(host, port, payload, **header))

    def take(self):
        """((host, port) in the header, payload), from the relay itself."""
        data, sender = self.sock.recvfrom(70000)
        assert sender[:2] == self.to, (sender, self.to)
        assert data[:3] == b"\0\0\0", data[:12].hex(" ")
        return wire.split_address(data[3:])
