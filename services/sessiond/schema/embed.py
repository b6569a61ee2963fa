#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turns numbered .sql files into a C array of migrations.

usage: embed.py OUT ARRAY FILE...    (the files in the order of their numbers)

A line "-- works-with: N" in a file says that a release whose last migration is
N can use the database that it makes; without it only its own release can.
"""
import hashlib
import pathlib
import re
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
        text = data.decode("utf-8")
        since = re.search(r"^-- works-with: (\d+)$", text, re.M)
        since = int(since[1]) if since else want
        if not 0 < since <= want:
            sys.exit(f"{path}: works-with is a number from 1 to {want}")
        rows.append('\t{ %d, %d, "%s", "%s",\n%s },\n' % (
            want, since, name, hashlib.sha256(data).hexdigest(),
            literal(text)))
    tail = "\t{ 0 },\n};\n"
    pathlib.Path(out).write_text(HEAD % array + "".join(rows) + tail)


main()
