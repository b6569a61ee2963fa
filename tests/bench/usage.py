# SPDX-License-Identifier: MIT
"""What the processes of a contestant have used: CPU time and memory.

CPU comes from a cgroup of its own (v1 cpuacct, v2 cpu.stat: nanoseconds,
processes that ended included), with one below it for each daemon's name; where
no cgroup can be made, from /proc (ticks of 10 ms).
"""
import collections
import os
import pathlib
import signal
import time

TICK = os.sysconf("SC_CLK_TCK")
V1 = pathlib.Path("/sys/fs/cgroup/cpuacct")
V2 = pathlib.Path("/sys/fs/cgroup")


def v1_seconds(path):
    return int((path / "cpuacct.usage").read_text()) / 1e9


def v2_seconds(path):
    return int(stat_value((path / "cpu.stat").read_text(), "usage_usec")) / 1e6


def stat_value(text, key):
    """Of a file with a key and a value a line."""
    return next(line.split()[1] for line in text.splitlines() if line.split()[0] == key)


def hierarchy():
    """(where cgroups are made, how they are read), or (None, None)."""
    for root, seconds, there in ((V1, v1_seconds, V1 / "cpuacct.usage"),
                                 (V2, v2_seconds, V2 / "cgroup.controllers")):
        if there.exists() and os.access(root, os.W_OK):
            return root, seconds
    return None, None


def parse_stat(text):
    """/proc/PID/stat: (name, fields after it)."""
    return text[text.index("(") + 1 : text.rindex(")")], text[text.rindex(")") + 2 :].split()


def stat_of(pid):
    try:
        return parse_stat(pathlib.Path(f"/proc/{pid}/stat").read_text())
    except OSError:
        return None


class Group:
    """The processes of one contestant. `enter` is for preexec_fn and makes a
    session, whose leader's pid goes into `leader`; `split` is for when all its
    processes are there; `end` kills what is left of them. Where no cgroup can be
    made, a session that a child has made counts from when it was first seen."""

    def __init__(self, name):
        root, self.seconds = hierarchy()
        self.path = root / f"sallyport-bench-{os.getpid()}-{name}" if root else None
        self.parts = {}
        self.leader = None
        self.sessions = set()
        try:
            if self.path:
                self.path.mkdir()
        except OSError:     # root in a container, say
            self.path = None

    def enter(self):
        os.setsid()
        if self.path:
            (self.path / "cgroup.procs").write_text(str(os.getpid()))

    def pids(self):
        if self.path:
            paths = [self.path, *self.parts.values()]
            return [int(pid) for path in paths for pid in (path / "cgroup.procs").read_text().split()]
        table = {int(entry): stat_of(entry) for entry in os.listdir("/proc") if entry.isdigit()}
        # State, parent, group, session; what is dead already is nobody's.
        table = {pid: stat[1] for pid, stat in table.items() if stat}
        session = {pid: int(fields[3]) for pid, fields in table.items()}
        # A number that no session has any more may become somebody else's.
        self.sessions = (self.sessions | {self.leader}) & set(session.values())
        while True:
            made = {session[pid] for pid, fields in table.items() if session.get(int(fields[1])) in self.sessions}
            if made <= self.sessions:
                break
            self.sessions |= made
        return [pid for pid in table if session[pid] in self.sessions and table[pid][0] != "Z"]

    def split(self):
        for pid in self.pids() if self.path else []:
            stat = stat_of(pid)
            if stat is None:
                continue
            part = self.parts.get(stat[0])
            if part is None:
                part = self.parts[stat[0]] = self.path / stat[0]
                part.mkdir()
            (part / "cgroup.procs").write_text(str(pid))

    def pid_of(self, names):
        """The one process that has one of these names."""
        pids = [pid for pid in self.pids() if (stat_of(pid) or [""])[0] in names]
        if len(pids) != 1:
            raise LookupError(f"{len(pids)} processes are named {' or '.join(names)}")
        return pids[0]

    def cpu(self):
        """{process name: seconds}; "" is the whole."""
        if self.path:
            return {"": self.seconds(self.path)} | {n: self.seconds(p) for n, p in self.parts.items()}
        used = collections.Counter()
        for pid in self.pids():
            stat = stat_of(pid)
            if stat:
                seconds = sum(int(ticks) for ticks in stat[1][11:15]) / TICK
                used[stat[0]] += seconds
                used[""] += seconds
        return dict(used)

    def memory(self):
        """{process name: KiB of proportional memory}; "" is the whole."""
        kib = collections.Counter()
        for pid in self.pids():
            stat = stat_of(pid)
            try:
                text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
            except OSError:
                continue
            if stat:
                pss = int(stat_value(text, "Pss:"))
                kib[stat[0]] += pss
                kib[""] += pss
        return dict(kib)

    def end(self):
        deadline = time.monotonic() + 5
        while pids := self.pids():
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            if time.monotonic() > deadline:
                raise TimeoutError(f"processes {pids} do not end")
            time.sleep(0.02)
        for path in [*self.parts.values(), self.path] if self.path else []:
            remove(path, deadline)


def remove(path, deadline):
    """A cgroup; its last process may still be on its way out."""
    while True:
        try:
            return path.rmdir()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def used_since(before, after):
    return {name: after[name] - before.get(name, 0) for name in after}
