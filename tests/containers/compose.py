# SPDX-License-Identifier: MIT
"""docker-compose.yml as a user runs it, and what can be asked of it."""
import json
import os
import pathlib
import resource
import signal
import socket
import struct
import subprocess
import time
import urllib.request

TOP = pathlib.Path(__file__).resolve().parents[2]
DAEMONS = ("proxy", "authd", "acld", "sessiond", "apid")
ONCE = ("setup", "migrate", "hello")
ECHO = "10.213.80.10"    # as deploy/compose/etc/acl.toml says
PATIENCE = 60
notes = []    # what was measured, for the end of the run


def note(text):
    notes.append(text)


def wait_for(what, condition, seconds=PATIENCE):
    """The first true value of condition(); fails with `what` after a while."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s for {what}")
        time.sleep(0.05)


class Refused(Exception):
    """The proxy's reply code; 0: the login."""


def socks(proxy, host, port, user, password, seconds=20):
    """A connection through SOCKS5 by name, ready for the first byte."""
    s = socket.create_connection(proxy, timeout=seconds)
    try:
        u, p, h = user.encode(), password.encode(), host.encode()
        s.sendall(b"\x05\x01\x02")
        if take(s, 2) != b"\x05\x02":
            raise OSError("no login asked for")
        s.sendall(b"\x01" + bytes([len(u)]) + u + bytes([len(p)]) + p)
        if take(s, 2)[1] != 0:
            raise Refused(0)
        s.sendall(b"\x05\x01\x00\x03" + bytes([len(h)]) + h + struct.pack("!H", port))
        reply = take(s, 4)
        if reply[1] != 0:
            raise Refused(reply[1])
        take(s, (4 if reply[3] == 1 else 16) + 2)
        return s
    except BaseException:
        s.close()
        raise


def take(s, n):
    data = b""
    while len(data) < n:
        more = s.recv(n - len(data))
        if not more:
            raise OSError("the proxy hung up")
        data += more
    return data


class Compose:
    def __init__(self, engine, project, profiles=(), files=(), **environment):
        self.engine = engine
        self.project = project
        # Who may not raise the limit cannot give more than he has.
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        self.environment = {"SALLYPORT_NOFILE": str(min(65536, most))} | environment
        none = engine.run / "none.env"    # not the user's own .env
        none.touch()
        self.flags = ["-p", project, "--project-directory", str(TOP),
                      "--env-file", str(none), "-f", str(TOP / "docker-compose.yml")]
        for f in files:
            self.flags += ["-f", str(f)]
        for p in profiles:
            self.flags += ["--profile", p]

    # ---- life

    def __call__(self, *arguments, check=True, seconds=180):
        done = subprocess.run(
            ["docker-compose", "--ansi", "never", *self.flags, *map(str, arguments)],
            env=self.engine.environment(**self.environment), cwd=TOP,
            capture_output=True, text=True, timeout=seconds, stdin=subprocess.DEVNULL)
        if check and done.returncode != 0:
            raise AssertionError(
                f"docker-compose {arguments}: {done.returncode}\n"
                f"{done.stdout[-3000:]}{done.stderr[-3000:]}\n{self.say()}")
        return done

    def up(self, *services):
        """Up, and hello has said how to try it."""
        self("up", "-d", "--no-build", *services)
        wait_for("hello", lambda: self.state("hello")["Status"] == "exited")
        assert self.state("hello")["ExitCode"] == 0, self.say()

    def down(self):
        self("--profile", "demo", "--profile", "observability", "--profile", "cli",
             "down", "-v", "--remove-orphans", "-t", "5", check=False)

    # ---- containers

    def id(self, service):
        """Of the service's one container, running or not; None: none."""
        found = self.engine.output(
            "ps", "-aq", "--no-trunc",
            "--filter", f"label=com.docker.compose.project={self.project}",
            "--filter", f"label=com.docker.compose.service={service}",
            "--filter", "label=com.docker.compose.oneoff=False").split()
        return found[0] if found else None

    def inspect(self, service):
        return json.loads(self.engine.output("inspect", self.id(service)))[0]

    def state(self, service):
        return self.inspect(service)["State"]

    def health(self, service):
        state = self.state(service)
        return state.get("Health", {}).get("Status", state["Status"])

    def healthy(self, *services):
        wait_for(f"{services} to be healthy",
                 lambda: all(self.health(s) == "healthy" for s in services))

    def logs(self, service):
        done = self.engine.docker("logs", self.id(service))
        return done.stdout + done.stderr

    def say(self):
        """What every container said last, for a failure's message."""
        parts = []
        for service in (*ONCE, "db", *DAEMONS):
            if self.id(service):
                state = self.state(service)
                parts.append(f"--- {service}: {state['Status']} {state['ExitCode']}\n"
                             + "\n".join(self.logs(service).splitlines()[-8:]))
        return "\n".join(parts)

    def kill(self, service):
        """kill -9 as a crash is: not by docker, which would leave it dead.
        Gives the process id that has gone."""
        pid = self.state(service)["Pid"]
        os.kill(pid, signal.SIGKILL)
        wait_for(f"another {service}",
                 lambda: self.state(service)["Pid"] not in (0, pid))
        return pid

    def address(self, service, network):
        networks = self.inspect(service)["NetworkSettings"]["Networks"]
        return networks[f"{self.project}_{network}"]["IPAddress"]

    # ---- use

    def credentials(self):
        done = self("run", "--rm", "-T", "cli", "setup", "show")
        return dict(line.split("=", 1) for line in done.stdout.split())

    def psql(self, sql):
        """Rows, each a list of columns as text."""
        out = self.engine.output(
            "exec", self.id("db"), "psql", "-XAtq", "-F", "|", "-U", "postgres",
            "-d", "sallyport", "-v", "ON_ERROR_STOP=1", "-c", sql)
        return [line.split("|") for line in out.splitlines()]


class Client:
    """The demo user on this machine."""

    def __init__(self, compose):
        self.compose = compose
        self.proxy = None
        found = compose.credentials()
        self.user = found["SALLYPORT_USER"]
        self.password = found["SALLYPORT_PASSWORD"]
        self.token = found["SALLYPORT_TOKEN"]

    def curl(self, url, user=None, password=None):
        login = f"{user or self.user}:{password or self.password}"
        return subprocess.run(
            ["curl", "-sS", "-m", "20", "-x", f"socks5h://{login}@127.0.0.1:1080", url],
            capture_output=True, text=True, check=False)

    def connect(self, host="echo", port=7):
        """From this machine's address, not through a published port: the
        record then has our own source port."""
        if self.proxy is None:
            self.proxy = (self.compose.address("proxy", "egress"), 1080)
        try:
            return socks(self.proxy, host, port, self.user, self.password)
        except OSError:
            self.proxy = None    # a new container may have another
            raise

    def rest(self, path):
        request = urllib.request.Request(
            "http://127.0.0.1:8080" + path,
            headers={"Authorization": f"Bearer {self.token}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def answered(self):
        """Does the API have history to show at the moment?"""
        try:
            return bool(self.rest("/api/sessions/history?limit=1")["items"])
        except OSError:
            return False

    def history(self):
        """Every ended session, through all pages."""
        rows, cursor = [], None
        while True:
            page = self.rest("/api/sessions/history?hours=24&limit=1000"
                             + (f"&cursor={cursor}" if cursor else ""))
            rows += page["items"]
            cursor = page["next_cursor"]
            if not cursor:
                return rows
