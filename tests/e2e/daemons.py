# SPDX-License-Identifier: MIT
"""The five daemons by hand, in any order, on a state that run.sh made; and a
client that goes on undisturbed, whatever happens beside it."""
import os
import pathlib
import re
import socket
import subprocess
import threading
import urllib.error
import urllib.request

from stack import DAEMONS, PATIENCE, wait_for


def command(stack, daemon, *args):
    build = os.environ.get("SALLYPORT_BUILD", str(stack.top / "build"))
    conf = stack.state / "etc/sallyport.toml"
    return [f"{build}/services/{daemon}/sallyport-{daemon}", "--config", str(conf), *args]


def run(stack, daemon, *args, **environment):
    """A daemon that is expected to end by itself."""
    return subprocess.run(
        command(stack, daemon, *args),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=os.environ | environment,
    )


def complaint(stderr):
    """What a daemon says beside its log: the lines for people."""
    return [line for line in stderr.splitlines() if not line.startswith("ts=")]


def get(daemon, path):
    """(status, text) of a daemon's admin address; (0, "") if nobody is there."""
    url = f"http://127.0.0.1:{9181 + DAEMONS.index(daemon)}{path}"
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def metric(daemon, name, label=""):
    """The sum of a metric over all labels, or over those with this one."""
    text = get(daemon, "/metrics")[1]
    lines = re.findall(rf"^sallyport_{name}(?:\{{.*{label}.*\}})? (\S+)$", text, re.M)
    assert lines, f"{daemon} has no metric {name}"
    return sum(float(value) for value in lines)


class Hand:
    """Starts and stops single daemons; all must end with 0."""

    def __init__(self, stack):
        self.stack = stack
        self.running = {}
        self.path = pathlib.Path(stack.state.parent) / "hand.log"
        self.output = open(self.path, "wb")

    def start(self, *daemons):
        """Each once the one before serves, ready or not."""
        for d in daemons:
            self.running[d] = subprocess.Popen(command(self.stack, d), stderr=self.output)
            wait_for(f"{d} to serve", lambda: get(d, "/healthz")[0] == 200)

    def stop(self, daemon):
        process = self.running.pop(daemon)
        process.terminate()
        assert process.wait(PATIENCE) == 0, self.log()

    def wait_ready(self, daemons=DAEMONS):
        for d in daemons:
            wait_for(f"{d} to be ready", lambda: get(d, "/readyz")[0] == 200)

    def log(self):
        return self.path.read_text(errors="replace")

    def close(self):
        for process in self.running.values():
            process.terminate()
        codes = {d: process.wait(PATIENCE) for d, process in self.running.items()}
        self.output.close()
        assert set(codes.values()) <= {0}, (codes, self.log())


class Steady:
    """A session that echoes all the time; any hitch is remembered."""

    def __init__(self, stack):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.client = stack.connect("127.0.0.1", self.listener.getsockname()[1])
        self.target, _ = self.listener.accept()
        self.rounds, self.error, self.ending = 0, None, False
        self.thread = threading.Thread(target=self.echo, daemon=True)
        self.thread.start()

    def echo(self):
        try:
            while not self.ending:
                for one, other in ((self.client, self.target), (self.target, self.client)):
                    word = self.rounds.to_bytes(8, "big")
                    one.sendall(word)
                    assert other.recv(8, socket.MSG_WAITALL) == word
                self.rounds += 1
                threading.Event().wait(0.002)
        except (OSError, AssertionError) as error:
            self.error = error

    def goes_on(self):
        """Some more rounds from now, none with an error."""
        before = self.rounds
        wait_for("more echoes", lambda: self.error or self.rounds > before + 3)
        return self.error is None

    def close(self):
        self.ending = True
        self.thread.join(PATIENCE)
        for s in (self.client, self.target, self.listener):
            s.close()
        assert self.error is None, self.error
