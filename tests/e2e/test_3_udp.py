# SPDX-License-Identifier: MIT
"""UDP through the whole suite: what passes, what the rules stop, what history says."""
import socket
import struct
import urllib.request

import pytest
from stack import wait_for

pytestmark = pytest.mark.both_databases


class Association:
    def __init__(self, stack):
        self.control = socket.create_connection(("127.0.0.1", stack.socks), 20)
        user, password = stack.user.encode(), stack.password.encode()
        self.control.sendall(b"\5\1\2\1%c%s%c%s" % (len(user), user, len(password), password))
        self.control.sendall(b"\5\3\0\1\0\0\0\0\0\0")
        answer = b""
        while len(answer) < 14:
            more = self.control.recv(14 - len(answer))
            assert more, answer
            answer += more
        assert answer[:8] == b"\5\2\1\0\5\0\0\1", answer
        self.relay = socket.inet_ntoa(answer[8:12]), int.from_bytes(answer[12:], "big")
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.sock.settimeout(20)

    def send(self, address, payload):
        host = b"\3%c%s" % (len(address[0]), address[0].encode())
        if address[0][0].isdigit():
            host = b"\1" + socket.inet_aton(address[0])
        self.sock.sendto(b"\0\0\0" + host + struct.pack(">H", address[1]) + payload, self.relay)

    def take(self):
        data = self.sock.recv(65536)
        assert data[:3] == b"\0\0\0", data
        size = {1: 4, 4: 16}[data[3]]
        family = socket.AF_INET if size == 4 else socket.AF_INET6
        port = int.from_bytes(data[4 + size : 6 + size], "big")
        return socket.inet_ntop(family, data[4 : 4 + size]), port, data[6 + size :]

    def close(self):
        self.control.close()
        self.sock.close()


def target():
    """Of both families: localhost may be either."""
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.bind(("::", 0))
    s.settimeout(20)
    return s, s.getsockname()[1]


def refused(stack):
    page = urllib.request.urlopen(f"http://127.0.0.1:{stack.admin}/metrics", timeout=20).read().decode()
    name = 'sallyport_proxy_udp_datagrams_total{direction="sent",result="refused"} '
    return next(int(line[len(name):]) for line in page.splitlines() if line.startswith(name))


def test_datagrams_and_their_record(stack):
    association = Association(stack)
    (one, port), (two, other_port) = target(), target()
    association.send(("localhost", port), b"question")
    data, world = one.recvfrom(100)
    assert data == b"question"
    assert world[1] != association.relay[1], "one socket for both sides"
    one.sendto(b"answer", world)
    host, *answer = association.take()
    assert answer == [port, b"answer"] and host in ("127.0.0.1", "::1")
    association.send(("127.0.0.1", other_port), b"x" * 1000)
    assert two.recv(2000) == b"x" * 1000
    # Blocked by a rule, and by the hard-deny set that no rule opens.
    association.send(("127.0.0.1", 25), b"mail")
    association.send(("169.254.169.254", 80), b"metadata")
    wait_for("two refusals", lambda: refused(stack) == 2)
    assert stack.history() == []
    association.close()

    (row,) = stack.wait_history(1)
    assert (row["command"], row["protocol"], row["carrier"]) == ("udp", "udp", "socks5")
    assert (row["status"], row["close_reason"]) == ("closed", "control_closed")
    assert (row["dest_host"], row["dest_ip"], row["dest_port"]) == ("localhost", host, port)
    assert row["destinations"] == 2
    assert (row["packets_sent"], row["packets_received"]) == (2, 1)
    assert (row["bytes_sent"], row["bytes_received"]) == (1008, 6)
    assert (row["acl_decision"], row["acl_rule_matched"]) == ("allow", "demo-loopback")
    one.close()
    two.close()
