# SPDX-License-Identifier: MIT
"""BIND through the whole suite: the peer asked for, any peer by a rule, and history."""
import pathlib
import socket
import struct

import pytest
from stack import Stack, wait_for

ANY_PEER = """
  [[users.rules]]
  id = "demo-any-peer"
  action = "allow"
  destinations = ["0.0.0.0"]
  commands = ["bind"]
  allow_internal = true

  [[users.rules]]
  id = "demo-not-that-one"
  action = "block"
  destinations = ["127.0.0.66"]
  commands = ["bind"]
"""


@pytest.fixture
def stack(tmp_path):
    top = pathlib.Path(__file__).resolve().parents[2]
    s = Stack(top, tmp_path / "var", SALLYPORT_PROXY__COMMANDS="connect,udp,bind")
    s.start()
    yield s
    s.finish()


def take(sock, n):
    data = b""
    while len(data) < n:
        more = sock.recv(n - len(data))
        assert more, data
        data += more
    return data


def bind(stack, peer, port=0):
    """The control connection, and the code of the first reply."""
    s = socket.create_connection(("127.0.0.1", stack.socks), 20)
    user, password = stack.user.encode(), stack.password.encode()
    s.sendall(b"\5\1\2\1%c%s%c%s" % (len(user), user, len(password), password))
    s.sendall(b"\5\2\0\1" + socket.inet_aton(peer) + struct.pack(">H", port))
    assert take(s, 4) == b"\5\2\1\0"
    return s, take(s, 2)[1]


def endpoint(sock):
    """The rest of a reply."""
    assert take(sock, 2) == b"\0\1"
    return socket.inet_ntoa(take(sock, 4)), int.from_bytes(take(sock, 2), "big")


def come(to, source):
    return socket.create_connection(to, 20, (source, 0))


def assert_turned_away(to, source):
    """The reset may be there before connect() has looked."""
    with pytest.raises(ConnectionResetError), come(to, source) as peer:
        peer.recv(1)


def test_the_peer_that_was_asked_for(stack):
    control, code = bind(stack, "127.0.0.1")
    at = endpoint(control)
    assert code == 0 and at[0] == "127.0.0.1"
    assert_turned_away(at, "127.0.0.2")
    peer = come(at, "127.0.0.1")
    source = peer.getsockname()
    assert take(control, 2) == b"\5\0" and endpoint(control) == source
    peer.sendall(b"220 hello")
    assert take(control, 9) == b"220 hello"
    control.sendall(b"thanks")
    assert take(peer, 6) == b"thanks"
    control.close()
    peer.close()

    (row,) = stack.wait_history(1)
    assert (row["command"], row["protocol"], row["carrier"]) == ("bind", "tcp", "socks5")
    assert (row["status"], row["close_reason"]) == ("closed", "client_closed")
    assert (row["dest_ip"], row["dest_port"]) == source
    assert (row["bytes_sent"], row["bytes_received"]) == (6, 9)
    assert (row["acl_decision"], row["acl_rule_matched"]) == ("allow", "demo-loopback")


def test_any_peer_needs_a_rule(stack):
    control, code = bind(stack, "0.0.0.0")
    assert code == 2
    control.close()
    (row,) = stack.wait_history(1)
    assert (row["status"], row["close_reason"]) == ("rejected", "hard_deny")

    policy = stack.state / "etc/acl.toml"
    policy.write_text(policy.read_text() + ANY_PEER)

    def permitted():
        control, code = bind(stack, "0.0.0.0")
        if code == 0:
            return control
        control.close()

    control = wait_for("the rule", permitted)
    at = endpoint(control)
    assert_turned_away(at, "127.0.0.66")
    peer = come(at, "127.0.0.65")
    assert take(control, 2) == b"\5\0" and endpoint(control) == peer.getsockname()
    control.close()
    peer.close()
    rows = wait_for("the record", lambda: stack.history("&status=closed"))
    assert rows[0]["dest_ip"] == "127.0.0.65"
