#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The checks of dashboards and of Prometheus' rules find what they are for."""
import copy
import unittest

import check_dashboards
import check_prometheus
import expressions

REFERENCE = """
`process_open_fds`
| metric | type | labels | meaning |
| `sallyport_a_total` | counter | `reason`: idle, reset; `way`: in, out | A |
| `sallyport_b_seconds` | histogram |  | B |
| `sallyport_c` | gauge | `component`: the daemon | C |
## the fleet
| `sallyport_sum_total` | counter |  | D |
"""


class Expressions(unittest.TestCase):
    # The expression, and a word of the complaint; None: it is right.
    CASES = [
        ("rate(sallyport_a_total[5m])", None),
        ("sallyport_a_total{job=~\"x\", reason=\"idle\"}", None),
        ("sallyport_a_total{reason=~'idle|res.+',way!=\"in\"}", None),
        ("sum(rate(sallyport_b_seconds_bucket{le=\"0.1\"}[5m])) by (le)", None),
        ("process_open_fds{component=\"proxy\"} / up{service=\"x\"}", None),
        ("sallyport_c{component=\"any\"}", None),
        ("job:sallyport_recorded:rate5m > 1", None),
        ("rate(sallyport_b_seconds[5m])", "no daemon has"),
        ("1 + sallyport_z_total", "no daemon has"),
        ("sallyport_a_total{status=\"idle\"}", "no label status"),
        ("sallyport_a_total{reason=\"idl\"}", "no reason is idl"),
        ("sallyport_a_total{reason=~\"idle|gone\"}", "no reason is gone"),
        ("sallyport_a_total{reason!~\"i\"}", "no reason is i"),
        ("process_files", "no daemon has"),
    ]

    def test_cases(self):
        metrics = expressions.metrics_of(REFERENCE)
        for expression, complaint in self.CASES:
            with self.subTest(expression):
                said = list(expressions.judge(expression, metrics))
                if complaint is None:
                    self.assertEqual(said, [])
                else:
                    self.assertIn(complaint, "".join(said))


class Dashboards(unittest.TestCase):
    PANEL = {
        "id": 1, "type": "timeseries", "title": "P", "description": "It is.",
        "datasource": check_dashboards.SOURCE,
        "gridPos": {"x": 0, "y": 0, "w": 12, "h": 4},
        "fieldConfig": {"defaults": {"unit": "s", "min": 0}},
        "options": {"legend": {"showLegend": True}},
        "targets": [{"refId": "A", "legendFormat": "c",
                     "datasource": check_dashboards.SOURCE,
                     "expr": "rate(sallyport_a_total[$__rate_interval])"}],
    }

    def setUp(self):
        self.d = {
            "id": None, "uid": "some-name",
            "templating": {"list": [{"name": name} for name in
                                    check_dashboards.VARIABLES]},
            "panels": [copy.deepcopy(self.PANEL), copy.deepcopy(self.PANEL)],
        }
        self.p = self.d["panels"][1]
        self.p["id"], self.p["gridPos"]["x"] = 2, 12

    def said(self):
        return "\n".join(check_dashboards.judge(
            self.d, expressions.metrics_of(REFERENCE)))

    def test_right(self):
        self.assertEqual(self.said(), "")

    def test_wrong(self):
        for spoil, complaint in (
                (lambda: self.d.update(id=1), "id is not null"),
                (lambda: self.d.update(uid=None), "uid is not"),
                (lambda: self.d["templating"]["list"].pop(), "variables"),
                (lambda: self.p.update(datasource={"uid": "x"}), "source"),
                (lambda: self.p["targets"][0].update(datasource="x"), "source"),
                (lambda: self.p.update(id=1), "one id"),
                (lambda: self.p["gridPos"].update(x=11), "lies over"),
                (lambda: self.p["gridPos"].update(x=13), "wider"),
                (lambda: self.p.update(description=""), "no description"),
                (lambda: self.p["fieldConfig"].update(defaults={"min": 0}),
                 "no unit"),
                (lambda: self.p["fieldConfig"].update(defaults={"unit": "s"}),
                 "no minimum"),
                (lambda: self.p["options"]["legend"].update(showLegend=False),
                 "no legend"),
                (lambda: self.p.update(targets=[]), "asks nothing"),
                (lambda: self.p["targets"][0].update(legendFormat=""),
                 "has no legend"),
                (lambda: self.p["targets"][0].update(
                    expr="rate(sallyport_a_total[5m])"), "fixed time"),
                (lambda: self.p["targets"][0].update(expr="sallyport_x"),
                 "no daemon has")):
            self.setUp()
            spoil()
            self.assertIn(complaint, self.said())

    def test_syntax(self):
        self.assertEqual(list(check_dashboards.parse(
            ["sum(rate(a[$__rate_interval]))", "up{job=~\"$job\"}"])), [])
        self.assertTrue(list(check_dashboards.parse(["sum(", "up"])))


class Prometheus(unittest.TestCase):
    CONFIG = "".join(f"[\"{d}:91\"] {{service: {d}}}\n"
                     for d in check_prometheus.DAEMONS)

    def test_configs(self):
        local = self.CONFIG
        for d in check_prometheus.DAEMONS:
            local = local.replace(f"\"{d}:", "\"127.0.0.1:")
        judge = check_prometheus.judge_configs
        self.assertEqual(list(judge(self.CONFIG, local)), [])
        self.assertTrue(list(judge(self.CONFIG, local + "more")))
        fewer = "\n".join(self.CONFIG.splitlines()[1:])
        self.assertIn("does not scrape proxy", "".join(judge(fewer, local)))

    def test_keep(self):
        judge = check_prometheus.judge_keep
        for keep, complaint in ((".+_sum_total", ""), ("x", "is not kept"),
                                (".+_total", "counted twice")):
            said = "".join(judge(f'regex: "{keep}"', REFERENCE))
            self.assertTrue(complaint in said and bool(said) == bool(complaint))

    def test_refusals(self):
        table = "REASON(idle, CLOSED, x\nREASON(a1, REJECTED, x\n" \
                "REASON(a2, REJECTED, x\n"
        for pattern, right in (("a1|a2", 1), ("a.+", 1), ("a1", 0), (".+", 0),
                               ("a1| a2", 0)):
            said = list(check_prometheus.judge_refusals(
                f"m{{reason=~'{pattern}'}}", table))
            self.assertEqual(not said, bool(right), pattern)
        self.assertTrue(list(check_prometheus.judge_refusals("m", table)))

    def test_alerts(self):
        rule = "- alert: Up\n severity: summary: description:\n" \
               " runbook: docs/monitoring.md#up\n"
        tests = "alertname: Up\n exp_alerts:\n  -\n" \
                "alertname: Up\n exp_alerts: []\n"
        judge = check_prometheus.judge_alerts
        self.assertEqual(list(judge(rule, tests, "# Up\n")), [])
        for args in ((rule, tests, "# Down\n"),
                     (rule, tests.replace(" []", ""), "# Up\n"),
                     (rule, tests.replace("alerts:\n", "alerts: []\n"), "# Up\n"),
                     (rule.replace("summary:", ""), tests, "# Up\n"),
                     (rule.replace("#up", "#down"), tests, "# Up\n")):
            self.assertEqual(len(list(judge(*args))), 1, args)


if __name__ == "__main__":
    unittest.main()
