# SPDX-License-Identifier: MIT
"""Section 11: HTTP CONNECT (case 89)."""
import base64

import pytest
from sockets import read_exactly, read_to_end
from targets import V4, V6, Echo
from wire import http


def basic(user, password):
    pair = f"{user}:{password}".encode() if isinstance(password, str) else user.encode() + b":" + password
    return "Proxy-Authorization: Basic " + base64.b64encode(pair).decode()


def head_of(c):
    """(status, {header: value}) up to the blank line."""
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        data += c.take(1)
        assert len(data) < 2000
    first, *lines = data.decode("ascii")[:-4].split("\r\n")
    version, status, reason = first.split(" ", 2)
    assert version == "HTTP/1.1" and reason
    headers = {}
    for line in lines:
        name, _, value = line.partition(": ")
        assert name.lower() not in headers
        headers[name.lower()] = value
    return int(status), headers


def closed_with(c, status, reason=None):
    """A refusal, no body, then FIN; the headers. The reason is told too."""
    got, headers = head_of(c)
    assert got == status, (got, headers)
    assert int(headers["content-length"]) == 0
    if reason:
        assert headers["proxy-status"].startswith("sallyport") and reason in headers["proxy-status"], headers
    c.ends_with(b"")
    return headers


def tunnel(c):
    """200, without a length of any kind: what follows is the target's."""
    status, headers = head_of(c)
    assert status == 200, (status, headers)
    assert not {"content-length", "transfer-encoding", "connection"} & set(headers), headers


@pytest.mark.parametrize("host", [V4, "[2600::1]", "[::ffff:9.0.0.1]", "web.test", "WEB.test."])
def test_case_89_forms_of_the_target(either, nameserver, host):
    nameserver.add("web.test", A=V4)
    with Echo(V6 if host == "[2600::1]" else V4) as echo, either.client() as c:
        tunnel(c.send(http(f"{host}:{echo.port}")))
        c.send(b"x").finish().ends_with(b"x")
        name = "web.test" if "test" in host.lower() else None
        c.record(dest_host=name, dest_ip=echo.host, dest_port=echo.port, carrier="http", reply_code=200)


@pytest.mark.parametrize("target", ["[::1]:443", "[::1]:80", "[::ffff:127.0.0.1]:443", "127.0.0.1:80"])
def test_case_89_closed_addresses(either, target):
    with either.client() as c:
        closed_with(c.send(http(target)), 403, "hard_deny")
        c.record(close_reason="hard_deny", dest_host=None, reply_code=403)


BAD_TARGETS = """name.test name.test: :80 : [2600::1] [2600::1]: 2600::1:80 [name.test]:80 []:80
    name.test:0 name.test:65536 name.test:99999999999 name.test:-1 name.test:+80 name.test:80x
    name.test:0x50 user@name.test:80 http://name.test:80 name.test:80/ /name.test:80 [::1:80 ::1]:80
    [fe80::1%lo]:80 a..b:80 127.1:80 0x7f.1:80 2130706433:80 name%2etest:80 *:80 name_\u00fc:80""".split()


@pytest.mark.parametrize("target", BAD_TARGETS)
def test_case_89_malformed_target(either, target):
    with either.client() as c:
        closed_with(c.send(http(target)), 400)
        c.record(status="rejected", reply_code=400)


@pytest.mark.parametrize(
    "head",
    [
        b"CONNECT\r\n\r\n",
        b"CONNECT name.test:80\r\n\r\n",
        b"CONNECT name.test:80 FTP/1.1\r\n\r\n",
        b"CONNECT  name.test:80 HTTP/1.1\r\n\r\n",
        b"CONNECT name.test:80 HTTP/1.1\r\nbroken\r\n\r\n",
        b"CONNECT name.test:80 HTTP/1.1\r\nHost : x\r\n\r\n",
        b"CONNECT name.test:80 HTTP/1.1\r\n folded: x\r\n\r\n",
        b"CONNECT name.test:80 HTTP/1.1\r\nA: b\0c\r\n\r\n",
        b"CONNECT na\0me.test:80 HTTP/1.1\r\n\r\n",
        b"CONNECT name.test:80 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"CONNECT name.test:80 HTTP/1.1\r\nContent-Length: 5\r\n\r\n",
    ],
)
def test_case_89_malformed_head(either, head):
    with either.client() as c:
        closed_with(c.send(head), 400)
        c.record(status="rejected", close_reason="invalid_request", reply_code=400)


