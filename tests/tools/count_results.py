#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Adds up what the suites of test.sh left in a directory.

usage: count_results.py DIR

Reads meson's *.json logs (a cmocka program counts its own cases), pytest's
*.xml, `failed`, a line for each step that could not run at all, and `skipped`,
one for each that had a reason not to. Prints what failed and was skipped, then
"N passed, N failed" as the last line. Exits 1 when anything failed or nothing
ran.
"""
import json
import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree

CASES = re.compile(r"\[  (PASSED|FAILED)  \] (\d+) test\(s\)")


def meson_log(path, tally):
    for line in path.read_text().splitlines():
        test = json.loads(line)
        ok = test["result"] in ("OK", "EXPECTEDFAIL")
        if test["result"] == "SKIP":
            tally["skipped"].append(test["name"])
            continue
        output = (test.get("stdout") or "") + (test.get("stderr") or "")
        cases = {"PASSED": 0, "FAILED": 0}
        for word, n in CASES.findall(output):
            cases[word] += int(n)
        tally["passed"] += cases["PASSED"] if ok else max(cases["PASSED"], 0)
        if ok and cases["PASSED"] == 0:
            tally["passed"] += 1
        if not ok:
            tally["failed"] += max(cases["FAILED"], 1)
            tally["names"].append(f"{path.stem}: {test['name']}")


def pytest_log(path, tally):
    for case in ElementTree.parse(path).iter("testcase"):
        name = f"{path.stem}: {case.get('classname')}.{case.get('name')}"
        if case.find("failure") is not None or case.find("error") is not None:
            tally["failed"] += 1
            tally["names"].append(name)
        elif case.find("skipped") is not None:
            why = case.find("skipped").get("message") or ""
            tally["skipped"].append(f"{name} ({why})")
        else:
            tally["passed"] += 1


def main():
    where = pathlib.Path(sys.argv[1])
    tally = {"passed": 0, "failed": 0, "names": [], "skipped": []}
    for path in sorted(where.glob("*.json")):
        meson_log(path, tally)
    for path in sorted(where.glob("*.xml")):
        pytest_log(path, tally)
    steps = where / "failed"
    if steps.exists():
        for name in steps.read_text().splitlines():
            tally["failed"] += 1
            tally["names"].append(name)
    skips = where / "skipped"
    if skips.exists():
        tally["skipped"] += skips.read_text().splitlines()
    for name in tally["skipped"]:
        print(f"SKIPPED {name}")
    for name in tally["names"]:
        print(f"FAILED {name}")
    print(f"{tally['passed']} passed, {tally['failed']} failed")
    return 1 if tally["failed"] or not tally["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
