# SPDX-License-Identifier: MIT
"""run.sh as a test sees it, the servers behind it, and waiting without sleeps."""
import http.server
import json
import os
import pathlib
import select
import signal
import socket
import socketserver
import subprocess
import threading
import time
import urllib.error
import urllib.request

DAEMONS = ("proxy", "authd", "acld", "sessiond", "apid")
# Sanitizers and a busy machine are slow; a hang is what this ends.
PATIENCE = 60
socket.setdefaulttimeout(20)
# What no log may say. The last two: the guard of common/msg/listening.c took a
# healthy listener for one that nng has lost.
BUGS = (
    "AddressSanitizer",
    "LeakSanitizer",
    "ThreadSanitizer",
    "runtime error:",
    "assertion",
    "bus_listener_replaced",
    "bus_listener_lost",
)


def wait_for(what, condition, seconds=PATIENCE):
    """The first true value of condition(); fails with `what` after a while."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s for {what}")
        time.sleep(0.02)


def family(pid):
    """{pid: words of its command line} of a process and its children, whatever session they
    are in; those that have ended excepted."""
    found = {}
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            line = (entry / "cmdline").read_text(errors="replace")
        except OSError:
            continue    # gone meanwhile
        if pid in (int(entry.name), int(parent)) and state not in "ZX":
            found[int(entry.name)] = line.split("\0")
    return found


class Held:
    """A process and its children, known for what they are even once somebody
    else has their numbers."""

    def __init__(self, pid):
        self.ends = {}
        for member, line in family(pid).items():
            try:
                self.ends[os.pidfd_open(member)] = f"{member} {line[0]}"
            except ProcessLookupError:
                pass

    def left(self):
        """Those that have not ended. Who waits for whoever reaps orphans has."""
        ended = select.select(list(self.ends), [], [], 0)[0]
        return [name for end, name in self.ends.items() if end not in ended]

    def kill(self):
        """Until all are gone: who has not ended yet still holds its ports."""
        for end in self.ends:
            try:
                signal.pidfd_send_signal(end, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for end in self.ends:
            assert select.select([end], [], [], PATIENCE)[0], "one outlives SIGKILL"

    def close(self):
        for end in self.ends:
            os.close(end)


class Handler(http.server.BaseHTTPRequestHandler):
    """Says the path back; remembers who came."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = f"hello {self.path}\n".encode()
        self.server.hits.append((self.connection.getsockname()[0], self.path))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Web(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    allow_reuse_address = True


class Web6(Web):
    address_family = socket.AF_INET6

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        super().server_bind()


class Servers:
    """An HTTP server on every IPv4 and IPv6 address, at one port, and more
    ports on demand. `hits` is what was reached."""

    def __init__(self):
        self.hits = []
        self.running = []
        self.port = self.add(8000)

    def add(self, port):
        for kind, host in ((Web, "0.0.0.0"), (Web6, "::")):
            server = kind((host, port), Handler)
            server.hits = self.hits
            threading.Thread(target=server.serve_forever, daemon=True).start()
            self.running.append(server)
        return port

    def close(self):
        for server in self.running:
            server.shutdown()
            server.server_close()


class Stack:
    prefix = ()  # of the command run.sh
    closed = False  # to the daemons' user: as root they run as uid 0 then

    def __init__(self, top, state, **environment):
        self.top = pathlib.Path(top)
        self.state = pathlib.Path(state)
        self.socks, self.api_port, self.admin = 1080, 8080, 9181
        self.environment = environment
        self.run = None
        self.errors = None

    # ---- life

    def start(self):
        self.state.parent.mkdir(parents=True, exist_ok=True)
        # pytest's directories are 0700; the daemons' user must get through.
        for parent in [] if self.closed else [self.state.parent, *self.state.parents]:
            if parent.stat().st_uid == os.getuid() and parent != parent.parent:
                parent.chmod(parent.stat().st_mode | 0o011)
        self.errors = open(self.state.parent / "run.log", "ab")
        # What a shell starts in the background ignores SIGINT, and so do its children.
        self.run = subprocess.Popen(
            ["env", "--default-signal=INT", *self.prefix, self.top / "run.sh"],
            stdout=subprocess.PIPE,
            stderr=self.errors,
            env=os.environ | {"SALLYPORT_STATE": str(self.state)} | self.environment,
            text=True,
            start_new_session=True,
        )
        self.banner = []
        for line in self.run.stdout:
            self.banner.append(line.rstrip("\n"))
            if line == "ready\n":
                break
        else:
            raise AssertionError("run.sh ended before ready:\n" + self.log())
        # Whoever reads no further must not block it.
        threading.Thread(target=self.drain_output, daemon=True).start()
        for line in (self.state / "demo.env").read_text().splitlines():
            name, _, value = line.partition("=")
            setattr(self, name.removeprefix("SALLYPORT_").lower(), value)

    def drain_output(self):
        for line in self.run.stdout:
            self.banner.append(line.rstrip("\n"))

    def stop(self):
        """SIGTERM to run.sh; its exit code."""
        self.run.send_signal(signal.SIGTERM)
        code = self.run.wait(PATIENCE)
        self.errors.close()
        self.run.stdout.close()
        self.run = None
        return code

    def kill_all(self):
        """As a power failure would, run.sh and its daemons."""
        held = Held(self.run.pid)
        held.kill()
        held.close()
        self.run.wait(PATIENCE)
        self.errors.close()
        self.run = None

    def finish(self):
        if self.run is None:
            return
        held = Held(self.run.pid)
        try:
            assert self.stop() == 0, self.log()
        finally:
            left = held.left()
            held.kill()
            held.close()
            if left:
                raise AssertionError(f"run.sh left {left} behind:\n" + self.log())
        log = self.log()
        for sign in BUGS:
            assert sign not in log, log

    def log(self):
        return (self.state.parent / "run.log").read_text(errors="replace")

    def pid(self, daemon):
        """The process of a daemon of this stack, or None."""
        for pid, line in family(self.run.pid).items():
            if os.path.basename(line[0]) == f"sallyport-{daemon}":
                return pid
        return None

    # ---- use

    def curl(self, url, *args, password=None, user=None, scheme="socks5h"):
        proxy = f"{scheme}://{user or self.user}:{password or self.password}@127.0.0.1:{self.socks}"
        return subprocess.run(
            ["curl", "-sS", "--max-time", "20", "-x", proxy, *args, url],
            capture_output=True,
            text=True,
        )

    def connect(self, host, port):
        """A socket through the proxy to an IPv4 address, by our own hand."""
        s = socket.create_connection(("127.0.0.1", self.socks), 20)
        user, password = self.user.encode(), self.password.encode()
        s.sendall(b"\5\1\2\1%c%s%c%s" % (len(user), user, len(password), password))
        s.sendall(b"\5\1\0\1" + socket.inet_aton(host) + port.to_bytes(2, "big"))
        answer = b""
        while len(answer) < 14:
            more = s.recv(14 - len(answer))
            assert more, answer
            answer += more
        assert answer[:4] == b"\5\2\1\0" and answer[4:6] == b"\5\0", answer
        return s

    def api(self, path, token=None, raw=False):
        """(status, JSON) of a GET."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.api_port}{path}",
            headers={"Authorization": f"Bearer {token or self.token}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                text = answer.read().decode()
                return answer.status, text if raw else json.loads(text)
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read().decode())

    def history(self, query=""):
        status, page = self.api(f"/api/sessions/history?limit=1000{query}")
        assert status == 200, page
        return page["items"]

    def wait_history(self, n, query=""):
        """History once it holds n sessions, newest first."""
        rows = []

        def enough():
            rows[:] = self.history(query)
            return len(rows) >= n

        wait_for(f"{n} sessions in history", enough)
        assert len(rows) == n, rows
        return rows

    def ctl(self, *args, **kwargs):
        build = os.environ.get("SALLYPORT_BUILD", str(self.top / "build"))
        return subprocess.run(
            [
                f"{build}/cli/sallyctl",
                "--config",
                str(self.state / "etc/sallyport.toml"),
                *args,
            ],
            capture_output=True,
            text=True,
            env=os.environ | {"SALLYPORT_TOKEN": self.token},
            **kwargs,
        )
