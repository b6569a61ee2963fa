# SPDX-License-Identifier: MIT
"""What depends on the libraries of the release of Debian that it runs on."""
import ctypes
import json
import urllib.request

import pytest

from daemons import Hand, complaint, run

MG_FEATURES_IPV6 = 8


@pytest.fixture
def hand(stack):
    """The state that run.sh made, and its daemons ended."""
    stack.finish()
    by_hand = Hand(stack)
    yield by_hand
    by_hand.close()


def civetweb_has_ipv6():
    return bool(ctypes.CDLL("libcivetweb.so.1").mg_check_feature(MG_FEATURES_IPV6))


def test_api_on_ipv6_where_civetweb_has_it(stack, hand, monkeypatch):
    """Civetweb 1.15 of Debian 12 has none: that is said, and nothing starts."""
    monkeypatch.setenv("SALLYPORT_APID__LISTEN", "[::1]:8080")
    if not civetweb_has_ipv6():
        done = run(stack, "apid")
        assert done.returncode == 1
        (line,) = complaint(done.stderr)
        assert "apid.listen" in line and "has no IPv6" in line
        return
    hand.start("sessiond", "apid")
    hand.wait_ready(["sessiond", "apid"])
    request = urllib.request.Request(
        "http://[::1]:8080/api/sessions/history",
        headers={"Authorization": f"Bearer {stack.token}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert json.load(answer)["items"] == []
