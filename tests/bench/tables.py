# SPDX-License-Identifier: MIT
"""From rows (modes.py) to Markdown: figures, ratios, and what was aimed at.

A figure is the median over the rounds; a ratio is the median of the ratios
within each round, which a disturbance between two rounds does not reach.
"""
import statistics

from modes import COSTS, UDP

PROXY = "sallyport-proxy"       # the kernel keeps 15 characters of a name
PARTS = {d: f"sallyport-{d}"[:15] for d in ("proxy", "authd", "acld", "sessiond", "apid")} | {"run.sh": "bash"}
MISSING = "-"


class Figures:
    """Numbers out of rows. `part`: one process; None: the whole contestant.
    All give {round: number}, empty where it was not measured."""

    def __init__(self, rows):
        self.rows = rows

    def of(self, mode, name):
        return {r["round"]: r for r in self.rows if (r["mode"], r["name"]) == (mode, name)}

    def cost(self, mode, name, part=""):
        unit = COSTS[mode]
        return {i: r["cpu"].get(part, 0) / max(r[unit.work], 1) * unit.scale for i, r in self.of(mode, name).items()}

    def memory(self, name, part=""):
        return {i: r["memory"].get(part, 0) / max(r["done"], 1) for i, r in self.of("idle", name).items()}

    def quantile(self, mode, name, key):
        """ms."""
        return {i: r[key] / 1e3 for i, r in self.of(mode, name).items()}

    def slow(self, when):
        return {i: r[when]["p99_us"] / 1e3 for i, r in self.of("slow", "sallyport").items()}

    def udp(self, name, size, associations, part=""):
        """µs of CPU for a datagram that was relayed."""
        return {r["round"]: r["cpu"].get(part, 0) / max(r["done"], 1) * 1e6 for r in self.rows
                if (r["mode"], r["name"], r.get("size"), r.get("associations")) == ("udp", name, size, associations)}

    def slow_fails(self):
        """Normal clients that failed beside slow ones, in percent."""
        return {i: 100 * r["among"]["fails"] / max(r["among"]["fails"] + r["among"]["done"], 1)
                for i, r in self.of("slow", "sallyport").items()}

    def calls(self, name):
        """{system call: how often for a connection}"""
        rows = self.of("syscalls", name).values()
        return {call: n / r["done"] for r in rows for call, n in r["calls"].items()}

    def fails(self, name):
        """Beside slow clients they are a figure of their own."""
        return sum(r.get("fails", 0) for r in self.rows if r["name"] == name and r["mode"] != "slow")


def median(figures):
    return statistics.median(figures.values()) if figures else None


def combine(operation, figures, base):
    """The median of an operation within each round that both have."""
    both = [operation(figures[i], base[i]) for i in figures if i in base and base[i] > 0]
    return statistics.median(both) if both else None


def ratio(figures, base):
    return combine(lambda a, b: a / b, figures, base)


def difference(figures, base):
    return combine(lambda a, b: a - b, figures, base)


def text(value, digits):
    return MISSING if value is None else f"{value:.{digits}f}"


def with_ratio(figures, base, digits):
    of_base = ratio(figures, base)
    return text(median(figures), digits) + (f" ({of_base:.2f} ×)" if of_base is not None else "")


def table(header, lines):
    rows = [header, ["---"] * len(header), *lines]
    return [f"| {' | '.join(cells)} |" for cells in rows] + [""]


def lines_of(who):
    """(title, contestant, part): our own suite has two lines."""
    for c in who:
        yield c.title, c, ""
        if c.name == "sallyport":
            yield "sallyport, proxy alone", c, PROXY


def cost_table(figures, who):
    modes = [mode for mode in COSTS if any(figures.of(mode, c.name) for c in who)]
    header = ["", *(COSTS[mode].unit for mode in modes), "KiB / idle session", "failures"]
    out = []
    for title, c, part in lines_of(who):
        if not any(figures.of(mode, c.name) for mode in [*modes, "idle"]):
            continue
        cells = [title]
        for mode in modes:
            base = c.floor if figures.of(mode, c.floor) else "floor"
            mine = figures.cost(mode, c.name, part)
            digits = 1 if mode in ("connections", "trips") else 0
            cells.append(with_ratio(mine, {} if c.name.startswith("floor") else figures.cost(mode, base), digits))
        out.append([*cells, text(median(figures.memory(c.name, part)), 2), str(figures.fails(c.name))])
    return table(header, out)


def parts_table(figures):
    """Where the suite's time and memory go."""
    return table(["part", "µs CPU / connection", "KiB / idle session"], [
        [part, text(median(figures.cost("connections", "sallyport", name)), 1),
         text(median(figures.memory("sallyport", name)), 2)] for part, name in PARTS.items()])


def latency_table(figures, who):
    """Milliseconds from connect() to the target's first byte."""
    out = []
    for c in who:
        full, half = (figures.of(mode, c.name) for mode in ("connections", "latency"))
        if not (full or half) or c.relay and c.command:
            continue
        base = figures.quantile("connections", c.floor, "p99_us") if not c.name.startswith("floor") else {}
        above = difference(figures.quantile("latency", c.name, "p99_us"),
                           figures.quantile("latency", "direct", "p99_us")) if c.name != "direct" else None
        out.append([c.title.replace("**", ""), text(median(figures.quantile("connections", c.name, "p50_us")), 2),
                    with_ratio(figures.quantile("connections", c.name, "p99_us"), base, 2),
                    *(text(median(figures.quantile("latency", c.name, key)), 2) for key in
                      ("p50_us", "p99_us", "p999_us")), text(above, 2)])
    return table(["ms", "64 at once: p50", "p99", "half the floor's rate: p50", "p99", "p99.9", "p99 above direct"], out)


