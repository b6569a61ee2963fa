# SPDX-License-Identifier: MIT
"""The whole suite as a newcomer starts it: run.sh, real curl, real servers.

Every test process lives in a network namespace of its own that has nothing but
`lo`, so that even a bug sends nothing out and no port is ever taken. All
addresses are local there (`world`), so that a forbidden target could be reached
and a test that it is not reached is able to fail.
"""
import ctypes
import os
import pathlib
import subprocess

import pytest

from stack import Servers, Stack

TOP = pathlib.Path(__file__).resolve().parents[2]
CLONE_NEWNET = 0x40000000
CLONE_NEWUSER = 0x10000000


def enter_namespace():
    """A namespace for this process and all that it starts."""
    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid = os.getuid(), os.getgid()
    flags = CLONE_NEWNET if uid == 0 else CLONE_NEWNET | CLONE_NEWUSER
    if libc.unshare(flags) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    if uid != 0:
        pathlib.Path("/proc/self/setgroups").write_text("deny")
        pathlib.Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        pathlib.Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    ip = "/usr/sbin/ip" if os.path.exists("/usr/sbin/ip") else "ip"
    for line in (
        "link set lo up",
        "route add local 0.0.0.0/0 dev lo",
        "-6 route add local ::/0 dev lo",
    ):
        subprocess.run([ip, *line.split()], check=True)


def pytest_configure(config):
    # Under xdist the controller starts workers only; it needs no namespace.
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        enter_namespace()


@pytest.fixture
def stack(tmp_path):
    """run.sh with a state of its own, ready."""
    s = Stack(TOP, tmp_path / "var")
    s.start()
    yield s
    s.finish()


@pytest.fixture
def servers():
    """Echo and HTTP servers on all addresses."""
    s = Servers()
    yield s
    s.close()
