# SPDX-License-Identifier: MIT
"""Section 9: SOCKS4 and 4a (cases 77-81)."""
import pytest
from targets import V4, V6, Echo, Target
from test_7_bind import come
from wire import BIND, SOCKS4_OK, SOCKS4_REFUSED, socks4, socks4_reply, socks4a

NO = socks4_reply(SOCKS4_REFUSED)


def granted(c):
    """The eight bytes of success, from the second on."""
    reply = c.take(8)
    assert reply[:2] == bytes([0, SOCKS4_OK]), reply.hex(" ")
    return reply[2:]


@pytest.mark.parametrize("last", [1, 2, 127, 255])
def test_case_77_a_name_follows(either, nameserver, echo, last):
    nameserver.add("four.test", A=V4)
    with either.client() as c:
        c.send(socks4(f"0.0.0.{last}", echo.port, user="me", name="Four.Test"))
        granted(c)
        c.send(b"x").finish().ends_with(b"x")
        c.record(dest_host="four.test", dest_ip=V4, carrier="socks4a", status="closed")


@pytest.mark.parametrize("host", ["0.0.0.0", "0.0.1.0", "0.1.0.1", "127.0.0.1"])
def test_case_77_closed_addresses(either, canary, host):
    assert canary.sings(host)
    with either.client() as c:
        c.send(socks4(host, canary.port)).ends_with(NO)
        c.record(close_reason="hard_deny", carrier="socks4", dest_host=None)
    canary.assert_silent()


@pytest.mark.parametrize("user", [b"", b"plain", b"root", b"\xff\xfe", b"u" * 255])
def test_case_78_user_id_is_a_remark(either, echo, user):
    """The session is nobody's, whatever it claims."""
    with either.client() as c:
        c.send(socks4(V4, echo.port, user=user))
        granted(c)
        row = c.finish().ends_with(b"").record(user="anonymous", auth_method="none", carrier="socks4")
        if user.isascii():
            assert row["claimed_user"] == (user.decode() or None)


@pytest.mark.parametrize("user", ["", "plain", "admin"])
def test_case_78_login_required(login, target, user):
    for message in (socks4(V4, target.port, user=user), socks4a("evil.com", target.port, user=user)):
        with login.client() as c:
            c.send(message).ends_with(NO)
            c.record(status="rejected", close_reason="no_method", user=None)
    assert target.untouched()


def test_case_79_no_end_in_sight(either):
    """No NUL after 255 bytes: an end without words."""
    for message in (b"\4\1\0\x50" + b"\x09\0\0\1" + b"u" * 256, b"\4\1\0\x50" + b"\0\0\0\1\0" + b"n" * 256):
        with either.counts("proxy_protocol_oddities_total", '"request"'), either.client() as c:
            c.send(message).ends_with(b"")
            c.record(close_reason="invalid_request", status="rejected", reply_code=None)


def test_case_79_longest(either, nameserver, echo):
    with either.client() as c:
        c.send(socks4(V4, echo.port, user=b"u" * 255))
        granted(c)
    name = nameserver.add(".".join(["n" * 63, "m" * 63, "o" * 63, "p" * 61]), A=V4)
    for text in (name, name + "."):
        with either.client() as c:
            c.send(socks4a(text, echo.port))
            granted(c)
            c.finish().ends_with(b"").record(dest_host=name)


def test_case_80_name_with_ipv6_only(either, nameserver):
    nameserver.add("six.test", AAAA=V6)
    with Echo(V6) as echo, either.client() as c:
        c.send(socks4a("six.test", echo.port)).expect(b"\0\x5a" + bytes(6))
        c.send(b"x").finish().ends_with(b"x")
        c.record(dest_ip=V6, dest_host="six.test", carrier="socks4a")


def test_case_81_eight_bytes(either, target):
    """VN 00; all in one piece; the address is the one the target sees, or none."""
    with either.client() as c:
        c.send(socks4(V4, target.port))
        reply = c.sock.recv(64)
        target.accept().close()
        assert len(reply) == 8 and reply[:2] == b"\0\x5a"
        assert reply[2:] in (bytes(6), socks4_reply(SOCKS4_OK, *target.peer)[2:])
    for message in (socks4("9.66.0.1", 80), socks4(V4, 0), socks4a("a b", 80), socks4a("", 80), socks4(V4, 80, 9)):
        with either.client() as c:
            c.send(message)
            assert c.sock.recv(64) == NO
            c.ends_with(b"").record(status="rejected")


def test_case_81_bind(either):
    with either.client() as c:
        c.send(socks4("9.0.0.5", 0, BIND))
        first = granted(c)
        port = int.from_bytes(first[:2], "big")
        assert port > 0
        host = ".".join(map(str, first[2:]))
        assert host != "0.0.0.0"
        with come("9.0.0.5", (host, port)) as s:
            second = granted(c)
            assert second in (bytes(6), socks4_reply(SOCKS4_OK, *s.getsockname()[:2])[2:])
            s.sendall(b"hello")
            assert c.take(5) == b"hello"


def test_case_81_early_data(either):
    with Target() as target, either.client() as c:
        c.send(socks4(V4, target.port), b"early")
        end = target.accept()
        assert end.recv(5) == b"early"
        granted(c)
        end.close()
        c.ends_with(b"")
