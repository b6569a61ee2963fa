#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_headers.py BUILD

Every header compiles alone, with the compiler and flags that BUILD uses for a
source beside it. One of a test comes after cmocka.h, as everywhere in tests.
"""
import concurrent.futures
import json
import os
import shlex
import subprocess
import sys

import tree

KEEP = ("-I", "-D", "-std=", "-W", "-isystem")
WIDEST = "services/proxy"   # lends its flags to a folder without a source
CMOCKA = "".join(f"#include <{h}.h>\n" for h in (
    "stdarg", "stddef", "setjmp", "stdint", "cmocka"))


def flags_by_folder(build):
    """Folder of the tree -> (directory, compiler, flags) of one C source."""
    found = {}
    with open(f"{build}/compile_commands.json", encoding="utf-8") as f:
        commands = json.load(f)
    for c in commands:
        path = os.path.relpath(
            os.path.join(c["directory"], c["file"]), tree.ROOT)
        words = shlex.split(c["command"])
        if not path.endswith(".c") or path.startswith(".."):
            continue
        if words[0].endswith("ccache"):
            words = words[1:]
        keep = [w for w in words[1:] if w.startswith(KEEP)]
        # Of several programs the one that sees most.
        folder = os.path.dirname(path)
        if len(keep) > len(found.get(folder, ("", "", []))[2]):
            found[folder] = c["directory"], words[0], keep
    return found


def compile_alone(header, folders):
    directory, compiler, flags = folders.get(
        os.path.dirname(header), folders[WIDEST])
    before = CMOCKA if header.startswith("tests/") else ""
    done = subprocess.run(
        [compiler, *flags, "-Werror", "-Wno-unused-function",
         "-fsyntax-only", "-x", "c", "-"],
        cwd=directory, input=f'{before}#include "{tree.ROOT}/{header}"\n',
        capture_output=True, text=True)
    return None if done.returncode == 0 else f"{header}:\n{done.stderr}"


def main(build):
    folders = flags_by_folder(build)
    headers = [f for f in tree.files() if f.endswith(".h")]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        wrong = pool.map(lambda h: compile_alone(h, folders), headers)
        findings = [w for w in wrong if w]
    print(f"{len(headers)} headers")
    return tree.report(findings)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
