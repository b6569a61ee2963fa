# SPDX-License-Identifier: MIT
"""What a benchmark runs on: a network namespace, targets, a contestant, a load."""
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
TARGET = {"down": SOURCE, "up": SINK}


def fail(text):
    sys.exit(f"bench: {text}")


def enter_namespace():
    """Call inside `unshare -n`: lo, many ports, few left-overs, descriptors."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("12000 65535")
    pathlib.Path("/proc/sys/net/ipv4/tcp_max_tw_buckets").write_text("2048")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    limit = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))


def listens(port, process, seconds=20):
    """Waits until something listens; False: `process` ended, or it takes too long."""
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
            fail("the targets did not start")
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Proxy:
    """A contestant that runs. `work` gets its state and its log."""

    def __init__(self, contestant, work):
        self.contestant = contestant
        self.state = pathlib.Path(work) / f"state-{contestant.name}-{os.getpid()}"
        self.log = pathlib.Path(work) / f"{contestant.name}.log"
        self.group = usage.Group(contestant.name)
        self.records = contestant.login == "demo.env"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                ["sh", "-c", "exec " + contestant.command], stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if self.records else log, stderr=log, preexec_fn=self.group.enter,
                env=os.environ | {"SALLYPORT_STATE": str(self.state)} | contestant.environment)
        self.group.leader = self.process.pid
        if not (self.is_ready() if self.records else listens(contestant.port, self.process)):
            self.group.end()
            fail(f"{contestant.name} did not start; the end of its log:\n"
                 + "".join(self.log.read_text(errors="replace").splitlines(True)[-20:]))
        self.group.split()

    def is_ready(self):
        return any(line == b"ready\n" for line in self.process.stdout)

    def login(self):
        if not self.records:
            return self.contestant.login
        lines = shlex.split((self.state / "demo.env").read_text())
        values = dict(line.split("=", 1) for line in lines)
        return values["SALLYPORT_USER"], values["SALLYPORT_PASSWORD"]

    def rows(self):
        """Ended sessions, counted where they are: in the database."""
        if not self.records:
            return None
        out = subprocess.run(
            ["sqlite3", "-readonly", "-cmd", ".timeout 5000", f"{self.state}/data/sallyport.db",
             "SELECT count(*) FROM session"], capture_output=True, text=True, check=True)
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
    """One run of tests/bench/load against a contestant; `result` waits for its
    end. Options by their letter."""

    def __init__(self, tools, contestant, login, mode, **options):
        target = TARGET.get(mode, ECHO)
        if contestant.relay:
            options |= {"p": 0, "t": contestant.port + target - ECHO}
        else:
            options |= {"p": contestant.port, "t": target}
        if login:
            options |= {"u": login[0], "w": login[1]}
        command = [f"{tools}/load", mode] + [part for k, v in options.items() for part in (f"-{k}", str(v))]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def held(self, seconds=60):
        """hold, slow: how many are there, once all have connected."""
        if not select.select([self.process.stdout], [], [], seconds)[0]:
            self.process.kill()
            self.process.wait()
            fail(f"the load's connections were not there after {seconds} s")
        return json.loads(self.process.stdout.readline())["held"]

    def result(self):
        """What it printed last, with all failures as `fails`."""
        out = self.process.communicate()[0]
        if self.process.returncode != 0:
            fail("the load generator failed")
        found = json.loads(out.splitlines()[-1])
        found["fails"] = sum(found["failed"].values())
        return found
