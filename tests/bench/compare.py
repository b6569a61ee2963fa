#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Compares what Sallyport costs with its floor and its peers; called by bench.sh.

usage: compare.py [--rounds N] [--seconds S] [--write PAGE] [--rows FILE] TOOLS WORK BUILD [MODE]...
       compare.py [--write PAGE] --from FILE

Each contestant runs in a network namespace of its own with nothing but lo; its
CPU is that of all its processes, also of some seconds after the load. FILE
keeps what was measured, from which the tables can be printed again.
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import subprocess
import sys

import contestants
import modes
import rig
import tables

PACKAGES = ("dante-server", "microsocks", "haproxy", "libevent-core-2.1-7*", "libnng1*", "libsqlite3-0")


def output(*command):
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def provenance(args):
    """Where and when, in a sentence."""
    cpu = [line.split(":", 1)[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
           if line.startswith("model name")]
    packages = output("dpkg-query", "-W", "-f=${db:Status-Abbrev}${Package} ${Version}\n", *PACKAGES).splitlines()
    versions = ", ".join(line[3:].strip() for line in packages if line.startswith("ii"))
    return (f"{datetime.date.today()}, revision {output('git', '-C', str(rig.TOP), 'rev-parse', '--short', 'HEAD')}, "
            f"{os.cpu_count()} cores, {cpu[0] if cpu else platform.machine()}, Linux {platform.release()}, "
            f"load {os.getloadavg()[0]:.1f} at the beginning; {versions}; "
            f"medians of {args.rounds} rounds of {args.seconds:g} s.")


def write(path, name, text):
    """Puts the text between the marks of that name in the page."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    head, rest = path.read_text().split(begin)
    path.write_text(head + begin + text + end + rest.split(end, 1)[1])


def measure(args):
    sentence = provenance(args)
    contestants.freeze(args.work / "build", args.build)
    who = contestants.present(args.tools, args.work)
    plan = modes.Plan(who, args.tools, args.work, args.rounds, args.seconds, args.settle)
    rows = modes.run(plan, args.modes or list(modes.MODES))
    return {"provenance": sentence, "rows": rows}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--settle", type=float, default=2, help="seconds after each load that count as well")
    parser.add_argument("--write", type=pathlib.Path, help="page to put the tables into")
    parser.add_argument("--rows", type=pathlib.Path, help="file to keep the measured in")
    parser.add_argument("--from", type=pathlib.Path, dest="kept", help="measure nothing, read such a file")
    parser.add_argument("tools", type=pathlib.Path, nargs="?", help="directory of load and floor")
    parser.add_argument("work", type=pathlib.Path, nargs="?", help="directory for states and logs")
    parser.add_argument("build", type=pathlib.Path, nargs="?", help="build directory of the daemons")
    parser.add_argument("modes", nargs="*", metavar="MODE", help=" ".join(modes.MODES))
    args = parser.parse_args()
    if unknown := set(args.modes) - set(modes.MODES):
        parser.error(f"unknown mode {', '.join(unknown)}; there are: {' '.join(modes.MODES)}")
    if not args.kept and not args.build:
        parser.error("TOOLS, WORK or BUILD are missing")
    kept = json.loads(args.kept.read_text()) if args.kept else measure(args)
    if args.rows:
        args.rows.write_text(json.dumps(kept))
    complaints = list(modes.complaints(kept["rows"]))
    text = tables.report(kept["rows"], contestants.known(args.tools, args.work), kept["provenance"], complaints)
    print(text)
    if args.write:
        write(args.write, "bench", text)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
