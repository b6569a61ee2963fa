# SPDX-License-Identifier: MIT
"""What the daemons notice, from the wrong login to the API and sallyctl."""
import itertools
import json
import re

import pytest

from conftest import TOP
from daemons import metric
from stack import Stack, wait_for

GUESS = "guess-3Kd9"
MEMBERS = {
    "id",
    "timestamp",
    "severity",
    "category",
    "event",
    "message",
    "component",
    "instance",
    "details",
    "suppressed",
}


@pytest.fixture
def guarded(tmp_path, database):
    """Two failures of a user a minute, any number of a source."""
    s = Stack(
        TOP,
        tmp_path / "var",
        SALLYPORT_AUTHD__GUESSING__PER_USER="2",
        SALLYPORT_AUTHD__GUESSING__PER_SOURCE="0",
        SALLYPORT_AUTHD__GUESSING__DELAY_MAX="0",
        **database,
    )
    s.start()
    yield s
    s.finish()


def events(stack, query=""):
    """Of guesses and the like, newest first."""
    status, page = stack.api(f"/api/telemetry/events?limit=500&category=security{query}")
    assert status == 200, page
    return page["items"]


def guess_until_told(stack, url):
    """Who had his guesses told: authd knows whether anybody listened."""
    names = (f"mallory{n}" for n in itertools.count())

    def told():
        user = next(names)
        for _ in range(3):
            done = stack.curl(url, user=user, password=GUESS)
            assert done.returncode == 97 and "rejected" in done.stderr, done
        return metric("authd", "authd_telemetry_events_total", 'result="sent"') and user

    return wait_for("authd to tell of guesses", told)


def is_guessing(event, user):
    assert set(event) == MEMBERS, event
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", event["id"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["timestamp"])
    assert (event["severity"], event["category"]) == ("warning", "security")
    assert (event["event"], event["component"]) == ("guessing_detected", "authd")
    assert event["instance"] and user in event["message"] and event["suppressed"] == 0
    assert event["details"]["user"] == user and event["details"]["source"] == "127.0.0.1"


@pytest.mark.both_databases
def test_guesses_are_told(guarded, servers):
    assert events(guarded) == []
    user = guess_until_told(guarded, f"http://127.0.0.1:{servers.port}/")
    (event,) = wait_for("the event", lambda: events(guarded))
    is_guessing(event, user)
    assert events(guarded, "&severity=warning&minutes=60") == [event]
    assert events(guarded, f"&since={event['timestamp']}") == [event]
    assert events(guarded, f"&until={event['timestamp']}") == []
    assert events(guarded, "&severity=info,error") == []
    assert guarded.api("/api/telemetry/events", token="wrong")[0] == 401

    done = guarded.ctl("telemetry", "list", "--category", "security")
    assert done.returncode == 0, done
    title, line = done.stdout.splitlines()
    assert title.split()[:4] == ["TIME", "SEVERITY", "CATEGORY", "EVENT"]
    assert line.split()[:5] == [event["timestamp"], "warning", "security", "guessing_detected", "authd"]
    assert user in line
    done = guarded.ctl("telemetry", "list", "--severity", "warning", "--category", "security", "--json")
    assert json.loads(done.stdout) == {"items": [event], "next_cursor": None}
    assert guarded.ctl("telemetry", "list", "--category", "security,x", "--severity", "error").stdout == "nothing\n"
    done = guarded.ctl("telemetry", "list", "--severity", "warn")
    assert done.returncode == 1 and "severity: expected one of info, warning, error" in done.stderr, done

    # What was guessed is nowhere.
    assert GUESS not in json.dumps(event) and GUESS not in guarded.log()
