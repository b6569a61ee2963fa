# SPDX-License-Identifier: MIT
"""The first thing a newcomer sees: six attempts, six answers, six records."""
import socket

import pytest

pytestmark = pytest.mark.both_databases


def by_reason(rows):
    return {(row["dest_host"] or row["dest_ip"], row["dest_port"], row["status"]): row for row in rows}


def test_six_attempts_and_their_records(stack, servers):
    servers.add(25)
    servers.add(80)
    port = servers.port
    # The canaries can be reached, so that the refusals below mean something.
    for address in ("169.254.169.254", "127.0.0.1"):
        socket.create_connection((address, 80), 5).close()
        socket.create_connection((address, 25), 5).close()
    servers.hits.clear()

    for host in ("127.0.0.1", "[::1]", "localhost"):
        answer = stack.curl(f"http://{host}:{port}/x")
        assert (answer.returncode, answer.stdout) == (0, "hello /x\n"), answer
    wrong = stack.curl(f"http://127.0.0.1:{port}/", password="not-it")
    assert wrong.returncode == 97 and "rejected" in wrong.stderr, wrong
    mail = stack.curl("http://127.0.0.1:25/")
    assert mail.returncode == 97 and "(2)" in mail.stderr, mail
    metadata = stack.curl("http://169.254.169.254/latest/meta-data/")
    assert metadata.returncode == 97 and "(2)" in metadata.stderr, metadata
    assert [path for _, path in servers.hits] == ["/x"] * 3

    rows = stack.wait_history(6)
    for row in rows:
        assert row["user"] == "demo"
        assert row["source_ip"] == "127.0.0.1" and row["source_port"] > 0
        assert row["carrier"] == "socks5"
        assert row["start_time"] <= row["end_time"]
        assert row["duration_secs"] >= 0
        assert row["session_id"]
    newest = list(reversed(rows))
    v4, v6, name = newest[:3]
    assert [r["status"] for r in newest[:3]] == ["closed"] * 3
    assert [r["dest_ip"] for r in (v4, v6)] == ["127.0.0.1", "::1"]
    assert [r["dest_host"] for r in (v4, v6, name)] == [None, None, "localhost"]
    assert name["dest_ip"] in ("127.0.0.1", "::1")
    for row in (v4, v6, name):
        assert row["dest_port"] == port
        assert row["acl_decision"] == "allow"
        assert row["acl_rule_matched"] == "demo-loopback"
        assert row["close_reason"] in ("client_closed", "target_closed")
        assert row["bytes_sent"] > 50 and row["bytes_received"] > len("hello /x\n")
        assert row["command"] == "connect" and row["protocol"] == "tcp"

    wrong, mail, metadata = newest[3:]
    assert (wrong["status"], wrong["close_reason"]) == ("rejected", "auth_failed")
    assert wrong["dest_ip"] is None and wrong["dest_port"] in (None, 0)
    assert (mail["status"], mail["close_reason"]) == ("rejected", "policy_block")
    assert mail["acl_rule_matched"] == "no-mail" and mail["acl_decision"] == "block"
    assert (mail["dest_ip"], mail["dest_port"]) == ("127.0.0.1", 25)
    assert (metadata["status"], metadata["close_reason"]) == ("rejected", "hard_deny")
    assert metadata["dest_ip"] == "169.254.169.254"
    for row in (wrong, mail, metadata):
        assert row["bytes_sent"] == 0 and row["bytes_received"] == 0


def test_banner_and_state(stack):
    assert "ready" in stack.banner
    demo = stack.state / "demo.env"
    assert demo.stat().st_mode & 0o777 == 0o600
    lines = demo.read_text().splitlines()
    assert [line.split("=")[0] for line in lines] == [
        "SALLYPORT_USER",
        "SALLYPORT_PASSWORD",
        "SALLYPORT_TOKEN",
    ]
    assert stack.user == "demo" and len(stack.password) >= 20


def test_the_log_has_no_password(stack, servers):
    secret = "canary-7f3a-password"
    stack.curl(f"http://127.0.0.1:{servers.port}/", password=secret)
    stack.curl(f"http://127.0.0.1:{servers.port}/")
    stack.wait_history(2)
    log = stack.log()
    assert "session_closed" in log
    for word in (secret, stack.password, stack.token):
        assert word not in log
