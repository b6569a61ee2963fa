#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tests/bench: what is read, counted and printed. No time is judged here."""
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

import tree

sys.path.insert(0, str(tree.ROOT / "tests/bench"))
import ab  # noqa: E402
import compare  # noqa: E402
import contestants  # noqa: E402
import modes  # noqa: E402
import strace  # noqa: E402
import tables  # noqa: E402
import usage  # noqa: E402

STRACE = """strace: Process 7 detached
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 38.44    0.111114          59      1869           epoll_wait
  7.37    0.013918          27       500       500 connect
  0.00    0.000000           0         3           getpid
------ ----------- ----------- --------- --------- ----------------
100.00    0.289064          17      2372       500 total
"""


def cost(mode, name, i, us, proxy=None, work=1000, **more):
    """A row whose figure is `us`; of which the proxy has `proxy`."""
    unit = modes.COSTS[mode]
    cpu = {"": us * work / unit.scale}
    if proxy is not None:
        cpu[tables.PROXY] = proxy * work / unit.scale
    return {"mode": mode, "name": name, "round": i, "done": 1000, "bytes": 0, "fails": 0, unit.work: work,
            "cpu": cpu, "p50_us": 1000, "p99_us": 2000, "p999_us": 3000} | more


def rows_of_all():
    """Each mode once, with figures that can be told apart."""
    rows = []
    for mode in ("connections", "trips", "down", "up"):
        rows += [cost(mode, "floor", 0, 100), cost(mode, "sallyport", 0, 190, 110), cost(mode, "danted", 0, 500)]
    rows += [{"mode": "idle", "name": "sallyport", "round": 0, "done": 4500, "fails": 0,
              "memory": {"": 9000, tables.PROXY: 4500}}]
    rows += [cost("connections", name, 0, 1, p99_us=p99) | {"mode": "latency", "rate": 10}
             for name, p99 in (("direct", 500), ("floor", 900), ("sallyport", 3500))]
    for size, n in modes.UDP:
        rows += [{"mode": "udp", "name": name, "round": 0, "done": 1000, "lost": 0, "size": size, "associations": n,
                  "cpu": {"": us / 1000, tables.PROXY: us / 1000}}
                 for name, us in (("floor-udp", 4), ("sallyport", 3), ("danted", 12))]
    rows += [{"mode": "slow", "name": "sallyport", "round": 0, "alone": {"p99_us": 1000, "done": 9, "fails": 0},
              "among": {"p99_us": 3000, "done": 99, "fails": 1}, "fails": 1}]
    rows += [{"mode": "syscalls", "name": name, "round": 0, "done": 100, "fails": 0, "calls": calls}
             for name, calls in (("floor", {"read": 100, "bind": 50}), ("sallyport", {"read": 110, "futex": 30}))]
    return rows


class Reading(unittest.TestCase):
    def test_strace(self):
        self.assertEqual(strace.parse(STRACE), {"epoll_wait": 1869, "connect": 500, "getpid": 3})
        self.assertEqual(strace.parse(""), {})

    def test_stat(self):
        name, fields = usage.parse_stat("42 (a b) (c) S 1 42 42 0 -1")
        self.assertEqual((name, fields[:4]), ("a b) (c", ["S", "1", "42", "42"]))

    def test_stat_value(self):
        self.assertEqual(usage.stat_value("user_usec 7\nusage_usec 12\n", "usage_usec"), "12")
        self.assertEqual(usage.stat_value("00-ff [rollup]\nPss:     34 kB\n", "Pss:"), "34")

    def test_used(self):
        self.assertEqual(usage.used_since({"a": 1.0}, {"a": 3.0, "b": 2.0}), {"a": 2.0, "b": 2.0})


