# SPDX-License-Identifier: MIT
"""What sallyctl asks of authd, and what curl then sees of it."""
import json

import pytest

from conftest import TOP
from stack import Stack, wait_for

GUESS = "guess-7Fq2"


@pytest.fixture
def guarded(tmp_path):
    """Two failures of a user a minute, and nobody is made to wait for a no."""
    s = Stack(
        TOP,
        tmp_path / "var",
        SALLYPORT_AUTHD__GUESSING__PER_USER="2",
        SALLYPORT_AUTHD__GUESSING__DELAY_MAX="0",
    )
    s.start()
    yield s
    s.finish()


def users(stack, *args, code=0, **kwargs):
    """The JSON of `sallyctl users …`, or its text where it gives none."""
    done = stack.ctl("users", *args, **kwargs)
    assert done.returncode == code, done
    return json.loads(done.stdout) if "json" in args else done.stdout


def is_let_in(done):
    assert (done.returncode, done.stdout) == (0, "hello /\n"), done


def is_refused(done):
    assert done.returncode == 97 and "rejected" in done.stderr, done


def test_guesses_are_seen_and_forgiven(guarded, servers):
    url = f"http://127.0.0.1:{servers.port}/"
    asked = ("test", guarded.user, "--password-stdin", "-o", "json")
    assert users(guarded, "failures", "-o", "json") == []
    for _ in range(2):
        is_refused(guarded.curl(url, password=GUESS))
    is_refused(guarded.curl(url))
    (row,) = users(guarded, "failures", guarded.user, "-o", "json")
    assert (row["user"], row["source"], row["failures"]) == (guarded.user, "127.0.0.1", 2)
    assert row["wait_seconds"] > 0
    # An administrator is told the truth all the same.
    answer = users(guarded, *asked, input=guarded.password)
    assert answer["result"] == "ok", answer
    answer = users(guarded, *asked, code=4, input=GUESS)
    assert answer["result"] == "failed" and "password" in answer["why"], answer
    is_refused(guarded.curl(url))
    users(guarded, "unlock", guarded.user)
    is_let_in(guarded.curl(url))
    assert users(guarded, "failures", "-o", "json") == []
    for secret in (guarded.password, GUESS):
        assert secret not in guarded.log()


def test_a_user_is_turned_off_and_on(stack, servers):
    url = f"http://127.0.0.1:{servers.port}/"
    is_let_in(stack.curl(url))
    assert users(stack, "list", "--live", "-o", "json") == users(stack, "list", "-o", "json")
    users(stack, "disable", stack.user)
    users(stack, "reload")
    (row,) = [u for u in users(stack, "list", "--live", "-o", "json") if u["username"] == stack.user]
    assert row["enabled"] is False
    # The proxy knows him for some seconds more.
    wait_for("a refusal", lambda: stack.curl(url).returncode == 97)
    answer = users(stack, "test", stack.user, "--password-stdin", "-o", "json", code=4, input=stack.password)
    assert "disabled" in answer["why"], answer
    users(stack, "enable", stack.user)
    users(stack, "reload")
    is_let_in(stack.curl(url))
    users(stack, "expires", stack.user, "2020-01-01")
    users(stack, "reload")
    wait_for("another refusal", lambda: stack.curl(url).returncode == 97)


def test_a_user_is_kept_to_his_sources(guarded, servers):
    url = f"http://127.0.0.1:{servers.port}/"
    asked = ("test", guarded.user, "--password-stdin", "-o", "json", "--source")
    here, elsewhere = "127.0.0.5", "127.0.0.6"
    users(guarded, "sources", guarded.user, here, "10.0.0.0/8")
    users(guarded, "reload")
    (row,) = users(guarded, "list", "--live", "-o", "json")
    assert row["sources"] == [f"{here}/32", "10.0.0.0/8"]
    is_let_in(guarded.curl(url, "--interface", here))
    is_refused(guarded.curl(url, "--interface", elsewhere))
    answer = users(guarded, *asked, elsewhere, code=4, input=guarded.password)
    assert "from this address" in answer["why"], answer
    users(guarded, "sources", guarded.user, "--any")
    users(guarded, "reload")
    for source in (here, elsewhere):
        is_let_in(guarded.curl(url, "--interface", source))
