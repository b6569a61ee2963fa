# SPDX-License-Identifier: MIT
"""What is measured, and of whom. Each mode gives rows: {"mode", "name",
"round"} and what the seat answered. Contestants have their turns round by
round, in an order that shifts, so that a disturbance hits all alike."""
import collections
import statistics
import sys

from seat import Seats

IDLE = 4500
SLOW = 10000
SLOW_RATE = 500     # a second: normal clients beside the slow ones
TRACED = 2000
WARM = 1            # second: each worker has met each source and destination

# What a load's CPU is divided by, into which unit, with so many connections.
# late: what is written after the load, a record of each connection, counts.
Cost = collections.namedtuple("Cost", "work scale unit conns late")
COSTS = {
    "connections": Cost("done", 1e6, "µs CPU / connection", 64, True),
    "trips": Cost("done", 1e6, "µs CPU / round trip", 64, False),
    "down": Cost("bytes", 1e12, "ms CPU / GB down", 8, False),
    "up": Cost("bytes", 1e12, "ms CPU / GB up", 8, False),
    "paced": Cost("done", 1e6, "µs CPU / paced connection", 512, True),
}
UDP = [(size, associations) for size in (64, 1200) for associations in (1, 200)]


class Plan:
    """How long and how often; `seats(names)` starts contestants."""

    def __init__(self, who, tools, work, rounds, seconds, settle):
        self.who, self.tools, self.work = who, tools, work
        self.rounds, self.seconds, self.settle = rounds, seconds, settle

    def seats(self, names):
        return Seats([self.who[name] for name in names if name in self.who], self.tools, self.work)

    def turns(self, names):
        """(round, name), the order shifted by one each round."""
        names = list(names)
        for i in range(self.rounds):
            shift = i % len(names)
            for name in names[shift:] + names[:shift]:
                yield i, name


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def row(mode, name, i, answer):
    """The answer of a seat with what it is about."""
    return answer | {"mode": mode, "name": name, "round": i}


def load(seat, plan, mode, **options):
    """A load of the mode; the rate (r) only where it is paced."""
    cost = COSTS[mode]
    return seat.ask("load", mode=mode, options={"d": plan.seconds, "c": cost.conns} | options,
                    settle=plan.settle if cost.late else 0)


def warm(seat, plan, mode, **options):
    """Before a turn: leases live for five seconds, in each worker, and run out
    while the others have theirs."""
    load(seat, plan, mode, **options | {"d": WARM})


def cost(plan, mode, names, **options):
    """CPU per unit of work, with warm leases."""
    with plan.seats(names) as seats:
        for i, name in plan.turns(seats):
            warm(seats[name], plan, mode, **options)
            yield row(mode, name, i, load(seats[name], plan, mode, **options))


def latency(plan, names):
    """At half the rate that the floor reaches here: the open loop's latency,
    with warm leases: one password hash would be the slowest in a hundred."""
    with plan.seats(names) as seats:
        reached = [load(seats["floor"], plan, "connections", d=1) for _ in range(3)]
        rate = statistics.median(r["done"] / r["seconds"] for r in reached) / 2
        for i, name in plan.turns(seats):
            warm(seats[name], plan, "paced", r=rate)
            yield row("latency", name, i, load(seats[name], plan, "paced", r=rate)) | {"rate": rate}


def idle(plan, names):
    """Memory: once each, since it is not what others disturb. After a load, so
    that what is made once (leases, buffers of the bus) is there already."""
    with plan.seats(names) as seats:
        for name, seat in seats.items():
            warm(seat, plan, "connections")
            yield row("idle", name, 0, seat.ask("hold", n=IDLE))


def slow(plan, names):
    """A fresh start each round, since it changes what it runs on."""
    for i in range(plan.rounds):
        with plan.seats(names) as seats:
            for name, seat in seats.items():
                yield row("slow", name, i, seat.ask("slow", n=SLOW, seconds=plan.seconds, rate=SLOW_RATE))


def udp(plan, names):
    """CPU per relayed datagram."""
    with plan.seats(names) as seats:
        for size, associations in UDP:
            for i, name in plan.turns(seats):
                found = seats[name].ask("udp", associations=associations, size=size,
                                        seconds=max(1, round(plan.seconds)))
                yield row("udp", name, i, found) | {"size": size, "associations": associations}


def syscalls(plan, names):
    """Warm, so that what happens once does not count."""
    with plan.seats(names) as seats:
        for name, seat in seats.items():
            warm(seat, plan, "connections")
            yield row("syscalls", name, 0, seat.ask("syscalls", n=TRACED))


SOCKS = ("floor", "sallyport", "microsocks", "danted")
# In the order in which they run: mode, what runs it, whom.
MODES = {
    "connections": lambda plan: cost(plan, "connections", ("floor", "floor-bare", *SOCKS[1:])),
    **{mode: lambda plan, mode=mode: cost(plan, mode, (*SOCKS, "haproxy")) for mode in ("trips", "down", "up")},
    "idle": lambda plan: idle(plan, (*SOCKS, "haproxy")),
    "latency": lambda plan: latency(plan, ("direct", "floor", "floor-bare", *SOCKS[1:])),
    "udp": lambda plan: udp(plan, ("floor-udp", "sallyport", "danted")),
    "slow": lambda plan: slow(plan, ("sallyport",)),
    "syscalls": lambda plan: syscalls(plan, ("floor", "sallyport")),
}


def run(plan, names):
    rows = []
    for name in names:
        say(name)
        rows.extend(MODES[name](plan))
    return rows


def complaints(rows):
    """Sentences on figures that do not count: sessions that history lacks, or
    too many that failed. Beside slow clients failures are a figure."""
    for r in rows:
        if r["mode"] == "connections" and r.get("rows", r["done"]) < r["done"]:
            yield f"{r['name']}, {r['mode']}: {r['rows']} rows in history for {r['done']} sessions"
        if r["mode"] != "slow" and r.get("fails", 0) > r.get("done", 0) / 100:
            yield f"{r['name']}, {r['mode']}: {r['fails']} of {r['fails'] + r['done']} failed"
