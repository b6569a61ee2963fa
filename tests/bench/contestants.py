# SPDX-License-Identifier: MIT
"""Who is measured, how each is started, and against which floor it is held."""
import dataclasses
import shutil
import sys

import rig

DANTED = """\
logoutput: stderr
internal: 127.0.0.1 port = 1081
external: lo
socksmethod: none
clientmethod: none
user.privileged: root
user.unprivileged: nobody
client pass { from: 0/0 to: 0/0 }
socks pass { from: 0/0 to: 0/0 }
"""

HAPROXY = """\
global
    nbthread 2
    maxconn 6000
defaults
    mode tcp
    option splice-auto
    timeout connect 5s
    timeout client 1h
    timeout server 1h
"""

PROXY = "services/proxy/sallyport-proxy"
BINARIES = ["cli/sallyctl", PROXY, *(f"services/{d}/sallyport-{d}" for d in ("authd", "acld", "sessiond", "apid"))]


@dataclasses.dataclass(frozen=True)
class Contestant:
    name: str
    title: str
    port: int
    login: object = None    # None, (user, password), "demo.env": the one run.sh makes
    command: str = ""       # "": nothing is between load and target
    environment: dict = dataclasses.field(default_factory=dict)
    relay: bool = False     # no SOCKS: `port` and the next two lead to the targets
    floor: str = "floor"    # what it is compared with


def haproxy_config(port):
    listeners = (f"listen l{i}\n    bind :{port + i}\n    server s 127.0.2.1:{rig.ECHO + i}\n" for i in range(3))
    return HAPROXY + "".join(listeners)


def suite(name, build):
    """A whole suite by run.sh."""
    return Contestant(name, "**sallyport, whole suite**", 1080, "demo.env", f"{rig.TOP}/run.sh",
                      {"SALLYPORT_BUILD": str(build)})


def freeze(into, build, other=None):
    """Copies the binaries of `build`, those it has not from `other`, into a
    build directory where ninja finds nothing to do: what is compiled meanwhile
    is not measured."""
    rules = []
    for binary in BINARIES:
        found = next((d / binary for d in (build, other) if d and (d / binary).exists()), None)
        if found is None or binary == PROXY and found != build / PROXY:
            rig.fail(f"there is no {build / binary}; build it first")
        (into / binary).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(found, into / binary)
        rules.append(f"build {binary}: phony\n")
    (into / "build.ninja").write_text("".join(rules))
    return into


def floor(tools):
    return Contestant("floor", "floor (any password, no policy, no record)", 9092, ("u", "p"), f"{tools}/floor 9092 2")


def known(tools, work):
    """All of them, in the order of the tables."""
    return [
        Contestant("direct", "direct, no proxy", rig.ECHO, relay=True),
        floor(tools),
        Contestant("floor-bare", "floor, no login (for peers without)", 9093, None, f"{tools}/floor 9093 2"),
        Contestant("floor-udp", "floor (recvfrom and sendto)", 9094, ("u", "p"), f"{tools}/udp_floor 9094 2"),
        suite("sallyport", f"{work}/build"),
        Contestant("microsocks", "microsocks (login)", 1082, ("u", "p"),
                   "microsocks -i 127.0.0.1 -p 1082 -u u -P p"),
        Contestant("danted", "danted (no login)", 1081, None, f"danted -N 2 -f {work}/danted.conf",
                   floor="floor-bare"),
        Contestant("haproxy", "haproxy in TCP mode (no SOCKS)", 9100, None,
                   f"haproxy -db -f {work}/haproxy.conf", relay=True),
    ]


def present(tools, work):
    """{name: Contestant} of those that can be started here. Writes their files."""
    (work / "danted.conf").write_text(DANTED)
    (work / "haproxy.conf").write_text(haproxy_config(9100))
    found = {}
    for c in known(tools, work):
        program = c.command.split()[0] if c.command else "true"
        # Debian 13 has no danted.
        if shutil.which(program):
            found[c.name] = c
        else:
            print(f"bench: there is no {program} here; it is left out", file=sys.stderr)
    return found
