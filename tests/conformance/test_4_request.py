# SPDX-License-Identifier: MIT
"""Section 4: the request (cases 20-25). Names are in test_4_names.py,
addresses in test_4_addresses.py, name servers in test_4_dns.py."""
import pytest
import wire
from sockets import quiet
from targets import V4
from wire import BIND, CONNECT, UDP, request


def questions(suite):
    """What was asked of the policy."""
    return suite.metric("acld_decisions_total", daemon="acld")


@pytest.mark.parametrize("rsv", [1, 0x80, 0xFF])
def test_case_20_rsv_is_counted(either, target, rsv):
    with either.counts("proxy_protocol_oddities_total", '"rsv"'), either.client() as c:
        c.enter().send(request(target.host, target.port, rsv=rsv)).connected()
        target.accept().close()


@pytest.mark.parametrize("command", [0, 4, 0x80, 0xF0, 0xFF])
@pytest.mark.parametrize("host", [V4, "2600::1", "name.test"])
def test_case_21_unknown_command(either, command, host):
    """The whole request is read before it is refused."""
    whole = request(host, 80, command)
    with either.client() as c:
        c.enter().send(whole[:-1]).wait_read()
        assert quiet(c.sock)
        c.send(whole[-1:]).refused(wire.NO_COMMAND)
        c.record(close_reason="command_unknown", status="rejected", reply_code=7)


@pytest.mark.parametrize("atyp", [0, 2, 5, 0xFF])
@pytest.mark.parametrize("command", [0, CONNECT, BIND, UDP, 4, 0xFF])
def test_case_22_unknown_address_type(either, command, atyp):
    """At once: its length is unknown. Also where the command is unknown."""
    with either.client() as c:
        c.enter().send(bytes([5, command, 0, atyp])).refused(wire.NO_ADDRESS_TYPE)
        c.record(close_reason="address_type_unknown", status="rejected", reply_code=8)


def test_case_21_unknown_command_and_address_type(either):
    with either.client() as c:
        c.enter().send(b"\5\x09\0\x09" + bytes(300)).refused(wire.NO_ADDRESS_TYPE)


@pytest.mark.parametrize("command", [BIND, UDP])
@pytest.mark.parametrize("host", [V4, "2600::1", "0.0.0.0", "name.test"])
def test_case_23_command_is_off(bare, command, host):
    """07: a property of the server."""
    with bare.client() as c:
        c.enter().ask(host, 80, command).refused(wire.NO_COMMAND)
        c.record(close_reason="command_disabled", status="rejected", reply_code=7)


@pytest.mark.parametrize("command, port", [(CONNECT, 25), (BIND, 80)])
def test_case_23_command_is_refused(either, command, port):
    """02: a property of who asks."""
    with either.client() as c:
        c.enter().ask("9.67.0.1", port, command).refused(wire.NOT_ALLOWED)
        c.record(close_reason="policy_block", status="rejected", reply_code=2)


@pytest.mark.parametrize("host", [V4, "2600::1", "zero.test", "127.0.0.1"])
def test_case_24_port_0(either, nameserver, host):
    nameserver.add("zero.test", A=V4)
    before = questions(either)
    with either.client() as c:
        c.enter().ask(host, 0).refused(wire.GENERAL)
        c.record(close_reason="invalid_request", status="rejected", reply_code=1)
    assert questions(either) == before and nameserver.questions("zero.test") == []


def test_case_25_empty_name(either):
    """With the port or without it: nothing was announced to wait for."""
    for tail in (b"", b"\0\x50"):
        with either.client() as c:
            c.enter().send(b"\5\1\0\3\0", tail).refused(wire.GENERAL)
            c.record(close_reason="invalid_name", status="rejected", reply_code=1)
