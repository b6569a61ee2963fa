# SPDX-License-Identifier: MIT
"""Great programs whose traffic is their own: ssh with its small and its large
packets, git in both directions, apt with its pipelines, a browser that opens
many connections and drops half of them."""
import http.server
import io
import json
import os
import pathlib
import pwd
import subprocess
import time

import pytest

from interop import (Server, Site, Suite, digest, free_port, front, guarded,  # noqa: F401
                     need, run, serve, tls)
from stack import PATIENCE, wait_for

def moved(suite, port, sent, received):
    """The records of a port, once they tell of more than so many bytes."""

    def enough():
        rows = suite.history(f"&dest_port={port}")
        return rows if (sum(row["bytes_sent"] for row in rows) > sent and
                        sum(row["bytes_received"] for row in rows) > received) else None

    return wait_for("the records", enough)


# ---- ssh

SSHD = """
Port {port}
ListenAddress 127.0.0.1
HostKey {dir}/host
PidFile none
AuthorizedKeysFile {dir}/client.pub
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication no
Subsystem sftp internal-sftp
"""


@pytest.fixture
def sshd(tmp_path):
    """A server with keys and a port of its own, and how a client calls it."""
    need("sshd", "ssh", "nc")
    if os.getuid() != 0 or pathlib.Path("/proc/self/uid_map").read_text().split()[1] != "0":
        pytest.skip("sshd lets nobody in but by root's rights")
    for key in ("host", "client"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / key],
                       check=True)
    port = free_port()
    (tmp_path / "sshd.conf").write_text(SSHD.format(port=port, dir=tmp_path))
    # /run/sshd is made by systemd: here in a mount namespace that ends with it.
    server = subprocess.Popen(
        ["unshare", "--mount", "sh", "-c",
         'mount -t tmpfs tmpfs /run && mkdir -m 755 /run/sshd && exec "$@"', "sh",
         "/usr/sbin/sshd", "-D", "-e", "-f", tmp_path / "sshd.conf"],
        stderr=open(tmp_path / "sshd.log", "wb"))
    wait_for("sshd", lambda: b"listening" in (tmp_path / "sshd.log").read_bytes())

    def command(program, proxy, *args):
        return [program, "-F", "none", "-i", tmp_path / "client", "-o", "BatchMode=yes",
                "-o", f"UserKnownHostsFile={tmp_path / 'known'}",
                "-o", "StrictHostKeyChecking=accept-new", "-o", f"ProxyCommand={proxy}",
                # Asked for often; on a busy machine the answer may be late.
                "-o", "ServerAliveInterval=1", "-o", f"ServerAliveCountMax={PATIENCE}",
                "-P" if program == "scp" else "-p", str(port), *args]

    command.port = port
    yield command
    server.terminate()
    server.wait(PATIENCE)


def ssh_proxies(suite):
    return {"nc-5": f"nc -X 5 -x {suite.at} %h %p",
            "nc-connect": f"nc -X connect -x {suite.at} %h %p",
            "socat-login": f"socat -t60 - PROXY:127.0.0.1:%h:%p,proxyport={suite.socks},"
                           f"proxyauth={suite.login()}"}


@pytest.mark.parametrize("way", ["nc-5", "nc-connect", "socat-login"])
def test_ssh(front, guarded, sshd, way):  # noqa: F811
    suite = guarded if "login" in way else front
    if "socat" in way:
        need("socat")
    proxy = ssh_proxies(suite)[way]
    me = pwd.getpwuid(os.getuid()).pw_name
    done = run(*sshd("ssh", proxy, f"{me}@four.test", "cat; exit 7"), input=b"in and out\n")
    assert (done.returncode, done.stdout) == (7, b"in and out\n"), done
    row = suite.record(sshd.port, status="closed", dest_host="four.test",
                       carrier="socks5" if way == "nc-5" else "http",
                       user="demo" if "login" in way else "anonymous")
    assert row["bytes_sent"] > 500 and row["bytes_received"] > 500


