# SPDX-License-Identifier: MIT
"""Section 8: UDP ASSOCIATE (cases 57-76)."""
import contextlib
import os
import re
import select
import socket
import subprocess

import pytest
import wire
from sockets import NET, free_socket, quiet, reset
from stack import wait_for
from targets import V4, V6, UdpTarget
from udp import Relay
from wire import UDP, as_name, datagram

METRIC = "proxy_udp_datagrams_total"


def up(result):
    """The labels of a datagram from the client."""
    return f'direction="sent",result="{result}"'


def down(result):
    return f'direction="received",result="{result}"'


def through(relay, target, data=b"ping", host=None):
    """There and back; what the target sees as the sender."""
    relay.send(host or target.host, target.port, data)
    got, sender = target.take()
    assert got == data
    target.send(data[::-1], sender)
    assert relay.take() == ((target.host, target.port), data[::-1])
    return sender


def alive(c, relay, target):
    """The association still works."""
    through(relay, target, os.urandom(8))
    assert quiet(c.sock)


@contextlib.contextmanager
def association(suite, source=None, **how):
    with suite.client(source) as c:
        c.enter()
        with c.associate(**how) as relay:
            if suite.name == "options":
                # Nobody translates the advertised address here.
                relay.to = ("127.0.0.1", relay.to[1])
            yield c, relay


@pytest.mark.parametrize("source", [None, "::1"])
@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_case_57_port_is_learnt(either, udp_target, source, host):
    """Either ATYP over either family: the first valid datagram tells."""
    with association(either, source, host=host) as (c, relay):
        alive(c, relay, udp_target)


def test_case_57_from_the_first_valid_datagram(either, udp_target):
    """What is not one teaches nothing."""
    with association(either) as (c, relay), Relay(relay.to, c.source) as other:
        with either.counts(METRIC, up("header")), either.counts(METRIC, up("fragment")):
            other.raw(b"\0\0")
            other.send(V4, udp_target.port, b"x", frag=1)
        alive(c, relay, udp_target)
        with either.counts(METRIC, up("source")):
            other.send(V4, udp_target.port, b"late")
        assert udp_target.untouched()


def test_case_58_locked_from_the_start(either, udp_target):
    with either.client() as c:
        c.enter()
        own = free_socket(socket.AF_INET, socket.SOCK_DGRAM, c.source)
        port = own.getsockname()[1]
        own.close()
        with c.associate(c.source, port, sport=port) as relay, Relay(relay.to, c.source) as other:
            with either.counts(METRIC, up("source")):
                other.send(V4, udp_target.port, b"too early")
            assert udp_target.untouched()
            alive(c, relay, udp_target)


@pytest.mark.parametrize("host", ["192.168.7.7", "10.0.0.9", "fd00::7", "9.0.0.77"])
def test_case_59_private_address_is_ignored(either, udp_target, host):
    """The control peer's counts; the port is no more than a hint."""
    with association(either, host=host, port=4242) as (c, relay):
        alive(c, relay, udp_target)
    with free_socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM, host) as s:
        with association(either, host=host, port=s.getsockname()[1]) as (c, relay):
            if ":" not in host:
                with either.counts(METRIC, up("source")):
                    s.sendto(datagram(V4, udp_target.port, b"forged"), relay.to)
            alive(c, relay, udp_target)
    assert udp_target.untouched()


def test_case_60_other_sources(either, udp_target):
    """Another address before and after the lock, another port after it."""
    with association(either) as (c, relay):
        for port in (0, relay.port):
            with Relay(relay.to, "127.99.0.1", port) as thief:
                with either.counts(METRIC, up("source"), by=20):
                    for _ in range(20):
                        thief.send(V4, udp_target.port, b"stolen")
        alive(c, relay, udp_target)
        with Relay(relay.to, c.source) as other, either.counts(METRIC, up("source"), by=20):
            for _ in range(20):
                other.send(V4, udp_target.port, b"stolen")
        alive(c, relay, udp_target)
    assert udp_target.untouched()


