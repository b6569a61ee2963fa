# SPDX-License-Identifier: MIT
"""The suite of daemons as each case needs it: a few stacks, each with its own
configuration, started once for a test process and shared by many cases."""
import contextlib
import os
import pathlib
import re
import signal
import subprocess
import urllib.request

import wire
from client import Client
from stack import DAEMONS, Stack, wait_for

# Who comes from 127.66.0.0/16 may wait for anybody with BIND, from
# 127.77.0.0/16 reach this machine; all else depends on the destination alone.
SOURCE_ANY_PEER, SOURCE_INTERNAL = 66, 77
POLICY = """
[global]
default_policy = "block"

[[rules]]
id = "world"
action = "allow"
destinations = ["*"]

[[rules]]
id = "no-mail"
action = "block"
destinations = ["*"]
ports = ["25"]

[[rules]]
id = "no-evil"
action = "block"
destinations = ["evil.com", "9.66.0.0/16", "2600:66::/32"]

[[rules]]
id = "connect-only"
action = "block"
destinations = ["9.67.0.0/16"]
commands = ["bind", "udp"]

[[rules]]
id = "any-peer"
action = "allow"
destinations = ["0.0.0.0/32", "::/128"]
commands = ["bind"]
sources = ["127.66.0.0/16"]
allow_internal = true

[[rules]]
id = "internal"
action = "allow"
destinations = ["127.0.0.0/8", "::1/128"]
sources = ["127.77.0.0/16"]
allow_internal = true
"""

STATE = re.compile(r"event=conn_state client_port=(\d+) from=\w+ to=(\w+)")
ALL = "connect,bind,udp"
# What is the same for all: no limit by source, names forgotten at once, and a
# name server that may be late: it is asked once.
COMMON = {
    "proxy.limits.pre_login_per_source": "0",
    "proxy.limits.new_per_minute_source": "0",
    "proxy.dns.ttl_min": "0",
    "proxy.dns.negative_ttl": "0",
    "proxy.dns.timeout": "20s",
    "proxy.timeouts.resolve": "20s",
}
ANONYMOUS = {"proxy.socks_methods": "none", "proxy.allow_anonymous": "true"}
CONFIGURATIONS = {
    # A login is required.
    "login": {"proxy.commands": ALL},
    # It is welcome, and one may do without. Each step is in the log.
    "either": ANONYMOUS
    | {"proxy.commands": ALL, "proxy.socks_methods": "userpass,none"}
    | {"proxy.timeouts.login": "3s", "proxy.timeouts.handshake": "60s"}
    | {"log.level": "debug", "log.repeat_limit": "0"},
    # Whatever waits does not wait long.
    "quick": ANONYMOUS
    | {
        "proxy.commands": ALL,
        "proxy.timeouts.handshake": "2s",
        "proxy.timeouts.decide": "10s",
        "proxy.timeouts.resolve": "500ms",
        "proxy.timeouts.connect": "1s",
        "proxy.timeouts.connect_attempt": "800ms",
        "proxy.timeouts.idle": "3s",
        "proxy.timeouts.half_open": "2s",
        "proxy.timeouts.udp_idle": "2s",
        "proxy.timeouts.bind": "1s",
        "proxy.limits.sessions_per_source": "2",
    },
    # The least: SOCKS5 and CONNECT; none is preferred to a login.
    "bare": ANONYMOUS
    | {
        "proxy.carriers": "socks5",
        "proxy.commands": "connect",
        "proxy.socks_methods": "none,userpass",
        "proxy.mask_bound_address": "true",
    },
    # What changes how UDP and BIND work.
    "options": ANONYMOUS
    | {
        "proxy.commands": ALL,
        "proxy.udp.full_cone": "true",
        "proxy.udp.port_change": "true",
        "proxy.udp.packets_per_second": "20",
        "proxy.udp.max_destinations": "4",
        "proxy.udp.ports": "42000-42099",
        "proxy.bind.ports": "43000-43099",
        "proxy.udp.advertise": "127.20.0.0/16=192.0.2.1,127.0.0.2",
        "proxy.bind.advertise": "127.20.0.0/16=192.0.2.1,127.0.0.2",
    },
}

USERS = {
    "plain": "correct horse",
    "u" * 255: "p" * 255,
    "h\u00e9ros": b"\x80\xff\xfe pass",
    "admin": "admin-secret",
}


def variables(settings):
    """As the environment names them."""
    names = {k: "SALLYPORT_" + k.upper().replace(".", "__") for k in settings}
    return {names[k]: v for k, v in settings.items()}


