# SPDX-License-Identifier: MIT
"""Bad input of every kind, against real processes: files, orders of start,
bytes from clients and peers, ports, directories, disks."""
import contextlib
import os
import random
import signal
import socket
import sqlite3
import subprocess

import pytest

from conftest import TOP
from daemons import Hand, Steady, complaint, get, metric, run
from stack import DAEMONS, Stack, wait_for

OWNER = {"acl.toml": "acld", "users.toml": "authd", "tokens.toml": "apid"}


def works(stack, port, host="127.0.0.1"):
    return stack.curl(f"http://{host}:{port}/").returncode == 0


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A state that run.sh made, with nothing running on it."""
    s = Stack(TOP, tmp_path_factory.mktemp("made") / "var")
    s.start()
    s.finish()
    return s


@pytest.fixture
def hand(made):
    h = Hand(made)
    yield h
    h.close()


@contextlib.contextmanager
def broken(stack, name, text):
    """A file of etc/ with another text for a while, rights and owner kept. It is
    never empty: a daemon that looks meanwhile could take that for its wish."""
    path = stack.state / "etc" / name
    before = path.read_bytes()
    overwrite(path, text if isinstance(text, bytes) else text.encode())
    try:
        yield path
    finally:
        overwrite(path, before)


def overwrite(path, data):
    with open(path, "r+b", buffering=0) as f:
        assert f.write(data) == len(data)
        f.truncate()


# ---- files at start ----

# What stands in the file beside what is right; the line of it and the words
# that are told. {} is the file.
SECTION = [
    ("[proxi]\n", 1, "unknown section; did you mean proxy?"),
    ("[metrics]\nnamespac = 'x'\n", 2, "did you mean metrics.namespace?"),
    ("[metrics]\nnamespace = 7\n", 2, "expected"),
    ("[log]\nlevel = 'info'\n", 1, "log"),
    ("[metrics\n", 1, ""),
]
FILES = [
    ("acl.toml", "[[rules]]\naction = 'alow'\ndestinations = ['*']\n", 2, "`allow`, `block`"),
    ("acl.toml", "[[rules]]\naction = 'block'\n", 1, "`destinations` is missing"),
    ("acl.toml", "[[rules]]\naction = 'block'\ndestinations = ['10.0.0.0/33']\n", 3, "10.0.0.0/33"),
    ("acl.toml", "[[rules]\n", 1, ""),
    ("acl.toml", "rulez = 1\n", 1, "rulez"),
    ("users.toml", "[[users]]\nenabled = true\n", 1, "username is missing"),
    ("users.toml", "[[users]]\nusername = 'x'\npassword_hash = 'plain'\n", 3, "not a password hash"),
    ("users.toml", "[[users]\n", 1, ""),
    ("tokens.toml", "[[tokens]]\nname = 'x'\n", 1, "a token needs sha256"),
    ("tokens.toml", "[[tokens]]\nname = 'x'\nsha256 = 'short'\nscopes = ['read']\n", 3, "sha256"),
    ("tokens.toml", "[[tokens]\n", 1, ""),
]


def check_told(result, path, line, words):
    assert result.returncode == 78, result
    told = [x for x in complaint(result.stderr) if f"{path}:{line}:" in x]
    assert told and words in "\n".join(told), result.stderr


def with_rubbish(made, name, text):
    """The file's right text, then the wrong one; the wrong one's first line."""
    before = (made.state / "etc" / name).read_text()
    # Keys of the root stand before the first table.
    if not text.startswith("["):
        return text + before, 0
    return before + text, before.count("\n")


@pytest.mark.parametrize("daemon", DAEMONS)
def test_broken_configuration_at_start(made, daemon):
    for text, line, words in SECTION:
        whole, first = with_rubbish(made, "sallyport.toml", text)
        with broken(made, "sallyport.toml", whole) as path:
            check_told(run(made, daemon), path, first + line, words)
            check_told(run(made, daemon, "--check"), path, first + line, words)


@pytest.mark.parametrize("name, text, line, words", FILES)
def test_broken_file_at_start(made, name, text, line, words):
    whole, first = with_rubbish(made, name, text)
    with broken(made, name, whole) as path:
        check_told(run(made, OWNER[name]), path, first + line, words)


@pytest.mark.parametrize("name", OWNER)
def test_file_of_garbage_at_start(made, name):
    for garbage in (b"\xff\xfe\0\1garbage", b"\0" * 4096, b"[[users]]\n" * 3 + b"\x1b"):
        with broken(made, name, garbage) as path:
            result = run(made, OWNER[name])
            assert result.returncode == 78, result
            assert any(str(path) in line for line in complaint(result.stderr)), result.stderr


@pytest.mark.parametrize("name", ["sallyport.toml", "acl.toml", "users.toml"])
def test_missing_file_at_start(made, name):
    path = made.state / "etc" / name
    away = path.with_suffix(".away")
    path.rename(away)
    try:
        result = run(made, OWNER.get(name, "proxy"))
    finally:
        away.rename(path)
    assert result.returncode == 78, result
    assert any(str(path) in x and "No such file" in x for x in complaint(result.stderr)), result


@pytest.mark.parametrize(
    "name, text, line, words",
    [("sallyport.toml", "[proxi]\n", 1, "did you mean proxy?")]
    + [next(case for case in FILES if case[0] == name) for name in OWNER],
)
def test_run_sh_ends_with_the_message(made, name, text, line, words):
    whole, first = with_rubbish(made, name, text)
    (made.state.parent / "run.log").write_text("")
    with broken(made, name, whole) as path:
        with pytest.raises(AssertionError, match="ended before ready"):
            made.start()
        assert made.run.wait(60) == 78
    log = made.log()
    assert f"{path}:{first + line}:" in log and words in log
    assert "did not start (exit 78)" in log


# ---- files at reload ----


@pytest.mark.parametrize("name", OWNER)
def test_broken_edit_keeps_the_old_file(stack, servers, name):
    """By edit, by SIGHUP, emptied of rights, away; then mended."""
    path = stack.state / "etc" / name
    event = {"acl.toml": "policy_rejected", "users.toml": "users_rejected", "tokens.toml": "tokens_rejected"}[name]
    case = next(case for case in FILES if case[0] == name)
    whole, first = with_rubbish(stack, name, case[1])

    def reports():
        return sum(f"event={event}" in line for line in stack.log().splitlines())

    def all_as_before(host):
        assert works(stack, servers.port, host)
        assert stack.api("/api/sessions/active")[0] == 200

    with broken(stack, name, whole):
        wait_for("the report of the edit", reports)
        assert f"{path}:{first + case[2]}:" in stack.log() and case[3] in stack.log()
        all_as_before("127.0.1.1")
        before = reports()
        stack.run.send_signal(signal.SIGHUP)
        wait_for("the report of SIGHUP", lambda: reports() > before)
        all_as_before("127.0.1.2")
    before = reports()
    away = path.rename(path.with_suffix(".away"))
    stack.run.send_signal(signal.SIGHUP)
    wait_for("the report of the missing file", lambda: reports() > before)
    all_as_before("127.0.1.3")
    away.rename(path)
    loaded = stack.log().count("event=config_reloaded")
    stack.run.send_signal(signal.SIGHUP)
    wait_for("the mended file", lambda: stack.log().count("event=config_reloaded") >= loaded + 5)
    all_as_before("127.0.1.4")


def test_broken_configuration_keeps_the_old_one(stack, servers):
    pids = {d: stack.pid(d) for d in DAEMONS}
    whole, first = with_rubbish(stack, "sallyport.toml", "[metrics]\nnamespac = 'x'\n")
    with broken(stack, "sallyport.toml", whole) as path:
        stack.run.send_signal(signal.SIGHUP)
        for d in DAEMONS:
            sign = f"service={d} "

            def told():
                return any(
                    sign in x and "config_rejected" in x and f"{path}:{first + 2}:" in x
                    for x in stack.log().splitlines()
                )

            wait_for(f"{d} to report", told)
            # It is logged first.
            wait_for(f"{d} to count it", lambda: metric(d, "config_last_reload_successful") == 0)
        assert works(stack, servers.port)
    stack.run.send_signal(signal.SIGHUP)
    for d in DAEMONS:
        wait_for(f"{d} to load", lambda: metric(d, "config_last_reload_successful") == 1)
    assert {d: stack.pid(d) for d in DAEMONS} == pids


# ---- any order of start ----

ORDERS = [
    ("proxy", "apid", "authd", "acld", "sessiond"),
    ("proxy", "sessiond", "acld", "apid", "authd"),
    ("apid", "sessiond", "proxy", "authd", "acld"),
    ("sessiond", "acld", "authd", "proxy", "apid"),
    ("apid", "acld", "authd", "sessiond", "proxy"),
]


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: "-".join(order))
def test_any_order_of_start(made, hand, servers, order):
    hand.start(*order[:-1])
    if order[-1] in ("authd", "acld", "sessiond"):
        wait_for("its name", lambda: order[-1] in get("proxy", "/readyz")[1])
        assert get("proxy", "/readyz")[0] == 503
    hand.start(order[-1])
    hand.wait_ready()
    assert works(made, servers.port)
    name = "/" + "-".join(order)
    assert made.curl(f"http://localhost:{servers.port}{name}").stdout == f"hello {name}\n"


# ---- a daemon that is down ----


def login(stack, user):
    """The login's answer of a user no lease knows."""
    with socket.create_connection(("127.0.0.1", stack.socks), 20) as s:
        s.sendall(b"\5\1\2\1%c%s\1x" % (len(user), user))
        answer = b""
        while more := s.recv(64):
            answer += more
        return answer


