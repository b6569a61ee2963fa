# SPDX-License-Identifier: MIT
"""What an expression of PromQL may name, for the checks beside this file: the
metrics of docs/metrics-reference.md, their labels, and the labels' values."""
import re

ROW = re.compile(r"^\| `(\w+)` \| (counter|gauge|histogram) \| (.*?) \|", re.M)
LABEL = re.compile(r"`(\w+)`: ([^;|]+)")
# Values that only a running daemon knows.
OPEN = {"component", "user", "version", "le"}
# What Prometheus and its configuration add to every series.
TARGET = {"job", "instance", "service"}
SELECTOR = re.compile(
    r"(?<![:\w$])((?:sallyport|process)_\w+|up)\b(?:\{([^{}]*)\})?")
MATCHER = re.compile(r"""(\w+)\s*(=~|!~|!=|=)\s*(["'])(.*?)\3""")


def metrics_of(page):
    """{name: {label: its values}} from the text of the reference; a histogram
    is the three series that it shows."""
    metrics = {"up": {}, "sallyport_build_info": {"version": [], "component": []}}
    for name in re.findall(r"`(process_\w+)`", page):
        metrics[name] = {"component": []}
    for name, kind, text in ROW.findall(page):
        labels = {label: [v.strip() for v in values.split(",")]
                  for label, values in LABEL.findall(text)}
        if kind == "histogram":
            metrics[f"{name}_bucket"] = labels | {"le": []}
            metrics[f"{name}_sum"] = metrics[f"{name}_count"] = labels
        else:
            metrics[name] = labels
    return metrics


def matched(operator, pattern, values):
    """Those of the values that a matcher lets through."""
    if operator in ("=", "!="):
        hit = [v for v in values if v == pattern]
    else:
        hit = [v for v in values if re.fullmatch(pattern, v)]
    return hit if operator in ("=", "=~") else [v for v in values
                                                if v not in hit]


def judge_matcher(name, labels, label, operator, pattern):
    if label in TARGET:
        return
    if label not in labels:
        yield f"{name} has no label {label}"
        return
    if label in OPEN:
        return
    for part in pattern.split("|") if "~" in operator else [pattern]:
        if not matched("=~" if "~" in operator else "=", part, labels[label]):
            yield f"{name}: no {label} is {part}"


def judge(expression, metrics):
    """What is wrong with the names in an expression, in words."""
    for name, matchers in SELECTOR.findall(expression):
        if name not in metrics:
            yield f"no daemon has {name}"
            continue
        for label, operator, _, pattern in MATCHER.findall(matchers):
            yield from judge_matcher(name, metrics[name], label, operator,
                                     pattern)
