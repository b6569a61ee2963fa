# SPDX-License-Identifier: MIT
"""curl, whose SOCKS and proxy codes are the most used of all clients: every
carrier, names on either side, and its words for every refusal."""
import hashlib

import pytest

from interop import Site, front, guarded, nowhere, run, serve, tls  # noqa: F401
from stack import wait_for

SOCKS = ("socks5", "socks5h", "socks4", "socks4a")
CARRIERS = {"socks5": "socks5", "socks5h": "socks5", "socks4": "socks4", "socks4a": "socks4a",
            "http": "http"}


def curl(proxy, url, *args):
    tunnel = ["--proxytunnel"] if proxy.startswith("http:") else []
    return run("curl", "-sS", "--max-time", 20, "--noproxy", "", "-x", proxy, *tunnel, *args, url,
               text=True)


@pytest.mark.parametrize("login", [True, False], ids=["login", "anonymous"])
@pytest.mark.parametrize("scheme", CARRIERS)
def test_get(front, serve, scheme, login):  # noqa: F811
    port = serve(Site)
    named = scheme in ("socks5h", "socks4a", "http")
    host = "four.test" if named else "127.0.0.1"
    done = curl(front.proxy(scheme, login), f"http://{host}:{port}/x")
    assert (done.returncode, done.stdout) == (0, "hello /x\n"), done
    socks4 = scheme.startswith("socks4")
    row = front.record(port, status="closed", carrier=CARRIERS[scheme], command="connect",
                       protocol="tcp", destinations=1, dest_ip="127.0.0.1",
                       dest_host=host if named else None,
                       user="demo" if login and not socks4 else "anonymous",
                       auth_method="userpass" if login and not socks4 else "none",
                       claimed_user="demo" if login and socks4 else None)
    assert row["reply_code"] == {"http": 200}.get(scheme, 90 if socks4 else 0)
    assert row["bytes_received"] > row["bytes_sent"] > 50


@pytest.mark.parametrize("scheme", ["socks5h", "http"])
def test_get_where_a_login_is_required(guarded, serve, scheme):  # noqa: F811
    port = serve(Site)
    done = curl(guarded.proxy(scheme), f"http://four.test:{port}/x")
    assert (done.returncode, done.stdout) == (0, "hello /x\n"), done
    guarded.record(port, status="closed", user="demo", auth_method="userpass")


@pytest.mark.parametrize("scheme", ["socks5h", "socks4a", "http"])
def test_ipv6_only_name(front, serve, scheme):  # noqa: F811
    port = serve(Site)
    done = curl(front.proxy(scheme, False), f"http://six.test:{port}/x")
    assert (done.returncode, done.stdout) == (0, "hello /x\n"), done
    front.record(port, status="closed", dest_ip="::1", dest_host="six.test")


@pytest.mark.parametrize("scheme", ["socks5", "http"])
def test_ipv6_literal(front, serve, scheme):  # noqa: F811
    port = serve(Site)
    done = curl(front.proxy(scheme, False), f"http://[::1]:{port}/x")
    assert (done.returncode, done.stdout) == (0, "hello /x\n"), done
    front.record(port, status="closed", dest_ip="::1", dest_host=None)


@pytest.mark.parametrize("scheme", ["socks5h", "socks4a", "http"])
def test_a_large_post_comes_whole(front, serve, tmp_path, scheme):  # noqa: F811
    port = serve(Site)
    data = bytes(range(256)) * 20000
    (tmp_path / "data").write_bytes(data)
    done = curl(front.proxy(scheme, False), f"http://four.test:{port}/", "--data-binary",
                f"@{tmp_path / 'data'}")
    assert done.stdout == f"{len(data)} {hashlib.sha256(data).hexdigest()}\n", done
    assert front.record(port, status="closed")["bytes_sent"] > len(data)


@pytest.mark.parametrize("login", [True, False], ids=["login", "anonymous"])
@pytest.mark.parametrize("scheme", ["socks5h", "http"])
def test_tls_within(front, serve, tls, scheme, login):  # noqa: F811
    port = serve(Site, tls=tls)
    done = curl(front.proxy(scheme, login), f"https://four.test:{port}/x", "--cacert",
                tls.certificate)
    assert (done.returncode, done.stdout) == (0, "hello /x\n"), done
    front.record(port, status="closed", carrier=CARRIERS[scheme])


