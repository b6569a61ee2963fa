# SPDX-License-Identifier: MIT
"""Section 2: the greeting and the method that is chosen (cases 7-13)."""
import pytest
import wire
from wire import NO_METHOD, NONE, USERPASS, greeting

OFFERS = [
    [NONE],
    [USERPASS],
    [NONE, USERPASS],
    [USERPASS, NONE],
    [1, NONE],
    [1, USERPASS],
    [3, 5, 9, 0x80, USERPASS, NONE, 1],
    [0xFE, NONE, 0xFD],
    [1],
    [1, 3, 0x80, 0xFE],
]
ORDERS = {"login": [USERPASS], "either": [USERPASS, NONE], "bare": [NONE, USERPASS]}


def chosen(order, offered):
    return next((m for m in order if m in offered), NO_METHOD)


@pytest.mark.parametrize("name", ORDERS)
def test_case_07_listeners_order_chooses(start, name):
    suite = start(name)
    for offer in OFFERS:
        method = chosen(ORDERS[name], offer)
        with suite.client() as c:
            c.send(greeting(*offer)).expect(bytes([5, method]))
            if method == NO_METHOD:
                c.ends_with(b"").record(close_reason="no_method", status="rejected")


def test_case_08_no_acceptable_method(login):
    with login.counts("proxy_sessions_closed_total", '"no_method"'):
        with login.client() as c:
            # What follows is drained: a reset could take the answer away.
            c.send(greeting(NONE, 1)).wait_read()
            c.send(b"x" * 4000).ends_with(b"\5\xff")
            c.record(
                close_reason="no_method",
                status="rejected",
                user=None,
                dest_host=None,
                dest_ip=None,
                dest_port=None,
                reply_code=None,
            )
            # Whether the client goes or not.
            login.wait_empty()


@pytest.mark.parametrize("name", ORDERS)
def test_case_09_no_methods_at_all(start, name):
    with start(name).client() as c:
        c.send(greeting()).ends_with(b"\5\xff")
        c.record(close_reason="no_method", status="rejected")


@pytest.mark.parametrize(
    "offer, method",
    [
        ([USERPASS] * 255, USERPASS),
        ([1] * 254 + [USERPASS], USERPASS),
        ([USERPASS, USERPASS], USERPASS),
        ([0xFF, USERPASS, 0xFF], USERPASS),
        ([0xFF], NO_METHOD),
        ([0xFF] * 255, NO_METHOD),
        ([i % 256 for i in range(3, 258)], NO_METHOD),
    ],
)
def test_case_10_duplicates_and_255_methods(login, offer, method):
    with login.client() as c:
        c.send(greeting(*offer)).expect(bytes([5, method]))
        if method == USERPASS:
            # All of them were read: the login is what comes next.
            c.send(wire.login(login.user, login.password)).expect(b"\1\0")
        else:
            c.ends_with(b"").record(close_reason="no_method")


def test_case_11_login_required(login):
    for offer in ([NONE, USERPASS], [USERPASS, NONE], [NONE, NONE, USERPASS]):
        with login.client() as c:
            c.send(greeting(*offer)).expect(b"\5\2")
    with login.client() as c:
        c.send(greeting(NONE)).ends_with(b"\5\xff")


def test_case_12_login_optional(either, bare, echo):
    """Who offers both is named where the listener prefers that."""
    with either.client() as c:
        c.send(greeting(NONE, USERPASS)).expect(b"\5\2")
        c.send(wire.login("plain", "correct horse")).expect(b"\1\0")
        c.ask(echo.host, echo.port).connected()
        c.finish().ends_with(b"").record(user="plain", auth_method="userpass")
    for suite, offer in ((either, [NONE]), (bare, [USERPASS, NONE])):
        with suite.client() as c:
            c.send(greeting(*offer)).expect(b"\5\0").ask(echo.host, echo.port).connected()
            c.finish().ends_with(b"").record(user="anonymous", auth_method="none")


STRANGE = [b"\0", b"\1", b"\6\1\0", b"\x16\3\1\2\0\1\0\1\xfc\3\3", b"\xff", b" GET", b"get / "]


@pytest.mark.parametrize("data", STRANGE + [b"\r\n", b"\x80", b"\3\0"])
def test_case_13_first_byte_of_nothing(either, data):
    with either.counts("proxy_protocol_oddities_total", '"version"'):
        with either.client() as c:
            c.send(data).ends_with(b"")
            c.record(close_reason="invalid_request", status="rejected", reply_code=None)


@pytest.mark.parametrize("data", [wire.socks4("9.0.0.1", 80), b"\4", wire.http("a.test:80"), b"G"])
def test_case_13_carrier_that_is_off(bare, data):
    """What the listener does not speak is answered like nonsense."""
    with bare.counts("proxy_protocol_oddities_total", '"version"'):
        with bare.client() as c:
            c.send(data).ends_with(b"")
            c.record(close_reason="invalid_request", status="rejected", reply_code=None)
