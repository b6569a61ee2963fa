#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_generated.py [--write] PAGE COMMAND...

Fails if the committed PAGE is not what COMMAND prints; --write mends it.
"""
import difflib
import pathlib
import shlex
import subprocess
import sys


def main(args):
    write = args[:1] == ["--write"]
    page, *command = args[write:]
    path = pathlib.Path(page)
    made = subprocess.run(command, check=True, capture_output=True).stdout
    if write:
        path.write_bytes(made)
        return 0
    committed = path.read_bytes() if path.exists() else b""
    if committed == made:
        return 0
    sys.stdout.writelines(difflib.unified_diff(
        committed.decode().splitlines(keepends=True),
        made.decode().splitlines(keepends=True), "committed", "generated"))
    print(f"\n{path.name} is not current; run:\n"
          f"  tests/meta/check_generated.py --write "
          + shlex.join([page, *command]))
    return 1


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1:]))