def test_without_authd_logins_fail_in_time(made, hand, servers, monkeypatch):
    """Which is not the time that an answer may take."""
    monkeypatch.setenv("SALLYPORT_PROXY__TIMEOUTS__LOGIN", "2m")
    hand.start("sessiond", "acld", "authd", "apid", "proxy")
    hand.wait_ready()
    steady = Steady(made)
    hand.stop("authd")
    assert login(made, b"nobody") == b"\5\2\1\1"
    wait_for("the record", lambda: made.history("&user=nobody"))
    assert made.history("&user=nobody")[0]["close_reason"] == "auth_silent"
    wait_for("not ready", lambda: get("proxy", "/readyz")[0] == 503)
    assert steady.goes_on()
    hand.start("authd")
    hand.wait_ready()
    assert works(made, servers.port)
    assert login(made, b"nobody2") == b"\5\2\1\1"
    wait_for("the record", lambda: made.history("&user=nobody2"))
    assert made.history("&user=nobody2")[0]["close_reason"] == "auth_failed"
    steady.close()


def test_without_sessiond_traffic_goes_on_and_the_hole_is_counted(made, hand, servers):
    hand.start("sessiond", "acld", "authd", "apid", "proxy")
    hand.wait_ready()
    steady = Steady(made)
    assert works(made, servers.port)
    hand.stop("sessiond")
    wait_for("not ready", lambda: get("proxy", "/readyz")[0] == 503)
    for _ in range(5):
        assert works(made, servers.port)
    assert steady.goes_on()
    hand.start("sessiond")
    hand.wait_ready()

    def counted():
        # On every worker, as each has a stream of its own.
        assert works(made, servers.port)
        return metric("sessiond", "audit_records_lost_total") >= 10

    wait_for("the lost records", counted)
    assert metric("sessiond", "audit_gaps_total") >= 1
    with contextlib.closing(sqlite3.connect(made.state / "data/sallyport.db")) as db:
        assert db.execute("select count(*) from audit_gap").fetchone()[0] >= 1
    assert steady.goes_on()
    steady.close()


