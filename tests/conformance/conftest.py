# SPDX-License-Identifier: MIT
"""The conformance suite: a test for each numbered case, against real daemons,
by raw sockets. At the end each case is printed with what became of it.

Like e2e, each test process lives in a network namespace of its own with nothing
but `lo`, where every address is local. A fixture for each stack, which a process
starts when first asked; --dist loadgroup sees to it that few do.
"""
import contextlib
import pathlib
import re
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/e2e"))
import cases  # noqa: E402
from namespace import enter_namespace  # noqa: E402
from nameserver import NameServer  # noqa: E402
from stacks import CONFIGURATIONS, Suite  # noqa: E402
from targets import V4, V6, Canary, Echo, Target, UdpTarget  # noqa: E402

CASE = re.compile(r"test_case_(\d+)_(\w+)")


def pytest_configure(config):
    config.addinivalue_line("markers", "xdist_group: the stack a test needs")
    # Under xdist the controller starts workers only; it needs no namespace.
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        enter_namespace()
        # The tables of sockets are read often, and TIME_WAIT would fill them.
        pathlib.Path("/proc/sys/net/ipv4/tcp_max_tw_buckets").write_text("0")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Tests of a file that use one stack go to one process together."""
    for item in items:
        used = [n for n in CONFIGURATIONS if n in item.fixturenames]
        # The one that most of them use is worth more than one process.
        where = item.module.__name__ if used == ["either"] else ""
        item.add_marker(pytest.mark.xdist_group(f"{''.join(used[:1])}{where}"))


# ---- what tests use


@pytest.fixture(scope="session")
def nameserver():
    server = NameServer()
    server.add("evil.com", A=V4, AAAA=V6)
    yield server
    server.close()


@pytest.fixture(scope="session")
def start(tmp_path_factory, nameserver):
    """start(name): that stack, running until the test process ends."""
    running = {}

    def of(name):
        if name not in running:
            state = tmp_path_factory.mktemp(name) / "v"
            suite = Suite(TOP, state, name, nameserver)
            suite.start()
            running[name] = suite
            ends.callback(suite.finish)
        return running[name]

    # All of them, whatever one of them has to say.
    with contextlib.ExitStack() as ends:
        yield of


@pytest.fixture
def login(start):
    return start("login")


@pytest.fixture
def either(start):
    return start("either")


@pytest.fixture
def quick(start):
    return start("quick")


@pytest.fixture
def bare(start):
    return start("bare")


@pytest.fixture
def options(start):
    return start("options")


@pytest.fixture
def target():
    with Target() as t:
        yield t


@pytest.fixture
def echo():
    with Echo() as e:
        yield e


@pytest.fixture
def canary():
    with Canary() as c:
        yield c


@pytest.fixture
def udp_target():
    with UdpTarget() as u:
        yield u


# ---- what is said at the end

ORDER = ["error", "failed", "skipped", "xfailed", "passed"]


def results(reporter):
    """{case: [(test's name, outcome)]}."""
    found = {}
    for outcome in ORDER:
        for report in reporter.stats.get(outcome, []):
            match = CASE.search(getattr(report, "nodeid", ""))
            if match:
                found.setdefault(int(match[1]), []).append((match[2], outcome))
    return found


def pytest_terminal_summary(terminalreporter):
    found = results(terminalreporter)
    say = terminalreporter.write_line
    terminalreporter.section("cases")
    for case, tests in sorted(found.items()):
        worst = min((outcome for _, outcome in tests), key=ORDER.index)
        names = ", ".join(dict.fromkeys(name.replace("_", " ") for name, _ in tests))
        say(f"case {case:2}  {worst:7}  {names} ({len(tests)})")
    for numbers, why in cases.LATER.items():
        for case in numbers:
            say(f"case {case:2}  later    {why}")
