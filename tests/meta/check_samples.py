#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_samples.py SALLYCTL

The configuration that is shipped, and each that these pages show, is one that
sallyctl finds valid.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

import tree

SHIPPED = ["deploy/compose/etc/sallyport.toml"]
PAGES = ["README.md", "docs/authentication.md", "docs/compose.md",
         "docs/listeners.md"]
BLOCK = re.compile(r"^```(toml|yaml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# By the first table; other blocks are users, policies, or parts of one.
OURS = re.compile(r"\[*(proxy|authd|acld|sessiond|apid|bus|log|metrics)\b")


def samples():
    """(where it is from, the ending that tells its syntax, text)"""
    top = tree.ROOT
    for name in SHIPPED:
        yield name, "toml", (top / name).read_text(encoding="utf-8")
    for name in PAGES:
        page = (top / name).read_text(encoding="utf-8")
        blocks = [b for b in BLOCK.finditer(page) if OURS.match(b[2])]
        if not blocks:
            sys.exit(f"{name}: no samples")
        for block in blocks:
            line = page.count("\n", 0, block.start()) + 1
            yield f"{name}:{line}", block[1], block[2]


def main(sallyctl):
    bad = 0
    with tempfile.TemporaryDirectory() as place:
        for where, ending, text in samples():
            path = pathlib.Path(place) / f"sample.{ending}"
            path.write_text(text, encoding="utf-8")
            done = subprocess.run(
                [sallyctl, "config", "validate", "--file", path],
                capture_output=True, text=True)
            if done.returncode != 0:
                print(f"{where}:\n{done.stderr}", end="")
                bad += 1
    return bad != 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
