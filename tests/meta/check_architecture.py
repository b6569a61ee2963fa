#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_architecture.py

Every file and every function that docs/architecture.md names is there.
"""
import fnmatch
import re
import sys

import tree

PAGE = "docs/architecture.md"
ENDINGS = r"\.(?:c|h|def|proto|py|sh|eval|rules|build)"
FILE = re.compile(rf"`([\w./*<>-]+{ENDINGS})`")
FUNCTION = re.compile(r"`(\w+)\(\)`")
OUTSIDE = {"main"}      # in every daemon


def names_file(name, files):
    pattern = re.sub(r"<\w+>", "*", name.removeprefix("./"))
    return any(fnmatch.fnmatchcase(f, pattern) or
               fnmatch.fnmatchcase(f, "*/" + pattern) for f in files)


def defined(files):
    """The functions at the beginning of a line, as the house style has it."""
    found = set(OUTSIDE)
    for path in files:
        if path.endswith(".c") and not path.startswith("tests/"):
            with open(tree.ROOT / path, encoding="utf-8") as f:
                found.update(re.findall(r"^(\w+)\(", f.read(), re.MULTILINE))
    return found


def main():
    files = tree.files()
    text = (tree.ROOT / PAGE).read_text(encoding="utf-8")
    functions = defined(files)
    findings = [f"{PAGE}: no file {name}" for name in FILE.findall(text)
                if not names_file(name, files)]
    findings += [f"{PAGE}: no function {name}()"
                 for name in FUNCTION.findall(text) if name not in functions]
    return tree.report(findings)


if __name__ == "__main__":
    sys.exit(main())
