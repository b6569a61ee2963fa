# SPDX-License-Identifier: MIT
"""Section 4: names (cases 26-32), and the tricks of threats.md D-2."""
import re

import pytest
import wire
from sockets import quiet
from targets import V4, V6, Echo
from test_4_request import questions
from wire import BIND, CONNECT, as_name, request

OUTSIDE = [c for c in range(0x80) if not re.match(rb"[A-Za-z0-9._-]", bytes([c]))]
BAD_BYTES = [b"a%cb.test" % c for c in OUTSIDE] + [b"%c" % c for c in OUTSIDE]
BAD_FORMS = [
    b"good.test\0.evil.com",
    b"good.test\0",
    b"\0good.test",
    b"user@good.test",
    b"good.test/evil.com",
    b"good.test:80",
    b"good.test#x",
    b"good.test?x",
    b"good.test\\x",
    b"http://good.test",
    b"good%2etest",
    b"good.test%00.evil.com",
    b"good.test\r\nHost: evil.com",
    b" good.test",
    b"good.test ",
    b"\tgood.test",
    b"*.test",
    b".good.test",
    b"good..test",
    b".",
    b"..",
    b"good.test..",
    b"${jndi:ldap://x}",
    b"'; drop table session; --",
    b"<script>alert(1)</script>",
]
# What the parsers of the system read as addresses, and their like.
NUMERIC = """0x7f.1 127.1 127.0.1 2130706433 017700000001 0177.0.0.1 0x7f000001 0X7F000001
    0x7f.0.0.1 127.0.0.0x1 127.0x0.0.1 0 0.0 1 1.1 10.1 0x0 00 0300.0250.1.1 3232235777
    127.0.0.1.1 1.2.3.4.5 1.2.3.256 256.1.1.1 999.999.999.999 0.0.0.00 127.0.0.01 01.2.3.4
    127.00.0.1 4294967295 4294967296 a.1 host.0 host.127 host.0x host.0x1 host.0xg a.b.0x7f
    1e3 0x 0xa9fea9fe 2852039166 0251.0376.0251.0376 169.254.43518 1.test.2 test.00
    18446744073709551616 127.0.0.1e0x 0x7f.0x0.0x0.0x1 0000.0000.0000.0000 1..1""".split()
# The last label is neither all digits nor begins with 0x.
NUMERIC.remove("1e3")
NUMERIC.remove("127.0.0.1e0x")
HIGH = [bytes([c]) + b".test" for c in range(0x80, 0x100)] + [
    "b\u00fccher.test".encode(),
    "\u0435vil.com".encode(),
    "evil\u3002com".encode(),
    "evil.com\uff0e".encode(),
    "\uff11\uff12\uff17.0.0.1".encode(),
    "ⓔvil.com".encode(),
    b"a\xc0\xae.test",
    b"a.te\xc5\xbft",
]
LONG = [
    b"a" * 64,
    b"a" * 64 + b".test",
    b"test." + b"a" * 64,
    b"a" * 255,
    b"a." * 127 + b"a",
    (b"a" * 63 + b".") * 3 + b"a" * 62,
    (b"a" * 63 + b".") * 3 + b"a" * 63,
]
ZONES = ["fe80::1%eth0", "fe80::1%lo", "fe80::1%1", "::1%lo", "2600::1%25lo", "127.0.0.1%lo", "good.test%lo"]
BRACKETS = ["[::1]", "[127.0.0.1]", "[2600::1]", "[", "]", "[]", "[::1", "::1]", "[good.test]"]
NOT_V6 = [":", "::", ":::", "1::2::3", "2600:::1", "::g", "12345::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9"]
NOT_V6.remove("::")  # is an address: case 34


def refuse_all(suite, names, command=CONNECT, reason="invalid_name"):
    """01 for each, and a record that tells the name; nothing is asked."""
    before = questions(suite)
    net = {}
    for name in names:
        with suite.client() as c:
            c.enter().send(request(as_name(name), 80, command)).refused(wire.GENERAL)
            net[c.source] = name
    rows = suite.wait_records(net)
    for source, row in rows.items():
        assert (row["close_reason"], row["status"], row["reply_code"]) == (reason, "rejected", 1), row
        assert row["dest_ip"] is None and row["acl_decision"] is None, row
    assert questions(suite) == before
    return {net[source]: row for source, row in rows.items()}


@pytest.mark.parametrize("command", [CONNECT, BIND])
def test_case_26_outside_the_grammar(either, nameserver, command):
    asked = len(nameserver.asked)
    rows = refuse_all(either, BAD_BYTES + BAD_FORMS, command)
    assert len(nameserver.asked) == asked
    # What is printable is told as it was sent.
    assert rows[b"user@good.test"]["dest_host"] == "user@good.test"
    # Whatever it was, it is one line of the log, without control bytes.
    log = either.log()
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", log)
    assert "Host: evil.com" not in [line.strip() for line in log.splitlines()]


