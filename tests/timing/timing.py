#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Is a refused login's time, or its bytes, a way to find out who exists?

usage: timing.py BUILD

run.sh's stack in a network namespace of its own; passwords hashed at a low
cost, so that what differs besides is not lost in the work, no memory of good or
failed logins. Unknown against known, disabled and others, 20,000 logins each in
random order (SALLYPORT_TIMING_SAMPLES), at authd over nng and at the proxy over
SOCKS; each pair is a line. probe.c asks, welch.h judges.

First it must be able to fail: a name that is refused without work, and a hash
that costs 5 % more than the others, have to be found out.
"""
import os
import pathlib
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/e2e"))
from daemons import metric  # noqa: E402
from namespace import enter_namespace  # noqa: E402
from stack import Stack, wait_for  # noqa: E402

SAMPLES = os.environ.get("SALLYPORT_TIMING_SAMPLES", "20000")
RIGHT, WRONG = "right-password", "wrong-password"
# Of one length, as the names are: crypt(3)'s SHA-256 of RIGHT.
HASH = "$5$rounds=1000$timing$TBLlyBPvOWuJoGt.sjvN6Sq53/.2evLrUKPX54gKDX3"
COSTLY = "$5$rounds=1050$timing$" + HASH.rpartition("$")[2]
USERS = {
    "known-01": f'password_hash = "{HASH}"\n',
    "disabled": f'password_hash = "{HASH}"\nenabled = false\n',
    "expired1": f'password_hash = "{HASH}"\nexpires = 2020-01-01T00:00:00Z\n',
    "elsewher": f'password_hash = "{HASH}"\nsources = ["203.0.113.0/24"]\n',
    "no-hash1": 'groups = ["staff"]\n',
}
# Who is right but for the account is not told apart from nobody.
LOGINS = [
    f"unknown=unknown1:{RIGHT}",
    f"another=unknown2:{RIGHT}",    # the same as the first: noise
    f"known=known-01:{WRONG}",
    f"disabled=disabled:{RIGHT}",
    f"expired=expired1:{RIGHT}",
    f"elsewhere=elsewher:{RIGHT}",
    f"no_hash=no-hash1:{RIGHT}",
]
SETTINGS = {
    "SALLYPORT_AUTHD__CACHE_TTL": "0",
    "SALLYPORT_AUTHD__GUESSING__PER_USER": "0",
    "SALLYPORT_AUTHD__GUESSING__PER_SOURCE": "0",
    "SALLYPORT_AUTHD__GUESSING__DELAY_BASE": "0",
    "SALLYPORT_LOG__LEVEL": "warn",
}
# After the first failure nothing is looked at, and nothing is said of when.
THROTTLED = SETTINGS | {
    "SALLYPORT_AUTHD__GUESSING__PER_SOURCE": "1",
    "SALLYPORT_AUTHD__GUESSING__DELAY_MAX": "0",
}


def users(more=""):
    tables = [f'[[users]]\nusername = "{name}"\n{keys}' for name, keys in USERS.items()]
    return "\n".join(tables) + more


def probe(build, what, address, *logins, samples=SAMPLES):
    """The probe's exit code; its lines go to our output."""
    print(f"-- {what}, {samples} logins each", flush=True)
    command = [f"{build}/tests/timing/timing_probe", what, address, samples, *logins]
    return subprocess.run(command, timeout=3600).returncode


def with_stack(directory, settings, run, more=""):
    """run(auth's address, the proxy's) on a stack with these users."""
    stack = Stack(TOP, pathlib.Path(directory) / "var", **settings)
    stack.start()
    try:
        path = stack.state / "etc/users.toml"
        path.write_text(path.read_text() + "\n" + users(more))
        n = path.read_text().count("[[users]]")
        wait_for("the users", lambda: metric("authd", "authd_users") == n)
        return run(f"ipc://{stack.state}/run/auth.sock", f"127.0.0.1:{stack.socks}")
    finally:
        stack.finish()


def main():
    build = os.environ["SALLYPORT_BUILD"] = str(pathlib.Path(sys.argv[1]).resolve())
    enter_namespace()
    failed = []

    def expect(what, code, *wanted):
        if code not in wanted:
            failed.append(f"{what}: ended with {code}, not {wanted[0]}")

    def self_test(auth, socks):
        easy = "5000"
        expect("early refusal, authd", probe(
            build, "auth", auth, LOGINS[0], f"impossible=*:{RIGHT}", samples=easy), 3)
        expect("early refusal, proxy", probe(
            build, "socks", socks, LOGINS[0], f"impossible=unk\x01own1:{RIGHT}", samples=easy), 3)
        expect("costly hash, authd", probe(
            build, "auth", auth, LOGINS[0], f"costly=costly01:{WRONG}", samples=easy), 3)

    def same(auth, socks):
        expect("authd", probe(build, "auth", auth, *LOGINS), 0)
        expect("proxy", probe(build, "socks", socks, *LOGINS), 0)

    def throttled(auth, _):
        logins = [LOGINS[0], LOGINS[2], LOGINS[3]]
        expect("throttled", probe(build, "auth", auth, *logins), 0)

    costly = f'\n[[users]]\nusername = "costly01"\npassword_hash = "{COSTLY}"\n'
    for run, settings, more in (
        (self_test, SETTINGS, costly), (same, SETTINGS, ""), (throttled, THROTTLED, "")):
        print(f"== {run.__name__}", flush=True)
        with tempfile.TemporaryDirectory(prefix="timing-") as directory:
            with_stack(directory, settings, run, more)
    for line in failed:
        print(line)
    sys.exit(1 if failed else 0)


main()