def test_case_60_new_port_by_an_option(options, udp_target):
    with association(options) as (c, relay):
        alive(c, relay, udp_target)
        with Relay(relay.to, c.source) as moved:
            alive(c, moved, udp_target)
        with Relay(relay.to, "127.99.0.1") as thief, options.counts(METRIC, up("source")):
            thief.send(V4, udp_target.port, b"stolen")
    assert udp_target.untouched()


@pytest.mark.parametrize("source", [None, "::1"])
def test_case_61_bound_address(either, source):
    with association(either, source) as (c, relay):
        assert relay.to[0] == c.sock.getpeername()[0] and relay.to[1] > 0


def test_case_61_advertised(options):
    for source, address in ((None, "127.0.0.2"), ("127.20.0.2", "192.0.2.1")):
        with options.client(source) as c:
            host, port = c.enter().ask("0.0.0.0", 0, UDP).connected()
            assert host == address and 42000 <= port <= 42099


@pytest.mark.parametrize("frag", [1, 2, 127, 0x80, 0x81, 255])
def test_case_62_fragments(either, udp_target, frag):
    with association(either) as (c, relay), either.counts(METRIC, up("fragment")):
        alive(c, relay, udp_target)
        relay.send(V4, udp_target.port, b"part", frag=frag)
        alive(c, relay, udp_target)
    assert udp_target.untouched()


@pytest.mark.parametrize("rsv", [1, 0x100, 0xFFFF])
def test_case_63_rsv(either, udp_target, rsv):
    with association(either) as (c, relay), either.counts(METRIC, up("header")):
        relay.send(V4, udp_target.port, b"other", rsv=rsv)
        alive(c, relay, udp_target)
    assert udp_target.untouched()


WHOLE = datagram(V4, 80, b"")
MALFORMED = [WHOLE[:n] for n in range(len(WHOLE))] + [
    b"\0\0\0\4" + bytes(17),
    b"\0\0\0\0" + bytes(20),
    b"\0\0\0\2" + bytes(20),
    b"\0\0\0\x05" + bytes(20),
    b"\0\0\0\xff" + bytes(20),
    b"\0\0\0\3",
    b"\0\0\0\3\0\0\x50",
    b"\0\0\0\3\xff" + b"a" * 200,
    b"\0\0\0\3\x05abcde\0",
    datagram(as_name("a b.test"), 80),
    datagram(as_name("127.1"), 80),
    datagram(as_name(b"a\0b.test"), 80),
    datagram(V4, 0, b"port 0"),
]


def test_case_64_malformed(either, udp_target):
    with association(either) as (c, relay):
        alive(c, relay, udp_target)
        with either.counts(METRIC, up("header"), by=len(MALFORMED)):
            for data in MALFORMED:
                relay.raw(data)
        alive(c, relay, udp_target)


def test_case_65_empty_payload(either, udp_target):
    with association(either) as (c, relay):
        through(relay, udp_target, b"")
        alive(c, relay, udp_target)


def test_case_66_names(either, nameserver, udp_target):
    """Resolved and judged like those of CONNECT, and not asked again."""
    nameserver.add("udp.test", A=V4, ttl=300)
    nameserver.add("udp-inside.test", A=["127.0.0.1"])
    with association(either) as (c, relay):
        for _ in range(3):
            through(relay, udp_target, host="Udp.Test.")
        assert len({kind for kind, _ in nameserver.questions("udp.test")}) == len(nameserver.questions("udp.test"))
        with either.counts(METRIC, up("refused"), by=3):
            relay.send("evil.com", udp_target.port, b"x")
            relay.send("udp-inside.test", udp_target.port, b"x")
            relay.send("EVIL.com.", udp_target.port, b"x")
        with either.counts(METRIC, up("unresolved")):
            relay.send("nobody.test", udp_target.port, b"x")
        alive(c, relay, udp_target)
    assert udp_target.untouched()


@pytest.mark.parametrize("source", [None, "::1"])
def test_case_67_both_families(either, source):
    with UdpTarget(V4) as four, UdpTarget(V6) as six:
        with association(either, source) as (c, relay):
            for target in (six, four, six, four):
                alive(c, relay, target)


