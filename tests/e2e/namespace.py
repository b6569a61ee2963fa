# SPDX-License-Identifier: MIT
"""A network namespace for a test process, with nothing but `lo`: even a bug
sends nothing out, and no port is ever taken. All addresses are local there, so
that a forbidden target could be reached and a test that it is not reached is
able to fail."""
import ctypes
import os
import pathlib
import subprocess

CLONE_NEWNET = 0x40000000
CLONE_NEWUSER = 0x10000000


def ip(line):
    """One command of ip(8)."""
    tool = "/usr/sbin/ip" if os.path.exists("/usr/sbin/ip") else "ip"
    subprocess.run([tool, *line.split()], check=True)


def enter_namespace():
    """For this process and all that it starts."""
    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid = os.getuid(), os.getgid()
    flags = CLONE_NEWNET if uid == 0 else CLONE_NEWNET | CLONE_NEWUSER
    if libc.unshare(flags) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    if uid != 0:
        pathlib.Path("/proc/self/setgroups").write_text("deny")
        pathlib.Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        pathlib.Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    for line in (
        "link set lo up",
        "route add local 0.0.0.0/0 dev lo",
        "-6 route add local ::/0 dev lo",
    ):
        ip(line)