LITERALS = {V4: V4, V6: V6, "2600:0:0:0:0:0:0:1": V6, "::ffff:9.0.0.1": V4, "::ffff:900:1": V4}


@pytest.mark.parametrize("text", LITERALS)
def test_case_27_literal_in_a_name(either, nameserver, text):
    """Is that address, in what is dialled and in what is written down."""
    asked = len(nameserver.asked)
    with Echo(LITERALS[text]) as echo, either.client() as c:
        c.enter().ask(as_name(text), echo.port).connected()
        c.send(b"x").finish().ends_with(b"x")
        c.record(dest_host=None, dest_ip=LITERALS[text], status="closed")
    assert len(nameserver.asked) == asked


def test_case_27_literal_is_judged(either):
    for text, ip in [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("9.66.1.2", "9.66.1.2"), ("2600:66::1", "2600:66::1")]:
        with either.client() as c:
            c.enter().ask(as_name(text), 80).refused(wire.NOT_ALLOWED)
            reason = "policy_block" if "66" in text else "hard_deny"
            c.record(dest_host=None, dest_ip=ip, close_reason=reason)


@pytest.mark.parametrize("command", [CONNECT, BIND])
def test_case_27_brackets(either, command):
    refuse_all(either, BRACKETS + NOT_V6, command)


@pytest.mark.parametrize("command", [CONNECT, BIND])
def test_case_28_odd_numbers(either, nameserver, canary, command):
    assert canary.sings("127.0.0.1")
    asked = len(nameserver.asked)
    refuse_all(either, NUMERIC, command)
    assert len(nameserver.asked) == asked
    canary.assert_silent()


def test_case_28_names_with_digits(either, nameserver, echo):
    """Digits alone do not make a number of it."""
    for name in ("1e3", "127.0.0.1e0x", "1.2.3.a4", "0x7f.test", "127.0.0.1.nip.test", "a-1", "_dns.x1"):
        nameserver.add(name, A=V4)
        with either.client() as c:
            c.enter().ask(as_name(name), echo.port).connected()
            c.finish().ends_with(b"").record(dest_host=name, dest_ip=V4)


@pytest.mark.parametrize("text", ["evil.com.", "EVIL.com", "Evil.Com.", "eVIL.cOM"])
def test_case_29_blocked_however_written(either, target, text):
    with either.client() as c:
        c.enter().ask(text, target.port).refused(wire.NOT_ALLOWED)
        c.record(dest_host="evil.com", close_reason="policy_block", acl_rule_matched="no-evil")
    assert target.untouched()


def test_case_29_canonical_everywhere(either, nameserver, echo):
    nameserver.add("canon-ical.test", A=V4)
    with either.client() as c:
        c.enter().ask("CANON-ical.Test.", echo.port).connected()
        c.finish().ends_with(b"").record(dest_host="canon-ical.test", dest_ip=V4)
    assert {q[0] for q in nameserver.asked if "canon" in q[0].lower()} == {"canon-ical.test"}
    refuse_all(either, ["canon-ical.test..", "evil.com..", "..evil.com"])


def test_case_30_high_bytes(either, nameserver):
    asked = len(nameserver.asked)
    refuse_all(either, HIGH)
    assert len(nameserver.asked) == asked


def test_case_30_a_labels(either, nameserver, echo):
    nameserver.add("xn--bcher-kva.test", A=V4)
    with either.client() as c:
        c.enter().ask("XN--bcher-kva.test", echo.port).connected()
        c.finish().ends_with(b"").record(dest_host="xn--bcher-kva.test")


def test_case_31_too_long(either):
    refuse_all(either, LONG)


def test_case_31_all_bytes_are_read(either):
    """The answer comes when the request is whole, not before."""
    whole = request(as_name(b"a" * 255), 80)
    with either.client() as c:
        c.enter().send(whole[:-1]).wait_read()
        assert quiet(c.sock)
        c.send(whole[-1:]).refused(wire.GENERAL)


def test_case_31_as_long_as_allowed(either, nameserver, echo):
    longest = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 61])
    assert len(longest) == 253
    nameserver.add(longest, A=V4)
    for name in (longest, longest + "."):
        with either.client() as c:
            c.enter().ask(as_name(name), echo.port).connected()
            c.finish().ends_with(b"").record(dest_host=longest, dest_ip=V4)


def test_case_32_zones(either, nameserver):
    asked = len(nameserver.asked)
    refuse_all(either, ZONES)
    assert len(nameserver.asked) == asked
