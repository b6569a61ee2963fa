# SPDX-License-Identifier: MIT
"""Stopped and started again: in order, in time, with everything still there."""
import time

from compose import DAEMONS, note, wait_for


def test_stop_is_clean_and_up_finds_everything(suite, client):
    """The last test: the suite is up again after it, under new addresses."""
    with client.connect() as s:
        port = s.getsockname()[1]
    wait_for("its row", lambda: suite.psql(
        f"SELECT 1 FROM sallyport.session WHERE source_port = {port}"))
    before = {i for (i,) in suite.psql("SELECT id FROM sallyport.session")}
    start = time.monotonic()
    suite("stop")
    note(f"stopped in {time.monotonic() - start:.1f} s")
    for service in ("db", *DAEMONS):
        state = suite.state(service)
        assert (state["Status"], state["ExitCode"]) == ("exited", 0), suite.logs(service)
    ended = {s: suite.state(s)["FinishedAt"] for s in ("db", *DAEMONS)}
    # Who has something to tell goes before who listens.
    assert ended["proxy"] < ended["sessiond"] < ended["db"]
    suite.up()
    suite.healthy("echo")
    assert before <= {i for (i,) in suite.psql("SELECT id FROM sallyport.session")}
    client.proxy = None
    answer = client.curl("http://echo:8080/")
    assert answer.returncode == 0, answer.stderr
