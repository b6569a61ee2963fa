# SPDX-License-Identifier: MIT
"""run.sh over several starts and in odd places, and the API's refusals."""
import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import threading
import urllib.error
import urllib.request

import pytest

from conftest import TOP
from daemons import metric
from stack import Stack, wait_for


# ---- the API's refusals ----

NOBODY = [
    None,
    "",
    "Bearer",
    "Bearer ",
    "Bearer wrong",
    "Bearer spt_" + "0" * 64,
    "Bearer {token}x",
    "Bearer {short}",
    "Basic {token}",
    "{token}",
]


def ask(stack, path, authorization, method="GET"):
    """(status, content type, JSON)"""
    url = f"http://127.0.0.1:{stack.api_port}{path}"
    request = urllib.request.Request(url, method=method)
    if authorization is not None:
        word = authorization.format(token=stack.token, short=stack.token[:-1])
        request.add_header("Authorization", word)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.headers["Content-Type"], json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Type"], json.loads(error.read())


@pytest.mark.both_databases
def test_refusals_of_the_api(stack):
    for authorization in NOBODY:
        for path in ("/api/sessions/active", "/api/sessions/history", "/api/sessions/stats"):
            status, kind, problem = ask(stack, path, authorization)
            assert (status, kind) == (401, "application/problem+json"), (path, authorization)
            assert problem["status"] == 401 and problem["title"] and problem["type"]
            assert stack.token[:-1] not in json.dumps(problem)
    good = "Bearer {token}"
    assert ask(stack, "/api/sessions/active", good)[0] == 200
    for path in ("/nothing", "/api", "/api/nothing", "/api/sessions/", "/../etc/passwd", "/%2e%2e/"):
        status, kind, problem = ask(stack, path, good)
        assert (status, kind) == (404, "application/problem+json"), path
        assert problem["status"] == 404 and problem["title"] and problem["type"]
    status, kind, _ = ask(stack, "/api/sessions/active", good, "DELETE")
    assert (status, kind) == (405, "application/problem+json")
    status, _, problem = ask(stack, "/api/sessions/history?limit=many&hours=-1", good)
    assert status == 400 and "limit" in json.dumps(problem) and "hours" in json.dumps(problem)


def test_malformed_http(stack):
    for garbage in (b"\0\xff\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\r\n" * 50, b"A" * 20000):
        for port in (stack.api_port, *range(stack.admin, stack.admin + 5)):
            with socket.create_connection(("127.0.0.1", port), 20) as s:
                answer = b""
                with contextlib.suppress(OSError):  # a reset is an end too
                    s.sendall(garbage)
                    s.shutdown(socket.SHUT_WR)
                    answer = s.recv(65536)
                assert not answer.startswith(b"HTTP/1.1 2"), (port, garbage)
    assert stack.api("/api/sessions/active")[0] == 200
    assert metric("apid", "build_info") == 1


# ---- several starts, odd places ----

PLACES = {
    "spaces": "a place with spaces/and ünïcode/var",
    "long": "/".join(["deep" * 12] * 4) + "/var",
    "wide": "ü" * 36 + "/var",  # short in letters, long in bytes
}


@pytest.fixture
def short_path():
    """A directory whose path is as short as they get."""
    with tempfile.TemporaryDirectory(dir="/tmp") as path:
        yield pathlib.Path(path)


def far_run_dir(state):
    """Where sockets are whose paths would be too long (see run.sh)."""
    name = hashlib.sha256(str(state).encode()).hexdigest()[:16]
    return pathlib.Path("/tmp") / f"sallyport-{name}"


def as_printed(stack, port):
    """The three lines to try, by a shell, in an order that shows a session."""
    curl, history, ctl = stack.banner[stack.banner.index("ready") + 1 :][:3]
    curl = curl.replace("http://example.com/", f"http://127.0.0.1:{port}/printed")
    source = curl.rpartition("# after: ")[2]

    def shell(line):
        done = subprocess.run(
            ["bash", "-c", f"set -a; {source}\n{line}"], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, (line, done)
        return done.stdout

    assert shell(curl) == "hello /printed\n"
    stack.wait_history(1)
    assert json.loads(shell(history))["items"][0]["user"] == "demo"
    assert "demo" in shell(ctl)


@pytest.mark.parametrize("place", PLACES)
def test_state_in_odd_places_is_kept(short_path, servers, place):
    stack = Stack(TOP, short_path / PLACES[place], LC_ALL="C.UTF-8")
    try:
        stack.start()
        as_printed(stack, servers.port)
        secrets = (stack.state / "demo.env").read_text()
        kept = {f: (stack.state / "etc" / f).read_text() for f in ("acl.toml", "users.toml", "sallyport.toml")}
        stack.finish()
        stack.start()
        assert (stack.state / "demo.env").read_text() == secrets
        assert {f: (stack.state / "etc" / f).read_text() for f in kept} == kept
        assert stack.curl(f"http://127.0.0.1:{servers.port}/").returncode == 0
        stack.wait_history(2)
    finally:
        stack.finish()
        shutil.rmtree(far_run_dir(stack.state), ignore_errors=True)


@pytest.mark.skipif(os.getuid() != 0, reason="gives a file away")
def test_a_directory_that_somebody_else_made(short_path):
    state = short_path / PLACES["long"]
    far = far_run_dir(state)
    far.symlink_to(short_path)
    os.chown(far, 65534, 65534, follow_symlinks=False)
    stack = Stack(TOP, state)
    try:
        with pytest.raises(AssertionError, match="ended before ready"):
            stack.start()
        assert stack.run.wait(60) == 1
        assert stack.log().endswith(f"run.sh: {far} belongs to somebody else\n")
    finally:
        far.unlink()


def test_a_place_that_no_file_can_name(tmp_path):
    stack = Stack(TOP, tmp_path / 'quo"te' / "var")
    with pytest.raises(AssertionError, match="ended before ready"):
        stack.start()
    assert stack.run.wait(60) == 1
    assert stack.log().startswith("run.sh: SALLYPORT_STATE: ")


# ---- the end ----


@pytest.mark.both_databases
def test_sigterm_during_a_download(tmp_path, database):
    stack = Stack(TOP, tmp_path / "var", **database)
    stack.start()
    listener = socket.create_server(("127.0.0.1", 0))
    client = stack.connect("127.0.0.1", listener.getsockname()[1])
    target, _ = listener.accept()
    taken = [0]

    def pour():
        with contextlib.suppress(OSError):
            while True:
                target.sendall(b"x" * 65536)

    def drink():
        with contextlib.suppress(OSError):
            while more := client.recv(65536):
                taken[0] += len(more)

    threads = [threading.Thread(target=work, daemon=True) for work in (pour, drink)]
    for t in threads:
        t.start()
    wait_for("the download to run", lambda: taken[0] > 1 << 20)
    assert stack.stop() == 0, stack.log()
    for t in threads:
        t.join(20)
        assert not t.is_alive()
    for s in (client, target, listener):
        s.close()

    stack.start()
    row = stack.wait_history(1)[0]
    assert row["close_reason"] in ("drained", "shutdown") and row["status"] == "failed"
    assert row["bytes_received"] >= taken[0]
    assert stack.api("/api/sessions/active")[1]["items"] == []
    stack.finish()
