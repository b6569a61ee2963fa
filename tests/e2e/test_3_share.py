# SPDX-License-Identifier: MIT
"""Each daemon in a session of its own."""
import os
import re
import signal

from stack import DAEMONS, PATIENCE, Held


def test_each_daemon_leads_a_session(stack):
    pids = [stack.pid(d) for d in DAEMONS]
    assert [os.getsid(pid) for pid in pids] == pids


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
