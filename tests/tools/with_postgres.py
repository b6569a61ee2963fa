#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A private PostgreSQL server for as long as something needs it.

usage: with_postgres.py [--keep] [--print] [--set NAME=VALUE]... [--] [CMD...]

Makes a database cluster in a directory of its own, starts the newest server of
/usr/lib/postgresql (or of $SALLYPORT_PG_BIN) on a unix socket there and on a
free port of 127.0.0.1, runs CMD with the superuser's URL in
$SALLYPORT_TEST_PG, stops the server and takes everything away. Exits as CMD
did. Without CMD it serves until SIGTERM or Ctrl-C.
  --keep    leaves the directory, and says where it is
  --print   says on stderr how to connect
  --set     a setting of postgresql.conf

As a module: class Postgres. However the process ends, the server ends with it:
it is told by the kernel (PR_SET_PDEATHSIG), which counts the thread that
started it as the parent, so start it from the main thread.
"""
import argparse
import ctypes
import os
import pathlib
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

PATIENCE = 60
SUPERUSER = "postgres"
CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "shared_buffers": "16MB",
    "max_connections": "50",
    "max_wal_size": "256MB",
    "jit": "off",
    # Far from UTC, so that a day or an hour cut in local time shows.
    "timezone": "<test>-05:30",
    "log_timezone": "UTC",
    "logging_collector": "off",
}
libc = ctypes.CDLL(None, use_errno=True)

# Outlives its parent only long enough to take the directory away.
REMOVER = """
read -r _
i=0
while [ -e "$0/data/postmaster.pid" ] && [ $i -lt 100 ] &&
    kill -0 "$(head -n 1 "$0/data/postmaster.pid")" 2>/dev/null; do
	sleep 0.05
	i=$((i + 1))
done
rm -rf "$0"
"""


def find_programs():
    """The directory of initdb, postgres and psql."""
    if "SALLYPORT_PG_BIN" in os.environ:
        return pathlib.Path(os.environ["SALLYPORT_PG_BIN"])
    found = sorted(
        pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"),
        key=lambda path: [int(n) for n in re.findall(r"\d+", str(path.parent))],
    )
    if not found:
        sys.exit("with_postgres.py: no server here; install Debian's package postgresql")
    return found[-1].parent


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def server_account():
    """Whom the server runs as: (uid, gid), or None for who we are. It refuses
    to be root."""
    if os.getuid() != 0:
        return None
    try:
        entry = pwd.getpwnam("postgres")
    except KeyError:
        entry = pwd.getpwnam("nobody")
    mapped = pathlib.Path("/proc/self/uid_map").read_text().split()
    if mapped != ["0", "0", "4294967295"]:
        return None  # root of a user namespace that has no second user
    return entry.pw_uid, entry.pw_gid


def children(pid):
    """The processes that `pid` has started."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            if int(stat.rpartition(")")[2].split()[1]) == pid:
                found.append(int(entry.name))
    return found


def alive(pid):
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


