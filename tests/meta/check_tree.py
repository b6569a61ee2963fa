#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_tree.py [ROOT]

What holds for every file: a licence line in each source, no path of the
machine it was written on, nothing over 1 MiB.
"""
import os
import re
import sys

import tree

SOURCES = (".c", ".h", ".cc", ".def", ".proto", ".sql", ".py", ".sh",
           "meson.build", "meson_options.txt", ".ci/run")
LICENCE = "SPDX-License-Identifier: MIT"
# In two pieces, so that this file does not find itself.
MACHINE = re.compile(rb"(?<!\w)/(work/(main|shared|seeds)\b|tmp/"
                     rb"build-)")
MIB = 1 << 20


def judge(path, data):
    """What is wrong with one file, in words."""
    head = b"\n".join(data.split(b"\n", 2)[:2]).decode(errors="replace")
    if path.endswith(SOURCES) and LICENCE not in head:
        yield f"{path}: no \"{LICENCE}\" in its first two lines"
    if len(data) > MIB:
        yield f"{path}: {len(data)} bytes are more than 1 MiB"
    for found in MACHINE.finditer(data):
        line = data.count(b"\n", 0, found.start()) + 1
        yield f"{path}:{line}: a path of somebody's machine"


def main(root):
    findings = []
    for path in tree.files(root):
        with open(os.path.join(root, path), "rb") as f:
            findings.extend(judge(path, f.read()))
    return tree.report(findings)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else tree.ROOT))