def test_case_89_another_version(either):
    with either.client() as c:
        closed_with(c.send(b"CONNECT name.test:80 HTTP/2.0\r\n\r\n"), 505)
        c.record(status="rejected", close_reason="invalid_request", reply_code=505)


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE", "CONNECTS", "CONN"])
def test_case_89_other_methods(either, method):
    with either.client() as c:
        headers = closed_with(c.send(http("http://name.test/", method=method)), 405)
        assert headers["allow"] == "CONNECT"
        c.record(status="rejected", reply_code=405)


def test_case_89_head_over_8_kib(either, target):
    long = "X-Long: " + "x" * 9000
    many = ["X-%d: %s" % (i, "y" * 50) for i in range(200)]
    for head in (http("name.test:80", long), http("name.test:80", *many), b"CONNECT " + b"a" * 9000):
        with either.client() as c:
            closed_with(c.send(head), 431)
            c.record(status="rejected", reply_code=431)
    # Not so much is passed over.
    with either.client() as c:
        tunnel(c.send(http(f"{V4}:{target.port}", "X-Long: " + "x" * 7800)))
        target.accept().close()


def check_challenge(c):
    status, headers = head_of(c)
    assert (status, headers["content-length"]) == (407, "0"), (status, headers)
    assert headers["proxy-authenticate"] == 'Basic realm="sallyport"'
    assert headers.get("connection", "keep-alive") == "keep-alive"


def test_case_89_challenge_keeps_the_connection(login, echo):
    where = f"{V4}:{echo.port}"
    with login.client() as c:
        check_challenge(c.send(http(where)))
        check_challenge(c.send(http(where, basic("plain", "wrong"))))
        tunnel(c.send(http(where, basic("plain", "correct horse"))))
        c.send(b"x").finish().ends_with(b"x")
    rows = login.wait_history(2, f"&source_ip={c.source}")
    assert [(row["user"], row["close_reason"]) for row in rows] == [("plain", "client_closed"), ("plain", "auth_failed")]
    assert len({row["session_id"] for row in rows}) == 2


@pytest.mark.parametrize(
    "header",
    [
        "Proxy-Authorization: Bearer xyz",
        "Proxy-Authorization: Basic",
        "Proxy-Authorization: Basic !!!!",
        "Proxy-Authorization: Basic " + base64.b64encode(b"no colon").decode(),
        basic("", "x"),
        basic("plain", ""),
        basic("plain", b"correct horse\0"),
        basic("adm\nin", "admin-secret"),
    ],
)
def test_case_89_unusable_login(login, target, header):
    with login.client() as c:
        check_challenge(c.send(http(f"{V4}:{target.port}", header)))
    assert target.untouched()


def test_case_89_three_wrong_logins_are_enough(login, target):
    with login.client() as c:
        for n in range(3):
            c.send(http(f"{V4}:{target.port}", basic("plain", f"wrong {n}")))
            status, headers = head_of(c)
            assert status == 407
        c.ends_with(b"")
    assert target.untouched()


def test_case_89_login_is_used_where_it_is_optional(either, echo):
    for header, user in (([basic("plain", "correct horse")], "plain"), ([], "anonymous")):
        with either.client() as c:
            tunnel(c.send(http(f"{V4}:{echo.port}", *header)))
            c.finish().ends_with(b"").record(user=user, carrier="http")


def test_case_89_head_that_never_ends(quick):
    with quick.client() as c:
        c.send(b"CONNECT ")
        c.ends_with(b"").record(close_reason="handshake_timeout")


@pytest.mark.parametrize("early", [b"e", bytes(range(256)) * 12, b"\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"])
def test_case_89_data_after_the_blank_line(either, target, early):
    with either.client() as c:
        c.send(http(f"{V4}:{target.port}"), early).finish()
        end = target.accept()
        assert read_to_end(end) == (early, "FIN")
        tunnel(c)
        end.sendall(b"answer")
        end.close()
        c.ends_with(b"answer")


def test_case_89_first_bytes_of_the_tunnel(either, target):
    """A target that speaks first is heard from its first byte on."""
    with either.client() as c:
        c.send(http(f"{V4}:{target.port}"))
        end = target.accept()
        end.sendall(b"220 hello\r\n")
        tunnel(c)
        assert read_exactly(c.sock, 11) == b"220 hello\r\n"
        end.close()
