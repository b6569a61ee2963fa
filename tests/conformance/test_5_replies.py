# SPDX-License-Identifier: MIT
"""Section 5: what is answered (cases 38-41), with the table of section 0."""
import contextlib
import pathlib
import re
import socket
import struct
import subprocess

import pytest
import wire
from namespace import ip
from nameserver import NXDOMAIN
from sockets import family_of
from targets import V4, V6, DeadEnd, Target
from test_10_http import closed_with

NO_NETWORK, NO_HOST = "9.9.9.1", "9.9.9.2"


@pytest.fixture(scope="session")
def routes():
    """Two addresses that lead nowhere, each in its own way."""
    ip(f"route add throw {NO_NETWORK}/32")
    ip(f"route add unreachable {NO_HOST}/32")


def closed_port(host=V4):
    with Target(host) as t:
        return t.port


def refused_thrice(suite, host, port, code, status, reason):
    """The same outcome by each carrier, and its record."""
    end = "rejected" if status == 403 else "failed"
    with suite.client() as c:
        c.enter().ask(host, port).refused(code)
        c.record(close_reason=reason, status=end, reply_code=code, carrier="socks5")
    packed = wire.address(host)
    with suite.client() as c:
        v4 = socket.inet_ntoa(packed[1:]) if packed[0] == 1 else None
        c.send(wire.socks4(v4, port) if v4 else wire.socks4a(packed[2:], port))
        c.ends_with(wire.socks4_reply(wire.SOCKS4_REFUSED))
        c.record(close_reason=reason, status=end, carrier="socks4" if v4 else "socks4a")
    with suite.client() as c:
        target = f"{v4 or packed[2:].decode()}:{port}"
        closed_with(c.send(wire.http(target)), status, reason)
        c.record(close_reason=reason, status=end, carrier="http")


def test_case_38_refused_by_policy(either):
    refused_thrice(either, "evil.com", 80, wire.NOT_ALLOWED, 403, "policy_block")


def test_case_38_hard_deny(either):
    refused_thrice(either, "127.0.0.1", 80, wire.NOT_ALLOWED, 403, "hard_deny")


def test_case_38_connection_refused(either):
    refused_thrice(either, V4, closed_port(), wire.REFUSED, 502, "connect_refused")


def test_case_38_network_unreachable(either, routes):
    refused_thrice(either, NO_NETWORK, 80, wire.NET_UNREACHABLE, 502, "network_unreachable")


def test_case_38_host_unreachable(either, routes):
    refused_thrice(either, NO_HOST, 80, wire.HOST_UNREACHABLE, 502, "host_unreachable")


def test_case_38_no_such_name(either, nameserver):
    nameserver.add("gone.test", rcode=NXDOMAIN)
    refused_thrice(either, "gone.test", 80, wire.HOST_UNREACHABLE, 502, "dns_not_found")


def test_case_38_dial_deadline(quick):
    with DeadEnd() as target:
        refused_thrice(quick, V4, target.port, wire.HOST_UNREACHABLE, 504, "connect_timeout")


def test_case_38_limit(quick):
    """Two sessions of one address; the third is told so."""
    with contextlib.ExitStack() as stack, Target() as target:
        source = "127.10.0.7"
        for _ in range(2):
            c = stack.enter_context(quick.client(source))
            c.enter().ask(target.host, target.port).connected()
            stack.enter_context(target.accept())
        with quick.client(source) as c:
            c.enter().ask(target.host, target.port).refused(wire.NOT_ALLOWED)
        with quick.client(source) as c:
            c.send(wire.socks4(V4, target.port)).ends_with(wire.socks4_reply(wire.SOCKS4_REFUSED))
        with quick.client(source) as c:
            closed_with(c.send(wire.http(f"{V4}:{target.port}")), 403, "limit_source")
        # Another address is not concerned.
        with quick.client() as c:
            c.enter().ask(target.host, target.port).connected()
            target.accept().close()


