#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_includes.py [ROOT]

Who may include whom: rooms only what stands before them, daemons nothing of
each other, and each foreign library only where it is at home.
"""
import fnmatch
import re
import sys

import tree

# Room -> the rooms it may include besides itself. `common/service` does
# without msg: a daemon joins the two in its own edge.
ROOMS = {
    "common/base": "",
    "common/net": "base",
    "common/crypt": "base",
    "common/config": "base net",
    "common/users": "base config crypt",
    "common/proto": "base",
    "common/msg": "base net proto",
    "common/audit": "base net crypt proto msg",
    "common/pgsql": "base net",
    "common/service": "base net config",
    "services/authd": "base net crypt config users proto msg audit service",
    "services/acld": "base net config proto msg service",
    "services/sessiond": "base net crypt config proto msg audit pgsql service",
    "services/apid": "base net crypt config users proto msg audit pgsql service",
    "services/proxy": "base net crypt config proto msg audit service",
    "cli": "base net crypt config users proto msg audit",
    "tests": "*",
}

# Include -> the files that may have it. The bus and the daemon's life stop at
# the edge, so that the core of a daemon runs in a test without them.
# common/service/health.c speaks its few lines of HTTP over poll: evhttp would
# have brought libevent into daemons that need no loop.
EDGE = """services/*/*_rpc.[ch] services/*/main.c services/*/fleet.[ch]
    services/acld/acld.[ch] services/acld/heartbeat.c services/apid/apid.[ch]
    services/authd/authd.[ch] services/sessiond/sessiond.[ch]
    services/proxy/proxy.[ch] services/proxy/worker.c services/proxy/asks.c
    services/proxy/feed.c"""
HOMES = {
    r"msg/.*": "common/msg/* common/audit/telemetry.c cli/*_rpc.c " + EDGE,
    r"service/.*": "common/service/* " + EDGE,
    r"(proto/.*\.pb-c\.h|protobuf-c/.*)": """common/msg/*.c common/proto/wire.c
        common/audit/*.c services/*/*_rpc.c services/authd/body_rpc.h
        services/apid/fleet.c services/proxy/asks.c services/proxy/feed.c
        cli/*_rpc.c""",
    r"nng/.*": "common/msg/*.c",
    r"event2/.*": "services/proxy/*",
    r"ares\.h": "services/proxy/resolve_cares.c",
    r"openssl/.*": "common/crypt/*.c services/proxy/stream_tls.c",
    r"crypt\.h": "common/crypt/passhash.c",
    r"security/.*": "services/authd/pam_*.c",
    r"sqlite3\.h": """services/sessiond/store_sqlite*.[ch]
        services/apid/query_sqlite*.[ch]""",
    r"libpq-fe\.h": """common/pgsql/* services/sessiond/store_pg*.[ch]
        services/apid/query_pg*.[ch]""",
    r"civetweb\.h": "services/apid/http*.c",
    r"jansson\.h": """common/audit/telemetry.[ch] services/authd/notices.c
        services/apid/* cli/*""",
    r"toml\+\+/.*": "common/config/tree_toml.cc",
    r"yaml\.h": "common/config/tree_yaml.c",
    r"cap-ng\.h": "common/service/priv.c",
    r"seccomp\.h": "common/service/sandbox.c",
    r"maxminddb\.h": "services/acld/geo.c",
}
# Plain data in, plain data out: no event loop, though it stands in the proxy.
PURE = """services/proxy/socks4.[ch] services/proxy/socks5*.[ch]
    services/proxy/http_*.[ch] services/proxy/pp_header.[ch]
    services/proxy/lease.[ch] services/proxy/shaper.[ch] services/proxy/wheel.[ch]
    services/proxy/policy_view.[ch] services/proxy/hosts.[ch]
    services/proxy/resolve_cache.[ch]"""

# What the C library, POSIX and Linux give; any other <...> needs a home.
LIBC = re.compile(r"(sys|net|netinet|arpa|linux)/\w+\.h|(assert|ctype|dirent|"
                  r"endian|errno|fcntl|fts|grp|ifaddrs|inttypes|limits|math|"
                  r"netdb|poll|pthread|pwd|sched|semaphore|setjmp|signal|spawn|stdarg|"
                  r"stdatomic|stdbool|stddef|stdint|stdio|stdlib|string|"
                  r"strings|syslog|termios|time|unistd)\.h")
CXX = re.compile(r"[a-z_]+")    # <vector>, in the one C++ file

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.MULTILINE)


def matches(path, patterns):
    return any(fnmatch.fnmatchcase(path, p) for p in patterns.split())


def room_of(path):
    """The room a file of ours stands in; None: in none."""
    return next((r for r in ROOMS if path.startswith(r + "/")), None)


def judge(path, angle, name):
    """What is wrong with this include, or None."""
    room = room_of(path)
    if room == "tests":
        return None
    for pattern, homes in HOMES.items():
        if re.fullmatch(pattern, name) and not matches(path, homes):
            return f"<{name}> is not at home here, but in {' '.join(homes.split())}"
        if re.fullmatch(pattern, name) and angle:
            if pattern.startswith("event2") and matches(path, PURE):
                return f"<{name}> in a file that is to stay pure"
            return None
    if angle:
        known = LIBC.fullmatch(name) or (
            path.endswith(".cc") and CXX.fullmatch(name))
        return None if known else f"<{name}> has no home in check_includes.py"
    if "/" not in name:
        return None if room == "cli" else f'"{name}": write the room before it'
    target = name.split("/")[0]
    if target == room.split("/")[-1] or target in ROOMS[room].split():
        return None
    return f"{room} may not include {target}"


def main(root):
    findings = []
    for path in tree.files(root):
        if not path.endswith((".c", ".h", ".cc", ".def")):
            continue
        if room_of(path) is None:
            findings.append(f"{path}: in no room of check_includes.py")
            continue
        with open(f"{root}/{path}", encoding="utf-8") as f:
            text = f.read()
        for angle, name in INCLUDE.findall(text):
            wrong = judge(path, angle == "<", name)
            if wrong:
                findings.append(f"{path}: {wrong}")
    return tree.report(findings)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else tree.ROOT))
