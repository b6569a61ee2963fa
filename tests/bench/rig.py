# SPDX-License-Identifier: MIT
"""What a benchmark runs on: a network namespace, targets, contestants, a load."""
import collections
import json
import os
import pathlib
import resource
import select
import shlex
import signal
import socket
import subprocess
import sys
import time

import usage

TOP = pathlib.Path(__file__).resolve().parents[2]
ECHO, SOURCE, SINK = 7000, 7001, 7002
DESCRIPTORS = 20000

# login: None, (user, password), or "demo.env" for the one run.sh makes.
Contestant = collections.namedtuple("Contestant", "name port login command environment")


def enter_namespace():
    """Call inside `unshare -n`: lo, many ports, few left-overs, descriptors."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("12000 65535")
    pathlib.Path("/proc/sys/net/ipv4/tcp_max_tw_buckets").write_text("2048")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    limit = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))


def wait_for_port(port, process, seconds=20):
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.02)
    return False


class Targets:
    """Echo, source and sink, as a context."""

    def __init__(self, tools):
        self.command = [f"{tools}/load", "serve", str(ECHO)]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE)
        if not self.process.stdout.readline():
            sys.exit("bench: the targets did not start")
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Proxy:
    """A contestant that runs. `work` gets its state and its log."""

    def __init__(self, contestant, work, tag=""):
        self.contestant = contestant
        self.state = pathlib.Path(work) / f"state-{contestant.name}{tag}"
        self.log = pathlib.Path(work) / f"{contestant.name}.log"
        self.group = usage.Group(contestant.name)
        suite = contestant.login == "demo.env"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                ["sh", "-c", "exec " + contestant.command], stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if suite else log, stderr=log, preexec_fn=self.group.enter,
                env=os.environ | {"SALLYPORT_STATE": str(self.state)} | contestant.environment)
        self.group.leader = self.process.pid
        ready = self.wait_ready() if suite else wait_for_port(contestant.port, self.process)
        if not ready:
            self.group.end()
            sys.exit(f"bench: {contestant.name} did not start; the end of its log:\n"
                     + "".join(self.log.read_text(errors="replace").splitlines(True)[-20:]))
        self.group.split()

    def wait_ready(self):
        for line in self.process.stdout:
            if line == b"ready\n":
                return True
        return False

    def login(self):
        if self.contestant.login != "demo.env":
            return self.contestant.login
        text = (self.state / "demo.env").read_text()
        values = dict(shlex.split(line)[0].split("=", 1) for line in text.splitlines() if line)
        return values["SALLYPORT_USER"], values["SALLYPORT_PASSWORD"]

    def rows(self):
        """Ended sessions, counted where they are: in the database."""
        out = subprocess.run(
            ["sqlite3", "-readonly", f"{self.state}/data/sallyport.db", "SELECT count(*) FROM session"],
            capture_output=True, text=True, check=True)
        return int(out.stdout)

    def stop(self):
        os.kill(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(6)
        except subprocess.TimeoutExpired:
            pass
        self.group.end()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


class Load:
    """One run of tests/bench/load; `result` waits for its end."""

    def __init__(self, tools, mode, port, login, **options):
        command = [f"{tools}/load", mode, "-p", str(port)]
        for name, value in options.items():
            command += [f"-{name}", str(value)]
        if login:
            command += ["-u", login[0], "-w", login[1]]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def held(self, seconds=60):
        """hold, slow: how many are there, once all are."""
        if not select.select([self.process.stdout], [], [], seconds)[0]:
            self.process.kill()
            self.process.wait()
            sys.exit(f"bench: the load's connections were not all there after {seconds} s")
        return json.loads(self.process.stdout.readline())["held"]

    def result(self):
        out = self.process.communicate()[0]
        if self.process.returncode != 0:
            sys.exit("bench: the load generator failed")
        found = json.loads(out.splitlines()[-1])
        found["fails"] = sum(found["failed"].values())
        return found
