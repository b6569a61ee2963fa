# SPDX-License-Identifier: MIT
"""Daemons that die, in any order, while traffic runs."""
import os
import signal
import socket
import time

import pytest

from stack import DAEMONS, Stack, wait_for

pytestmark = pytest.mark.both_databases


def works(stack, port):
    return stack.curl(f"http://127.0.0.1:{port}/").returncode == 0


@pytest.mark.parametrize("daemon", DAEMONS)
def test_traffic_recovers_when_one_is_killed(stack, servers, daemon):
    assert works(stack, servers.port)
    others = {d: stack.pid(d) for d in DAEMONS if d != daemon}
    old = stack.pid(daemon)
    os.kill(old, signal.SIGKILL)
    start = time.monotonic()
    wait_for(f"a new {daemon}", lambda: stack.pid(daemon) not in (None, old))
    wait_for("traffic", lambda: works(stack, servers.port))
    took = time.monotonic() - start
    assert {d: stack.pid(d) for d in others} == others
    # Everything is whole again: a login that no lease knows, a fresh
    # decision (traffic may have been let through by an old one), a record, an
    # answer of the API.
    stack.curl(f"http://127.0.0.1:{servers.port}/after", user="nobody", password="x")
    wait_for("a fresh decision",
             lambda: stack.curl(f"http://127.0.0.2:{servers.port}/after").returncode == 0)

    def recorded():
        try:
            rows = stack.history()
        except OSError:
            return False
        return any(r["user"] == "nobody" for r in rows) and any(
            r["dest_ip"] == "127.0.0.2" for r in rows
        )

    def again():
        stack.curl(f"http://127.0.0.1:{servers.port}/", user="nobody", password="x")
        stack.curl(f"http://127.0.0.2:{servers.port}/")
        return recorded()

    wait_for("records", again)
    print(f"{daemon}: traffic after {took:.2f} s")
    assert f"sallyport-{daemon} ended" in stack.log()


def test_one_that_keeps_dying_is_given_time(stack):
    """At once, then after 0.2 s, then 0.4 s."""
    for _ in range(3):
        old = wait_for("apid", lambda: stack.pid("apid"))
        os.kill(old, signal.SIGKILL)
        wait_for("a new apid", lambda: stack.pid("apid") not in (None, old))
    said = [line.partition("; ")[2] for line in stack.log().splitlines()
            if "sallyport-apid ended" in line]
    assert said[-3:] == ["starting it again", "starting it again in 0.2 s",
                         "starting it again in 0.4 s"], said


def test_running_sessions_survive_the_others(stack):
    """A relay goes on while every daemon but the proxy is killed."""
    listener = socket.create_server(("127.0.0.1", 0))
    client = stack.connect("127.0.0.1", listener.getsockname()[1])
    target, _ = listener.accept()
    for daemon in ("authd", "acld", "sessiond", "apid"):
        os.kill(stack.pid(daemon), signal.SIGKILL)
        for one, other in ((target, client), (client, target)):
            one.sendall(daemon.encode())
            assert other.recv(64) == daemon.encode()
    for s in (target, client, listener):
        s.close()
    wait_for("all daemons", lambda: all(stack.pid(d) for d in DAEMONS))


def refused(stack, port, code):
    answer = stack.curl(f"http://127.0.0.3:{port}/", user=None)
    return answer.returncode == 97 and f"({code})" in answer.stderr


def test_without_acld_new_sessions_are_refused_in_time(stack, servers):
    """Reply 01 while acld says nothing, and recovery by itself."""
    acld = stack.pid("acld")
    os.kill(acld, signal.SIGSTOP)
    try:
        assert refused(stack, servers.port, 1)
    finally:
        os.kill(acld, signal.SIGCONT)
    wait_for("decisions", lambda: stack.curl(f"http://127.0.0.3:{servers.port}/").returncode == 0)


def test_everything_killed_then_started_again(tmp_path, servers, database):
    from conftest import TOP

    stack = Stack(TOP, tmp_path / "var", **database)
    stack.start()
    password, token = stack.password, stack.token
    assert works(stack, servers.port)
    stack.wait_history(1)
    stack.kill_all()
    stack.start()
    assert (stack.password, stack.token) == (password, token)
    assert works(stack, servers.port)
    stack.wait_history(2)
    stack.finish()


def test_a_second_start_says_that_the_port_is_in_use(stack, tmp_path):
    from conftest import TOP

    second = Stack(TOP, tmp_path / "second" / "var")
    with pytest.raises(AssertionError) as failure:
        second.start()
    assert "Address already in use" in str(failure.value)
    assert second.run.wait(60) != 0