class Suite(Stack):
    """One of the configurations, on ports of its own."""

    def __init__(self, top, state, name, nameserver):
        n = list(CONFIGURATIONS).index(name)
        self.name, self.nameserver = name, nameserver
        socks, api, admin = 1080 + n, 8080 + n, 9181 + 10 * n
        settings = COMMON | CONFIGURATIONS[name]
        settings |= {
            "proxy.listen": f"127.0.0.1:{socks},[::1]:{socks}",
            "proxy.dns.servers": f"127.0.0.1:{nameserver.port}",
        }
        ports = {"SALLYPORT_API_PORT": str(api), "SALLYPORT_ADMIN_PORT": str(admin)}
        super().__init__(top, state, **ports, **variables(settings))
        self.socks, self.api_port, self.admin = socks, api, admin

    def start(self):
        etc = self.state / "etc"
        etc.mkdir(parents=True, exist_ok=True)
        (etc / "acl.toml").write_text(POLICY)
        super().start()
        self.hello, self.welcome = wire.greeting(wire.NONE), b"\5\0"
        if self.name in ("login", "either", "bare"):
            self.add_users()
        if self.name == "login":
            self.hello = wire.greeting(wire.USERPASS) + wire.login(self.user, self.password)
            self.welcome = b"\5\2\1\0"

    def add_users(self):
        """By the tool; authd sees the file change."""
        for name, password in USERS.items():
            self.add_user(name, password)
        for name, password in USERS.items():
            wait_for(f"the user {name}", lambda: self.knows(name, password))

    def add_user(self, name, password):
        build = os.environ.get("SALLYPORT_BUILD", str(self.top / "build"))
        users = str(self.state / "etc/users.toml")
        command = [f"{build}/cli/sallyctl", "users", "add", name]
        command += ["--password-stdin", "--file", users]
        done = subprocess.run(command, input=wire.as_bytes(password), capture_output=True)
        assert done.returncode == 0, done

    def knows(self, name, password):
        with Client(self) as c:
            c.send(wire.greeting(wire.USERPASS), wire.login(name, password))
            return c.expect(b"\5\2").take(2) == b"\1\0"

    # ---- clients

    def client(self, source=None, address=None):
        """Connected, nothing said yet."""
        if address is None:
            address = "::1" if source and ":" in source else "127.0.0.1"
        return Client(self, source, address)

    def session(self, target, host=None):
        """(client, the target's end) of a CONNECT that went well."""
        c = self.client().enter().ask(host or target.host, target.port)
        end = target.accept()
        c.connected()
        return c, end

    @contextlib.contextmanager
    def asleep(self, daemon):
        """That daemon does nothing, until the end or until wake() is called."""
        pid = self.pid(daemon)
        os.kill(pid, signal.SIGSTOP)
        try:
            # A thread may still be about to stop.
            wait_for(f"{daemon} to stop", lambda: all(map(is_stopped, tasks(pid))))
            yield lambda: os.kill(pid, signal.SIGCONT)
        finally:
            os.kill(pid, signal.SIGCONT)

    # ---- what is told of them

    def records(self, source):
        """The rows of an address or a network, newest first."""
        return self.history(f"&source_ip={source}")

    def record(self, source, **fields):
        rows = wait_for(f"the record of {source}", lambda: self.records(source), 30)
        assert len(rows) == 1, rows
        check(rows[0], fields)
        return rows[0]

    def wait_records(self, sources):
        """{address: its one row} of many addresses, once all are there."""
        rows = {}

        def all_there():
            rows.update(self.rows_of(sources))
            return len(rows) == len(sources)

        wait_for(f"{len(sources)} records", all_there)
        return rows

    def rows_of(self, sources):
        """{address: row}; two of one address are a mistake."""
        found, cursor = {}, ""
        while cursor is not None:
            status, page = self.api(f"/api/sessions/history?limit=1000&source_ip=127.10.0.0/16{cursor}")
            assert status == 200, page
            for row in page["items"]:
                if row["source_ip"] in sources:
                    assert row["source_ip"] not in found, row
                    found[row["source_ip"]] = row
            done = len(found) == len(sources) or page["next_cursor"] is None
            cursor = None if done else f"&cursor={page['next_cursor']}"
        return found

    def states(self, clients, since):
        """{client's port: [states]} as the log tells it after that offset."""
        found = {c.port: [] for c in clients}
        with open(self.state.parent / "run.log", "rb") as log:
            log.seek(since)
            text = log.read().decode(errors="replace")
        for port, state in STATE.findall(text):
            if int(port) in found:
                found[int(port)].append(state)
        return found

    def log_size(self):
        return (self.state.parent / "run.log").stat().st_size

    def page(self, daemon="proxy", path="/metrics"):
        port = self.admin + DAEMONS.index(daemon)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
            return answer.read().decode()

    def metric(self, name, label="", daemon="proxy"):
        """The sum of a metric over all labels, or over those with this one."""
        lines = re.findall(
            rf"^sallyport_{name}(?:\{{[^}}]*{re.escape(label)}[^}}]*\}})? (\S+)$",
            self.page(daemon),
            re.M,
        )
        assert lines, f"{daemon} has no metric {name} with {label}"
        return sum(float(value) for value in lines)

    def counts(self, name, label="", by=1, daemon="proxy"):
        return Counts(self, name, label, by, daemon)

    def wait_state(self, state, n=1):
        """Until that many connections are in that state, by the gauge."""
        wait_for(f"{n} in {state}", lambda: self.metric("proxy_connections", f'"{state}"') == n)

    def wait_empty(self):
        """Until no connection is left."""
        wait_for("no connection", lambda: self.metric("proxy_connections") == 0)


def tasks(pid):
    return pathlib.Path(f"/proc/{pid}/task").iterdir()


def is_stopped(task):
    return (task / "stat").read_text().rpartition(")")[2].split()[0] == "T"


class Counts:
    """What happens inside moves the counter by that much, not more."""

    def __init__(self, suite, name, label, by, daemon):
        self.question, self.by = (name, label, daemon), by
        self.suite = suite

    def __enter__(self):
        self.before = self.suite.metric(*self.question)
        return self

    def moved(self):
        return self.suite.metric(*self.question) - self.before

    def __exit__(self, kind, *_):
        if kind is None:
            wait_for(f"{self.question} to move by {self.by}", lambda: self.moved() >= self.by)
            assert self.moved() == self.by, (self.question, self.moved())


def check(row, fields):
    wrong = {k: row[k] for k, v in fields.items() if row[k] != v}
    assert not wrong, f"{wrong}, not {fields}, in {row}"
