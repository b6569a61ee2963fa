# SPDX-License-Identifier: MIT
"""Each daemon in a session of its own; sessiond's stands back while it keeps up."""
import os
import pathlib
import re
import signal
import sqlite3

import pytest

from stack import DAEMONS, PATIENCE, Held, wait_for

HAS_AUTOGROUPS = pathlib.Path("/proc/self/autogroup").exists()


def nice(stack, daemon):
    """Of the daemon's session, for the kernel's autogroups."""
    text = pathlib.Path(f"/proc/{stack.pid(daemon)}/autogroup").read_text()
    return int(text.rpartition("nice ")[2])


def test_each_daemon_leads_a_session(stack):
    pids = [stack.pid(d) for d in DAEMONS]
    assert [os.getsid(pid) for pid in pids] == pids


@pytest.mark.skipif(not HAS_AUTOGROUPS, reason="no autogroups in this kernel")
def test_sessiond_stands_back_while_it_keeps_up(stack, servers):
    def visit():
        assert stack.curl(f"http://127.0.0.1:{servers.port}/").returncode == 0

    wait_for("sessiond to stand back", lambda: nice(stack, "sessiond") == 19)
    database = sqlite3.connect(stack.state / "data/sallyport.db", isolation_level=None)
    database.execute("BEGIN IMMEDIATE")
    # What it was given first cannot be stored, and a later one finds it late.
    wait_for("its full share", lambda: visit() or nice(stack, "sessiond") == 0)
    database.execute("ROLLBACK")
    database.close()
    wait_for("sessiond to stand back again", lambda: nice(stack, "sessiond") == 19)
    assert {d: nice(stack, d) for d in DAEMONS if d != "sessiond"} == {
        d: 0 for d in DAEMONS if d != "sessiond"}


def test_ctrl_c_ends_the_proxy_first(stack):
    """As a terminal sends it, to the whole group in front."""
    held = Held(stack.run.pid)
    os.killpg(stack.run.pid, signal.SIGINT)
    assert stack.run.wait(PATIENCE) == 0
    assert held.left() == []
    held.close()
    stack.run.stdout.close()
    stack.errors.close()
    stack.run = None
    ended = re.findall(r"service=(\w+) .*event=stopping", stack.log())
    assert ended[0] == "proxy" and sorted(ended) == sorted(DAEMONS), ended
