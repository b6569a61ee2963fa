# SPDX-License-Identifier: MIT
"""Section 4: what name servers say (cases 36, 37), and threats.md D-3, D-4."""
import itertools

import pytest
import wire
from nameserver import NXDOMAIN, REFUSED, SERVFAIL, A
from targets import V4, V6, Echo, Target

INTERNAL = ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fd00::1", "::ffff:127.0.0.1", "0.0.0.0"]


def records_of(*addresses):
    found = {"A": [a for a in addresses if ":" not in a], "AAAA": [a for a in addresses if ":" in a]}
    return {kind: list_ for kind, list_ in found.items() if list_}


@pytest.mark.parametrize("closed", INTERNAL)
def test_case_36_only_the_permitted_are_dialled(either, nameserver, canary, closed):
    """The rest is dropped, wherever it stands; the record says which."""
    reachable = canary.sings(closed)
    assert reachable or closed == "0.0.0.0"
    name = f"mixed-{INTERNAL.index(closed)}.test"
    # On the port of the canary nobody listens but the canary: it refuses none.
    for order in ([closed, "9.0.0.7"], ["9.0.0.7", closed]):
        nameserver.add(name, **records_of(*order))
        with either.client() as c:
            c.enter().ask(name, canary.port).connected()
            end = canary.tcp[0]
            end.settimeout(20)
            peer, _ = end.accept()
            assert peer.getsockname()[0] == "9.0.0.7"
            end.setblocking(False)
            peer.close()
            c.finish().ends_with(b"")
            c.record(dest_ip="9.0.0.7", resolved_ips=["9.0.0.7"], dest_host=name)
    canary.assert_silent()


def test_case_36_none_left(either, nameserver, canary):
    name = nameserver.add("inside.test", **records_of(*INTERNAL))
    with either.client() as c:
        c.enter().ask(name, canary.port).refused(wire.NOT_ALLOWED)
        c.record(close_reason="hard_deny", dest_host=name, resolved_ips=[])
    name = nameserver.add("evil-inside.test", A=["9.66.0.1", "9.66.0.2"])
    with either.client() as c:
        c.enter().ask(name, canary.port).refused(wire.NOT_ALLOWED)
        c.record(close_reason="policy_block", acl_rule_matched="no-evil", dest_ip="9.66.0.1")
    canary.assert_silent()


def test_case_36_aliases_are_judged_by_their_addresses(either, nameserver, canary):
    nameserver.add("localhost.inside.test", A="127.0.0.1", AAAA="::1")
    nameserver.add("alias.test", CNAME="localhost.inside.test")
    nameserver.add("alias2.test", CNAME="alias.test")
    for name in ("alias.test", "alias2.test"):
        with either.client() as c:
            c.enter().ask(name, canary.port).refused(wire.NOT_ALLOWED)
            c.record(close_reason="hard_deny", dest_host=name)
    canary.assert_silent()


def test_case_36_rebinding(either, nameserver, canary):
    """One answer is judged and dialled, even if the next would be another.
    Both ways round, many times."""
    flips = itertools.cycle([["9.0.0.8"], ["127.0.0.1"], ["9.0.0.8", "127.0.0.1"]])
    nameserver.add("flip.test", A=lambda: next(flips))
    reached = 0
    for _ in range(120):
        with either.client() as c:
            c.enter().ask("flip.test", canary.port)
            code, _ = c.reply()
            assert code in (wire.OK, wire.NOT_ALLOWED)
            reached += code == wire.OK
    assert reached > 40
    end = canary.tcp[0]
    end.settimeout(20)
    for _ in range(reached):
        s, _ = end.accept()
        assert s.getsockname()[0] == "9.0.0.8"
        s.close()
    end.setblocking(False)
    canary.assert_silent()


FAILURES = {
    "no-such-name": ({"rcode": NXDOMAIN}, "dns_not_found", "not_found"),
    "no-address": ({}, "dns_not_found", "not_found"),
    "servfail": ({"rcode": SERVFAIL}, "dns_failure", "failed"),
    "refused": ({"rcode": REFUSED}, "dns_failure", "failed"),
}


def fails(suite, name, reason, label):
    with suite.counts("proxy_dns_lookups_total", f'"{label}"'), suite.client() as c:
        c.enter().ask(name, 80).refused(wire.HOST_UNREACHABLE)
        c.record(close_reason=reason, dest_host=name, dest_ip=None, status="failed", reply_code=4)
    assert f"reason={reason}" in suite.log()


@pytest.mark.parametrize("name", FAILURES)
def test_case_37_all_are_04_and_told_apart(either, nameserver, name):
    entry, reason, label = FAILURES[name]
    fails(either, nameserver.add(f"{name}.test", **entry), reason, label)


def test_case_37_so_is_silence(quick, nameserver):
    fails(quick, nameserver.add("silence.test", silent=True), "dns_timeout", "timeout")


def test_case_37_no_address_of_one_family_is_none_of_the_other(either, nameserver):
    for name, address in (("only4.test", V4), ("only6.test", V6)):
        nameserver.add(name, **records_of(address))
        with Echo(address) as echo, either.client() as c:
            c.enter().ask(name, echo.port).connected()
            c.finish().ends_with(b"").record(dest_ip=address, dest_host=name)


def test_case_37_truncated_answers_come_by_tcp(either, nameserver):
    addresses = [f"9.0.1.{n}" for n in range(1, 30)] + [V4]
    name = nameserver.add("big.test", A=addresses, big=True)
    with Echo("0.0.0.0") as echo, either.client() as c:
        c.enter().ask(name, echo.port).connected()
        c.finish().ends_with(b"")
        assert c.record(dest_host=name)["dest_ip"] in addresses
    assert (A, "tcp") in nameserver.questions(name)


@pytest.mark.parametrize("count", [33, 200, 1500])
def test_case_37_many_addresses_are_cut(either, nameserver, count):
    addresses = [f"9.1.{n // 250}.{n % 250 + 1}" for n in range(count)]
    name = nameserver.add(f"many-{count}.test", A=addresses, big=True)
    with Echo("0.0.0.0") as echo, either.client() as c:
        c.enter().ask(name, echo.port).connected()
        c.finish().ends_with(b"")
        assert len(c.record(dest_host=name)["resolved_ips"]) <= 32


@pytest.mark.parametrize("length", [1, 4, 30])
def test_case_37_loops_and_long_chains_end(either, nameserver, length):
    for n in range(length):
        nameserver.add(f"ring-{length}-{n}.test", CNAME=f"ring-{length}-{(n + 1) % length}.test")
    with either.client() as c:
        c.enter().ask(f"ring-{length}-0.test", 80).refused(wire.HOST_UNREACHABLE)
        assert c.record()["close_reason"] in ("dns_not_found", "dns_failure")


def test_case_37_the_other_family_when_one_is_silent(either, nameserver):
    """Happy eyeballs: what is there is tried."""
    name = nameserver.add("half.test", A=V4, AAAA=["2600::dead"])
    with Target(V4) as target, either.client() as c:
        c.enter().ask(name, target.port)
        target.accept().close()
        c.connected()
        c.finish().ends_with(b"").record(dest_ip=V4)
