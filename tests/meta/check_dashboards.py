#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_dashboards.py [ROOT]

Every dashboard can be provisioned anywhere and read by anybody: no id, a uid of
its own, no fixed data source, no panel over another, each with unit,
description, legend and minimum; its expressions parse and name only metrics,
labels and values that the daemons have.
"""
import glob
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile

import expressions
import tree

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
VARIABLES = ["datasource", "job", "instance"]
WIDTH = 24


def plain(expression):
    """Without Grafana's variables, as Prometheus would get it."""
    expression = re.sub(r"\$__(rate_interval|range)", "5m", expression)
    return expression.replace("$job", ".+").replace("$instance", ".+")


def sources(node):
    """Every data source in a tree of JSON."""
    if isinstance(node, dict):
        if "datasource" in node:
            yield node["datasource"]
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from sources(child)


def overlap(one, other):
    return (one["x"] < other["x"] + other["w"] and
            other["x"] < one["x"] + one["w"] and
            one["y"] < other["y"] + other["h"] and
            other["y"] < one["y"] + one["h"])


def judge_panel(p, metrics):
    """What is wrong with one panel, in words."""
    at, defaults = p["gridPos"], p.get("fieldConfig", {}).get("defaults", {})
    if at["x"] < 0 or at["x"] + at["w"] > WIDTH:
        yield "is wider than the page"
    if p["type"] == "row":
        return
    if not p.get("description", "").endswith("."):
        yield "has no description, a sentence"
    if not defaults.get("unit"):
        yield "has no unit"
    if "min" not in defaults:
        yield "has no minimum"
    if p["type"] == "timeseries" and not p["options"]["legend"]["showLegend"]:
        yield "shows no legend"
    if not p.get("targets"):
        yield "asks nothing"
    for target in p.get("targets", []):
        if not target.get("legendFormat"):
            yield f"{target['refId']} has no legend"
        if re.search(r"\b(rate|increase)\((?![^()]*\[\$__(rate_interval|range)\])",
                     target["expr"]):
            yield f"{target['refId']}: a rate over a fixed time"
        for wrong in expressions.judge(plain(target["expr"]), metrics):
            yield f"{target['refId']}: {wrong}"


def judge(d, metrics):
    """What is wrong with one dashboard, in words."""
    if d["id"] is not None:
        yield "id is not null"
    if not re.fullmatch(r"[a-z0-9-]{4,40}", d.get("uid") or ""):
        yield "uid is not a short name"
    if [v["name"] for v in d["templating"]["list"]] != VARIABLES:
        yield f"its variables are not {', '.join(VARIABLES)}"
    if any(source != SOURCE for source in sources(d)):
        yield "a data source is not the variable"
    ids = [p["id"] for p in d["panels"]]
    if len(set(ids)) != len(ids):
        yield "two panels have one id"
    for one, other in itertools.combinations(d["panels"], 2):
        if overlap(one["gridPos"], other["gridPos"]):
            yield f"\"{one['title']}\" lies over \"{other['title']}\""
    for p in d["panels"]:
        for wrong in judge_panel(p, metrics):
            yield f"\"{p['title']}\" {wrong}"


def parse(found):
    """promtool's words on expressions, each written as a recording rule."""
    rules = [{"record": f"check:{i}", "expr": plain(expression)}
             for i, expression in enumerate(found)]
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as f:
        # JSON is YAML.
        json.dump({"groups": [{"name": "dashboards", "rules": rules}]}, f)
        f.flush()
        said = subprocess.run(["promtool", "check", "rules", f.name],
                              capture_output=True, text=True)
    if said.returncode != 0:
        yield said.stdout + said.stderr


def read(root):
    """[(path, dashboard)]"""
    for path in sorted(glob.glob(f"{root}/grafana/dashboards/**/*.json",
                                 recursive=True)):
        with open(path, encoding="utf-8") as f:
            yield os.path.relpath(path, root), json.load(f)


def expressions_of(d):
    return [t["expr"] for p in d["panels"] for t in p.get("targets", [])]


def main(root):
    with open(f"{root}/docs/metrics-reference.md", encoding="utf-8") as f:
        metrics = expressions.metrics_of(f.read())
    findings, uids, count = [], {}, 0
    for path, d in read(root):
        findings += [f"{path}: {wrong}" for wrong in judge(d, metrics)]
        findings += [f"{path}: {wrong}" for wrong in parse(expressions_of(d))]
        if d["uid"] in uids:
            findings.append(f"{path}: has the uid of {uids[d['uid']]}")
        uids[d["uid"]] = path
        count += len(expressions_of(d))
    print(f"{len(uids)} dashboards, {count} expressions")
    return tree.report(findings + ([] if uids else ["no dashboard at all"]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else tree.ROOT))