def test_ssh_stays_and_talks(front, sshd):  # noqa: F811
    """Small messages one at a time, over a session that re-keys."""
    me = pwd.getpwuid(os.getuid()).pw_name
    command = sshd("ssh", ssh_proxies(front)["nc-5"], "-o", "RekeyLimit=64K", f"{me}@four.test",
                   "cat")
    with subprocess.Popen([str(a) for a in command], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as ssh:
        for i in range(400):
            line = b"%d %s\n" % (i, b"x" * (i * 3))
            ssh.stdin.write(line)
            ssh.stdin.flush()
            assert ssh.stdout.readline() == line
        ssh.stdin.close()
        assert ssh.wait(PATIENCE) == 0


def test_scp_both_ways(front, sshd, tmp_path):  # noqa: F811
    """Large copies up and down at once, with new keys each megabyte."""
    me = pwd.getpwuid(os.getuid()).pw_name
    data = os.urandom(1 << 20) * 24
    (tmp_path / "one").write_bytes(data)
    there = f"{me}@four.test:{tmp_path}"
    proxy = ssh_proxies(front)["nc-5"]
    copies = [
        subprocess.Popen([str(a) for a in sshd("scp", proxy, "-q", "-o", "RekeyLimit=1M", *pair)])
        for pair in ((tmp_path / "one", f"{there}/up"), (f"{there}/one", tmp_path / "down"))
    ]
    # New keys are work: some twenty seconds of it, on a busy machine more.
    assert [c.wait(10 * PATIENCE) for c in copies] == [0, 0]
    assert (tmp_path / "up").read_bytes() == data == (tmp_path / "down").read_bytes()
    assert len(moved(front, sshd.port, sent=len(data), received=len(data))) == 2


# ---- git


class GitServer(http.server.BaseHTTPRequestHandler):
    """git http-backend as CGI, with what http.server's own lacks: chunks."""

    protocol_version = "HTTP/1.1"
    root = None

    def body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = io.BytesIO()
        while size := int(self.rfile.readline(), 16):
            parts.write(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return parts.getvalue()

    def do_GET(self):
        path, _, query = self.path.partition("?")
        body = self.body()
        done = run("git", "http-backend", input=body, env=os.environ | {
            "GIT_PROJECT_ROOT": str(self.root), "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path,
            "QUERY_STRING": query, "REQUEST_METHOD": self.command, "REMOTE_USER": "someone",
            "REMOTE_ADDR": "127.0.0.1", "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "HTTP_GIT_PROTOCOL": self.headers.get("Git-Protocol", "")})
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = [line.split(": ", 1) for line in head.decode().split("\r\n")]
        status = [v for k, v in fields if k == "Status"] or ["200 OK"]
        self.send_response(int(status[0].split()[0]))
        for name, value in fields:
            if name != "Status":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET

    def log_message(self, *args):
        pass


@pytest.mark.parametrize("scheme, login", [
    ("socks5h", True), ("socks5h", False), ("http", True)], ids=["login", "anonymous", "tls-http"])
def test_git_clone_and_push(front, guarded, serve, tls, tmp_path, scheme, login):  # noqa: F811
    """Through an HTTP proxy git asks for http:// itself, so that one is https."""
    need("git")
    secure = scheme == "http"
    handler = type("Handler", (GitServer,), {"root": tmp_path / "srv"})
    port = serve(handler, tls=tls if secure else None)
    suite = guarded if login else front
    url = f"http{'s' if secure else ''}://four.test:{port}/repo"

    def git(*args, at=tmp_path):
        done = run("git", "-c", f"http.proxy={suite.proxy(scheme, login)}", "-C", at, *args,
                   env=os.environ | {
                       "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null",
                       "GIT_TERMINAL_PROMPT": "0", "NO_PROXY": "", "no_proxy": "",
                       "GIT_SSL_CAINFO": str(tls.certificate), "GIT_AUTHOR_NAME": "a",
                       "GIT_AUTHOR_EMAIL": "a@x", "GIT_COMMITTER_NAME": "a",
                       "GIT_COMMITTER_EMAIL": "a@x"})
        assert done.returncode == 0, done
        return done.stdout.decode()

    (tmp_path / "srv").mkdir()
    git("init", "-q", "--bare", "srv/repo")
    git("-C", "srv/repo", "config", "http.receivepack", "true")
    git("clone", "-q", url, "one")
    large = os.urandom(6 << 20)
    (tmp_path / "one/large").write_bytes(large)
    git("add", ".", at=tmp_path / "one")
    git("commit", "-q", "-m", "x", at=tmp_path / "one")
    git("push", "-q", "origin", "HEAD:refs/heads/main", at=tmp_path / "one")
    git("clone", "-q", "-b", "main", url, "two")
    assert (tmp_path / "two/large").read_bytes() == large
    rows = moved(suite, port, sent=len(large), received=len(large))
    assert {row["user"] for row in rows} == {"demo" if login else "anonymous"}
    assert {row["dest_host"] for row in rows} == {"four.test"}


# ---- apt


def make_repository(directory, packages=6):
    """Small packages, which apt asks for in one pipeline."""
    directory.mkdir()
    for i in range(packages):
        tree = directory / f"tree{i}"
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / "DEBIAN/control").write_text(
            f"Package: sallyport-test-{i}\nVersion: 1\nArchitecture: all\n"
            "Maintainer: nobody <nobody@example.com>\nDescription: x\n")
        (tree / "DEBIAN").chmod(0o755)
        (tree / "payload").write_bytes(os.urandom(100000))
        run("dpkg-deb", "--build", "--root-owner-group", tree, directory / f"p{i}.deb").check_returncode()
    entries = []
    for deb in sorted(directory.glob("*.deb")):
        control = run("dpkg-deb", "--field", deb, text=True).stdout
        entries.append(f"{control}Filename: ./{deb.name}\nSize: {deb.stat().st_size}\n"
                       f"SHA256: {run('sha256sum', deb, text=True).stdout.split()[0]}\n")
    (directory / "Packages").write_text("\n".join(entries))


class Repository(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass


@pytest.mark.parametrize("login", [True, False], ids=["login", "anonymous"])
def test_apt(front, guarded, serve, tmp_path, login):  # noqa: F811
    need("apt-get", "dpkg-deb")
    suite = guarded if login else front
    make_repository(tmp_path / "repo")

    class Handler(Repository):
        def __init__(self, *args):
            super().__init__(*args, directory=str(tmp_path / "repo"))

    port = serve(Handler)
    for part in ("state/lists/partial", "cache/archives/partial", "etc", "out"):
        (tmp_path / part).mkdir(parents=True)
    (tmp_path / "state/status").write_text("")
    (tmp_path / "etc/sources.list").write_text(f"deb [trusted=yes] http://four.test:{port} ./\n")
    (tmp_path / "apt.conf").write_text(f"""
Dir::State "{tmp_path}/state";
Dir::State::status "{tmp_path}/state/status";
Dir::Cache "{tmp_path}/cache";
Dir::Etc "{tmp_path}/etc";
Dir::Log "{tmp_path}";
APT::Sandbox::User "";
Acquire::Retries "0";
Acquire::Languages "none";
Acquire::http::Proxy "{suite.proxy('socks5h', login)}";
""")
    environment = os.environ | {"APT_CONFIG": str(tmp_path / "apt.conf"), "LC_ALL": "C"}
    done = run("apt-get", "update", env=environment)
    assert done.returncode == 0 and b"Packages [" in done.stdout, done
    names = [f"sallyport-test-{i}" for i in range(6)]
    done = run("apt-get", "-q", "download", *names, env=environment, cwd=tmp_path / "out")
    assert done.returncode == 0, done
    got = sorted((tmp_path / "out").glob("*.deb"))
    assert [p.read_bytes() for p in got] == [
        p.read_bytes() for p in sorted((tmp_path / "repo").glob("*.deb"))]
    rows = moved(suite, port, sent=0, received=600000)
    assert {row["user"] for row in rows} == {"demo" if login else "anonymous"}
    assert {row["dest_host"] for row in rows} == {"four.test"}
    assert len(rows) < 2 * len(names), "each package came by a tunnel of its own"


# ---- chromium


class Chromium:
    """A headless browser, driven over the two pipes of its DevTools."""

    def __init__(self, directory, proxy, *flags):
        to_read, self.to = os.pipe()
        self.back, from_write = os.pipe()
        (directory / "home").mkdir()
        self.log = open(directory / "chromium.log", "wb")
        self.process = subprocess.Popen(
            ["bash", "-c", 'exec "$@" 3<&%d 4>&%d' % (to_read, from_write), "bash", "chromium",
             "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--no-first-run", "--disable-background-networking", "--disable-sync",
             "--disable-component-update", "--remote-debugging-pipe",
             f"--user-data-dir={directory / 'profile'}", f"--proxy-server={proxy}",
             "--proxy-bypass-list=<-loopback>", *flags, "about:blank"],
            pass_fds=(to_read, from_write), stderr=self.log, stdout=self.log,
            env=os.environ | {"HOME": str(directory / "home")})
        os.close(to_read)
        os.close(from_write)
        self.number, self.events, self.buffer, self.session = 0, [], b"", None
        target = next(t for t in self.call("Target.getTargets")["targetInfos"]
                      if t["type"] == "page")
        self.session = self.call("Target.attachToTarget", targetId=target["targetId"],
                                 flatten=True)["sessionId"]

    def message(self):
        while b"\0" not in self.buffer:
            more = os.read(self.back, 65536)
            assert more, "chromium ended"
            self.buffer += more
        line, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(line)

    def send(self, method, **params):
        self.number += 1
        what = {"id": self.number, "method": method, "params": params}
        if self.session:
            what["sessionId"] = self.session
        os.write(self.to, json.dumps(what).encode() + b"\0")
        return self.number

    def call(self, method, **params):
        number = self.send(method, **params)
        while True:
            m = self.message()
            if m.get("id") == number:
                assert "error" not in m, m
                return m["result"]
            self.events.append(m)

    def next_event(self):
        return self.events.pop(0) if self.events else self.message()

    def log_in(self, user, password):
        """Answers every question for a login of the proxy."""
        self.login = {"response": "ProvideCredentials", "username": user, "password": password}
        self.asked = 0
        self.call("Fetch.enable", handleAuthRequests=True)

    def visit(self, url):
        """Goes there and waits until all of the page is loaded."""
        self.call("Page.enable")
        self.send("Page.navigate", url=url)
        while True:
            event = self.next_event()
            name, params = event.get("method"), event.get("params", {})
            if name == "Fetch.requestPaused":
                self.send("Fetch.continueRequest", requestId=params["requestId"])
            elif name == "Fetch.authRequired":
                assert params["authChallenge"]["source"] == "Proxy", params
                self.asked += 1
                self.send("Fetch.continueWithAuth", requestId=params["requestId"],
                          authChallengeResponse=self.login)
            elif name == "Page.loadEventFired":
                return
            elif event.get("result", {}).get("errorText"):
                raise AssertionError(event["result"]["errorText"])

    def text(self, expression):
        return self.call("Runtime.evaluate", expression=expression)["result"]["value"]

    def close(self):
        if self.process.returncode is not None:
            return
        self.session = None
        self.send("Browser.close")
        self.process.wait(PATIENCE)
        os.close(self.to)
        os.close(self.back)
        self.log.close()


@pytest.fixture
def chromium(tmp_path):
    need("chromium")
    running = []

    def start(proxy, *flags):
        running.append(Chromium(tmp_path, proxy, *flags))
        return running[-1]

    yield start
    for browser in running:
        browser.close()


def test_chromium_by_socks5(front, serve, chromium):  # noqa: F811
    """Without login, as it has none for SOCKS; names at the proxy alone."""
    port = serve(Site)
    browser = chromium(f"socks5://{front.at}")
    browser.visit(f"http://four.test:{port}/page")
    assert browser.text("n.textContent") == str(Site.PARTS)
    browser.visit(f"http://six.test:{port}/part/x")
    browser.close()
    rows = moved(front, port, sent=1000, received=1000)
    assert {row["carrier"] for row in rows} == {"socks5"}
    assert {row["user"] for row in rows} == {"anonymous"}


@pytest.mark.parametrize("login", [True, False], ids=["login", "anonymous"])
def test_chromium_by_connect(front, guarded, serve, tls, chromium, login):  # noqa: F811
    """A 407 for each tunnel until the login is known, then never again."""
    port = serve(Site, tls=tls)
    suite = guarded if login else front
    browser = chromium(f"http://{suite.at}", "--ignore-certificate-errors")
    if login:
        browser.log_in(suite.user, suite.password)
    browser.visit(f"https://four.test:{port}/page")
    assert browser.text("n.textContent") == str(Site.PARTS)
    if login:
        assert 1 <= browser.asked <= 2
    browser.close()
    rows = moved(suite, port, sent=1000, received=1000)
    assert {row["carrier"] for row in rows} == {"http"}
    assert {row["user"] for row in rows if row["status"] == "closed"} == {
        "demo" if login else "anonymous"}


def test_chromium_is_refused(front, chromium):  # noqa: F811
    browser = chromium(f"socks5://{front.at}")
    with pytest.raises(AssertionError, match="ERR_SOCKS_CONNECTION_FAILED"):
        browser.visit(f"http://four.test:{free_port()}/")
