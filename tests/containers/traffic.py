# SPDX-License-Identifier: MIT
"""Sessions one after the other on some threads, each remembered by its port.

They come from one address, so they keep below what the shipped configuration
lets one address open (proxy.limits.new_per_minute_source, 100 a second).
"""
import collections
import threading
import time

from compose import Refused

PAUSE = 0.04    # of each thread between two sessions


class Traffic:
    """`done` has (source port, when it ended) of every session that carried its
    bytes to the echo server and back; `failed` has what went wrong when."""

    def __init__(self, client, threads=2):
        self.client = client
        self.done, self.failed = [], []
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.work) for _ in range(threads)]

    def __enter__(self):
        self.start = time.time() - 0.05    # records count whole milliseconds
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for t in self.threads:
            t.join()

    def work(self):
        while not self.stopping.is_set():
            try:
                self.session()
            except (OSError, Refused, KeyError, AssertionError) as error:
                self.failed.append((time.time(), repr(error)))
                self.stopping.wait(0.05)

    def session(self):
        with self.client.connect() as s:
            port = s.getsockname()[1]
            s.sendall(b"ping")
            if s.recv(4) != b"ping":
                raise OSError("not what was sent")
        self.done.append((port, time.time()))
        self.stopping.wait(PAUSE)

    def more(self, n=10):
        """A condition: n sessions more than now."""
        before = len(self.done)
        return lambda: len(self.done) >= before + n


def exactly_once(compose, traffic, since=0.0, until=float("inf")):
    """(missing, doubled) source ports of the sessions that ended in between,
    as PostgreSQL has them. A port may be used again by a later session."""
    rows = collections.Counter(int(p) for (p,) in compose.psql(
        "SELECT source_port FROM sallyport.session WHERE status = 1"
        f" AND started_at >= to_timestamp({traffic.start})"))
    done = collections.Counter(p for p, _ in traffic.done)
    wanted = collections.Counter(p for p, at in traffic.done if since <= at <= until)
    return sorted(wanted - rows), sorted(p for p in rows if rows[p] > max(1, done[p]))
