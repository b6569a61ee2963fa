# SPDX-License-Identifier: MIT
"""What is connected to: servers on any address, under the test's hand."""
import contextlib
import ipaddress
import socket
import threading

from sockets import family_of, free_socket, read_exactly

# Public addresses, which the policies of the suite allow.
V4, V6 = "9.0.0.1", "2600::1"


class Target:
    """A TCP listener whose connections the test accepts itself."""

    def __init__(self, host=V4, port=0, backlog=128):
        self.listener = free_socket(family_of(host), socket.SOCK_STREAM, host, port)
        self.listener.listen(backlog)
        self.host = host
        self.port = self.listener.getsockname()[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()

    def accept(self):
        s, self.peer = self.listener.accept()
        self.peer = self.peer[:2]
        s.settimeout(20)
        return s

    def untouched(self):
        """Nobody has come."""
        self.listener.setblocking(False)
        try:
            peer = self.listener.accept()[1]
        except BlockingIOError:
            return True
        finally:
            self.listener.settimeout(20)
        raise AssertionError(f"{peer} reached {self.host}:{self.port}")


class DeadEnd(Target):
    """Takes no connection until open() is called: its queue is full, so that
    SYNs are dropped."""

    def __init__(self, host=V4):
        super().__init__(host, backlog=0)
        self.fillers, self.ports = [], set()
        while not self.full():
            pass

    def full(self):
        s = socket.socket(family_of(self.host))
        s.settimeout(0.1)
        self.fillers.append(s)
        try:
            s.connect((self.host, self.port))
        except TimeoutError:
            return True
        self.ports.add(s.getsockname()[1])
        return False

    def open(self):
        """From now on those who knock are let in; the first who is not ours."""
        for s in self.fillers:
            s.close()
        self.listener.listen(128)
        while True:
            s = self.accept()
            if self.peer[1] not in self.ports:
                return s
            s.close()

    def __exit__(self, *_):
        for s in self.fillers:
            s.close()
        super().__exit__()


class Echo(Target):
    """Says everything back, on any number of connections."""

    def __init__(self, host=V4, port=0):
        super().__init__(host, port)
        self.listener.settimeout(None)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                s, _ = self.listener.accept()
                threading.Thread(target=self.echo, args=(s,), daemon=True).start()

    @staticmethod
    def echo(s):
        s.settimeout(None)
        with s, contextlib.suppress(OSError):
            while data := s.recv(65536):
                s.sendall(data)

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        super().__exit__()


class Canary:
    """TCP and UDP on every address of this namespace, at one port. Nothing
    may ever reach it but what proves that it can be reached."""

    def __init__(self):
        self.tcp, self.udp = [], []
        first = free_socket(socket.AF_INET, socket.SOCK_STREAM, "0.0.0.0")
        self.port = first.getsockname()[1]
        self.tcp.append(first)
        self.tcp.append(free_socket(socket.AF_INET6, socket.SOCK_STREAM, "::", self.port))
        for s in self.tcp:
            s.listen(1024)
        for host in ("0.0.0.0", "::"):
            self.udp.append(free_socket(family_of(host), socket.SOCK_DGRAM, host, self.port))
        for s in self.tcp + self.udp:
            s.setblocking(False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for s in self.tcp + self.udp:
            s.close()

    def sings(self, host):
        """Whether a connection to that address gets here, by TCP and UDP."""
        family = family_of(host)
        at = family == socket.AF_INET6 and not ipaddress.ip_address(host).ipv4_mapped
        with socket.socket(family) as s, socket.socket(family, socket.SOCK_DGRAM) as u:
            try:
                s.settimeout(5)
                s.connect((host, self.port))
                u.sendto(b"tweet", (host, self.port))
            except OSError:
                return False
            self.heard(self.tcp[at], lambda: self.tcp[at].accept()[0].close())
            self.heard(self.udp[at], lambda: self.udp[at].recv(16))
        return True

    @staticmethod
    def heard(listener, take):
        listener.settimeout(5)
        take()
        listener.setblocking(False)

    def assert_silent(self):
        for s in self.tcp:
            with contextlib.suppress(BlockingIOError):
                raise AssertionError(f"reached by TCP: {s.accept()}")
        for s in self.udp:
            with contextlib.suppress(BlockingIOError):
                raise AssertionError(f"reached by UDP: {s.recvfrom(100)}")


class UdpTarget:
    """A UDP socket that the test reads and writes itself."""

    def __init__(self, host=V4, port=0):
        self.sock = free_socket(family_of(host), socket.SOCK_DGRAM, host, port)
        self.host, self.port = self.sock.getsockname()[:2]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def take(self):
        """(payload, sender) of the next datagram."""
        data, sender = self.sock.recvfrom(70000)
        return data, sender[:2]

    def send(self, data, to):
        self.sock.sendto(data, to)

    def drain(self, payload, most):
        """All that is here are such datagrams, some, but not too many."""
        self.sock.setblocking(False)
        count = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                assert self.sock.recv(100) == payload
                count += 1
        self.sock.settimeout(20)
        assert 0 < count <= most

    def untouched(self):
        self.sock.setblocking(False)
        try:
            came = self.sock.recvfrom(70000)
        except BlockingIOError:
            return True
        finally:
            self.sock.settimeout(20)
        raise AssertionError(f"{came} reached {self.host}:{self.port}")


def echo_once(client_sock, target_sock, data=b"ping"):
    """The two are joined, both ways."""
    client_sock.sendall(data)
    assert read_exactly(target_sock, len(data)) == data
    target_sock.sendall(data[::-1])
    assert read_exactly(client_sock, len(data)) == data[::-1]
