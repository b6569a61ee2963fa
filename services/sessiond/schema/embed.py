#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turns numbered .sql files into a C array of migrations.

usage: embed.py OUT ARRAY FILE...    (the files in the order of their numbers)
"""
import hashlib
import pathlib
import sys

HEAD = """/* SPDX-License-Identifier: MIT */
/* Made by schema/embed.py. */
#include "sessiond/store_migration.h"

const struct store_migration %s[] = {
"""


def literal(text):
    """A C string literal, a source line each."""
    out = []
    for line in text.splitlines():
        quoted = line.replace("\\", "\\\\").replace('"', '\\"')
        out.append('\t  "%s\\n"' % quoted.replace("\t", "\\t"))
    return "\n".join(out)


def main():
    out, array = sys.argv[1:3]
    files = [pathlib.Path(f) for f in sys.argv[3:]]
    rows = []
    for want, path in enumerate(files, 1):
        number, _, name = path.stem.partition("_")
        if int(number) != want:
            sys.exit(f"{path}: expected number {want}")
        data = path.read_bytes()
        rows.append('\t{ %d, "%s", "%s",\n%s },\n' % (
            want, name, hashlib.sha256(data).hexdigest(),
            literal(data.decode("utf-8"))))
    tail = "\t{ 0 },\n};\n"
    pathlib.Path(out).write_text(HEAD % array + "".join(rows) + tail)


main()