# ---- malformed bytes from clients ----

GOOD_LOGIN = object()  # stands for the greeting and the login of demo
LOGGED_IN = b"\5\2\1\0"
V4 = b"\1\x7f\0\0\1"


def refusal(code):
    return LOGGED_IN + bytes([5, code, 0, 1]) + bytes(6)


REFUSED_4 = b"\0\x5b" + bytes(6)

# What is sent, what is answered before the end (of HTTP the first line), how
# many oddities it is.
TRANSCRIPTS = [
    ([b""], b"", 0),
    ([b"\0"], b"", 1),
    ([b"\1"], b"", 1),
    ([b"\4\1\0\x50\x7f\0\0\1demo\0"], REFUSED_4, 0),
    ([b"\4\1\0\0\x7f\0\0\1demo\0"], REFUSED_4, 1),
    ([b"\4\1\0\x50\0\0\0\1\0a b\0"], REFUSED_4, 1),
    ([b"\4\1\0\x50\x7f\0\0\1" + b"u" * 256], b"", 1),
    ([b"\4"], b"", 0),
    ([b"\6\1\0"], b"", 1),
    ([b"\xff" * 300], b"", 1),
    ([b"GET / HTTP/1.1\r\n\r\n"], b"HTTP/1.1 405 Method Not Allowed", 1),
    ([b"CONNECT 127.0.0.1:8000 HTTP/1.1\r\n\r\n"], b"HTTP/1.1 407 Proxy Authentication Required", 0),
    ([b"CONNECT 127.0.0.1:8000 HTTP/1.1\n\n"], b"HTTP/1.1 400 Bad Request", 1),
    ([b"CONNECT 127.0.0.1:8000 HTTP/1.1\r\nX : y\r\n\r\n"], b"HTTP/1.1 400 Bad Request", 1),
    ([b"CONNECT 127.0.0.1:8000 HTTP/1.1\r\nX: " + b"y" * 9000], b"HTTP/1.1 431 Request Header Fields Too Large", 1),
    ([b"CONNECT 127.0.0.1 HTTP/1.1\r\n\r\n"], b"HTTP/1.1 400 Bad Request", 1),
    ([b"PRI * HTTP/2.0\r\n\r\n"], b"HTTP/1.1 505 HTTP Version Not Supported", 1),
    ([b"SSH-2.0-x\r\n"], b"HTTP/1.1 400 Bad Request", 1),
    ([b"\x16\3\1\2\0\1\0\1\xfc\3\3" + b"\7" * 500], b"", 1),
    ([b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n"], b"HTTP/1.1 400 Bad Request", 1),
    ([b"\r\n\r\n\0\r\nQUIT\n"], b"", 1),
    ([b"\5"], b"", 0),
    ([b"\5\2"], b"", 0),
    ([b"\5\2\2"], b"", 0),
    ([b"\5\0"], b"\5\xff", 0),
    ([b"\5\1\0"], b"\5\xff", 0),
    ([b"\5\1\xff"], b"\5\xff", 0),
    ([b"\5\xff" + b"\1" * 255], b"\5\xff", 0),
    ([b"\5\1\2\5"], b"\5\2\1\1", 1),
    ([b"\5\1\2\0"], b"\5\2\1\1", 1),
    ([b"\5\1\2\2\1a\1b"], b"\5\2\1\1", 1),
    ([b"\5\1\2\1\0\1x"], b"\5\2\1\1", 1),
    ([b"\5\1\2\1\4demo\0"], b"\5\2\1\1", 1),
    ([b"\5\1\2\1\4de\0o\1x"], b"\5\2\1\1", 1),
    ([b"\5\1\2\1\4de\no\1x"], b"\5\2\1\1", 1),
    ([b"\5\1\2\1\4demo\3a\0b"], b"\5\2\1\1", 1),
    ([b"\5\1\2\1\4de"], b"\5\2", 0),
    ([b"\5\1\2\1\xff" + b"u" * 255 + b"\xff" + b"p" * 255], b"\5\2\1\1", 0),
    ([b"\5\1\2\1\3\x27--\x031=1"], b"\5\2\1\1", 0),
    ([GOOD_LOGIN, b"\4\1\0" + V4 + b"\0\x50"], LOGGED_IN, 1),
    ([GOOD_LOGIN, b"\0" * 64], LOGGED_IN, 1),
    ([GOOD_LOGIN, b"\5\1\0" + V4], LOGGED_IN, 0),
    ([GOOD_LOGIN, b"\5\1\0" + V4 + b"\0\0"], refusal(1), 1),
    ([GOOD_LOGIN, b"\5\0\0" + V4 + b"\0\x50"], refusal(7), 1),
    ([GOOD_LOGIN, b"\5\4\0" + V4 + b"\0\x50"], refusal(7), 1),
    ([GOOD_LOGIN, b"\5\xff\0" + V4 + b"\0\x50"], refusal(7), 1),
    ([GOOD_LOGIN, b"\5\1\0\0" + V4[1:] + b"\0\x50"], refusal(8), 1),
    ([GOOD_LOGIN, b"\5\1\0\2" + V4[1:] + b"\0\x50"], refusal(8), 1),
    ([GOOD_LOGIN, b"\5\1\0\xff" + b"\xff" * 300], refusal(8), 1),
    ([GOOD_LOGIN, b"\5\1\0\3\0\0\x50"], refusal(1), 1),
    ([GOOD_LOGIN, b"\5\1\0\3\4a\0.b\0\x50"], refusal(1), 1),
    ([GOOD_LOGIN, b"\5\1\0\3\4a..b\0\x50"], refusal(1), 1),
    ([GOOD_LOGIN, b"\5\1\0\3\5a b.c\0\x50"], refusal(1), 1),
    ([GOOD_LOGIN, b"\5\1\0\3\4\xff\xfe\xfd\xfc\0\x50"], refusal(1), 1),
    ([GOOD_LOGIN, b"\5\1\0\3\xff" + b"a" * 255 + b"\0\x50"], refusal(1), 1),
    ([GOOD_LOGIN, b"\5\1\0\3\x14%s\0\x50" % b"0x7f.1;rm -rf /;'\"\r\n"], refusal(1), 1),
]


def exchange(stack, parts):
    """All that comes back until the end; a reset is an end too."""
    user, password = stack.user.encode(), stack.password.encode()
    good = b"\5\1\2\1%c%s%c%s" % (len(user), user, len(password), password)
    answer = b""
    with socket.create_connection(("127.0.0.1", stack.socks), 20) as s:
        with contextlib.suppress(ConnectionError):
            s.sendall(b"".join(good if part is GOOD_LOGIN else part for part in parts))
            s.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            while more := s.recv(4096):
                answer += more
    return answer


def test_malformed_socks_bytes(stack, servers):
    pid = stack.pid("proxy")
    steady = Steady(stack)
    oddities = 0
    for parts, answer, odd in TRANSCRIPTS:
        before = metric("proxy", "proxy_protocol_oddities_total")
        got = exchange(stack, parts)
        assert (got.partition(b"\r\n")[0] if got.startswith(b"HTTP/") else got) == answer, parts
        after = metric("proxy", "proxy_protocol_oddities_total")
        assert after - before == odd, parts
        oddities += odd
    assert oddities >= 30
    assert steady.goes_on()

    dice = random.Random(4)
    for i in range(200):
        head = [b"", b"\5", b"\5\1\2\1", b"\5\1\2\1\4demo"][i % 4]
        parts = [head + dice.randbytes(dice.randrange(1, 400))]
        if i % 5 == 0:
            parts = [GOOD_LOGIN, b"\5\1\0\3" + dice.randbytes(dice.randrange(300))]
        exchange(stack, parts)
    assert metric("proxy", "proxy_protocol_oddities_total") > oddities + 50
    assert steady.goes_on() and works(stack, servers.port)
    steady.close()
    assert stack.pid("proxy") == pid
    # Each attempt is over: nothing is held for those who left.
    wait_for("no session", lambda: stack.api("/api/sessions/active")[1]["items"] == [])


# ---- malformed bytes on the internal sockets ----

# SP protocol numbers of the peer that each listener expects.
PEERS = {
    "auth": 0x30, "decide": 0x30, "admin_auth": 0x30, "admin_acl": 0x30,
    "policy": 0x21, "events": 0x20,
}  # fmt: skip


def hello(protocol):
    return b"\0SP\0" + protocol.to_bytes(2, "big") + b"\0\0"


def framed(body, length=None, kind=1):
    return bytes([kind]) + (len(body) if length is None else length).to_bytes(8, "big") + body


HALF = framed(b"half of it", 60000)

# What follows a valid handshake; whether the peer must be closed for it. A
# publisher wants no message at all and closes for each that is whole.
FRAMES = [
    (b"\0" * 9, False),
    (framed(b"", 2**64 - 1), True),
    (framed(b"", 2**63), True),
    (framed(b"", 2**31), True),
    (framed(b"x" * 4096, 64 << 20 | 1), True),
    (framed(b"abc", kind=0xFF), True),
    (framed(b""), False),
    (framed(b"\x80"), False),
    (framed(b"\0" * 400), False),
    (framed(b"\x80\0\0\1"), False),
    (framed(b"\x80\0\0\1" + b"\xff" * 60000), False),
    (framed(b"\x80\0\0\2\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), False),
    (framed(b"\x80\0\0\3\x0a\xff\xff\xff\xff\x0f"), False),
    (HALF, False),
]


def unix(path):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.settimeout(20)
    s.connect(str(path))
    return s


def send(s, data):
    with contextlib.suppress(ConnectionError):
        s.sendall(data)


def wait_end(s):
    with contextlib.suppress(ConnectionError):
        while s.recv(65536):
            pass


def abuse(path, protocol, dice):
    """Gives back the sockets that were left open, half said."""
    kept = []
    for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\0SP\1\0\x30\0\0", b"\xff" * 8, dice.randbytes(4096), hello(0x77)):
        s = unix(path)
        send(s, garbage)
        wait_end(s)
        s.close()
    for half in (b"", b"\0", b"\0SP\0"):
        kept.append(unix(path))
        send(kept[-1], half)
    randoms = [(framed(b"\x80" + dice.randbytes(dice.randrange(1, 3000))), False) for _ in range(20)]
    for frame, closes in FRAMES + randoms:
        s = unix(path)
        send(s, hello(protocol))
        assert s.recv(8, socket.MSG_WAITALL)[:4] == b"\0SP\0"
        send(s, frame)
        if closes or (protocol == 0x21 and frame is not HALF):
            wait_end(s)
            s.close()
        else:
            kept.append(s)
    return kept


def noticed(stack, name):
    """That a message was no good; what nng itself closes is not told to us."""
    if name == "events":
        return metric("sessiond", "audit_batches_total", 'result="malformed"') > 0
    return name == "policy" or f"event=rpc_malformed socket={name}" in stack.log()


@pytest.mark.parametrize("name", PEERS)
def test_malformed_bytes_on_the_bus(stack, servers, name):
    pids = {d: stack.pid(d) for d in DAEMONS}
    steady = Steady(stack)
    kept = abuse(stack.state / f"run/{name}.sock", PEERS[name], random.Random(name))
    wait_for("the complaint", lambda: noticed(stack, name))
    assert steady.goes_on()
    assert works(stack, servers.port, "127.0.2.1")
    assert stack.ctl("acl", "test", "--user", "demo", "--dest", "127.0.0.1", "--port", "80").returncode == 0
    for s in kept:
        s.close()
    assert works(stack, servers.port, "127.0.2.2")
    stack.wait_history(2)
    assert steady.goes_on()
    steady.close()
    assert {d: stack.pid(d) for d in DAEMONS} == pids


# ---- ports ----

LISTENERS = [("proxy", 1080), ("apid", 8080)] + [(d, 9181 + i) for i, d in enumerate(DAEMONS)]


@pytest.mark.parametrize("daemon, port", LISTENERS)
def test_port_in_use(made, daemon, port):
    with socket.create_server(("127.0.0.1", port)):
        result = run(made, daemon)
    assert result.returncode == 1, result
    lines = complaint(result.stderr)
    assert len(lines) == 1, result.stderr
    assert f"127.0.0.1:{port}" in lines[0] and "Address already in use" in lines[0]
    assert lines[0].startswith(f"sallyport-{daemon}: ")


# ---- directories and disks ----


@contextlib.contextmanager
def small_disk(path, options):
    """A tmpfs; skips where none can be mounted."""
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("no tmpfs can be mounted here")
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)


def fill(path):
    with contextlib.suppress(OSError), open(path / "filler", "wb", buffering=0) as f:
        while f.write(b"x" * 4096):
            pass


def one_line(made, daemon, key, path, why):
    result = run(made, daemon, **{f"SALLYPORT_{daemon.upper()}__{key.upper()}": str(path)})
    assert result.returncode == 1, result
    lines = complaint(result.stderr)
    assert len(lines) == 1, result.stderr
    assert key in lines[0] and str(path) in lines[0] and why in lines[0], lines


@pytest.mark.parametrize("daemon", DAEMONS)
def test_directories_that_cannot_be(made, daemon):
    # Beside the state: the daemons' user gets there.
    there = made.state.parent / f"dirs-{daemon}"
    there.mkdir()
    there.chmod(0o755)
    (there / "file").write_text("")
    for key in ("run_dir", "state_dir"):
        one_line(made, daemon, key, there / "no/such/parent", "No such file or directory")
        one_line(made, daemon, key, there / "file/below", "Not a directory")
        one_line(made, daemon, key, there / "file", "Not a directory")


@pytest.mark.parametrize("daemon", DAEMONS)
def test_disks_that_take_nothing(made, daemon):
    with small_disk(made.state.parent / f"disk-{daemon}", "size=64k,mode=0777") as disk:
        fill(disk)
        one_line(made, daemon, "state_dir", disk, "No space left on device")
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        one_line(made, daemon, "state_dir", disk, "Read-only file system")
        one_line(made, daemon, "state_dir", disk / "new", "Read-only file system")


@pytest.mark.parametrize("options, full", [("size=64k,ro", False), ("size=64k", True)])
def test_run_sh_on_a_disk_that_takes_nothing(tmp_path, options, full):
    with small_disk(tmp_path / "disk", options) as disk:
        if full:
            fill(disk)
        result = subprocess.run(
            [TOP / "run.sh"],
            capture_output=True,
            text=True,
            timeout=60,
            env=os.environ | {"SALLYPORT_STATE": str(disk / "var")},
        )
    why = "No space left on device" if full else "Read-only file system"
    assert result.returncode == 1, result
    lines = result.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("run.sh: "), result.stderr
    assert why in lines[0] and str(disk / "var") in lines[0], lines
    assert result.stdout == ""
