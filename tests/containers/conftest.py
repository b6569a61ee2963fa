# SPDX-License-Identifier: MIT
"""docker-compose.yml on a real engine, whose images build.py has made.

All of it, these tests included, runs in namespaces of its own (network, mounts,
processes), which `test.sh containers` makes before it starts pytest: there is
nothing but `lo` and Docker's bridges, so that no packet can leave, and whatever
runs in there ends with it. One public address is made local here, with a web
server: allowed traffic has somewhere to go.
"""
import os
import pathlib
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from compose import Client, Compose, notes  # noqa: E402
from engine import ALONE, Engine  # noqa: E402

# Of no special purpose, so that the policy lets it pass; nobody's here.
WORLD = "11.22.33.44"


def alone():
    """Is `lo` the only device?"""
    return os.listdir("/sys/class/net") == ["lo"] or set(
        line.split(":")[0].strip()
        for line in pathlib.Path("/proc/net/dev").read_text().splitlines()[2:]
    ) == {"lo"}


def pytest_sessionstart(session):
    if not alone():
        raise pytest.UsageError(
            "run by ./test.sh containers: these tests want a network of their own")
    for line in ("link set lo up", f"addr add {WORLD}/32 dev lo"):
        subprocess.run(["/usr/sbin/ip", *line.split()], check=True)


def pytest_terminal_summary(terminalreporter):
    for text in notes:
        terminalreporter.write_line(f"measured: {text}")


@pytest.fixture(scope="session")
def engine(tmp_path_factory):
    """dockerd on the images of the cache, swept before and after."""
    # A short path: sockets have to fit into 107 bytes.
    run = tmp_path_factory.mktemp("e")
    docker = Engine(run, *ALONE)
    try:
        docker.start()
        docker.sweep()
        yield docker
        docker.sweep()
    finally:
        docker.stop()


@pytest.fixture(scope="session")
def suite(engine):
    """The suite and the demo's target, ready; left as it is between tests."""
    compose = Compose(engine, "suite", profiles=["demo"])
    try:
        start = time.monotonic()
        compose.up()
        compose.took = time.monotonic() - start
        compose.load = os.getloadavg()[0] / os.cpu_count()
        compose.healthy("echo")
        yield compose
    finally:
        compose.down()


@pytest.fixture(scope="session")
def client(suite):
    return Client(suite)


@pytest.fixture
def world():
    """A web server on WORLD:80; `hits` is what reached it."""
    import http.server
    import threading

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            server.hits.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"the world\n")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer((WORLD, 80), Handler)
    server.hits = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()