def test_a_tunnel_is_used_again(front, serve):  # noqa: F811
    port = serve(Site)
    urls = [f"http://four.test:{port}/{i}" for i in range(5)]
    done = curl(front.proxy("http"), urls[0], *urls[1:])
    assert done.stdout == "".join(f"hello /{i}\n" for i in (1, 2, 3, 4, 0)), done
    front.record(port, status="closed")


# What curl says to each answer: SOCKS5, SOCKS4, HTTP.
REFUSALS = {
    "policy": ("127.0.0.1:25", 2, 403, "policy_block"),
    "hard_deny": ("169.254.169.254:80", 2, 403, "hard_deny"),
    "refused": ("127.0.0.1:9", 5, 502, "connect_refused"),
    "no_such_name": ("nowhere.test:80", 4, 502, None),
    "unreachable": ("unreachable.test:81", 4, 502, "host_unreachable"),
    "no_route": ("routeless.test:82", 3, 502, "network_unreachable"),
    "no_name": ("-_-.0x7f:83", 1, 400, "invalid_name"),
}


def refusal_cases():
    for name, (target, socks5, http, reason) in REFUSALS.items():
        named = not target[0].isdigit()
        for scheme in ("socks5h", "socks4a", "http"):
            if name == "no_name" and scheme == "socks4a":
                continue
            yield pytest.param(scheme, target, socks5, http, reason, named,
                               id=f"{name}-{scheme}")


@pytest.mark.parametrize("scheme, target, socks5, status, reason, named", refusal_cases())
def test_refusals(front, nowhere, scheme, target, socks5, status, reason, named):  # noqa: F811
    before = {row["session_id"] for row in front.history()}
    done = curl(front.proxy(scheme, False), f"http://{target}/")
    if scheme == "http":
        assert done.returncode == 56 and f"response {status}" in done.stderr, done
    elif scheme == "socks4a":
        assert done.returncode == 97 and "(91)" in done.stderr, done
    else:
        assert done.returncode == 97 and f"({socks5})" in done.stderr, done

    def new():
        return [row for row in front.history() if row["session_id"] not in before]

    (row,) = wait_for("the record", new)
    assert row["reply_code"] == {"http": status, "socks4a": 91}.get(scheme, socks5)
    assert row["carrier"] == CARRIERS[scheme] and row["status"] in ("failed", "rejected")
    assert row["close_reason"] == reason or (reason is None and "dns" in row["close_reason"]), row
    assert row["bytes_sent"] == row["bytes_received"] == 0


def test_logins_that_fail(guarded, serve):  # noqa: F811
    port = serve(Site)
    url = f"http://four.test:{port}/"
    done = curl(f"socks5h://demo:wrong@{guarded.at}", url)
    assert done.returncode == 97 and "rejected by the SOCKS5 server" in done.stderr, done
    done = curl(guarded.proxy("socks5h", False), url)
    assert done.returncode == 97 and "No authentication method was acceptable" in done.stderr, done
    for scheme in ("socks4", "socks4a"):
        done = curl(guarded.proxy(scheme), f"http://127.0.0.1:{port}/")
        assert done.returncode == 97 and "(91)" in done.stderr, done
    for proxy in (f"http://demo:wrong@{guarded.at}", guarded.proxy("http", False)):
        done = curl(proxy, url)
        assert done.returncode == 56 and "response 407" in done.stderr, done
    assert guarded.history("&status=closed&dest_port=" + str(port)) == []


def test_407_and_the_retry_on_the_same_connection(guarded, serve):  # noqa: F811
    """--proxy-anyauth asks without a login first, to be told what is wanted."""
    port = serve(Site)
    done = curl(guarded.proxy("http"), f"http://four.test:{port}/x", "-v", "--proxy-anyauth")
    assert (done.returncode, done.stdout) == (0, "hello /x\n"), done
    said = done.stderr
    assert said.index("HTTP/1.1 407") < said.index("HTTP/1.1 200"), said
    assert 'Proxy-Authenticate: Basic realm="' in said
    assert said.count("CONNECT four.test") == 2
    assert said.count("Connected to 127.0.0.1") == 1, said
    guarded.record(port, status="closed", user="demo")


def test_only_connect(front, serve):  # noqa: F811
    """Without --proxytunnel curl asks for the page itself: 405."""
    port = serve(Site)
    done = run("curl", "-sS", "-i", "--max-time", 20, "--noproxy", "", "-x",
               front.proxy("http", False), f"http://four.test:{port}/", text=True)
    assert done.stdout.startswith("HTTP/1.1 405 "), done
    assert "\nAllow: CONNECT\n" in done.stdout, done
