# SPDX-License-Identifier: MIT
"""Section 4: addresses (cases 33-36), and threats.md D-1: what is closed is
closed in every spelling, for every command and type of address."""
import ipaddress
import os
import signal
import socket

import pytest
import wire
from namespace import ip
from sockets import family_of
from stack import wait_for
from stacks import SOURCE_INTERNAL
from targets import V4, Echo
from wire import BIND, CONNECT, as_name, as_v4, as_v6

# Rows of threats.md section 5: the first and last address and some of weight.
CLOSED_V4 = """0.0.0.0 0.0.0.1 0.255.255.255 10.0.0.0 10.0.0.1 10.96.0.1 10.255.255.255
    100.64.0.0 100.100.100.200 100.127.255.255 127.0.0.0 127.0.0.1 127.0.0.53 127.1.2.3
    127.255.255.255 168.63.129.16 169.254.0.0 169.254.169.254 169.254.170.2 169.254.170.23
    169.254.255.255 172.16.0.0 172.17.0.1 172.31.255.255 192.0.0.0 192.0.0.192 192.0.0.255
    192.0.2.0 192.0.2.255 192.88.99.0 192.88.99.1 192.88.99.255 192.168.0.0 192.168.1.1
    192.168.255.255 198.18.0.0 198.19.255.255 198.51.100.0 198.51.100.255 203.0.113.0
    203.0.113.255 224.0.0.1 224.0.0.251 239.255.255.255 240.0.0.0 240.0.0.1 255.255.255.254
    255.255.255.255""".split()
CLOSED_V6 = """:: ::1 ::2 64:ff9b:1::1 64:ff9b:1:ffff::1 100::1 100::ffff:ffff:ffff:ffff
    100:0:0:1::1 2001::1 2001:1::1 2001:2::1 2001:10::1 2001:20::1 2001:30::1 2001:1ff:ffff::1
    2001:db8::1 2001:db8:ffff::1 2002::1 2002:900:1::1 3fff::1 3fff:fff::1 5f00::1 5f00:ffff::1
    fc00::1 fd00:ec2::254 fd00:ec2::23 fd20:ce::254 fdff:ffff::1 fe80::1 fe80::a9fe:a9fe
    febf:ffff::1 fec0::1 feff::1 ff02::1 ff02::fb ff0e::1 ffff::1 4000::1 6000::1 8000::1
    c000::1 e000::1 1::1 1000::1 1fff:ffff::1 200::1 400::1""".split()
# Others that are not: the neighbours of what is closed.
NEIGHBOURS = """9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0
    168.63.129.15 168.63.129.17 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0
    191.255.255.255 192.0.1.0 192.0.3.0 192.88.98.255 192.88.100.0 192.167.255.255 192.169.0.0
    198.17.255.255 198.20.0.0 198.51.99.255 198.51.101.0 203.0.112.255 203.0.114.0
    223.255.255.255 2000::1 2001:200::1 2001:db7::1 2001:db9::1 2003::1 2600::1 3ffe::1
    64:ff9b::900:1""".split()


def embed(v4):
    """IPv6 spellings of an IPv4 address."""
    n = int(ipaddress.IPv4Address(v4))
    high, low = n >> 16, n & 0xFFFF
    turned = n ^ 0xFFFFFFFF
    return [
        f"::ffff:{v4}",
        f"::{high:x}:{low:x}",
        f"::ffff:0:{high:x}:{low:x}",
        f"64:ff9b::{high:x}:{low:x}",
        f"2002:{high:x}:{low:x}::1",
        f"2001:0:{high:x}:{low:x}::1",
        f"2001:0:900:1:0:0:{turned >> 16:x}:{turned & 0xFFFF:x}",
        f"2600:1:2:3:0:5efe:{high:x}:{low:x}",
        f"2600:1:2:3:200:5efe:{high:x}:{low:x}",
    ]


EMBEDDED = [form for v4 in CLOSED_V4 for form in embed(v4)]


def spellings():
    """(what is shown, ATYP and address): each as address and as a name."""
    for v4 in CLOSED_V4:
        yield v4, as_v4(v4)
        yield f"name {v4}", as_name(v4)
    for v6 in CLOSED_V6 + EMBEDDED:
        yield v6, as_v6(v6)
        yield f"name {v6}", as_name(v6)
        yield f"long name {v6}", as_name(ipaddress.IPv6Address(v6).exploded.upper())


SPELLINGS = list(spellings())
assert len(SPELLINGS) > 400


@pytest.fixture
def proven(canary):
    """A canary that was heard on whatever of it the kernel can reach."""
    heard = [a for a in CLOSED_V4 + CLOSED_V6 + EMBEDDED if canary.sings(a)]
    v4 = {a for a in heard if ":" not in a}
    assert {"127.0.0.1", "169.254.169.254", "10.0.0.1", "192.168.1.1", "100.100.100.200"} <= v4
    assert {"::1", "fd00:ec2::254", "2001:db8::1", "64:ff9b::a9fe:a9fe", "4000::1"} <= set(heard)
    assert len(heard) > 300
    canary.assert_silent()
    return canary


@pytest.mark.parametrize("command", [CONNECT, BIND])
def test_case_35_closed_in_every_spelling(either, proven, command):
    """No way of writing an address opens it."""
    wrong, sources = [], {}
    for shown, host in SPELLINGS:
        with either.client() as c:
            c.enter().ask(host, proven.port, command)
            sources[c.source] = shown
            answer = c.sock_to_end()
            if answer != wire.refusal(wire.NOT_ALLOWED):
                wrong.append((shown, answer.hex(" ")))
    assert not wrong
    for source, row in either.wait_records(sources).items():
        assert row["close_reason"] == "hard_deny" and row["status"] == "rejected", (sources[source], row)
    proven.assert_silent()


