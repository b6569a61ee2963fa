# SPDX-License-Identifier: MIT
"""A real Prometheus, configured as deploy/prometheus/local.yml says, watches the
suite under light traffic: every page is clean, every expression of every
dashboard returns data, and what the panels show is what happened."""
import json
import math
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest

from daemons import get
from stack import DAEMONS, PATIENCE, wait_for

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/meta"))

import check_dashboards  # noqa: E402
import expressions  # noqa: E402

SESSIONS, REFUSED = 30, 10
PAGES = [*DAEMONS, "fleet"]


class Prometheus:
    """The committed configuration, but that it looks every second."""

    def __init__(self, where):
        self.where = where
        shutil.copytree(TOP / "deploy/prometheus", where / "etc")
        config = where / "etc/local.yml"
        text = config.read_text()
        quick = text.replace("interval: 15s", "interval: 1s")
        assert quick != text
        config.write_text(quick)
        with socket.create_server(("127.0.0.1", 0)) as s:
            self.port = s.getsockname()[1]
        self.log = open(where / "prometheus.log", "w+")
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={where}/data",
             f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn"],
            stderr=self.log, cwd=where)

    def api(self, path, **query):
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]

    def query(self, expression):
        """[(labels, value)] at this moment."""
        try:
            found = self.api("query", query=expression)["result"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{expression}: {error.read()}") from error
        return [(one["metric"], float(one["value"][1])) for one in found]

    def value(self, expression):
        """The only value there is, or None."""
        found = self.query(expression)
        assert len(found) <= 1, (expression, found)
        return found[0][1] if found else None

    def serves(self):
        assert self.process.poll() is None, (self.where / "prometheus.log").read_text()
        try:
            url = f"http://127.0.0.1:{self.port}/-/ready"
            with urllib.request.urlopen(url, timeout=10) as answer:
                return answer.status == 200
        except OSError:
            return False

    def close(self):
        self.process.terminate()
        assert self.process.wait(PATIENCE) == 0
        self.log.close()


@pytest.fixture
def prometheus(tmp_path, stack):
    p = Prometheus(tmp_path)
    yield p
    p.close()


def page(name):
    if name != "fleet":
        status, text = get(name, "/metrics")
        assert status == 200
        return text
    with urllib.request.urlopen("http://127.0.0.1:8080/metrics", timeout=10) as answer:
        return answer.read().decode()


def series_in(text):
    """{metric: number of its series}, a histogram by the names it shows."""
    counts = {}
    for name in re.findall(r"^(\w+)[ {]", text, re.M):
        counts[name] = counts.get(name, 0) + 1
    return counts


def judge_page(name):
    """promtool finds nothing to say."""
    said = subprocess.run(["promtool", "check", "metrics", "--extended"], input=page(name),
                          capture_output=True, text=True)
    assert (said.returncode, said.stderr) == (0, ""), (name, said.stderr)


def test_every_combination_is_there_from_the_start(stack):
    """Else rate() would not see the first error of its kind."""
    reference = (TOP / "docs/metrics-reference.md").read_text()
    wait_for("totals", lambda: "sallyport_active_sessions " in page("fleet"))
    for section in re.split(r"^## ", reference, flags=re.M)[1:]:
        title = section.splitlines()[0]
        pages = {"every daemon": DAEMONS, "the fleet, at apid": ["fleet"]}.get(title, [title])
        metrics = expressions.metrics_of(section)
        for name in pages:
            judge_page(name)
            shown = series_in(page(name))
            for metric in metrics.keys() - {"up"}:
                if metric.startswith("sallyport_user_"):
                    continue  # opt-in
                want = math.prod(len(v) for v in metrics[metric].values() if v)
                if metric == "sallyport_db_up":
                    want = 1  # of the database in use
                if metric == "sallyport_sessions_closed_total":
                    # A reason has one status; each status has its rest.
                    want = len(metrics[metric]["reason"]) - 1 + 3
                if "le" in metrics[metric]:
                    assert shown[metric] % want == 0 and shown[metric] > want, (name, metric)
                else:
                    assert shown.get(metric) == want, (name, metric, shown.get(metric), want)


class Traffic:
    """Sessions, refusals and failures, and one session that goes on."""

    def __init__(self, stack, servers):
        self.stack, self.port = stack, servers.port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.long = stack.connect("127.0.0.1", self.listener.getsockname()[1])
        self.far, _ = self.listener.accept()

    def run(self):
        """One thread each for what ends well, what is refused and what fails."""
        with socket.create_server(("127.0.0.1", 0)) as s:
            closed = s.getsockname()[1]
        parts = [(SESSIONS, f"http://127.0.0.1:{self.port}/x", 0), (REFUSED, "http://127.0.0.1:25/", 97),
                 (REFUSED, f"http://localhost:{closed}/", 97)]
        answers = []

        def ask(times, url, code):
            for _ in range(times):
                answers.append(self.stack.curl(url).returncode == code)

        threads = [threading.Thread(target=ask, args=part) for part in parts]
        for t in threads:
            t.start()
        for t in threads:
            t.join(PATIENCE)
        wrong = self.stack.curl(f"http://127.0.0.1:{self.port}/", password="not-it")
        assert wrong.returncode == 97
        assert answers == [True] * (SESSIONS + 2 * REFUSED)
        self.stack.api("/api/sessions/stats")

    def send(self, n):
        """So many bytes over the session that goes on, to the far end."""
        self.long.sendall(b"x" * n)
        got = 0
        while got < n:
            got += len(self.far.recv(65536))

    def close(self):
        for s in (self.long, self.far, self.listener):
            s.close()


def test_dashboards_and_alerts(stack, servers, prometheus):
    wait_for("Prometheus to serve", prometheus.serves)
    wait_for("all six targets", lambda: prometheus.value('sum(up{job="sallyport"})') == 6)
    # One look before anything happens: what rises later rose from here.
    wait_for("totals", lambda: prometheus.value("max(sallyport_sessions_total)") == 0)
    began = time.time()
    traffic = Traffic(stack, servers)
    try:
        traffic.run()
        traffic.send(1_000_000)
        for expression, count in (("max(sallyport_sessions_total)", SESSIONS + REFUSED + 1),
                                  ("max(sallyport_sessions_rejected_total)", REFUSED + 1),
                                  ("max(sallyport_active_sessions)", 1)):
            wait_for(expression, lambda: prometheus.value(expression) == count)
        end = time.time()
        wait_for("a look at each after all that", lambda: end < prometheus.value(
            'min(timestamp(up{job="sallyport"}))'))
        compare(prometheus, stack, began)
        counted_once(prometheus)
        every_expression(prometheus)
    finally:
        traffic.close()
    alerts(prometheus)


def compare(prometheus, stack, began):
    """What the panels show is what happened."""
    now = dict(relayed='sum(sallyport_proxy_relayed_bytes_total{direction="sent"})',
               refused='sum(sallyport_proxy_sessions_closed_total{reason="policy_block"})',
               failed='sum(sallyport_proxy_sessions_closed_total{reason="connect_refused"})',
               active='sum(sallyport_proxy_connections{state="relay"})')
    now = {name: prometheus.value(expression) for name, expression in now.items()}
    rows = stack.history()
    ended = sum(row["bytes_sent"] for row in rows)
    # The session that goes on is counted as it goes.
    assert now == {"relayed": ended + 1_000_000, "refused": REFUSED, "failed": REFUSED, "active": 1}
    assert prometheus.value("max(sallyport_bytes_sent_total)") == ended
    # increase() reaches to the ends of its window, which lies over it all:
    # it may say more by the part of the window that has no sample.
    window = math.ceil(time.time() - began) + 3
    for expression, exact in (
            ("sum(increase(sallyport_proxy_sessions_total[W]))", SESSIONS + 1),
            ("max(increase(sallyport_sessions_total[W]))", SESSIONS + REFUSED + 1),
            ('max(increase(sallyport_sessions_rejected_total[W]))', REFUSED + 1),
            ("sum(rate(sallyport_proxy_sessions_total[W])) * W", SESSIONS + 1)):
        seconds = expression.replace("[W]", f"[{window}s]").replace("W", str(window))
        shown = prometheus.value(seconds)
        assert exact * 0.99 <= shown <= exact * (window + 1) / (window - 2), (expression, shown, exact)


def counted_once(prometheus):
    """Of apid's public page only what its own does not have is kept."""
    fleet, apid = ({labels["__name__"] for labels, _ in prometheus.query(
        f'count by (__name__) ({{__name__=~"(sallyport|process)_.+", service="{service}"}})')}
                   for service in ("fleet", "apid"))
    assert {"sallyport_active_sessions", "sallyport_session_duration_seconds_bucket"} <= fleet
    assert "sallyport_http_requests_total" in apid and not fleet & apid


def every_expression(prometheus):
    """Each returns a number, and each variable has values."""
    ask = 0
    for path, d in check_dashboards.read(TOP):
        for p in d["panels"]:
            for target in p.get("targets", []):
                plain = check_dashboards.plain(target["expr"])
                values = [value for _, value in prometheus.query(plain)]
                assert any(math.isfinite(v) for v in values), (path, p["title"], plain, values)
                ask += 1
        for v in d["templating"]["list"][1:]:
            metric = re.fullmatch(r"label_values\((.*), \w+\)", v["definition"])[1]
            found = prometheus.api("series", **{"match[]": check_dashboards.plain(metric)})
            assert found and all(one[v["name"]] for one in found), (path, v["name"])
    assert ask > 20


def alerts(prometheus):
    """All rules are evaluated, and none fires over a healthy suite."""
    rules = [rule for group in prometheus.api("rules")["groups"] for rule in group["rules"]]
    assert len(rules) > 5
    wait_for("all rules", lambda: all(
        rule["health"] == "ok" for group in prometheus.api("rules")["groups"] for rule in group["rules"]))
    # A look that came late makes one pending, until the next is in time.
    assert [rule for rule in rules if rule.get("state") == "firing"] == []
    wait_for("no alert to be pending", lambda: all(
        rule.get("state", "inactive") == "inactive"
        for group in prometheus.api("rules")["groups"] for rule in group["rules"]))
