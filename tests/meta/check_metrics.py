#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_metrics.py [ROOT]

Every line of every metrics table is well formed, no two daemons use one name,
and each metric is counted somewhere in the room that declares it.
"""
import glob
import os
import re
import sys

import tree

LINE = re.compile(r'(COUNTER|GAUGE|HISTOGRAM)\((\w+), (.+), "([^"]+)"\)')
NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)+")
UNITS = ("_seconds", "_bytes", "_rows")


def judge(kind, name, labels, text):
    """What is wrong with one line, in words."""
    if not NAME.fullmatch(name) or name.startswith("process_"):
        yield "not words in lower case, or in the process_ family"
    if (kind == "COUNTER") != name.endswith("_total"):
        yield "counters end in _total, and nothing else does"
    if kind == "HISTOGRAM" and not name.endswith(UNITS):
        yield f"a histogram ends in its unit: {', '.join(UNITS)}"
    if len(labels.split(", ")) != (2 if kind == "HISTOGRAM" else 1):
        yield "labels, and for a histogram buckets"
    if text.endswith(".") or not (text[0].isupper() or text[0].isdigit()):
        yield "the help is a phrase: no full stop, a capital first"


def code_of(folder):
    return "\n".join(open(p, encoding="utf-8").read()
                     for p in glob.glob(f"{folder}/*.[ch]"))


def check_table(root, path, seen):
    with open(f"{root}/{path}", encoding="utf-8") as f:
        lines = f.read().splitlines()
    code = code_of(f"{root}/{os.path.dirname(path)}")
    for number, line in enumerate(lines, 1):
        if not re.match(r"[A-Z]+\(", line):
            continue
        found = LINE.fullmatch(line)
        if not found:
            yield f"{path}:{number}: not KIND(name, labels, \"help\")"
            continue
        name = found[2]
        for wrong in judge(*found.groups()):
            yield f"{path}:{number}: {name}: {wrong}"
        if name in seen:
            yield f"{path}:{number}: {name} is also in {seen[name]}"
        seen[name] = path
        if not re.search(rf"\b[A-Z]\w*_{name}\b", code):
            yield f"{path}:{number}: nothing counts {name}"


def main(root):
    seen, findings = {}, []
    for path in tree.files(root):
        if path.endswith("metrics.def") and "/keys/" not in path:
            findings.extend(check_table(root, path, seen))
    print(f"{len(seen)} metrics")
    return tree.report(findings + ([] if seen else ["no table at all"]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else tree.ROOT))