def test_case_38_acld_is_silent(bare, either):
    for suite in (bare, either):
        with suite.asleep("acld"):
            with suite.client() as c:
                # A port nobody asked for before: no lease has the answer.
                c.enter().ask(V4, 4711).refused(wire.GENERAL)
            if suite is either:
                with suite.client() as d:
                    closed_with(d.send(wire.http(f"{V4}:4711")), 503, "acl_silent")
                with suite.client() as e:
                    e.send(wire.socks4(V4, 4711)).ends_with(wire.socks4_reply(wire.SOCKS4_REFUSED))
        c.record(close_reason="acl_silent", status="failed")


def test_case_38_authd_is_silent(either):
    with either.asleep("authd"):
        with either.client() as c:
            c.send(wire.greeting(wire.USERPASS), wire.login("nobody", "asks")).ends_with(b"\5\2\1\1")
        with either.client() as d:
            head = wire.http(f"{V4}:80", "Proxy-Authorization: Basic bm9ib2R5OmFza3M=")
            closed_with(d.send(head), 503, "auth_silent")
    for client in (c, d):
        client.record(close_reason="auth_silent", status="failed", user="nobody")


def set_descriptors(pid, soft):
    """As the user it runs as, who may."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    uid, gid = (re.search(rf"{kind}:\s+(\d+)", status)[1] for kind in ("Uid", "Gid"))
    command = ["setpriv", "--reuid", uid, "--regid", gid, "--clear-groups"]
    command += ["prlimit", "--pid", str(pid), f"--nofile={soft}:"]
    subprocess.run(command, check=True)


def test_case_38_no_descriptors(either, target):
    """The proxy has its limit taken away: who is in is told 01, and all is
    well when it has it back."""
    pid = either.pid("proxy")
    with either.client() as c, either.client() as warm:
        warm.enter().ask(target.host, target.port).connected()
        target.accept().close()
        c.enter()
        limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
        soft = int(re.search(r"Max open files +(\d+)", limits)[1])
        set_descriptors(pid, 8)
        try:
            c.ask(target.host, target.port).refused(wire.GENERAL)
        finally:
            set_descriptors(pid, soft)
        c.record(close_reason="out_of_resources", status="failed", reply_code=1)
    with either.client() as c:
        c.enter().ask(target.host, target.port).connected()
        target.accept().close()


def checksum(body):
    total = sum(struct.unpack(f"!{len(body) // 2}H", body))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", total ^ 0xFFFF)


class Router(DeadEnd):
    """Nobody answers there but a router, with messages of ICMP."""

    def __init__(self, host):
        super().__init__(host)
        self.v6 = family_of(host) == socket.AF_INET6
        self.seen = {s.getsockname()[1] for s in self.fillers}
        kind = 0x86DD if self.v6 else 0x0800
        self.watch = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(kind))
        self.watch.bind(("lo", kind))
        self.watch.settimeout(20)

    def __exit__(self, *_):
        self.watch.close()
        super().__exit__()

    def attempt(self):
        """The SYN of the next who tries: what a message quotes of it."""
        while True:
            packet = self.watch.recv(2048)[14:]
            size = 40 if self.v6 else (packet[0] & 15) * 4
            source, port = struct.unpack("!HH", packet[size : size + 4])
            tcp = packet[6 if self.v6 else 9] == socket.IPPROTO_TCP
            if tcp and port == self.port and source not in self.seen:
                self.seen.add(source)
                return packet[: size + 8]

    def says(self, kind, code, packet):
        body = struct.pack("!BBHI", kind, code, 0, 0) + packet
        if self.v6:  # the kernel fills the checksum in
            family, proto, source = socket.AF_INET6, socket.IPPROTO_ICMPV6, packet[8:24]
        else:
            family, proto, source = socket.AF_INET, socket.IPPROTO_ICMP, packet[12:16]
            body = body[:2] + checksum(body) + body[4:]
        with socket.socket(family, socket.SOCK_RAW, proto) as s:
            s.sendto(body, (socket.inet_ntop(family, source), 0))


TIME_EXCEEDED = {V4: (11, 0), V6: (3, 0)}
UNREACHABLE = {V4: (3, 1), V6: (1, 3)}


@pytest.mark.parametrize("host", [V4, V6])
def test_case_38_time_exceeded(either, host):
    """The errno is that of a host that is not there: the proxy looks again."""
    with Router(host) as router, either.client() as c:
        c.enter().ask(host, router.port)
        for _ in range(2):
            router.says(*TIME_EXCEEDED[host], router.attempt())
        c.refused(wire.TTL_EXPIRED)
        c.record(close_reason="ttl_expired", status="failed", reply_code=6)


@pytest.mark.parametrize("times", [1, 2])
def test_case_38_host_unreachable_by_icmp(either, times):
    """The same when looked at again, or silence: 04."""
    with Router(V4) as router, either.client() as c:
        c.enter().ask(V4, router.port)
        for _ in range(times):
            router.says(*UNREACHABLE[V4], router.attempt())
        c.refused(wire.HOST_UNREACHABLE)
        c.record(close_reason="host_unreachable", status="failed")


def test_case_38_back_when_looked_at_again(either):
    with Router(V4) as router, either.client() as c:
        c.enter().ask(V4, router.port)
        packet = router.attempt()
        router.listener.listen(128)
        router.says(*UNREACHABLE[V4], packet)
        with router.open():
            c.connected()
        router.attempt()


@pytest.mark.parametrize(
    "addresses, code",
    [
        ([NO_HOST, NO_NETWORK, V4], wire.REFUSED),
        ([V4, NO_NETWORK], wire.REFUSED),
        ([NO_NETWORK, NO_HOST], wire.NET_UNREACHABLE),
        ([NO_HOST, NO_NETWORK], wire.NET_UNREACHABLE),
    ],
)
def test_case_38_the_failure_nearest_to_success(either, nameserver, routes, addresses, code):
    name = nameserver.add(f"fail-{code}-{len(addresses)}-{addresses[0]}.test", A=addresses)
    with either.client() as c:
        c.enter().ask(name, closed_port()).refused(code)
        c.record(status="failed", dest_host=name)


@pytest.mark.parametrize("host", [V4, V6, f"::ffff:{V4}"])
def test_case_39_bound_is_what_the_target_sees(either, host):
    with Target(V6 if host == V6 else V4) as target, either.client() as c:
        bound = c.enter().ask(host, target.port).connected()
        target.accept().close()
        assert bound == target.peer and family_of(bound[0]) == family_of(target.host)


def test_case_39_masked(bare, target):
    with bare.client() as c:
        c.enter().ask(target.host, target.port).expect(wire.refusal(wire.OK))
        target.accept().close()


REFUSALS = {
    "policy": wire.request("evil.com", 80),
    "hard-deny": wire.request("127.0.0.1", 80),
    "command": wire.request(V4, 80, command=9),
    "atyp": b"\5\1\0\2",
    "name": wire.request("a b", 80),
    "port": wire.request(V4, 0),
    "dns": wire.request("nothing-here.test", 80),
    "refused": wire.request(V4, 9),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_case_40_ten_bytes_at_once(either, name):
    """A reader of short reads gets all of it: one write, one segment."""
    with either.client() as c:
        c.enter().send(REFUSALS[name])
        first = c.sock.recv(64)
        assert len(first) == 10 and first[0] == 5 and first[1] and first[2:] == b"\0\1" + bytes(6)
        c.ends_with(b"")


def test_case_41_the_answer_survives_pending_input(either):
    """What is in flight when the refusal is sent makes no reset, and nobody
    waits for a client that never leaves."""
    with either.client() as c:
        c.enter().send(wire.request("evil.com", 80), b"x" * 200000)
        c.refused(wire.NOT_ALLOWED)
        c.send(b"more")
        either.wait_empty()
    with either.client() as c:
        c.enter().send(wire.request("evil.com", 80)).expect(wire.refusal(wire.NOT_ALLOWED))
        with contextlib.suppress(ConnectionError):
            # A client that goes on for ever is cut off.
            while True:
                c.sock.sendall(b"x" * 1000)
        either.wait_empty()