class Group(unittest.TestCase):
    """A process and its child, by whatever this machine counts with, in one
    session or two."""

    def follow(self):
        for child in ("sleep 60", "setsid sleep 60"):
            with self.subTest(child):
                self.follow_one(f"{child} & exec sleep 61")

    def follow_one(self, script):
        group = usage.Group("test")
        process = subprocess.Popen(["sh", "-c", script], preexec_fn=group.enter)
        group.leader = process.pid
        try:
            while [usage.stat_of(pid)[0] for pid in group.pids()] != ["sleep"] * 2:
                self.assertIsNone(process.poll())
            group.split()
            self.assertEqual(len(group.pids()), 2)
            with self.assertRaisesRegex(LookupError, "2 processes are named sleep or x"):
                group.pid_of(("sleep", "x"))
            self.assertEqual(set(group.cpu()), {"", "sleep"})
            memory = group.memory()
            self.assertEqual(memory[""], memory["sleep"])
            self.assertGreater(memory["sleep"], 0)
        finally:
            group.end()
            process.wait()
        self.assertEqual(process.returncode, -signal.SIGKILL)
        self.assertFalse(group.path and group.path.exists())

    def test_here(self):
        self.follow()

    def test_without_cgroups(self):
        with mock.patch.object(usage, "hierarchy", lambda: (None, None)):
            self.follow()


class Running(unittest.TestCase):
    def test_turns(self):
        plan = modes.Plan({}, None, None, 4, 1, 0)
        order = ["".join(n for i, n in plan.turns("abc") if i == k) for k in range(4)]
        self.assertEqual(order, ["abc", "bca", "cab", "abc"])

    def test_complaints(self):
        row = cost("connections", "sallyport", 0, 1)
        good = [row | {"rows": 1000}, row | {"rows": 1002}, row, row | {"fails": 10}, *rows_of_all()]
        self.assertEqual(list(modes.complaints(good)), [])
        bad = [row | {"rows": 999}, row | {"fails": 11}]
        self.assertEqual(list(modes.complaints(bad)), [
            "sallyport, connections: 999 rows in history for 1000 sessions",
            "sallyport, connections: 11 of 1011 failed"])

    def test_freeze(self):
        with tempfile.TemporaryDirectory() as d:
            a, b, into = (pathlib.Path(d) / name for name in ("a", "b", "into"))
            for build, binaries in ((a, [contestants.PROXY]), (b, contestants.BINARIES)):
                for binary in binaries:
                    (build / binary).parent.mkdir(parents=True)
                    (build / binary).write_text(build.name)
            contestants.freeze(into, a, b)
            self.assertEqual([(into / binary).read_text() for binary in contestants.BINARIES],
                             ["a" if binary == contestants.PROXY else "b" for binary in contestants.BINARIES])
            (a / contestants.PROXY).unlink()
            # The other's proxy would be measured under this one's name.
            with self.assertRaisesRegex(SystemExit, "there is no .*sallyport-proxy; build it first"):
                contestants.freeze(into, a, b)

    def test_help_names_every_mode(self):
        out = subprocess.run([tree.ROOT / "bench.sh", "--help"], capture_output=True, text=True, check=True).stdout
        self.assertEqual([mode for mode in modes.MODES if mode not in out.split()], [])


