# SPDX-License-Identifier: MIT
"""The files of the source tree, for the checks beside this file."""
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def files(root=ROOT):
    """Paths below root as text, sorted: what git has or would take; without
    git (a source archive), all but builds and state."""
    git = subprocess.run(
        ["git", "-C", root, "ls-files", "-co", "--exclude-standard"],
        capture_output=True, text=True)
    if git.returncode == 0:
        names = git.stdout.splitlines()
    else:
        names = [os.path.relpath(os.path.join(where, name), root)
                 for where, dirs, found in os.walk(root)
                 if not prune(where == str(root), dirs) for name in found]
    return sorted(n for n in names if os.path.isfile(os.path.join(root, n)))


def prune(top, dirs):
    dirs[:] = [d for d in dirs if d not in (".git", "__pycache__") and
               not (top and (d.startswith("build") or d == "var"))]
    return False


def report(findings):
    """Prints them; the exit status."""
    for line in findings:
        print(line)
    return 1 if findings else 0
