#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Says how much of each room the tests ran.

usage: coverage.py BUILD [--write]

Reads what a build with -Db_coverage=true left, prints a table by room, writes
BUILD/coverage/index.html, and fails where a room is below its line in
tests/coverage-floor.txt. The floor may only rise: --write raises it to a
point below what was measured, wherever that is higher.
"""
import json
import os
import pathlib
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
FLOOR = TOP / "tests/coverage-floor.txt"
HEAD = """# SPDX-License-Identifier: MIT
# Percent of lines that the tests must run, by room; see tests/tools/coverage.py.
"""
# Lines that only a bug can reach, and the ends of switches over enums.
EXCLUDE = r".*\b(ASSERT|die)\(.*"
SLACK = 1.0     # tests that depend on timing do not run the same lines always


def gcovr(build, html):
    """The summary as JSON; the pages beside it."""
    rooms = [d for d in ("common", "services", "cli") if (build / d).is_dir()]
    done = subprocess.run(
        ["gcovr", "--root", TOP, "-j", str(os.cpu_count()),
         "--filter", f"{TOP}/(common|services|cli)/",
         "--exclude", r".*\.pb-c\.[ch]", "--exclude-lines-by-pattern", EXCLUDE,
         "--gcov-ignore-parse-errors", "--html-details", html,
         "--json-summary", "-", *(build / room for room in rooms)],
        cwd=build, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"coverage.py: gcovr: {done.stderr}")
    return json.loads(done.stdout)


def room_of(name):
    parts = name.split("/")
    return parts[0] if parts[0] == "cli" else "/".join(parts[:2])


def by_room(summary):
    """Room -> [lines run, lines, branches taken, branches]."""
    rooms = {}
    for f in summary["files"]:
        sums = rooms.setdefault(room_of(f["filename"]), [0, 0, 0, 0])
        for i, what in enumerate(("line_covered", "line_total",
                                  "branch_covered", "branch_total")):
            sums[i] += f[what]
    return rooms


def percent(part, whole):
    return 100.0 * part / whole if whole else 100.0


def read_floor():
    floor = {}
    if FLOOR.exists():
        for line in FLOOR.read_text().splitlines():
            if line and not line.startswith("#"):
                room, value = line.split()
                floor[room] = float(value)
    return floor


def raise_floor(rooms, floor):
    lines = []
    for room in sorted(rooms):
        measured = int(percent(*rooms[room][:2]) - SLACK)
        lines.append(f"{room} {max(measured, int(floor.get(room, 0)))}\n")
    FLOOR.write_text(HEAD + "".join(lines))


def show(rooms, floor):
    """Prints the table; the rooms that are below."""
    low = []
    print(f"{'room':<20} {'lines':>7} {'of':>6} {'branches':>9} {'floor':>6}")
    for room in sorted(rooms):
        run, lines, taken, branches = rooms[room]
        least = floor.get(room, 0)
        print(f"{room:<20} {percent(run, lines):6.1f}% {lines:6d} "
              f"{percent(taken, branches):8.1f}% {least:5.0f}%")
        if percent(run, lines) < least:
            low.append(room)
    low += [room for room in floor if room not in rooms]
    return low


def main(build, write):
    build = pathlib.Path(build).resolve()
    html = build / "coverage"
    html.mkdir(exist_ok=True)
    rooms = by_room(gcovr(build, html / "index.html"))
    floor = read_floor()
    low = show(rooms, floor)
    print(html / "index.html")
    for room in low:
        print(f"{room}: below its floor in tests/coverage-floor.txt")
    if write and not low:
        raise_floor(rooms, floor)
    return 1 if low else 0


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3) or sys.argv[2:] not in ([], ["--write"]):
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], len(sys.argv) == 3))
