# SPDX-License-Identifier: MIT
"""Section 8 of threats.md: lessons of past failures, as far as they are the
proxy's and no numbered case covers them.

B1 is case 1, B4 cases 17 and 18, B7 cases 23, 35, 56 and 68, B8 cases 26 to 32,
B9 case 36, B10 cases 36 and 37, B11 cases 60 and 70, B12 case 74, B17 cases 2,
3 and 49, B24 case 19. B3, B14, B15, B19, B20, B27 are unit tests and fuzzers,
B13 and B23 are load (tests/e2e/test_8_*), B18 is tests/e2e/test_4_bad_input.py;
B21, B22 belong to authd and apid; B25, B26, B28 to TLS and to releases.
"""
import itertools
import os
import random
import signal

import pytest
import wire
from stack import wait_for
from targets import V4, Target
from wire import NONE, NO_METHOD, USERPASS, as_name, greeting, request

LENGTHS = (0, 1, 2, 127, 128, 254, 255)


def test_B02_lengths_of_the_greeting(login):
    for n in LENGTHS:
        with login.client() as c:
            method = USERPASS if n else NO_METHOD
            c.send(greeting(*[USERPASS] * n)).expect(bytes([5, method]))


@pytest.mark.parametrize("user, password", itertools.product(LENGTHS, LENGTHS))
def test_B02_lengths_of_the_login(login, user, password):
    """Answered exactly when the message is whole; the next byte is not its."""
    message = wire.login("u" * user, "q" * password)
    with login.client() as c:
        c.send(greeting(USERPASS), message).ends_with(b"\5\2\1\1")
        c.record(close_reason="auth_failed", user="u" * user if user else None)


@pytest.mark.parametrize("length", LENGTHS + (63, 64, 252, 253))
def test_B02_lengths_of_a_name(either, length):
    labels = "a." * (length // 2) + "a" * (length % 2)
    name = labels if length < 254 else "a." * 126 + "a" * (length - 252)
    good = 0 < length <= 253 or length == 254 and name.endswith(".")
    with either.client() as c:
        c.enter().ask(as_name(name), 80)
        c.refused(wire.HOST_UNREACHABLE if good else wire.GENERAL)


def test_B05_no_credentials_is_no_anonymity(login, target):
    """Users away, empty, broken: whoever has no right login stays out."""
    users = login.state / "etc/users.toml"
    text = users.read_bytes()
    try:
        for broken in (b"", b"[[users]\n", b"\0" * 64, None):
            users.write_bytes(broken) if broken is not None else users.unlink()
            os.kill(login.pid("authd"), signal.SIGHUP)
            for offer in ([NONE], [NONE, 1]):
                with login.client() as c:
                    c.send(greeting(*offer), request(V4, target.port)).ends_with(b"\5\xff")
            with login.client() as c:
                c.send(greeting(USERPASS), wire.login("nobody", "x")).ends_with(b"\5\2\1\1")
            with login.client() as c:
                c.send(wire.socks4(V4, target.port)).ends_with(wire.socks4_reply(wire.SOCKS4_REFUSED))
        assert target.untouched()
    finally:
        owner = (login.state / "etc").stat()
        users.write_bytes(text)
        os.chown(users, owner.st_uid, owner.st_gid)
        users.chmod(0o600)
        os.kill(login.pid("authd"), signal.SIGHUP)
        wait_for("the users", lambda: login.knows("plain", "correct horse"))


METHODS = [0, 1, 2, 3, 5, 9, 0x80, 0xFE]
ORDERS = {"login": [USERPASS], "either": [USERPASS, NONE], "bare": [NONE, USERPASS]}


@pytest.mark.parametrize("name", ORDERS)
def test_B06_method_order(start, name):
    """All subsets of eight methods, in an order of the client's."""
    suite, dice = start(name), random.Random(6)
    for n in range(len(METHODS) + 1):
        for subset in itertools.combinations(METHODS, n):
            offer = dice.sample(subset, n)
            method = next((m for m in ORDERS[name] if m in offer), NO_METHOD)
            with suite.client() as c:
                c.send(greeting(*offer)).expect(bytes([5, method]))


def test_B07_one_judgement_for_every_command(either):
    """Command x rule x family; UDP is judged by the datagram, see case 68."""
    closed = {"9.66.0.1", "2600:66::1", "127.0.0.1", "::1", "evil.com", "9.67.0.1"}
    for host in sorted(closed):
        commands = [wire.BIND] if host == "9.67.0.1" else [wire.CONNECT, wire.BIND]
        for command in commands:
            with either.client() as c:
                c.enter().ask(host, 80, command).refused(wire.NOT_ALLOWED)


def test_B16_late_answers_meet_nobody_else(login):
    """Clients leave while authd sleeps, others come in their place; when it
    answers, each login gets its own answer."""
    dice = random.Random(16)
    with Target() as target:
        for _ in range(3):
            clients = []
            with login.asleep("authd"):
                for n in range(60):
                    c, right = login.client(), dice.random() < 0.5
                    password = "correct horse" if right else f"wrong {n}"
                    c.send(greeting(USERPASS), wire.login("plain", password)).expect(b"\5\2")
                    if dice.random() < 0.4:
                        c.reset() if dice.random() < 0.5 else c.close()
                    else:
                        clients.append((c, right))
            for c, right in clients:
                if right:
                    c.expect(b"\1\0").ask(V4, target.port).connected()
                    target.accept().close()
                else:
                    c.ends_with(b"\1\1")
                c.close()
