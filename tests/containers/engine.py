# SPDX-License-Identifier: MIT
"""A Docker engine of the tests' own, started by hand and ended by its pid.

usage: engine.py    can one run here, with bridges? Exits 75 and says why not.

Its images stay in the cache directory; all else is in a run directory and goes
with it. It never touches an engine that the machine already runs: data, socket,
pid file and containerd are its own.
"""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

PATIENCE = 90
# Of the tests: nothing outside is asked for names.
ALONE = ("--dns=127.0.0.1", "--ip6tables=false")
NO_ENGINE = 75


def cache_directory():
    top = pathlib.Path(__file__).resolve().parents[2]
    return pathlib.Path(
        os.environ.get("SALLYPORT_CONTAINER_CACHE", top / "build-containers")
    ).resolve()


class Engine:
    """`arguments` go to dockerd; the log is RUN/dockerd.log."""

    def __init__(self, run, *arguments):
        self.run = pathlib.Path(run)
        self.host = f"unix://{self.run}/docker.sock"
        self.arguments = arguments
        self.daemon = None

    def start(self):
        data = cache_directory() / "engine"
        data.mkdir(parents=True, exist_ok=True)
        self.run.mkdir(parents=True, exist_ok=True)
        (self.run / "none.json").write_text("{}")    # not the machine's own
        self.log = open(self.run / "dockerd.log", "ab")
        self.daemon = subprocess.Popen(
            [
                "dockerd", "--storage-driver=overlay2",
                f"--data-root={data}", f"--exec-root={self.run}/exec",
                f"--pidfile={self.run}/docker.pid", f"--host={self.host}",
                f"--config-file={self.run}/none.json", *self.arguments,
            ],
            stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        end = time.monotonic() + PATIENCE
        while self.docker("info", check=False).returncode != 0:
            if self.daemon.poll() is not None or time.monotonic() > end:
                raise RuntimeError("dockerd does not start:\n" + self.tail())
            time.sleep(0.1)
        return self

    def stop(self):
        if self.daemon is None:
            return
        self.daemon.send_signal(signal.SIGTERM)
        try:
            self.daemon.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            self.daemon.wait()
        self.daemon = None
        self.log.close()
        # It leaves its own namespace mounted, which keeps the directory busy.
        for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
            if line.split()[1].startswith(f"{self.run}/"):
                subprocess.run(["umount", "-l", line.split()[1]], check=False)

    def tail(self, lines=15):
        text = (self.run / "dockerd.log").read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def environment(self, **more):
        return os.environ | {
            "DOCKER_HOST": self.host,
            "DOCKER_BUILDKIT": "0",
            "COMPOSE_DOCKER_CLI_BUILD": "0",
            # Nobody's login, context or plug-in.
            "DOCKER_CONFIG": str(self.run / "client"),
        } | more

    def docker(self, *arguments, check=True, **options):
        """The finished process, with text of stdout and stderr."""
        return subprocess.run(
            ["docker", *map(str, arguments)], env=self.environment(),
            capture_output=True, text=True, check=check, **options)

    def output(self, *arguments, **options):
        return self.docker(*arguments, **options).stdout.strip()

    def sweep(self):
        """Removes what an interrupted run left in the cache; images stay."""
        left = self.output("ps", "-aq").split()
        if left:
            self.docker("rm", "-f", "-v", *left)
        self.docker("volume", "prune", "-f")
        self.docker("network", "prune", "-f")


def missing():
    """Which program is not here, or None."""
    programs = ("dockerd", "docker", "docker-compose", "mmdebstrap", "iptables")
    return next((p for p in programs if shutil.which(p) is None), None)


def main():
    if missing():
        print(f"{missing()} is not installed")
        return NO_ENGINE
    with tempfile.TemporaryDirectory(prefix="sp-") as run:
        engine = Engine(run, *ALONE)
        try:
            engine.start()
        except RuntimeError as error:
            # Its last words, which may be two lines, without the log before.
            why = str(error).rpartition("failed to start daemon: ")[2]
            print("dockerd does not start:", " ".join(why.split())[:300])
            return NO_ENGINE
        finally:
            engine.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
