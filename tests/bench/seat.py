# SPDX-License-Identifier: MIT
"""A contestant in a network namespace of its own, which works when asked.

Outside is Seat. Inside, `seat.py NAME TOOLS WORK CONTESTANT` starts targets and
contestant, says {"ready": true}, and then answers each line of JSON that it
reads with one; when there are no more, it stops what it started. So all
contestants of a benchmark run at the same time and are loaded in turn.
"""
import dataclasses
import json
import pathlib
import signal
import subprocess
import sys
import time

import contestants
import rig
import strace
import usage

SLOW_GROWN = 12     # seconds: the handshake's clock has cut the first ones off


class Inside:
    """The questions that can be asked; each gives a dictionary."""

    def __init__(self, tools, contestant, proxy):
        self.tools, self.contestant, self.proxy = tools, contestant, proxy

    def start(self, mode, **options):
        login = self.proxy.login() if self.proxy else None
        return rig.Load(self.tools, self.contestant, login, mode, **options)

    def load(self, mode, options, settle):
        """A load, and what it cost: CPU by process, rows added to history."""
        before, rows = self.state()
        found = self.start(mode, **options).result()
        if self.proxy and self.proxy.records:
            time.sleep(settle)      # what is written late counts as well
        after, rows_after = self.state()
        found["cpu"] = usage.used_since(before, after)
        if rows is not None:
            found["rows"] = rows_after - rows
        return found

    def state(self):
        return (self.proxy.group.cpu(), self.proxy.rows()) if self.proxy else ({}, None)

    def hold(self, n):
        """KiB gained by `n` idle sessions, by process."""
        before = self.proxy.group.memory()
        load = self.start("hold", c=n, d=120)
        load.held()
        time.sleep(0.5)     # what was needed to open them may be given back
        after = self.proxy.group.memory()
        return load.result() | {"memory": usage.used_since(before, after)}

    def paced(self, seconds, rate):
        """A normal client's latency, with warm leases."""
        self.start("paced", d=1, r=rate, c=512).result()
        return self.start("paced", d=seconds, r=rate, c=512).result()

    def slow(self, n, seconds, rate):
        """It without and with `n` slow ones beside."""
        alone = self.paced(seconds, rate)
        crowd = self.start("slow", c=n, d=600)
        begin = time.monotonic()
        crowd.held()
        time.sleep(max(0, SLOW_GROWN - (time.monotonic() - begin)))
        among = self.paced(seconds, rate)
        crowd = crowd.result()
        return {"alone": alone, "among": among, "fails": alone["fails"] + among["fails"],
                "crowd": {key: crowd[key] for key in ("done", "bytes", "cut", "failed")}}

    def udp(self, associations, size, seconds):
        """Datagrams relayed, each way counted, and what that cost."""
        user, password = self.proxy.login() or ("", "")
        load = subprocess.Popen(
            [f"{self.tools}/udp_load", f"127.0.0.1:{self.contestant.port}", user, password,
             str(associations), str(size), str(seconds)], stdout=subprocess.PIPE, text=True)
        load.stdout.readline()
        before = self.proxy.group.cpu()
        line = load.stdout.readline()
        after = self.proxy.group.cpu()
        load.stdout.close()
        if load.wait() != 0 or not line:
            rig.fail(f"{self.contestant.name}: udp_load failed; its reason is above")
        found = dict(word.split("=") for word in line.split()[1:])
        return {"done": int(found["relayed"]), "lost": int(found["lost"]), "cpu": usage.used_since(before, after)}

    def syscalls(self, n):
        """Calls by name of the one process that proxies, over `n` connections."""
        pid = self.proxy.group.pid_of(("sallyport-proxy", "floor"))
        trace = strace.Trace(pid, self.proxy.log.with_suffix(".strace"))
        found = self.start("connections", n=n, d=120).result()
        return found | {"calls": trace.end()}


def serve(inside):
    signal.signal(signal.SIGINT, signal.SIG_IGN)    # the end of stdin says it
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        question = json.loads(line)
        print(json.dumps(getattr(inside, question.pop("do"))(**question)), flush=True)


def main(tools, work, text):
    contestant = contestants.Contestant(**json.loads(text))
    rig.enter_namespace()
    with rig.Targets(tools):
        proxy = rig.Proxy(contestant, pathlib.Path(work)) if contestant.command else None
        try:
            serve(Inside(tools, contestant, proxy))
        finally:
            if proxy:
                proxy.stop()


class Seat:
    """The outside. `ready` must be called once before `ask`."""

    def __init__(self, contestant, tools, work):
        self.name = contestant.name
        self.process = subprocess.Popen(
            ["unshare", "-n", sys.executable, __file__, str(tools), str(work),
             json.dumps(dataclasses.asdict(contestant))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            rig.fail(f"{self.name} cannot be measured; the reason is above")
        return json.loads(line)

    def ready(self):
        self.answer()

    def ask(self, do, **question):
        print(json.dumps({"do": do} | question), file=self.process.stdin, flush=True)
        return self.answer()

    def leave(self):
        self.process.stdin.close()

    def gone(self):
        self.process.wait()
        self.process.stdout.close()


class Seats(dict):
    """{name: Seat} of some contestants, as a context."""

    def __init__(self, who, tools, work):
        super().__init__({c.name: Seat(c, tools, work) for c in who})

    def __enter__(self):
        try:
            for seat in self.values():
                seat.ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for seat in self.values():
            seat.leave()
        for seat in self.values():
            seat.gone()


if __name__ == "__main__":
    main(*sys.argv[1:])
