# SPDX-License-Identifier: MIT
"""System calls of a process that runs, counted by strace."""
import signal
import subprocess

import rig


def parse(text):
    """`strace -c`: {call: number}, without the total."""
    calls = {}
    for line in text.splitlines():
        words = line.split()
        # % time, seconds, usecs/call, calls, [errors,] name
        if len(words) in (5, 6) and words[3].isdigit() and words[-1] != "total":
            calls[words[-1]] = int(words[3])
    return calls


class Trace:
    """Counts from the constructor's return to `end`."""

    def __init__(self, pid, path):
        self.path = path
        self.process = subprocess.Popen(["strace", "-c", "-f", "-p", str(pid), "-o", str(path)],
                                        stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        if "attached" not in line:
            rig.fail(f"strace: {line.strip()}")

    def end(self):
        self.process.send_signal(signal.SIGINT)
        self.process.communicate()
        return parse(self.path.read_text())