def udp_table(figures, who):
    out = []
    for title, c, part in lines_of(who):
        mine = [figures.udp(c.name, *shape, part) for shape in UDP]
        if any(mine):
            base = [{} if c.name == "floor-udp" else figures.udp("floor-udp", *shape) for shape in UDP]
            out.append([title, *(with_ratio(a, b, 2) for a, b in zip(mine, base))])
    heads = (f"{size} bytes, {n} association{'s' if n > 1 else ''}" for size, n in UDP)
    return table(["µs CPU / relayed datagram", *heads], out)


def syscall_table(figures):
    ours, floor = figures.calls("sallyport"), figures.calls("floor")
    names = sorted({*ours, *floor}, key=lambda name: (-floor.get(name, 0), -ours.get(name, 0), name))
    seen = [name for name in names if max(ours.get(name, 0), floor.get(name, 0)) >= 0.005]
    lines = [[f"`{name}`", *(f"{n.get(name, 0):.2f}" for n in (floor, ours)),
              f"{ours.get(name, 0) - floor.get(name, 0):+.2f}"] for name in seen]
    sums = [sum(n.values()) for n in (floor, ours)]
    return table(["system call / connection", "floor", "sallyport, proxy", "more"],
                 [*lines, ["all", *(f"{s:.2f}" for s in sums), f"{sums[1] - sums[0]:+.2f}"]])


def aims(figures):
    """[(what, limit, unit, measured or None)]: at most `limit` is wanted."""
    found = []
    for mode, limit, what in (("connections", 1.2, "CPU per connection"), ("trips", 1.05, "CPU per round trip"),
                              ("down", 1.1, "CPU per GB down"), ("up", 1.1, "CPU per GB up")):
        mine = figures.cost(mode, "sallyport", PROXY)
        found.append((f"proxy: {what}, of the floor's", limit, "×", ratio(mine, figures.cost(mode, "floor"))))
    whole = ratio(figures.cost("connections", "sallyport"), figures.cost("connections", "floor"))
    found += [(f"whole suite: CPU per connection, of the floor's{when}", limit, "×", whole)
              for limit, when in ((2.5, ""), (2.0, " (with the records issue)"), (1.5, " (after it)"))]
    found.append(("proxy: memory per idle session", 1.0, "KiB", median(figures.memory("sallyport", PROXY))))
    p99 = [figures.quantile("connections", name, "p99_us") for name in ("sallyport", "floor")]
    found.append(("64 clients at once: p99, of the floor's", 2.0, "×", ratio(*p99)))
    p99 = [figures.quantile("latency", name, "p99_us") for name in ("sallyport", "direct")]
    found.append(("half the floor's rate: p99 above a direct connection's", 2.0, "ms", difference(*p99)))
    for shape in UDP:
        what = f"proxy: CPU per datagram ({shape[0]} bytes, {shape[1]} at once), of"
        mine = figures.udp("sallyport", *shape, PROXY)
        found += [(f"{what} {whose}'s", limit, "×", ratio(mine, figures.udp(name, *shape)))
                  for whose, name, limit in (("the floor", "floor-udp", 1.2), ("danted", "danted", 0.5))]
    found.append(("10,000 slow clients: a normal one's p99, of that without them", 2.0, "×",
                  ratio(figures.slow("among"), figures.slow("alone"))))
    found.append(("10,000 slow clients: normal ones that fail", 0.0, "%", median(figures.slow_fails())))
    return found


def aims_table(figures):
    lines = [[what, f"≤ {limit:g} {unit}".replace("≤ 0 ", "0 "), f"{value:.2f} {unit}", "met" if value <= limit else "**missed**"]
             for what, limit, unit, value in aims(figures) if value is not None]
    return table(["aim", "limit", "measured", ""], lines)


def report(rows, who, provenance, complaints):
    """All tables that the rows can fill."""
    figures = Figures(rows)
    measured = {r["mode"] for r in rows}
    out = [f"**Does not count: {sentence}.**\n" for sentence in complaints]
    if measured & {*COSTS, "idle"}:
        out += cost_table(figures, who)
    if {"connections", "idle"} <= measured:
        out += ["Where the suite's time and memory go:", "", *parts_table(figures)]
    if measured & {"connections", "latency"}:
        out += ["From `connect()` to the first byte of the target:", "", *latency_table(figures, who)]
    if "udp" in measured:
        out += udp_table(figures, who)
    if "slow" in measured:
        out += [f"Beside 10,000 slow clients a normal one's p99 was {text(median(figures.slow('among')), 2)} ms, "
                f"without them {text(median(figures.slow('alone')), 2)} ms; {text(median(figures.slow_fails()), 1)} % "
                "of the normal ones failed.", ""]
    if "syscalls" in measured:
        out += syscall_table(figures)
    return "\n".join([*out, "What was aimed at:", "", *aims_table(figures), provenance, ""])
