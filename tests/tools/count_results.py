#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Adds up what the suites of test.sh left in a directory.

usage: count_results.py DIR

Reads meson's *.json logs (a cmocka program counts its own cases), pytest's
*.xml, and three lists that test.sh keeps, a line each: `passed` and `failed`,
steps that have no cases of their own; `skipped`, "NAME: WHY". What is skipped
is printed and never counted. A program says why it skips a case on the line
before. The last line is "N passed, N failed"; exits 1 when anything failed or
nothing passed.
"""
import json
import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree

PASSED = re.compile(r"\[  PASSED  \] (\d+) test\(s\)")
FAILED = re.compile(r"\[  FAILED  \] (\d+) test\(s\)")
CASE = re.compile(r"\[ *[A-Z]* *\] ?(.*)")
SKIPPED = re.compile(r"\[  SKIPPED \] ([A-Za-z_]\w*)$")
NO_REASON = "it does not say why"


class Tally:
    def __init__(self):
        self.passed, self.failed, self.skipped = 0, [], []


def reason(lines):
    """The last line that is no frame of cmocka's."""
    said = [line.strip() for line in lines
            if line.strip() and not CASE.match(line)]
    return said[-1] if said else NO_REASON


def skipped_cases(output):
    """(case, why) of each case that a cmocka program skipped."""
    lines, begin, seen = output.splitlines(), 0, set()
    for at, line in enumerate(lines):
        if line.startswith("[ RUN "):
            begin = at
        found = SKIPPED.match(line)
        if found and found[1] not in seen:
            seen.add(found[1])
            yield found[1], reason(lines[begin:at])


def meson_log(path, tally):
    for line in path.read_text().splitlines():
        test = json.loads(line)
        name = f"{path.stem}: {test['name']}"
        output = (test.get("stdout") or "") + (test.get("stderr") or "")
        if test["result"] == "SKIP":
            tally.skipped.append(f"{name}: {reason(output.splitlines())}")
            continue
        passed = sum(map(int, PASSED.findall(output)))
        skipped = list(skipped_cases(output))
        tally.skipped += [f"{name}.{case}: {why}" for case, why in skipped]
        if test["result"] in ("OK", "EXPECTEDFAIL"):
            # A program that is one test says nothing of cases.
            tally.passed += passed if passed or skipped else 1
        else:
            tally.passed += passed
            n = max(1, sum(map(int, FAILED.findall(output))))
            tally.failed += [f"{name} ({test['result']})"] * n


def pytest_log(path, tally):
    for case in ElementTree.parse(path).iter("testcase"):
        name = f"{path.stem}: {case.get('classname')}.{case.get('name')}"
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            tally.failed.append(name)
        elif skipped is not None:
            tally.skipped.append(f"{name}: {skipped.get('message') or NO_REASON}")
        else:
            tally.passed += 1


def lines_of(path):
    return path.read_text().splitlines() if path.exists() else []


def count(where):
    tally = Tally()
    for path in sorted(where.glob("*.json")):
        meson_log(path, tally)
    for path in sorted(where.glob("*.xml")):
        pytest_log(path, tally)
    tally.passed += len(lines_of(where / "passed"))
    tally.failed += lines_of(where / "failed")
    tally.skipped += lines_of(where / "skipped")
    return tally


def main(where):
    tally = count(pathlib.Path(where))
    for name in tally.skipped:
        print(f"SKIPPED {name}")
    for name in dict.fromkeys(tally.failed):
        print(f"FAILED {name}")
    print(f"{tally.passed} passed, {len(tally.failed)} failed")
    return 1 if tally.failed or not tally.passed else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
