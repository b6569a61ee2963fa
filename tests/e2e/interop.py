# SPDX-License-Identifier: MIT
"""Two suites beside each other, and servers for other people's programs.

`guarded` takes nobody without a login. `front` prefers a login and serves
whoever has none as `anonymous`: what SOCKS4 and many a program need. Both know
names that the test's own machine does not: who reaches one had it resolved by
the proxy. Each test has servers at ports of their own, by which its sessions
are found in history.

A program that is not installed is no error: the test says that it was left out.
"""
import hashlib
import http.server
import pathlib
import shutil
import socket
import socketserver
import ssl
import subprocess
import threading

import pytest

from stack import Stack, wait_for

TOP = pathlib.Path(__file__).resolve().parents[2]
# 8.8.4.0/24 leads nowhere, as routes of the test's namespace say.
HOSTS = """127.0.0.1 four.test both.test
::1 six.test both.test
8.8.4.1 unreachable.test
8.8.4.2 routeless.test
"""
ROUTES = ("unreachable 8.8.4.1", "throw 8.8.4.2")
ANONYMOUS = """
[[users]]
username = "anonymous"

  [[users.rules]]
  id = "anonymous-loopback"
  action = "allow"
  destinations = ["127.0.0.0/8", "::1/128"]
  allow_internal = true

  [[users.rules]]
  id = "anonymous-callers"
  action = "allow"
  destinations = ["0.0.0.0"]
  commands = ["bind"]
  allow_internal = true

  [[users.rules]]
  id = "anonymous-world"
  action = "allow"
  destinations = ["*"]
"""


def need(*programs):
    """Leaves the test out, and says so, where a program is missing."""
    for program in programs:
        if shutil.which(program, path="/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin") is None:
            pytest.skip(f"{program} is not installed")
    if "nc" in programs and b"OpenBSD" not in run("nc", "-h").stderr:
        pytest.skip("nc is not the one of OpenBSD")


class Suite(Stack):
    """A stack that is not at the usual ports."""

    def __init__(self, state, number, **environment):
        ports = {"SOCKS": 1080 + number, "API": 8080 + number, "ADMIN": 9181 + 10 * number}
        super().__init__(TOP, state, **environment,
                         **{f"SALLYPORT_{k}_PORT": str(v) for k, v in ports.items()})
        self.socks, self.api_port, self.admin = ports.values()
        self.at = f"127.0.0.1:{self.socks}"

    def login(self):
        return f"{self.user}:{self.password}"

    def proxy(self, scheme, login=True):
        """The URL of this proxy."""
        return f"{scheme}://{self.login() + '@' if login else ''}{self.at}"

    def records(self, port, n=1):
        """The n sessions to a port of the test's, oldest first."""
        return self.wait_history(n, f"&dest_port={port}")[::-1]

    def record(self, port, **wanted):
        """The one session to that port, after a look at some of its members."""
        (row,) = self.records(port)
        assert {k: row[k] for k in wanted} == wanted, row
        return row


def start_suite(factory, name, number, **environment):
    directory = factory.mktemp(name)
    hosts = directory / "hosts"
    hosts.write_text(HOSTS)
    s = Suite(directory / "var", number, SALLYPORT_PROXY__DNS__HOSTS_FILE=str(hosts), **environment)
    s.start()
    return s


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    s = start_suite(tmp_path_factory, "guarded", 1)
    yield s
    s.finish()


@pytest.fixture(scope="module")
def front(tmp_path_factory):
    s = start_suite(tmp_path_factory, "front", 2, SALLYPORT_PROXY__SOCKS_METHODS="userpass, none",
                    SALLYPORT_PROXY__ALLOW_ANONYMOUS="true")
    policy = s.state / "etc/acl.toml"
    policy.write_text(policy.read_text() + ANONYMOUS)
    wait_for("the policy", lambda: allowed(s, "anonymous"))
    yield s
    s.finish()


def allowed(suite, user):
    """Whether that user may connect to this machine, as acld explains it."""
    answer = suite.ctl("acl", "test", "--user", user, "--dest", "127.0.0.1", "--port", "80",
                       "--expect", "allow")
    return answer.returncode == 0


@pytest.fixture
def nowhere():
    """Addresses behind which there is no route, while a test runs."""
    for route in ROUTES:
        subprocess.run(["ip", "route", "add", "table", "local", *route.split()], check=True)
    yield
    for route in ROUTES:
        subprocess.run(["ip", "route", "del", "table", "local", *route.split()], check=True)


# ---- servers


def free_port():
    """One that no server of this namespace has, on either family."""
    with socket.socket(socket.AF_INET6) as s:
        s.bind(("::", 0))
        return s.getsockname()[1]


class Server:
    """A handler on both loopback addresses at one port, in threads."""

    def __init__(self, handler, tls=None, **members):
        self.port, self.running = free_port(), []
        for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            kind = type("S", (socketserver.ThreadingTCPServer,), {
                "address_family": family, "daemon_threads": True, "request_queue_size": 128,
                "allow_reuse_address": True, "handle_error": lambda *a: None, **members})
            server = kind((host, self.port), handler)
            if tls:
                server.socket = tls.wrap_socket(server.socket, server_side=True,
                                                do_handshake_on_connect=False)
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            self.running.append(server)

    def close(self):
        for server in self.running:
            server.shutdown()
            server.server_close()


class Answer(socketserver.StreamRequestHandler):
    """Reads to the end, then says how much it was: only who passes a half-close
    on, and waits for the answer to it, is told."""

    def handle(self):
        data = self.rfile.read()
        self.wfile.write(digest(data).encode())


class Echo(socketserver.BaseRequestHandler):
    """Speaks first, then says everything back as it comes."""

    def handle(self):
        self.request.sendall(b"hello\n")
        while data := self.request.recv(65536):
            self.request.sendall(data)


def digest(data):
    return f"{len(data)} {hashlib.sha256(data).hexdigest()}\n"


class Site(http.server.BaseHTTPRequestHandler):
    """Says the path back; /page has many parts; takes what is posted."""

    protocol_version = "HTTP/1.1"
    PARTS = 40

    def send(self, body, kind="text/plain"):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/page":
            scripts = "".join(f'<script src="/part/{i}"></script>' for i in range(self.PARTS))
            self.send(f"<title>x</title><p id=n>0</p>{scripts}".encode(), "text/html")
        elif self.path.startswith("/part/"):
            self.send(b"n.textContent = +n.textContent + 1;", "text/javascript")
        else:
            self.send(f"hello {self.path}\n".encode())

    def do_POST(self):
        data = self.rfile.read(int(self.headers["Content-Length"]))
        self.send(digest(data).encode())

    def log_message(self, *args):
        pass


@pytest.fixture
def serve():
    """serve(handler): a Server that ends with the test."""
    running = []

    def add(handler, **options):
        running.append(Server(handler, **options))
        return running[-1].port

    yield add
    for server in running:
        server.close()


@pytest.fixture(scope="session")
def tls(tmp_path_factory):
    """A context with a certificate that nobody signed, and its file."""
    directory = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         "/CN=four.test", "-addext", "subjectAltName=DNS:four.test,DNS:six.test",
         "-keyout", directory / "key", "-out", directory / "cert"],
        check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "cert", directory / "key")
    context.certificate = directory / "cert"
    return context


def run(*args, **options):
    """A program to its end, within patience."""
    options.setdefault("timeout", 60)
    return subprocess.run([str(a) for a in args], capture_output=True, **options)
