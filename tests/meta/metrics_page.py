#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""metrics_page.py TITLE PROGRAM [TITLE PROGRAM]...

Prints docs/metrics-reference.md from the tables that the programs hold.
"""
import subprocess
import sys

HEAD = """# Metrics

Each daemon answers `GET /metrics` on its own admin address in Prometheus' text
format 0.0.4. The prefix is `metrics.namespace`. Labels are closed sets: never a
user, an address, a name or the text of a rule. Each daemon also gives
`sallyport_build_info` and what the kernel knows of it: `process_cpu_seconds_total`,
`process_resident_memory_bytes`, `process_open_fds`, `process_max_fds`,
`process_start_time_seconds`. apid gives besides the totals of the whole fleet, from
the database, under the names of `services/apid/totals.c` (`sallyport_active_sessions`,
`sallyport_sessions_total`, …); of users only where `metrics.user_series` asks for
them, at most 49 and `__other__`. This page is printed from the daemons' tables.
"""


def main(args):
    sys.stdout.write(HEAD)
    for title, program in zip(args[::2], args[1::2]):
        sys.stdout.write(subprocess.run(
            [program, title], check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    if len(sys.argv) < 3 or len(sys.argv) % 2 == 0:
        sys.exit(__doc__)
    main(sys.argv[1:])
