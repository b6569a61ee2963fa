#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_scripts.py

shellcheck has nothing to say of any shell script of the tree: *.sh, and what
begins with a shell's #! line.
"""
import shutil
import subprocess
import sys

import tree

SHELLS = (b"#!/bin/sh", b"#!/bin/bash", b"#!/usr/bin/env bash",
          b"#!/usr/bin/env sh")


def is_script(name):
    if name.endswith(".sh"):
        return True
    with open(tree.ROOT / name, "rb") as f:
        return f.readline().rstrip().startswith(SHELLS)


def main():
    if shutil.which("shellcheck") is None:
        print("shellcheck is not installed")
        return 77
    scripts = [name for name in tree.files() if is_script(name)]
    print(f"{len(scripts)} scripts")
    return subprocess.run(["shellcheck", "-x", *scripts],
                          cwd=tree.ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())
