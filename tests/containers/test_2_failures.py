# SPDX-License-Identifier: MIT
"""Containers that crash and a database that goes away, while traffic runs.

A session counts as done for its client when its bytes came back. Its row has to
be there exactly once, unless sessiond was away when it ended: until the proxy
keeps a journal, what is published then is gone, and audit_gap says so.
"""
import time

import pytest

from compose import DAEMONS, note, wait_for
from traffic import Traffic, exactly_once

# What the proxy can do without while they start again, records included.
NOT_MISSED = ("apid", "db")


def settled(suite, traffic, **window):
    """Waits until every session of the window has its row, and no two."""
    found = []

    def nothing():
        found[:] = exactly_once(suite, traffic, **window)
        return found == [[], []]

    try:
        wait_for("rows", nothing, 30)
    except AssertionError:
        raise AssertionError(f"missing, doubled: {found}\n{suite.say()}") from None


def stored(suite):
    return {i for (i,) in suite.psql("SELECT id FROM sallyport.session")}


def gaps(suite):
    return int(suite.psql("SELECT count(*) FROM sallyport.audit_gap")[0][0])


@pytest.mark.parametrize("service", ("db", *DAEMONS))
def test_a_killed_container_comes_back(suite, client, service):
    with Traffic(client) as traffic:
        wait_for("traffic", traffic.more())
        settled_at = time.time() - 1
        settled(suite, traffic, until=settled_at)
        before, gaps_before = stored(suite), gaps(suite)
        start = time.time()
        suite.kill(service)
        suite.healthy("db", *DAEMONS)
        wait_for("traffic again", traffic.more(50))
        back = time.time()
    note(f"{service}: whole again after {back - start:.1f} s, "
          f"{len(traffic.failed)} sessions failed meanwhile")
    if service in ("proxy", "sessiond"):
        # What was committed stays, what comes later is stored.
        settled(suite, traffic, since=back - 0.5)
        settled(suite, traffic, until=settled_at)
        missing, _ = exactly_once(suite, traffic)
        assert service == "proxy" or not missing or gaps(suite) > gaps_before
    else:
        settled(suite, traffic)
        assert gaps(suite) == gaps_before
    assert before <= stored(suite)
    if service in NOT_MISSED + ("sessiond",):
        assert traffic.failed == []
    wait_for("the API", client.answered)


def test_the_database_stops_for_five_seconds(suite, client):
    """sessiond buffers, says so, and stores it all when it is back."""
    gaps_before = gaps(suite)
    with Traffic(client) as traffic:
        wait_for("traffic", traffic.more())
        suite.engine.docker("stop", "-t", "10", suite.id("db"))
        stopped = time.time()
        wait_for("sessiond to say so",
                 lambda: "not ready" in suite.health("sessiond")
                 or suite.health("sessiond") == "unhealthy"
                 or "database" in suite.logs("sessiond").splitlines()[-1])
        wait_for("five seconds", lambda: time.time() - stopped > 5)
        wait_for("traffic without it", traffic.more())
        suite.engine.docker("start", suite.id("db"))
        suite.healthy("db", *DAEMONS)
        wait_for("traffic after it", traffic.more())
    assert traffic.failed == []
    settled(suite, traffic)
    assert gaps(suite) == gaps_before
    note(f"{len(traffic.done)} sessions, all stored")


def test_a_daemon_that_is_paused_is_noticed_and_forgiven(suite, client):
    """The machine was busy, not the daemon dead: no new process."""
    pid = suite.state("acld")["Pid"]
    suite.engine.docker("pause", suite.id("acld"))
    try:
        wait_for("refusals", lambda: client.curl("http://echo:8080/").returncode == 97)
    finally:
        suite.engine.docker("unpause", suite.id("acld"))
    wait_for("traffic", lambda: client.curl("http://echo:8080/").returncode == 0)
    suite.healthy(*DAEMONS)
    assert suite.state("acld")["Pid"] == pid