def test_case_35_closed_in_every_spelling_of_udp(either, proven):
    """Datagrams to it are dropped, and each is counted."""
    metric = "proxy_udp_datagrams_total"
    sent, relayed = either.metric(metric, '"sent"'), either.metric(metric, '"relayed"')
    for start in range(0, len(SPELLINGS), 100):
        with either.client() as c:
            with c.enter().associate() as relay:
                part = [host for _, host in SPELLINGS[start : start + 100]]
                for host in part:
                    relay.send(host, proven.port, b"tweet")
                sent += len(part)
                wait_for("all to be counted", lambda: either.metric(metric, '"sent"') == sent)
    assert either.metric(metric, '"relayed"') == relayed
    proven.assert_silent()


def test_case_35_closed_by_name(either, nameserver, proven):
    """Names that resolve into it, one of each kind of address."""
    for i, address in enumerate(CLOSED_V4 + CLOSED_V6):
        kind = "AAAA" if ":" in address else "A"
        name = nameserver.add(f"inside-{i}.test", **{kind: address})
        with either.client() as c:
            c.enter().ask(name, proven.port).refused(wire.NOT_ALLOWED)
    c.record(close_reason="hard_deny", dest_host=name)
    proven.assert_silent()


def test_case_35_neighbours_are_open(either):
    """What lies beside a closed range is reached: no row is too wide."""
    with Echo("0.0.0.0") as echo, Echo("::", echo.port):
        for address in NEIGHBOURS:
            with either.client() as c:
                c.enter().ask(address, echo.port).connected()
                c.send(address.encode()).finish().ends_with(address.encode())


def test_case_35_allow_internal_opens_by_address(either):
    with Echo("127.0.0.1") as echo:
        for host in ("127.0.0.1", as_name("127.0.0.1"), "::ffff:127.0.0.1"):
            with either.client(f"127.{SOURCE_INTERNAL}.0.1") as c:
                c.enter().ask(host, echo.port).connected()
                c.send(b"in").finish().ends_with(b"in")
    rows = either.records(f"127.{SOURCE_INTERNAL}.0.1")
    assert {row["acl_rule_matched"] for row in rows} <= {"internal"}


def test_case_35_own_listeners_stay_closed(either):
    """Also inside a range that a rule has opened."""
    ports = [either.socks, either.api_port, *range(either.admin, either.admin + 5)]
    for n, port in enumerate(ports):
        socket.create_connection(("127.0.0.1", port), 5).close()
        with either.client(f"127.{SOURCE_INTERNAL}.1.{n}") as c:
            c.enter().ask("127.0.0.1", port).refused(wire.NOT_ALLOWED)
            c.record(close_reason="hard_deny", dest_port=port)


def test_case_34_an_address_that_became_our_own(either):
    """Interfaces change; a reload looks at them again."""
    new = "9.88.77.66"

    def outcome():
        with either.client() as c:
            return c.enter().ask(new, echo.port).reply()[0]

    with Echo(new) as echo:
        assert outcome() == wire.OK
        ip(f"address add {new}/32 dev lo")
        try:
            os.kill(either.pid("proxy"), signal.SIGHUP)
            wait_for("the fence", lambda: outcome() == wire.NOT_ALLOWED)
        finally:
            ip(f"address del {new}/32 dev lo")
            os.kill(either.pid("proxy"), signal.SIGHUP)
        wait_for("the fence to open", lambda: outcome() == wire.OK)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", as_name("0.0.0.0"), as_name("::"), "::ffff:0.0.0.0", "0.0.0.1"])
def test_case_34_unspecified(either, proven, host):
    with either.client() as c:
        c.enter().ask(host, proven.port).refused(wire.NOT_ALLOWED)
        c.record(close_reason="hard_deny", dest_host=None)
    proven.assert_silent()


def test_case_33_mapped_is_that_address(either):
    """In policy, dial, reply and record."""
    with Echo(V4) as echo, either.client() as c:
        bound = c.enter().ask(f"::ffff:{V4}", echo.port).connected()
        assert family_of(bound[0]) == socket.AF_INET
        c.finish().ends_with(b"").record(dest_ip=V4, dest_host=None)
    with either.client() as c:
        c.enter().ask("::ffff:9.66.0.1", 80).refused(wire.NOT_ALLOWED)
        c.record(dest_ip="9.66.0.1", close_reason="policy_block", acl_rule_matched="no-evil")


@pytest.mark.parametrize("outer", embed("9.66.0.1")[3:4] + embed("9.66.0.1")[7:])
def test_case_33_a_rule_sees_the_inner_address(either, outer):
    """NAT64 and ISATAP pass as such; the inner address is blocked by a rule."""
    with either.client() as c:
        c.enter().ask(outer, 80).refused(wire.NOT_ALLOWED)
        c.record(dest_ip=str(ipaddress.ip_address(outer)), acl_rule_matched="no-evil")


@pytest.mark.parametrize("outer", embed(V4)[3:4] + embed(V4)[7:])
def test_case_33_permitted_inside_and_outside(either, outer):
    with Echo("::") as echo, either.client() as c:
        c.enter().ask(outer, echo.port).connected()
        c.finish().ends_with(b"").record(dest_ip=str(ipaddress.ip_address(outer)))


@pytest.mark.parametrize("outer", embed(V4)[1:3] + embed(V4)[4:7])
def test_case_33_closed_outside(either, proven, outer):
    """6to4, Teredo and the dead forms stay closed whatever is inside."""
    for command in (CONNECT, BIND):
        with either.client() as c:
            c.enter().ask(outer, proven.port, command).refused(wire.NOT_ALLOWED)
            c.record(close_reason="hard_deny")
    proven.assert_silent()

