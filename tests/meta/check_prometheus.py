#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_prometheus.py [ROOT]

What stands in deploy/prometheus is valid, its rules pass their own tests and
name only what the daemons have; the two configurations differ in addresses
alone; what is kept of apid's page is what the fleet adds; refusals are the
reasons that close_reasons.def calls so; each alert has a place in the manual.
"""
import os
import re
import subprocess
import sys

import expressions
import tree

RULES = ("recording.yml", "alerts.yml")
TESTS = ("recording_test.yml", "alerts_test.yml")
CONFIGS = ("prometheus.yml", "local.yml")
DAEMONS = ("proxy", "authd", "acld", "sessiond", "apid")


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def bare(yaml):
    """Without comments, and with the lines joined that YAML joins."""
    return re.sub(r"\\\n *", "", re.sub(r"^ *#.*\n", "", yaml, flags=re.M))


def judge_configs(compose, local):
    here = re.sub(rf"\"({'|'.join(DAEMONS)}):(\d+)\"", r'"127.0.0.1:\2"', compose)
    if here != local:
        yield "local.yml and prometheus.yml differ in more than addresses"
    for daemon in DAEMONS:
        if f"service: {daemon}}}" not in compose:
            yield f"prometheus.yml does not scrape {daemon}"


def judge_keep(config, reference):
    """The names kept of apid's public page are those of the fleet."""
    fleet = expressions.metrics_of(reference.split("## the fleet")[1])
    others = expressions.metrics_of(reference.split("## the fleet")[0])
    keep = re.search(r'regex: "(.*)"', config)[1]
    for name in fleet.keys() - others.keys():
        if not re.fullmatch(keep, name):
            yield f"{name} of the fleet is not kept"
    for name in others:
        if re.fullmatch(keep, name):
            yield f"{name} would be counted twice"


def judge_refusals(rules, table):
    """Every matcher of reasons is of all refusals, no more and no less."""
    rows = re.findall(r"^REASON\((\w+), (\w+),", table, re.M)
    refused = [name for name, status in rows if status == "REJECTED"]
    found = re.findall(r"reason=~['\"]([^'\"]*)['\"]", rules)
    for pattern in found:
        if [n for n, _ in rows if re.fullmatch(pattern, n)] != refused:
            yield f"not the reasons of refusals: {pattern}"
    if not found:
        yield "no rule counts refusals"


def judge_alerts(rules, tests, manual):
    heads = [re.sub(r"\W", "", line.lower())
             for line in re.findall(r"^#+ (.*)$", manual, re.M)]
    for rule in rules.split("- alert: ")[1:]:
        name, body = rule.split("\n", 1)
        for part in ("severity:", "summary:", "description:"):
            if part not in body:
                yield f"{name} has no {part[:-1]}"
        if f"runbook: docs/monitoring.md#{name.lower()}\n" not in body:
            yield f"{name} does not lead to its place in docs/monitoring.md"
        if name.lower() not in heads:
            yield f"docs/monitoring.md has no head {name}"
        for wanted in (rf"alertname: {name}\n *exp_alerts:\n",
                       rf"alertname: {name}\n *exp_alerts: \[\]"):
            if not re.search(wanted, tests):
                yield f"no test says when {name} fires and when it does not"


def promtool(folder, *args):
    said = subprocess.run(["promtool", *args], cwd=folder, capture_output=True,
                          text=True)
    if said.returncode != 0:
        yield f"promtool {' '.join(args)}\n{said.stdout}{said.stderr}"


def main(root):
    folder = f"{root}/deploy/prometheus"
    text = {name: bare(read(f"{folder}/{name}"))
            for name in RULES + TESTS + CONFIGS}
    reference = read(f"{root}/docs/metrics-reference.md")
    rules = "".join(text[name] for name in RULES)
    metrics = expressions.metrics_of(reference)
    findings = [
        *promtool(folder, "check", "config", "--lint=all", "--lint-fatal",
                  *CONFIGS),
        *promtool(folder, "check", "rules", "--lint=all", "--lint-fatal",
                  *RULES),
        *promtool(folder, "test", "rules", *TESTS),
        *expressions.judge(rules, metrics),
        *judge_configs(text["prometheus.yml"], text["local.yml"]),
        *judge_keep(text["prometheus.yml"], reference),
        *judge_refusals(rules, read(f"{root}/common/audit/close_reasons.def")),
        *judge_alerts(text["alerts.yml"], text["alerts_test.yml"],
                      read(f"{root}/docs/monitoring.md")),
    ]
    print(f"{rules.count('- alert:')} alerts, {rules.count('- record:')} records")
    return tree.report(findings)


if __name__ == "__main__":
    os.environ.setdefault("NO_COLOR", "1")
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else tree.ROOT))
