#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs clang-tidy over every source that a build compiled.

usage: tidy.py BUILD [PATH...]

PATH: only sources whose path below the top begins so. The checks and their
reasons are in .clang-tidy; any warning fails. What was found clean is
remembered in BUILD/tidy-clean by a hash of everything the answer depends on:
the tool, its configuration, the flags, the source and each header of ours.
"""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
TIDY = "clang-tidy"
JUDGED = "14"
# gcc's own; clang does not know them.
FOREIGN = re.compile(r"-fstack-clash-protection|-ffat-lto-objects|-Wno-maybe-uninitialized")
SUMMARY = re.compile(r"^\d+ warnings? (and \d+ errors? )?generated|"
                     r"^(Suppressed|Use -header-filter)")


def run(*command, **kwargs):
    return subprocess.run(command, check=True, capture_output=True, text=True,
                          **kwargs).stdout


def dependencies(build):
    """Object -> the files it was made of, as ninja learned from the compiler."""
    found, target = {}, None
    for line in run("ninja", "-C", build, "-t", "deps").splitlines():
        if line.startswith("    "):
            found[target].append(line.strip())
        elif ": #deps" in line:
            target = line.split(": #deps")[0]
            found[target] = []
    return found


def sources(build, only):
    """Path below the top -> (flags, headers), of sources that are ours."""
    deps, chosen = dependencies(build), {}
    commands = json.loads((build / "compile_commands.json").read_text())
    for c in commands:
        path = (build / c["file"]).resolve()
        if not path.is_relative_to(TOP) or path.is_relative_to(build):
            continue    # generated
        name = str(path.relative_to(TOP))
        if only and not name.startswith(tuple(only)):
            continue
        chosen.setdefault(name, (c["command"], deps.get(c["output"], [])))
    return chosen


def key(build, common, command, headers):
    h = hashlib.sha256(common)
    h.update(re.sub(r"-(M[QF]|o) \S+", "", command).encode())
    for name in sorted(headers):
        path = (build / name).resolve()
        if path.is_relative_to(TOP) or path.is_relative_to(build):
            h.update(name.encode() + b"\0" + path.read_bytes())
    return h.hexdigest()


def arguments(command):
    words = shlex.split(command)[1:]
    return [w for w in words if not FOREIGN.match(w)]


def tidy(build, name, command):
    """What it says of one source; empty: nothing."""
    done = subprocess.run(
        [TIDY, "--quiet", "--warnings-as-errors=*", TOP / name, "--",
         *arguments(command)],
        cwd=build, capture_output=True, text=True)
    if done.returncode == 0 and not done.stdout:
        return ""
    noise = [line for line in done.stderr.splitlines()
             if not SUMMARY.match(line)]
    return done.stdout + "\n".join(noise) or f"{name}: {TIDY} failed"


def main(build, only):
    build = pathlib.Path(build).resolve()
    version = re.search(r"version (\d+)", run(TIDY, "--version"))[1]
    if version != JUDGED:
        print(f"{TIDY} {version}; findings are judged with {JUDGED}, "
              "of Debian 12")
        return 77
    clean = build / "tidy-clean"
    clean.mkdir(exist_ok=True)
    common = run(TIDY, "--version").encode() + b"".join(
        path.read_bytes() for path in (TOP / ".clang-tidy",
                                       TOP / "tests/.clang-tidy",
                                       pathlib.Path(__file__)))
    todo = {}
    for name, (command, headers) in sources(build, only).items():
        mark = clean / key(build, common, command, headers)
        todo[name] = (command, mark)
    if not todo:
        sys.exit("tidy.py: no source to look at")
    fresh = {n: c for n, (c, mark) in todo.items() if not mark.exists()}
    found = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, said in zip(fresh, pool.map(
                lambda n: tidy(build, n, fresh[n]), fresh)):
            if said:
                found += 1
                print(said.rstrip("\n"), flush=True)
            else:
                todo[name][1].touch()
    print(f"{len(todo)} sources, {len(fresh)} of them looked at, "
          f"{found} with findings")
    return 1 if found else 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2:]))
