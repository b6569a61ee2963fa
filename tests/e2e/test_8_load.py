# SPDX-License-Identifier: MIT
"""Many clients at once while everything that can change does: each session is
answered, and recorded once. Under ThreadSanitizer it is what the daemons'
threads are judged by."""
import concurrent.futures
import signal
import socket
import threading

from stack import wait_for

CLIENTS = 12
ROUNDS = 25


def one_session(stack, port, path):
    """A connection of our own hand: greeting, login, request, HTTP."""
    with stack.connect("127.0.0.1", port) as s:
        s.sendall(f"GET /{path} HTTP/1.0\r\n\r\n".encode())
        answer = b""
        while more := s.recv(4096):
            answer += more
    assert answer.endswith(f"hello /{path}\n".encode()), answer


def refused_login(stack):
    with socket.create_connection(("127.0.0.1", stack.socks), 20) as s:
        s.sendall(b"\5\1\2\1\4demo\5wrong")
        answer = b""
        while more := s.recv(16):
            answer += more
    assert answer[:3] == b"\5\2\1" and answer[3:] not in (b"", b"\0"), answer


def client(stack, port, number):
    for i in range(ROUNDS):
        one_session(stack, port, f"{number}-{i}")
        if i % 5 == 0:
            refused_login(stack)


def disturb(stack, over):
    """Edits of the policy, reloads, and questions to every daemon."""
    policy = stack.state / "etc/acl.toml"
    text = policy.read_text()
    rounds = 0
    while not over.is_set():
        part = policy.with_suffix(".part")
        part.write_text(f"{text}\n# {rounds}\n")
        part.rename(policy)
        stack.run.send_signal(signal.SIGHUP)
        for path in ("/api/sessions/active", "/api/sessions/stats", "/metrics"):
            assert stack.api(path, raw=True)[0] == 200, path
        rounds += 1
    return rounds


def test_everything_at_once(stack, servers):
    over = threading.Event()
    with concurrent.futures.ThreadPoolExecutor(CLIENTS + 1) as pool:
        disturber = pool.submit(disturb, stack, over)
        try:
            clients = [pool.submit(client, stack, servers.port, n) for n in range(CLIENTS)]
            for c in clients:
                c.result()
        finally:
            over.set()
        assert disturber.result() > 0

    wrong = CLIENTS * len(range(0, ROUNDS, 5))
    rows = stack.wait_history(CLIENTS * ROUNDS + wrong)
    assert len({row["session_id"] for row in rows}) == len(rows)
    assert sum(row["status"] == "closed" for row in rows) == CLIENTS * ROUNDS
    assert sum(row["close_reason"] == "auth_failed" for row in rows) == wrong
    wait_for("no session to be left", lambda: stack.api("/api/sessions/active")[1]["items"] == [])