def test_case_68_each_destination_is_judged(either, udp_target):
    """As are those after one that was allowed."""
    refused = ["9.66.0.1", "9.67.0.1", "2600:66::1", "127.0.0.1", "10.0.0.1", "::ffff:127.0.0.1", "0.0.0.0"]
    with contextlib.ExitStack() as stack, association(either) as (c, relay):
        alive(c, relay, udp_target)
        inside = [stack.enter_context(UdpTarget(host)) for host in ("9.66.0.1", "9.67.0.1", "127.0.0.1")]
        with either.counts(METRIC, up("refused"), by=len(refused) * 2 + 1):
            for host in refused:
                for target in inside[:2]:
                    relay.send(host, target.port, b"x")
            relay.send(V4, 25, b"x")
        for target in inside:
            assert target.untouched()
        alive(c, relay, udp_target)


@pytest.mark.parametrize("host", [V4, V6, f"::ffff:{V4}", as_name(V4)])
def test_case_69_header_of_a_reply(either, host):
    """The real sender, an IPv4 one as IPv4."""
    with UdpTarget(V6 if host == V6 else V4) as target, association(either) as (_, relay):
        relay.send(host, target.port, b"q")
        _, sender = target.take()
        target.send(b"answer", sender)
        data, _ = relay.sock.recvfrom(100)
        assert data == b"\0\0\0" + wire.address(target.host) + wire.port_bytes(target.port) + b"answer"


def test_case_70_never_contacted(either, udp_target):
    """Another port, another address: dropped, until contacted itself."""
    with association(either) as (c, relay), UdpTarget(V4) as port, UdpTarget("9.0.0.2", udp_target.port) as host:
        sender = through(relay, udp_target)
        with either.counts(METRIC, down("unsolicited"), by=2):
            port.send(b"unasked", sender)
            host.send(b"unasked", sender)
        alive(c, relay, udp_target)
        relay.send(port.host, port.port, b"now")
        port.take()
        port.send(b"asked", sender)
        assert relay.take() == ((port.host, port.port), b"asked")


def test_case_70_full_cone_by_an_option(options, udp_target):
    with association(options) as (_, relay), UdpTarget("9.0.0.2") as other:
        sender = through(relay, udp_target)
        other.send(b"unasked", sender)
        assert relay.take() == ((other.host, other.port), b"unasked")


@pytest.mark.parametrize("size", [1400, 1500, 9000, 65000, 65497])
def test_case_71_large(either, udp_target, size):
    """65,507 bytes is what a datagram holds, the header included."""
    with association(either) as (c, relay):
        relay.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        udp_target.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        through(relay, udp_target, os.urandom(size))
        alive(c, relay, udp_target)


@pytest.mark.parametrize("size", [65498, 65507])
def test_case_71_does_not_fit_with_its_header(either, udp_target, size):
    """Dropped and counted, never cut."""
    with association(either) as (c, relay):
        sender = through(relay, udp_target)
        with either.counts(METRIC, down("too_large")):
            udp_target.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
            udp_target.send(bytes(size), sender)
        alive(c, relay, udp_target)


def bound_here(port):
    """Whether a UDP socket of this namespace has the port."""
    for name in ("udp", "udp6"):
        with open(f"{NET}/{name}", encoding="ascii") as table:
            if any(int(line.split()[1].rpartition(":")[2], 16) == port for line in list(table)[1:]):
                return True
    return False


@pytest.mark.parametrize("how", ["FIN", "RST"])
def test_case_72_ends_with_the_control_connection(either, udp_target, how):
    with association(either) as (c, relay):
        sender = through(relay, udp_target, b"four")
        assert bound_here(relay.to[1]) and bound_here(sender[1])
        reset(c.sock) if how == "RST" else c.close()
        wait_for("the sockets to close", lambda: not bound_here(relay.to[1]) and not bound_here(sender[1]))
        row = c.record(command="udp", protocol="udp", status="closed", close_reason="control_closed")
    assert (row["bytes_sent"], row["bytes_received"]) == (4, 4)
    assert (row["packets_sent"], row["packets_received"]) == (1, 1)
    assert (row["dest_ip"], row["dest_port"], row["destinations"]) == (V4, udp_target.port, 1)


