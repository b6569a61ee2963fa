#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs one load against several proxies in turn and compares their CPU time.

Each contestant runs in a network namespace of its own with nothing but lo; its
CPU is that of all its processes (user, system, and of children that ended), so
that figures hold on a machine that is shared. What it still does in the two
seconds after the load counts as well. Wall times are shown nowhere: they would
not hold. Called by bench.sh.
"""
import argparse
import collections
import datetime
import json
import os
import pathlib
import platform
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
TICK = os.sysconf("SC_CLK_TCK")
TARGET = 7000
IDLE = 4500
SETTLE = 2

Contestant = collections.namedtuple("Contestant", "name port login command note")
MODES = ("cps", "rps", "down", "up", "idle")

DANTED = """\
logoutput: stderr
internal: 127.0.0.1 port = 1081
external: lo
socksmethod: none
clientmethod: none
user.privileged: root
user.unprivileged: nobody
client pass { from: 0/0 to: 0/0 }
socks pass { from: 0/0 to: 0/0 }
"""


def contestants(work):
    (work / "danted.conf").write_text(DANTED)
    null = f"exec {work}/nullproxy"
    found = [
        Contestant("floor", 9092, ("u", "p"), f"{null} 9092 2 auto", "any password, no policy, no record"),
        Contestant("floor, no login", 9093, None, f"{null} 9093 2 auto", "for peers without login"),
        Contestant("sallyport", 1080, "demo.env", f"exec {TOP}/run.sh", "login, policy, records in SQLite"),
        Contestant("microsocks", 1082, ("u", "p"), "exec microsocks -i 127.0.0.1 -p 1082 -u u -P p", "login"),
        Contestant("danted", 1081, None, f"exec danted -N 2 -f {work}/danted.conf", "no login"),
    ]
    # Debian 13 has no danted.
    return [c for c in found if c.name != "danted" or shutil.which("danted")]


# ---- what a process has used ----


def processes(group):
    """{pid: stat fields after the name} of a process group, children included."""
    found, parents = {}, {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            stat = pathlib.Path(f"/proc/{entry}/stat").read_text()
        except OSError:
            continue
        name = stat[stat.index("(") + 1 : stat.rindex(")")]
        fields = stat[stat.rindex(")") + 2 :].split()
        parents[int(entry)] = int(fields[1])
        found[int(entry)] = (name, fields)

    def belongs(pid):
        while pid in found:
            if int(found[pid][1][3]) == group or pid == group:
                return True
            pid = parents[pid]
        return False

    return {pid: entry for pid, entry in found.items() if belongs(pid)}


def cpu_by_name(group):
    """Seconds, by process name; of ended children too."""
    seconds = collections.Counter()
    for name, fields in processes(group).values():
        seconds[name] += sum(int(x) for x in fields[11:15]) / TICK
    return seconds


def pss_by_name(group):
    """KiB, by process name."""
    kib = collections.Counter()
    for pid, (name, _) in processes(group).items():
        try:
            text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        kib[name] += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return kib


# ---- one contestant, in its namespace ----


def login_of(contestant, state):
    if contestant.login != "demo.env":
        return contestant.login
    values = dict(line.split("=", 1) for line in (state / "demo.env").read_text().splitlines())
    return values["SALLYPORT_USER"], values["SALLYPORT_PASSWORD"]


def start(contestant, work, state):
    log = open(work / f"{contestant.name.split(',')[0]}.log", "ab")
    process = subprocess.Popen(
        ["sh", "-c", contestant.command],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True,
        start_new_session=True, env=os.environ | {"SALLYPORT_STATE": str(state)},
    )
    if contestant.name == "sallyport":
        for line in process.stdout:
            if line == "ready\n":
                break
    time.sleep(1.0)
    if process.poll() is not None:
        sys.exit(f"{contestant.name} did not start; see {log.name}")
    return process


def stop(process):
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(6)
    except subprocess.TimeoutExpired:
        pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def rows_in_history(state):
    """Ended sessions, counted where they are: in the database."""
    out = subprocess.run(
        ["sqlite3", "-readonly", f"{state}/data/sallyport.db", "SELECT count(*) FROM session"],
        capture_output=True, text=True, check=True,
    )
    return int(out.stdout)


def measure(contestant, mode, args, work):
    state = work / f"state-{mode}"
    process = start(contestant, work, state)
    connections = IDLE if mode == "idle" else 8 if mode in ("down", "up") else 64
    seconds = max(args.seconds, IDLE / 1500) if mode == "idle" else args.seconds
    command = [f"{work}/sockload", mode, "-p", str(contestant.port), "-t", str(TARGET),
               "-c", str(connections), "-d", str(seconds), "-s", "64"]
    login = login_of(contestant, state)
    if login:
        command += ["-u", login[0], "-w", login[1]]
    cpu_before, pss_before = cpu_by_name(process.pid), pss_by_name(process.pid)
    load = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    pss_after = pss_before
    if mode == "idle":
        time.sleep(seconds - 0.7)
        pss_after = pss_by_name(process.pid)
    result = json.loads(load.communicate()[0])
    time.sleep(SETTLE)
    cpu = {name: s - cpu_before[name] for name, s in cpu_by_name(process.pid).items()}
    if contestant.name == "sallyport" and mode == "cps":
        rows = rows_in_history(state)
        # The load generator cuts the last connections off when time is up.
        if rows < result["done"]:
            sys.exit(f"{rows} rows for {result['done']} sessions: the figure does not count")
        result["rows"] = rows
    stop(process)
    return {
        "name": contestant.name, "mode": mode, "fails": result["fails"], "done": result["done"],
        "bytes": result["bytes"], "cpu": cpu,
        "pss": {name: pss_after[name] - pss_before[name] for name in pss_after},
    }


def run_one(args):
    """All modes of one contestant; called inside its namespace."""
    work = pathlib.Path(args.work)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("12000 65535")
    pathlib.Path("/proc/sys/net/ipv4/tcp_max_tw_buckets").write_text("2048")
    resource.setrlimit(resource.RLIMIT_NOFILE, (20000, 20000))
    contestant = next(c for c in contestants(work) if c.name == args.one)
    target = subprocess.Popen([f"{work}/sockload", "serve", str(TARGET)])
    time.sleep(0.3)
    try:
        for mode in MODES:
            print(json.dumps(measure(contestant, mode, args, work)), flush=True)
    finally:
        target.kill()


# ---- the table ----


def unit(row, cpu):
    """CPU or memory per unit of work, in the unit of the mode."""
    if row["mode"] in ("cps", "rps"):
        return cpu / max(row["done"], 1) * 1e6
    return cpu / max(row["bytes"], 1) * 1e12


def figure(rows, name, mode, part=None):
    """The median over the rounds; `part`: of one process only."""
    values = []
    for row in rows:
        if (row["name"], row["mode"]) != (name, mode):
            continue
        used = row["pss"] if mode == "idle" else row["cpu"]
        # The kernel keeps 15 characters of a process's name.
        amount = sum(n for process, n in used.items() if part is None or process == part[:15])
        values.append(amount / max(row["done"], 1) if mode == "idle" else unit(row, amount))
    return statistics.median(values)


def table(rows, who):
    lines = [
        "| | µs CPU / connection | µs CPU / round trip | ms CPU / GB down | ms CPU / GB up | KiB / idle session | failures |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]

    def line(title, name, part=None):
        floor = "floor, no login" if name == "danted" else "floor"
        cells = []
        for mode in MODES:
            value = figure(rows, name, mode, part)
            digits = 2 if mode == "idle" else 1 if mode in ("cps", "rps") else 0
            base = figure(rows, floor, mode)
            ratio = f" ({value / base:.2f} ×)" if mode != "idle" and name not in ("floor", "floor, no login") else ""
            cells.append(f"{value:.{digits}f}{ratio}")
        fails = sum(r["fails"] for r in rows if r["name"] == name)
        lines.append(f"| {title} | {' | '.join(cells)} | {fails} |")

    for c in who:
        if c.name == "sallyport":
            line("**sallyport, whole suite**", c.name)
            line("sallyport, proxy alone", c.name, "sallyport-proxy")
        else:
            line(f"{c.name} ({c.note})", c.name)
    return lines


def where_it_goes(rows):
    lines = ["| daemon | µs CPU / connection | KiB / idle session |", "| --- | --- | --- |"]
    for daemon in ("proxy", "authd", "acld", "sessiond", "apid"):
        part = f"sallyport-{daemon}"
        lines.append(f"| {daemon} | {figure(rows, 'sallyport', 'cps', part):.1f} | "
                     f"{figure(rows, 'sallyport', 'idle', part):.2f} |")
    return lines


def version(command):
    out = subprocess.run(command, shell=True, capture_output=True, text=True)
    return (out.stdout + out.stderr).strip().splitlines()[0]


def report(rows, who, args):
    machine = next((line.split(":", 1)[1].strip() for line in
                    pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                    if line.startswith("model name")), platform.machine())
    revision = version(f"git -C {TOP} rev-parse --short HEAD")
    packages = version("dpkg-query -W -f='${Package} ${Version}, ' dante-server microsocks "
                       "'libevent-core-2.1-7*' libnng1 2>/dev/null")
    return "\n".join([
        *table(rows, who), "", "Where the suite's time and memory go:", "", *where_it_goes(rows), "",
        f"{datetime.date.today()}, revision {revision}, {os.cpu_count()} cores, {machine}, Linux {platform.release()}; "
        f"{packages.rstrip(', ')}; medians of {args.rounds} rounds of {args.seconds:.0f} s.", "",
    ])


def write(path, text):
    """Puts the report between the markers of the page."""
    begin, end = "<!-- bench: begin -->\n", "<!-- bench: end -->"
    page = path.read_text()
    head, rest = page.split(begin)
    path.write_text(head + begin + text + end + rest.split(end)[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", required=True, help="directory with sockload and nullproxy")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--write", type=pathlib.Path, help="page to put the table into")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        return run_one(args)
    who = contestants(pathlib.Path(args.work))
    rows = []
    for round_ in range(args.rounds):
        for c in who:
            print(f"round {round_ + 1}: {c.name}", file=sys.stderr)
            out = subprocess.run(
                ["unshare", "-n", sys.executable, __file__, "--one", c.name, "--work", args.work,
                 "--seconds", str(args.seconds)], stdout=subprocess.PIPE, text=True, check=True)
            rows += [json.loads(line) for line in out.stdout.splitlines()]
        subprocess.run(f"rm -rf {args.work}/state-*", shell=True, check=True)
    text = report(rows, who, args)
    print(text)
    if args.write:
        write(args.write, text)


if __name__ == "__main__":
    main()
