# SPDX-License-Identifier: MIT
"""Section 7: BIND (cases 50-56)."""
import contextlib
import os
import socket

import pytest
import wire
from sockets import family_of, free_socket, quiet, read_exactly, read_to_end, tcp_table
from stack import wait_for
from stacks import SOURCE_ANY_PEER
from targets import echo_once
from wire import BIND

PEER, PEER6, STRANGER = "9.0.0.5", "2600::5", "9.0.0.6"


def come(address, to):
    """A connection from that address."""
    s = free_socket(family_of(address), socket.SOCK_STREAM, address)
    s.connect(to)
    return s


def shut_out(address, to):
    """Whoever comes from there is reset: at once, or by the time it reads."""
    with contextlib.suppress(ConnectionResetError), come(address, to) as s:
        assert read_to_end(s) == (b"", "RST"), address


def bind(c, host=PEER, port=0):
    """The address of the first reply."""
    return c.enter().ask(host, port, BIND).connected()


def listening(port):
    return any(key[2] == port and key[3] == 0 for key in tcp_table())


@pytest.mark.parametrize("peer", [PEER, PEER6])
def test_case_50_first_reply(either, peer):
    with either.client() as c:
        bound = bind(c, peer)
        assert bound[0] not in ("0.0.0.0", "::") and bound[1] > 0
        assert family_of(bound[0]) == family_of(peer)
        with come(peer, bound) as s:
            assert c.connected() == s.getsockname()[:2]
            echo_once(c.sock, s)


def test_case_50_advertised(options):
    """The configured address for these clients, another for the others; the
    port is of the configured range."""
    with options.client("127.20.0.1") as c:
        host, port = bind(c)
        assert host == "192.0.2.1" and 43000 <= port <= 43099
        # Here the listener's own address towards DST is that of DST.
        with come(PEER, (PEER, port)):
            c.connected()
    with options.client() as c:
        assert bind(c)[0] == "127.0.0.2"


def test_case_50_ports_are_random(options):
    clients = [options.client() for _ in range(12)]
    ports = [bind(c)[1] for c in clients]
    assert len(set(ports)) == 12 and ports != sorted(ports)
    for c in clients:
        c.close()


def test_case_51_second_reply_names_the_peer(either):
    with either.client() as c:
        bound = bind(c)
        assert quiet(c.sock)
        with come(PEER, bound) as s:
            assert c.connected() == s.getsockname()[:2] == (PEER, s.getsockname()[1])
            # One peer only: the listener is gone.
            wait_for("the listener to go", lambda: not listening(bound[1]))
            s.sendall(b"hello")
            assert c.take(5) == b"hello"
            c.send(b"and good bye").finish()
            assert read_to_end(s) == (b"and good bye", "FIN")
        c.ends_with(b"")
        row = c.record(command="bind", status="closed", bytes_sent=12, bytes_received=5)
        assert row["dest_ip"] == PEER


def test_case_52_other_peers_are_reset(either):
    """Listening goes on, and the right one still succeeds."""
    with either.client() as c, either.counts("proxy_bind_peers_total", '"wrong_peer"', by=50):
        bound = bind(c)
        for n in range(50):
            shut_out(STRANGER if n % 2 else f"9.0.1.{n}", bound)
        assert quiet(c.sock)
        with come(PEER, bound) as s:
            assert c.connected()[0] == PEER
            echo_once(c.sock, s)


@pytest.mark.parametrize("anybody", ["0.0.0.0", "::"])
def test_case_52_any_peer_needs_a_rule(either, anybody):
    with either.client() as c:
        c.enter().ask(anybody, 0, BIND).refused(wire.NOT_ALLOWED)
        c.record(command="bind", status="rejected", close_reason="hard_deny")


def test_case_52_any_peer_by_a_rule(either):
    with either.client(f"127.{SOURCE_ANY_PEER}.0.1") as c:
        bound = bind(c, "0.0.0.0")
        with come(STRANGER, bound) as s:
            assert c.connected()[0] == STRANGER
            echo_once(c.sock, s)


def test_case_53_nobody_comes(quick):
    with quick.client() as c:
        bound = bind(c)
        c.refused(wire.TTL_EXPIRED)
        assert not listening(bound[1])
        c.record(command="bind", status="failed", close_reason="bind_timeout")


@pytest.mark.parametrize("how", ["FIN", "RST"])
def test_case_54_client_goes_away(either, how):
    with either.client() as c:
        bound = bind(c)
        assert listening(bound[1])
        c.reset() if how == "RST" else c.close()
        wait_for("the listener to go", lambda: not listening(bound[1]))
        c.record(command="bind", close_reason="client_gone", status="failed")


def test_case_55_early_data(either):
    early = os.urandom(600)
    with either.client() as c:
        c.enter().send(wire.request(PEER, 0, BIND), early)
        bound = c.connected()
        c.wait_read()
        with come(PEER, bound) as s:
            c.connected()
            assert read_exactly(s, len(early)) == early
            echo_once(c.sock, s)


def test_case_56_policy_judges_the_peer(either):
    """Any peer may come, but for those whom a rule shuts out by command bind."""
    with either.client(f"127.{SOURCE_ANY_PEER}.0.2") as c:
        bound = bind(c, "0.0.0.0")
        for address in ("9.67.0.1", "9.66.0.1", "10.0.0.1", "127.0.0.1"):
            shut_out(address, bound)
        with come(STRANGER, bound):
            assert c.connected()[0] == STRANGER


def test_case_56_the_request_is_judged_first(either):
    with either.client() as c:
        c.enter().ask("9.67.0.1", 0, BIND).refused(wire.NOT_ALLOWED)
        c.record(close_reason="policy_block", acl_rule_matched="connect-only")
