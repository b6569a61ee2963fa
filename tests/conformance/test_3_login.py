# SPDX-License-Identifier: MIT
"""Section 3: user and password, RFC 1929 (cases 14-19)."""
import contextlib
import json
import os
import pathlib
import re
import signal

import pytest
import wire
from stack import DAEMONS, wait_for
from stacks import USERS
from wire import NONE, USERPASS, greeting, request

ASK = greeting(USERPASS)
FAILED = b"\5\2\1\1"


def rejected(c, user):
    c.record(close_reason="auth_failed", status="rejected", user=user, dest_ip=None, dest_host=None)


def asked(suite):
    """Questions that reached authd."""
    return suite.metric("authd_requests_total", daemon="authd")


@pytest.mark.parametrize("version", [0, 2, 5, 0xFF])
def test_case_14_other_version(login, version):
    """The reply's version is 01 in any case."""
    with login.counts("proxy_protocol_oddities_total", '"login"'), login.client() as c:
        c.send(ASK, bytes([version])).ends_with(FAILED)
        rejected(c, None)


@pytest.mark.parametrize("user, password", [("plain", "wrong"), ("nobody", "correct horse")])
def test_case_15_no_request_after_failure(login, target, user, password):
    with login.counts("proxy_auth_attempts_total", '"failure"'), login.client() as c:
        c.send(ASK, wire.login(user, password), request(target.host, target.port))
        c.ends_with(FAILED)
        rejected(c, user)
    assert target.untouched()


def test_case_16_empty_user(login):
    """Answered at once: what is announced as nothing is not waited for."""
    before = asked(login)
    with login.client() as c:
        c.send(ASK, b"\1\0").ends_with(FAILED)
        rejected(c, None)
    with login.client() as c:
        c.send(ASK, b"\1\0\1x").ends_with(FAILED)
    assert asked(login) == before


@pytest.mark.parametrize("user", ["plain", "nobody"])
def test_case_17_empty_password(login, user):
    """Asked about once, like a wrong one, so that it takes as long; what is
    asked about is not the empty one."""
    before = asked(login)
    with login.client() as c:
        c.send(ASK, wire.login(user, ""), request("9.0.0.1", 80)).ends_with(FAILED)
        rejected(c, user)
    assert asked(login) == before + 1


@pytest.mark.parametrize("user", USERS)
def test_case_18_exact_bytes(login, user):
    with login.client() as c:
        c.send(ASK, wire.login(user, USERS[user])).expect(b"\5\2\1\0")
        c.ask("9.0.0.1", 25).refused(wire.NOT_ALLOWED)
        c.record(user=user, close_reason="policy_block")


LONG_USER, LONG_PASSWORD = "u" * 255, "p" * 255


@pytest.mark.parametrize(
    "user, password",
    [
        (LONG_USER, LONG_PASSWORD[:-1]),
        (LONG_USER[:-1], LONG_PASSWORD),
        (LONG_USER[:-1] + "v", LONG_PASSWORD),
        (LONG_USER, LONG_PASSWORD[:-1] + "q"),
        ("h\u00e9ros", b"\x80\xff pass"),
        ("h\u00e9ros", b"\0\x7f\x7e pass"),
        ("heros", b"\x80\xff\xfe pass"),
    ],
)
def test_case_18_nothing_is_cut(login, user, password):
    with login.client() as c:
        c.send(ASK, wire.login(user, password)).ends_with(FAILED)


@pytest.mark.parametrize(
    "user, password",
    [
        (b"admin\0x", "admin-secret"),
        (b"admin\0", "admin-secret"),
        (b"\0admin", "admin-secret"),
        (b"\0", "x"),
        (b"adm\nin", "admin-secret"),
        (b"admin\r", "admin-secret"),
        (b"\x1b[2Jadmin", "admin-secret"),
        (b"admin\x7f", "admin-secret"),
        ("admin", b"admin-secret\0"),
        ("admin", b"admin-secret\0x"),
        ("admin", b"\0admin-secret"),
    ],
)
def test_case_18_control_bytes(login, user, password):
    before = asked(login)
    with login.counts("proxy_protocol_oddities_total", '"login"'), login.client() as c:
        c.send(ASK, wire.login(user, password)).ends_with(FAILED)
        c.record(close_reason="auth_failed")
    assert asked(login) == before


def answers(login, user, password):
    with login.client() as c:
        c.send(ASK, wire.login(user, password)).ends_with(FAILED)
        row = c.record(user=user)
    return {k: row[k] for k in ("status", "close_reason", "close_detail", "reply_code", "auth_method")}


def test_case_19_unknown_user_looks_like_wrong_password(login):
    """The same bytes and the same record; the time is measured by the suite
    `timing`."""
    assert answers(login, "plain", "wrong") == answers(login, "nobody-at-all", "wrong")


def test_case_19_the_password_is_nowhere(login, target):
    """In no log, record or metric of any daemon, right or wrong; in no memory
    either, but for what nng has freed in the proxy. So none leaves a core."""
    words = ["canary-Right-4711", "canary-Wrong-4712"]
    login.add_user("bird", words[0])
    wait_for("the user", lambda: login.knows("bird", words[0]))
    for word in words:
        with login.client() as c:
            c.send(ASK, wire.login("bird", word))
            if word == words[0]:
                c.expect(b"\5\2\1\0").ask(target.host, target.port).connected()
                target.accept().close()
                c.finish()
            c.sock_to_end()
            row = c.record(user="bird")
            found = json.dumps(row) + login.log()
            for daemon in DAEMONS:
                found += login.page(daemon)
            assert word not in found
    for daemon in DAEMONS:
        pid = login.pid(daemon)
        limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
        assert re.search(r"Max core file size +0 +0 ", limits), daemon
        memory = b"" if daemon == "proxy" else memory_of(pid)
        for word in words:
            assert word.encode() not in memory, f"{daemon} remembers {word}"


def guesses(stack, suite, n=8):
    """So many logins under way; each offers to come without one as well."""
    clients = [stack.enter_context(suite.client()) for _ in range(n)]
    for i, c in enumerate(clients):
        c.send(greeting(NONE, USERPASS), wire.login(f"guest-{i}", "wrong"), request("9.0.0.1", 80))
    return clients


def test_p_6_without_authd_nobody_is_let_in(either):
    """threats.md P-6: frozen, or killed with logins under way, it says yes to
    nobody, and nobody is served as anonymous instead; back again, it serves."""
    pid = either.pid("authd")
    with contextlib.ExitStack() as stack:
        os.kill(pid, signal.SIGSTOP)
        try:
            for c in guesses(stack, either):
                c.ends_with(FAILED)
                c.record(close_reason="auth_silent", status="failed", dest_ip=None)
            waiting = guesses(stack, either)
        finally:
            os.kill(pid, signal.SIGKILL)
        # The next authd may be there in time to be asked again: it says no.
        for c in waiting:
            c.ends_with(FAILED)
            row = c.record(dest_ip=None)
            assert (row["close_reason"], row["status"]) in (
                ("auth_silent", "failed"), ("auth_failed", "rejected")), row
    wait_for("a new authd", lambda: either.knows("plain", USERS["plain"]))


def memory_of(pid):
    """What a core would hold."""
    found = bytearray()
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
            area, rights, *_ = line.split()
            first, last = (int(x, 16) for x in area.split("-"))
            # The larger ones are AddressSanitizer's own.
            if "rw" in rights and last - first < 1 << 30:
                memory.seek(first)
                found += memory.read(last - first) or b""
    return bytes(found)
