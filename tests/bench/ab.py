#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Compares two builds of the proxy, the floor beside them.

usage: ab.py [--rounds N] [--seconds S] TOOLS WORK DIR_A DIR_B [MODE]

Both suites and the floor run all the time, in one network namespace; the load
goes to each in turn for a second, in an order that turns round by round. So a
disturbance hits all alike, and the ratios are taken within a round. Binaries
are copied first: what is compiled meanwhile is not measured. MODE: connections
(default), trips, down, up, or paced.
"""
import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

import rig
import usage

DAEMONS = ("proxy", "authd", "acld", "sessiond", "apid")
BINARIES = ["cli/sallyctl", *(f"services/{d}/sallyport-{d}" for d in DAEMONS)]
# Mode: work units that its figure is divided by, what the figure is called.
MODES = {
    "connections": ("done", 1e6, "µs CPU / connection"),
    "paced": ("done", 1e6, "µs CPU / connection"),
    "trips": ("done", 1e6, "µs CPU / round trip"),
    "down": ("bytes", 1e12, "ms CPU / GB"),
    "up": ("bytes", 1e12, "ms CPU / GB"),
}
TARGET = {"down": rig.SOURCE, "up": rig.SINK}


def freeze(build, other, into):
    """Copies the binaries of `build`, those it has not from `other`, into a
    build directory in which ninja finds nothing to do."""
    rules = []
    for binary in BINARIES:
        found = next((d / binary for d in (build, other) if (d / binary).exists()), None)
        if found is None or (binary == BINARIES[1] and found.parents[2] != build):
            sys.exit(f"bench: there is no {build / binary}; build it first")
        (into / binary).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(found, into / binary)
        rules.append(f"build {binary}: phony\n")
    (into / "build.ninja").write_text("".join(rules))
    return into


def suite(name, number, build):
    port = 1080 + number
    return rig.Contestant(name, port, "demo.env", f"{rig.TOP}/run.sh", {
        "SALLYPORT_BUILD": str(build), "SALLYPORT_SOCKS_PORT": str(port),
        "SALLYPORT_API_PORT": str(8080 + number), "SALLYPORT_ADMIN_PORT": str(9181 + 10 * number),
    })


def slice_of(proxy, args, seconds):
    """One run of the load against one of them: {process name: CPU per unit}."""
    work, scale, _ = MODES[args.mode]
    before = proxy.group.cpu()
    result = rig.Load(args.tools, args.mode, proxy.contestant.port, proxy.login(), d=seconds,
                      c=8 if args.mode in TARGET else 64, t=TARGET.get(args.mode, rig.ECHO),
                      r=args.rate).result()
    if result["fails"]:
        print(f"  {proxy.contestant.name}: {result['fails']} failures: {result['failed']}")
    # What is written after the load counts; the floor writes nothing.
    time.sleep(0.1 if proxy.contestant.name == "floor" else args.settle)
    used = usage.used_since(before, proxy.group.cpu())
    return {name: cpu / max(result[work], 1) * scale for name, cpu in used.items()}


def measure(args):
    rig.enter_namespace()
    floor = rig.Contestant("floor", 9092, ("u", "p"), f"{args.tools}/floor 9092 2", {})
    who = [floor] + [suite(name, i, freeze(a, b, args.work / f"build-{name}")) for name, i, a, b in
                     (("A", 0, args.a, args.b), ("B", 1, args.b, args.a))]
    rows = []
    proxies = []
    with rig.Targets(args.tools):
        try:
            for c in who:
                proxies.append(rig.Proxy(c, args.work))
            for proxy in proxies:
                slice_of(proxy, args, 0.3)
            for i in range(args.rounds):
                turn = proxies[i % 3 :] + proxies[: i % 3]
                rows.append({p.contestant.name: slice_of(p, args, args.seconds) for p in turn})
                print_round(i, rows[-1])
        finally:
            for proxy in proxies:
                proxy.stop()
    return rows


def series(row):
    """The figures of a round: floor, proxy and suite of A and of B."""
    proxy = "sallyport-proxy"[:15]
    return {"floor": row["floor"][""], "A proxy": row["A"][proxy], "B proxy": row["B"][proxy],
            "A suite": row["A"][""], "B suite": row["B"][""]}


def print_round(number, row):
    print(f"{number + 1:3}: " + "  ".join(f"{n} {v:8.1f}" for n, v in series(row).items()), flush=True)


def summary(rows, unit):
    """Lines: min and median of each, medians of ratios within a round."""
    rounds = [series(row) for row in rows]
    lines = [f"{'':8} {'min':>9} {'median':>9} {'x floor':>9}   {unit}, {len(rounds)} rounds"]

    def ratio(a, b):
        return statistics.median(r[a] / r[b] for r in rounds)

    for name in rounds[0]:
        values = [r[name] for r in rounds]
        lines.append(f"{name:8} {min(values):9.1f} {statistics.median(values):9.1f} {ratio(name, 'floor'):9.3f}")
    lines += [f"B / A: proxy {ratio('B proxy', 'A proxy'):.3f}, suite {ratio('B suite', 'A suite'):.3f} "
              f"(of the minima: {least(rounds, 'B proxy') / least(rounds, 'A proxy'):.3f}, "
              f"{least(rounds, 'B suite') / least(rounds, 'A suite'):.3f})"]
    return lines


def least(rounds, name):
    return min(r[name] for r in rounds)


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
    parser.add_argument("mode", nargs="?", default="connections", choices=MODES)
    args = parser.parse_args()
    args.a, args.b = args.a.resolve(), args.b.resolve()
    if os.environ.get("SALLYPORT_BENCH_INSIDE") != "1":
        return subprocess.run(["unshare", "-n", sys.executable, *sys.argv],
                              env=os.environ | {"SALLYPORT_BENCH_INSIDE": "1"}).returncode
    print("\n".join(summary(measure(args), MODES[args.mode][2])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
