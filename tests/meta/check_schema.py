#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_schema.py [ROOT]

The schemas of the two databases are one: the same tables with the same
columns, and PostgreSQL's tables of names say what the C tables say.
"""
import pathlib
import re
import sys

import tree

SCHEMA = "services/sessiond/schema"
# Only PostgreSQL names its enumerations; C's name of each.
NAMES = {
    "command": "command",
    "carrier": "carrier",
    "protocol": "protocol",
    "decision": "decision",
    "status": "status",
    "auth_method": "auth",
}


def read(root, kind):
    """All migrations of one database, without comments."""
    files = sorted((root / SCHEMA / kind).glob("*.sql"))
    return re.sub(r"--[^\n]*", "", "\n".join(f.read_text() for f in files))


def tables(sql):
    """Table -> its columns, sorted."""
    found = {}
    for name, body in re.findall(
            r"CREATE TABLE (?:sallyport\.)?(\w+) \(\n(.*?)\n\)", sql, re.S):
        columns = re.findall(r"^\t(\w+)\s", body, re.M)
        found[name] = sorted(c for c in columns if c != "PRIMARY")
    for name, column in re.findall(
            r"ALTER TABLE (?:sallyport\.)?(\w+) ADD (?:COLUMN )?(\w+)", sql):
        found[name] = sorted([*found.get(name, []), column])
    return found


def names_in_sql(sql, table):
    """Number -> name, as inserted."""
    rows = {}
    for values in re.findall(
            rf"INSERT INTO sallyport\.{table} VALUES\s+(.*?);", sql, re.S):
        rows.update((int(n), name)
                    for n, name in re.findall(r"\((\d+), '([\w.]*)'\)", values))
    return rows


def names_in_c(text, what):
    line = re.search(rf"^NAME_FUNCTION\({what}, (.*?)\)$", text, re.M | re.S)
    return dict(enumerate(re.findall(r'"([\w.]*)"', line.group(1))))


def judge(root):
    sqlite, pg = read(root, "sqlite"), read(root, "postgresql")
    ours, theirs = tables(sqlite), tables(pg)
    record = (root / "common/audit/record.c").read_text()
    findings = []

    for name in sorted({*ours, *theirs} - {*NAMES}):
        one, other = ours.get(name), theirs.get(name)
        if one is None or other is None:
            findings.append(f"{SCHEMA}: only one database has the table {name}")
        for column in sorted({*(one or ()), *(other or ())}):
            if one and other and (column in one) != (column in other):
                findings.append(
                    f"{SCHEMA}: only one database has {name}.{column}")
    for table, what in NAMES.items():
        if names_in_sql(pg, table) != names_in_c(record, what):
            findings.append(f"{SCHEMA}/postgresql: the names in {table} are "
                            f"not those of record_{what}_name")
    return findings


if __name__ == "__main__":
    top = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else tree.ROOT
    sys.exit(tree.report(judge(top)))