def test_case_73_noise_on_the_control_connection(either, udp_target):
    with association(either) as (c, relay):
        c.send(b"GET / HTTP/1.1\r\n\r\n", wire.request(V4, 80), b"x" * 60000).wait_read()
        alive(c, relay, udp_target)
        c.send(b"x" * 10000)
        assert c.sock_to_end() == b""
        wait_for("the socket to close", lambda: not bound_here(relay.to[1]))
        c.record(command="udp", close_reason="invalid_request")


def test_case_74_idle(quick, udp_target):
    """Datagrams keep it; silence ends both, control connection too."""
    with association(quick) as (idle, idle_relay), association(quick) as (c, relay):
        while idle_alive(idle.sock):
            through(relay, udp_target)
        assert idle.sock_to_end() == b""
        alive(c, relay, udp_target)
        assert c.sock_to_end() == b""
        for port in (relay.to[1], idle_relay.to[1]):
            wait_for("the socket to close", lambda: not bound_here(port))
    for client in (idle, c):
        client.record(command="udp", close_reason="udp_idle", status="closed")


def idle_alive(s):
    return not select.select([s], [], [], 0.1)[0]


def test_case_74_keepalive(either, udp_target):
    with association(either) as (c, _):

        def kept():
            table = subprocess.run(["ss", "-tno"], capture_output=True, text=True, check=True).stdout
            return re.search(rf":{either.socks}\s+\S+:{c.port}\s.*timer:\(keepalive", table)

        wait_for("keepalive", kept)


@pytest.mark.parametrize("host", [V4, V6])
def test_case_75_port_unreachable(either, host):
    with UdpTarget(host) as gone:
        port = gone.port
    with UdpTarget(host) as target, association(either) as (c, relay):
        alive(c, relay, target)
        with either.counts(METRIC, "unreachable", by=3):
            for _ in range(3):
                before = either.metric(METRIC, "unreachable")
                relay.send(host, port, b"knock")
                wait_for("the refusal", lambda: either.metric(METRIC, "unreachable") > before)
        alive(c, relay, target)


def flood(suite, direction, send):
    """400 datagrams; no more at once than the kernel keeps for a reader that
    is late."""
    for _ in range(4):
        before = suite.metric(METRIC, direction)
        for _ in range(100):
            send()
        wait_for("all to be counted", lambda: suite.metric(METRIC, direction) >= before + 100)


def test_case_76_flood(options, udp_target):
    """Beyond the rate all is dropped and counted, in either direction."""
    with association(options) as (c, relay):
        sender = through(relay, udp_target)
        flood(options, '"sent"', lambda: relay.send(V4, udp_target.port, b"flood"))
        assert options.metric(METRIC, up("limit")) >= 200
        udp_target.drain(b"flood", most=200)
        before = options.metric(METRIC, down("limit"))
        flood(options, '"received"', lambda: udp_target.send(b"blast", sender))
        assert options.metric(METRIC, down("limit")) > before + 200
        assert quiet(c.sock)


def test_case_76_many_destinations(options):
    """The map of an association is bounded: four here."""
    targets = [UdpTarget(V4) for _ in range(6)]
    with association(options) as (_, relay):
        # What is let through is asked about first, the others are dropped at once.
        with options.counts(METRIC, up("relayed"), by=4), options.counts(METRIC, up("destinations"), by=2):
            for t in targets:
                relay.send(t.host, t.port, b"x")
    assert sum(t_reached(t) for t in targets) == 4


def t_reached(target):
    with target:
        target.sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            return bool(target.sock.recv(10))
        return False


def test_case_23_udp_where_all_is_refused(either):
    """UDP is judged by the datagram: the association itself is granted."""
    with either.client() as c:
        c.enter().ask("9.67.0.1", 53, UDP).connected()


