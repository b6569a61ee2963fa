#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Compares two builds of the proxy, the floor beside them; called by bench.sh.

usage: ab.py [--rounds N] [--seconds S] TOOLS WORK DIR_A DIR_B [MODE]

Both suites and the floor run all the time; the load goes to each in turn for a
second. Binaries are copied first. Daemons that a directory has not built are
taken from the other.
"""
import argparse
import pathlib
import statistics

import contestants
import modes
import tables

PARTS = {"floor": ("floor", ""), "A proxy": ("A", tables.PROXY), "B proxy": ("B", tables.PROXY),
         "A suite": ("A", ""), "B suite": ("B", "")}


def series(rows, mode):
    """{what: {round: figure}}"""
    figures = tables.Figures(rows)
    return {what: figures.cost(mode, name, part) for what, (name, part) in PARTS.items()}


def round_line(rows, mode, i):
    return f"{i + 1:3}: " + "  ".join(f"{what} {of[i]:8.1f}" for what, of in series(rows, mode).items())


def summary(rows, mode):
    """Minimum and median of each, medians of ratios within a round."""
    found = series(rows, mode)
    lines = [f"{'':8} {'min':>9} {'median':>9} {'x floor':>9}   {modes.COSTS[mode].unit}"]
    for what, of in found.items():
        lines.append(f"{what:8} {min(of.values()):9.1f} {statistics.median(of.values()):9.1f} "
                     f"{tables.ratio(of, found['floor']):9.3f}")

    def b_to_a(part):
        a, b = found[f"A {part}"], found[f"B {part}"]
        return f"{part} {tables.ratio(b, a):.3f} (of the minima {min(b.values()) / min(a.values()):.3f})"

    return [*lines, f"B / A: {b_to_a('proxy')}, {b_to_a('suite')}"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--settle", type=float, default=0.7, help="seconds after each load that count as well")
    parser.add_argument("--rate", type=float, default=2000, help="paced: connections a second")
    parser.add_argument("tools", type=pathlib.Path)
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("a", type=pathlib.Path, metavar="DIR_A")
    parser.add_argument("b", type=pathlib.Path, metavar="DIR_B")
    parser.add_argument("mode", nargs="?", default="connections", choices=modes.COSTS)
    args = parser.parse_args()
    builds = {"A": contestants.freeze(args.work / "build-A", args.a, args.b),
              "B": contestants.freeze(args.work / "build-B", args.b, args.a)}
    who = {"floor": contestants.floor(args.tools)} | {n: contestants.suite(n, build) for n, build in builds.items()}
    plan = modes.Plan(who, args.tools, args.work, args.rounds, args.seconds, args.settle)
    rows = []
    for row in modes.cost(plan, args.mode, who, **({"r": args.rate} if args.mode == "paced" else {})):
        rows.append(row)
        if len(rows) % len(who) == 0:
            print(round_line(rows, args.mode, row["round"]), flush=True)
    print("\n".join(summary(rows, args.mode)))


if __name__ == "__main__":
    main()
