#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""metrics_page.py TITLE PROGRAM [TITLE PROGRAM]...

Prints docs/metrics-reference.md: each program prints its daemon's section, or a
page of metrics, from which the section is made.
"""
import re
import subprocess
import sys

HEAD = """# Metrics

Each daemon answers `GET /metrics` on its own admin address in Prometheus' text
format 0.0.4. The prefix is `metrics.namespace`. Labels are closed sets: never a
user, an address, a name or the text of a rule. Each daemon also gives
`sallyport_build_info` and what the kernel knows of it: `process_cpu_seconds_total`,
`process_resident_memory_bytes`, `process_open_fds`, `process_max_fds`,
`process_start_time_seconds`. apid's public port gives besides the totals of the whole
fleet. This page is printed from the daemons' tables.
"""
FLEET = """
Added to apid's own on the page of its public port (`apid.listen`), from the
database. Each apid shows the same: take `max`, not `sum`. Of users only where
`metrics.user_series` asks for them, at most 49 and `__other__`.

| metric | type | labels | meaning |
| --- | --- | --- | --- |
"""
SERIES = re.compile(r"^(\w+?)(?:_bucket)?\{(.*)\} \S+$", re.M)
LABEL = re.compile(r'(\w+)="([^"]*)"')


def fleet_section(title, text):
    """The same table from a page of metrics."""
    labels = {}
    for name, pairs in SERIES.findall(text):
        for label, value in LABEL.findall(pairs):
            values = labels.setdefault(name, {}).setdefault(label, [])
            if label != "le" and value not in values:
                values.append(value)
    yield f"\n## {title}\n{FLEET}"
    for name, help_, kind in re.findall(
            r"^# HELP (\w+) (.*)\n# TYPE \w+ (\w+)$", text, re.M):
        shown = "; ".join(f"`{label}`: {', '.join(values)}" for label, values
                          in labels.get(name, {}).items() if values)
        yield f"| `{name}` | {kind} | {shown} | {help_} |\n"


def section(title, program):
    text = subprocess.run([program, title], check=True, capture_output=True,
                          text=True).stdout
    if not text.startswith("# HELP"):
        return text
    return "".join(fleet_section(title, text))


def main(args):
    sys.stdout.write(HEAD)
    for title, program in zip(args[::2], args[1::2]):
        sys.stdout.write(section(title, program))


if __name__ == "__main__":
    if len(sys.argv) < 3 or len(sys.argv) % 2 == 0:
        sys.exit(__doc__)
    main(sys.argv[1:])