class Printing(unittest.TestCase):
    def setUp(self):
        self.who = contestants.known("T", "W")
        self.figures = tables.Figures(rows_of_all())

    def report(self, rows, sentences=()):
        return tables.report(rows, self.who, "Here and now.", sentences)

    def test_ratio_within_rounds(self):
        # The machine is twice as slow in the second round: the ratio stays.
        rows = [cost("trips", "floor", 0, 10), cost("trips", "sallyport", 0, 11, 11),
                cost("trips", "floor", 1, 20), cost("trips", "sallyport", 1, 22, 22),
                cost("trips", "sallyport", 2, 90, 90)]
        figures = tables.Figures(rows)
        mine = figures.cost("trips", "sallyport")
        self.assertAlmostEqual(tables.ratio(mine, figures.cost("trips", "floor")), 1.1)
        self.assertAlmostEqual(tables.median(mine), 22)
        self.assertIsNone(tables.ratio(mine, {}))
        self.assertIsNone(tables.median({}))

    def test_cost_table(self):
        text = "\n".join(tables.cost_table(self.figures, self.who))
        self.assertIn("| **sallyport, whole suite** | 190.0 (1.90 ×) | 190.0 (1.90 ×) | 190 (1.90 ×) | 190 (1.90 ×) "
                      "| 2.00 | 0 |", text)
        self.assertIn("| sallyport, proxy alone | 110.0 (1.10 ×) |", text)
        self.assertIn("| 1.00 | 0 |", text)
        # danted's own floor was not measured: it is held against the other.
        self.assertIn("| danted (no login) | 500.0 (5.00 ×) |", text)
        self.assertNotIn("microsocks", text)

    def test_syscalls(self):
        text = "\n".join(tables.syscall_table(self.figures))
        self.assertIn("| `read` | 1.00 | 1.10 | +0.10 |\n| `bind` | 0.50 | 0.00 | -0.50 |\n"
                      "| `futex` | 0.00 | 0.30 | +0.30 |\n| all | 1.50 | 1.40 | -0.10 |", text)

    def test_aims(self):
        text = "\n".join(tables.aims_table(self.figures))
        for line in ("proxy: CPU per connection, of the floor's | ≤ 1.2 × | 1.10 × | met",
                     "proxy: CPU per round trip, of the floor's | ≤ 1.05 × | 1.10 × | **missed**",
                     "whole suite: CPU per connection, of the floor's | ≤ 2.5 × | 1.90 × | met",
                     "proxy: memory per idle session | ≤ 1 KiB | 1.00 KiB | met",
                     "above a direct connection's | ≤ 2 ms | 3.00 ms | **missed**",
                     "(64 bytes, 1 at once), of the floor's | ≤ 1.2 × | 0.75 × | met",
                     "(1200 bytes, 200 at once), of danted's | ≤ 0.5 × | 0.25 × | met",
                     "that without them | ≤ 2 × | 3.00 × | **missed**",
                     "normal ones that fail | 0 % | 1.00 % | **missed**"):
            self.assertIn(line, text)
        self.assertEqual(len(tables.aims_table(tables.Figures([]))), 3)

    def test_any_selection(self):
        """Whatever was measured alone can be printed alone."""
        rows = rows_of_all()
        for mode in modes.MODES:
            some = [r for r in rows if r["mode"] == mode]
            self.assertTrue(some, mode)
            self.assertIn("What was aimed at", self.report(some))
        self.assertIn("| run.sh |", self.report(rows))

    def test_what_does_not_count_is_said_first(self):
        self.assertTrue(self.report(rows_of_all(), ["1 row short"]).startswith("**Does not count: 1 row short.**"))

    def test_write(self):
        with tempfile.TemporaryDirectory() as d:
            page = pathlib.Path(d) / "page.md"
            page.write_text("a\n<!-- x: begin -->\nold\n<!-- x: end -->\nb\n<!-- y: begin -->\nkept\n<!-- y: end -->\n")
            compare.write(page, "x", "new\n")
            self.assertEqual(page.read_text(), "a\n<!-- x: begin -->\nnew\n<!-- x: end -->\nb\n"
                             "<!-- y: begin -->\nkept\n<!-- y: end -->\n")

    def test_page_has_the_marks(self):
        page = (tree.ROOT / "docs/benchmarks.md").read_text()
        for mark in ("bench", "store"):
            self.assertEqual((page.count(f"<!-- {mark}: begin -->\n"), page.count(f"<!-- {mark}: end -->")), (1, 1))

    def test_page_names_each_system_call(self):
        """What the table says the proxy calls beyond the floor, by hand a reason."""
        page = (tree.ROOT / "docs/benchmarks.md").read_text()
        measured = page.split("<!-- bench: begin -->")[1].split("<!-- bench: end -->")[0]
        reasons = page.split("## System calls")[1].split("\n## ")[0]
        rows = re.findall(r"^\| `(\w+)` \|.*\| \+([0-9.]+) \|$", measured, re.M)
        # Less than one in twenty connections is chance.
        added = [call for call, more in rows if float(more) >= 0.05]
        self.assertEqual([call for call in added if f"`{call}`" not in reasons], [])

    def test_ab(self):
        rows = [row for i, slow in ((0, 1), (1, 2)) for row in (
            cost("connections", "floor", i, 100 * slow), cost("connections", "A", i, 200 * slow, 150 * slow),
            cost("connections", "B", i, 180 * slow, 120 * slow))]
        self.assertEqual(ab.round_line(rows, "connections", 1).split(),
                         "2: floor 200.0 A proxy 300.0 B proxy 240.0 A suite 400.0 B suite 360.0".split())
        text = "\n".join(ab.summary(rows, "connections"))
        self.assertIn("A proxy      150.0     225.0     1.500", text)
        self.assertIn("B / A: proxy 0.800 (of the minima 0.800), suite 0.900 (of the minima 0.900)", text)


if __name__ == "__main__":
    unittest.main()