class Postgres:
    """A server with a cluster of its own; `with Postgres() as pg:` starts it
    and takes it away. Made by start(), gone after finish()."""

    def __init__(self, keep=False, **settings):
        self.bin = find_programs()
        self.account = server_account()
        self.keep = keep
        self.settings = SETTINGS | settings
        self.password = secrets.token_hex(16)
        self.dir = self.port = self.server = self.remover = None

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.finish()
            raise
        return self

    def __exit__(self, *_):
        self.finish()

    # ---- life

    def start(self):
        """Starts the server, the same one after stop() or kill(), and waits
        until it takes connections (a standby: to read)."""
        if self.dir is None:
            self.make()
        for _ in range(5):
            port = self.port or free_port()
            if self.launch(port):
                self.port = port
                return self
        raise RuntimeError("PostgreSQL did not start:\n" + self.log())

    def stop(self, how=signal.SIGINT):
        """Ends it at once, but cleanly (SIGINT: fast, SIGQUIT: as a crash)."""
        if self.server is not None:
            self.server.send_signal(how)
            self.server.wait(PATIENCE)
            self.server = None

    def kill(self):
        """kill -9 of the server and all its processes."""
        family = [self.server.pid, *children(self.server.pid)]
        for pid in family:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.server.wait(PATIENCE)
        end = time.monotonic() + PATIENCE
        while any(alive(pid) for pid in family):
            if time.monotonic() > end:
                raise RuntimeError("PostgreSQL outlives kill -9")
            time.sleep(0.01)
        self.server = None

    def restart(self):
        self.stop()
        self.start()

    def finish(self):
        """Ends the server, and takes its directory away unless it is kept."""
        self.stop()
        if self.keep and self.dir is not None:
            print(f"with_postgres.py: kept {self.dir}", file=sys.stderr)
            self.remover.kill()
        if self.remover is not None:
            self.remover.stdin.close()
            self.remover.wait(PATIENCE)
        self.dir = self.remover = None

    # ---- use

    def url(self, user=SUPERUSER, password=None, database="postgres"):
        """The URL over TCP. Without a password: the superuser's."""
        password = self.password if password is None else password
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def psql(self, sql, database="postgres", user=SUPERUSER, check=True, variables={}):
        """What psql prints for `sql`, a line a row, columns split by |. It
        comes through the private socket, where everybody is trusted. Without
        `check` gives (exit code, output, errors)."""
        done = self.run(
            "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose",
            *(f"--set={name}={value}" for name, value in variables.items()),
            "-U", user, "-d", database, input=sql,
        )  # fmt: skip
        if not check:
            return done.returncode, done.stdout.strip("\n"), done.stderr
        if done.returncode != 0:
            raise RuntimeError(f"psql: {done.stderr}\n{sql}")
        return done.stdout.strip("\n")

    def run(self, program, *args, input=None):
        """A client program of this version, pointed at the private socket."""
        return subprocess.run(
            [self.bin / program, *args],
            input=input,
            capture_output=True,
            text=True,
            env=self.environment() | {"PGHOST": str(self.dir), "PGPORT": str(self.port)},
        )

    def log(self):
        return (self.dir / "log").read_text(errors="replace")

    # ---- how

    @staticmethod
    def environment():
        """Ours without what would steer libpq elsewhere."""
        return {k: v for k, v in os.environ.items() if not k.startswith("PG")} | {"LC_ALL": "C"}

    def make(self):
        # Short: the path of a unix socket ends at 107 bytes. Private: on the
        # socket everybody is trusted.
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="sallyport-pg-", dir="/tmp"))
        self.remover = subprocess.Popen(
            ["/bin/sh", "-c", REMOVER, self.dir],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        secret = self.dir / "secret"
        secret.touch(0o600)
        secret.write_text(self.password + "\n")
        if self.account is not None:
            os.chown(self.dir, *self.account)
            os.chown(secret, *self.account)
        made = self.spawn(
            "initdb", "-D", self.dir / "data", "-U", SUPERUSER, "--no-sync",
            "--encoding=UTF8", "--locale=C.UTF-8", f"--pwfile={secret}",
            "--auth-local=trust", "--auth-host=scram-sha-256",
        )  # fmt: skip
        if made.wait(PATIENCE) != 0:
            raise RuntimeError("initdb failed:\n" + self.log())
        secret.unlink()
        quoted = {k: str(v).replace("'", "''") for k, v in self.settings.items()}
        with open(self.dir / "data/postgresql.conf", "a", encoding="utf-8") as conf:
            conf.writelines(f"{name} = '{value}'\n" for name, value in quoted.items())

    def launch(self, port):
        """False if the server ended instead of serving."""
        self.server = self.spawn(
            "postgres", "-D", self.dir / "data", "-p", str(port), "-k", self.dir
        )
        self.port, before = port, self.port
        end = time.monotonic() + PATIENCE
        while self.server.poll() is None and time.monotonic() < end:
            if self.psql("SELECT 1", check=False)[0] == 0:
                return True
            time.sleep(0.02)
        self.server.kill()
        self.server.wait()
        self.server, self.port = None, before
        return False

    def spawn(self, program, *args):
        """A program of the server's side, as the server's user."""
        as_user = {}
        if self.account is not None:
            as_user = {"user": self.account[0], "group": self.account[1], "extra_groups": []}
        with open(self.dir / "log", "ab") as log:
            return subprocess.Popen(
                [self.bin / program, *args],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=self.environment(),
                start_new_session=True,
                preexec_fn=self.before_exec,
                **as_user,
            )

    def before_exec(self):
        # Here the user has changed already, which would undo the prctl.
        if os.getuid() == 0:
            if libc.unshare(CLONE_NEWUSER) != 0:
                raise OSError(ctypes.get_errno(), "unshare")
            for name, value in (("setgroups", "deny"), ("uid_map", "1 0 1"), ("gid_map", "1 0 1")):
                pathlib.Path(f"/proc/self/{name}").write_text(value)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)


# ---- the command


def arguments():
    parser = argparse.ArgumentParser(
        usage=__doc__.split("usage: ")[1].split("\n")[0],
        description="Runs CMD beside a private PostgreSQL server.",
    )
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--print", action="store_true")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="CMD")
    args = parser.parse_args()
    if args.command[:1] == ["--"]:
        del args.command[0]
    return args


def run_command(pg, command):
    """Exit code of CMD; signals that would end us end it instead."""
    child = subprocess.Popen(
        command,
        env=os.environ | {"SALLYPORT_TEST_PG": pg.url()},
        preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM),
    )
    for which in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(which, lambda number, _: child.send_signal(number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal tells it, too
    code = child.wait()
    return 128 - code if code < 0 else code


def main():
    args = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    settings = dict(setting.split("=", 1) for setting in args.set)
    with Postgres(keep=args.keep, **settings) as pg:
        if args.print or not args.command:
            print(f"{pg.url()}\npsql -h {pg.dir} -p {pg.port} -U {SUPERUSER}", file=sys.stderr)
        if args.command:
            return run_command(pg, args.command)
        pg.server.wait()
        print("with_postgres.py: the server ended:\n" + pg.log(), file=sys.stderr)
    return 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
