#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""overview.py

Prints grafana/dashboards/overview.json, which is committed; a test compares.
After a change here:  grafana/overview.py >grafana/dashboards/overview.json

Rates come from the daemons' own counters: they are right while the database is
away, and do not begin anew when apid does. Panels are placed left to right in
the order of this file, so that none lies over another.
"""
import json
import pathlib
import re

TOP = pathlib.Path(__file__).resolve().parents[1]
WIDTH = 24
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
RATE = "$__rate_interval"


def reasons(*statuses):
    """A regular expression of the close reasons with one of these statuses."""
    table = (TOP / "common/audit/close_reasons.def").read_text()
    return "|".join(name for name, status in
                    re.findall(r"^REASON\((\w+), (\w+),", table, re.M)
                    if status in statuses)


# ---- expressions


def mine(name, *matchers):
    """Series of the daemons that were chosen."""
    chosen = ['job=~"$job"', 'instance=~"$instance"', *matchers]
    return f"{name}{{{', '.join(chosen)}}}"


def all_of(name, *matchers):
    """Series of the whole fleet, whichever instance was chosen."""
    chosen = ['job=~"$job"', *matchers]
    return f"{name}{{{', '.join(chosen)}}}"


def rate(series):
    return f"rate({series}[{RATE}])"


def total(series, by=""):
    return f"sum by ({by}) ({series})" if by else f"sum({series})"


def quantile(q, name, by="le"):
    buckets = total(rate(mine(f"{name}_bucket")), by)
    return f"histogram_quantile({q}, {buckets})"


def quantiles(name, what):
    return [(quantile(0.5, name), f"{what}, median"),
            (quantile(0.99, name), f"{what}, 99 %")]


CLOSED = "sallyport_proxy_sessions_closed_total"
REFUSED = f'reason=~"{reasons("REJECTED")}"'
NOT_FAILED = f'reason!~"{reasons("REJECTED", "CLOSED")}"'
OURS = ('reason=~"out_of_resources|auth_silent|acl_silent|journal_full'
        '|relay_error|udp_relay_error|internal_error"')
LIMITS = 'reason=~"limit_.+"'
CARRIES = 'state=~"relay|udp"'
OLDEST = "sallyport_audit_oldest_unstored_timestamp_seconds"

# ---- panels


def thresholds(*steps):
    """Colours, each from its value on; the first from the start."""
    return {"mode": "absolute",
            "steps": [{"color": colour, "value": value}
                      for colour, value in steps]}


GOOD_AT_0 = thresholds(("green", None), ("red", 0.000001))
GOOD_AT_1 = thresholds(("red", None), ("green", 1))
PLAIN = thresholds(("blue", None))


def target(number, expression, legend, instant):
    return {"datasource": SOURCE, "editorMode": "code", "expr": expression,
            "instant": instant, "range": not instant,
            "legendFormat": legend, "refId": chr(ord("A") + number)}


def panel(kind, title, description, unit, queries, width, height, **defaults):
    return {
        "type": kind, "title": title, "description": description,
        "datasource": SOURCE,
        "gridPos": {"w": width, "h": height},
        "fieldConfig": {"overrides": [],
                        "defaults": {"unit": unit, "min": 0, **defaults}},
        "targets": [target(i, expression, legend,
                           kind == "stat" and defaults["thresholds"] != PLAIN)
                    for i, (expression, legend) in enumerate(queries)],
    }


def stat(title, description, unit, query, colours, mappings=(), **size):
    p = panel("stat", title, description, unit, [query],
              size.get("width", 4), size.get("height", 4),
              thresholds=colours, mappings=list(mappings), color={
                  "mode": "thresholds"})
    p["options"] = {
        "colorMode": "background" if colours != PLAIN else "value",
        "graphMode": "none" if colours != PLAIN else "area",
        "justifyMode": "auto", "orientation": "auto",
        "textMode": "value", "wideLayout": True,
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "",
                          "values": False},
    }
    return p


def graph(title, description, unit, queries, width=12, stack=False, **defaults):
    p = panel("timeseries", title, description, unit, queries, width, 8,
              color={"mode": "palette-classic"},
              custom={"drawStyle": "line", "lineWidth": 1,
                      "fillOpacity": 30 if stack else 10,
                      "showPoints": "never", "spanNulls": False,
                      "stacking": {"mode": "normal" if stack else "none",
                                   "group": "A"}}, **defaults)
    p["options"] = {
        "legend": {"displayMode": "table", "placement": "bottom",
                   "showLegend": True, "calcs": ["lastNotNull", "max"]},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return p


def row(title):
    return {"type": "row", "title": title, "collapsed": False, "panels": [],
            "gridPos": {"w": WIDTH, "h": 1}}


HEALTH = [
    row("Is it healthy"),
    stat("Daemons down", "Targets of Prometheus that do not answer.", "short",
         (f'count({all_of("up")} == 0) or vector(0)', "down"), GOOD_AT_0),
    stat("Database", "Whether sessiond's last transaction succeeded and apid "
         "could read.", "short",
         (f'min(max by (instance) ({all_of("sallyport_db_up")})'
          f' or {all_of("sallyport_api_database_up")})', "database"), GOOD_AT_1,
         [{"type": "value", "options": {"0": {"text": "away"},
                                        "1": {"text": "up"}}}]),
    stat("Records lost", "Records of sessions that never came or could not be "
         "stored, in the time shown. Must stay 0.", "short",
         (f'sum(increase({all_of("sallyport_audit_records_lost_total")}'
          f'[$__range])) + sum(increase('
          f'{all_of("sallyport_audit_records_quarantined_total")}'
          f'[$__range]))', "lost"), GOOD_AT_0),
    stat("Oldest record waiting", "For how long a record has waited for the "
         "database; 0 when none waits.", "s",
         (f"max(time() - ({all_of(OLDEST)} > 0)) or vector(0)", "waits"),
         thresholds(("green", None), ("orange", 5), ("red", 60))),
    stat("Own failures", "Sessions a second that failed for want of a daemon, "
         "of memory or of descriptors: ours, not the target's.", "cps",
         (total(rate(all_of(CLOSED, OURS))), "failures"), GOOD_AT_0),
    stat("Connections of the bus", "The least number of peers that any proxy "
         "has on a socket of the bus; 0: it has lost a daemon.", "short",
         (f'min({all_of("sallyport_bus_connected")})', "peers"), GOOD_AT_1),
]

TRAFFIC = [
    row("Traffic"),
    stat("Active sessions", "Sessions that carry bytes now, UDP associations "
         "among them, in all proxies chosen.", "short",
         (total(mine("sallyport_proxy_connections", CARRIES)),
          "sessions"), PLAIN, width=6, height=8),
    graph("Session rate", "Sessions established, ended or failed, and refused, a second.",
          "cps", [
              (total(rate(mine("sallyport_proxy_sessions_total"))),
               "established"),
              (total(rate(mine(CLOSED, f'reason!~"{reasons("REJECTED")}"'))),
               "ended or failed"),
              (total(rate(mine(CLOSED, REFUSED))), "refused"),
          ], width=9),
    graph("Bandwidth", "Payload to the targets (sent) and to the clients "
          "(received).", "binBps", [
              (total(rate(mine("sallyport_proxy_relayed_bytes_total")),
                     "direction"), "{{direction}}"),
          ], width=9),
    graph("Refusals by reason", "Attempts refused on purpose: by policy, by "
          "login, by limits, for bad input.", "cps",
          [(total(rate(mine(CLOSED, REFUSED)), "reason") + " > 0",
            "{{reason}}")], stack=True, noValue="none"),
    graph("Failures by reason", "Sessions that were not established, or that "
          "broke or were ended by us.", "cps",
          [(total(rate(mine(CLOSED, NOT_FAILED)), "reason") + " > 0",
            "{{reason}}")], stack=True, noValue="none"),
    graph("Sessions: proxies and database", "The two agree but for what is on "
          "its way, BINDs that wait among it; the database's number is that "
          "of the whole fleet.",
          "short", [
              (total(mine("sallyport_proxy_connections", CARRIES)),
               "proxies"),
              (f'max({all_of("sallyport_active_sessions")})', "database"),
          ]),
    graph("Connections before the relay", "By state of the handshake. Many in "
          "one state tell where it is slow.", "short",
          [(total(mine("sallyport_proxy_connections",
                       'state!~"relay|udp|linger|closing"'), "state"),
            "{{state}}")], stack=True),
    graph("Limits at work", "Refused by a limit, or put out before the request "
          "to make room, a second; listening sockets that pause because "
          "descriptors or memory ran out.", "short", [
              (total(rate(mine(CLOSED, LIMITS)), "reason"),
               "{{reason}}"),
              (total(rate(mine("sallyport_proxy_put_out_total")), "limit"),
               "put out, {{limit}}"),
              (total(mine("sallyport_proxy_accept_paused")),
               "sockets that pause"),
          ]),
    graph("UDP datagrams", "By direction and what became of them; what is "
          "neither relayed nor unreachable was dropped here.", "pps",
          [(total(rate(mine("sallyport_proxy_udp_datagrams_total")),
                  "direction, result"), "{{direction}} {{result}}")],
          stack=True, noValue="none"),
]

DAEMONS = [
    row("Each daemon: durations and errors"),
    graph("proxy: set-up", "From accept to the reply of success.", "s",
          quantiles("sallyport_proxy_setup_duration_seconds", "set-up")),
    graph("authd and acld: answers", "Time from a question to its answer, "
          "without the bus.", "s",
          quantiles("sallyport_authd_request_duration_seconds", "login")
          + quantiles("sallyport_acl_decision_duration_seconds", "decision")),
    graph("authd and acld: verdicts", "Logins by result, decisions by what was "
          "decided.", "cps", [
              (total(rate(mine("sallyport_authd_requests_total")), "result"),
               "login {{result}}"),
              (total(rate(mine("sallyport_acld_decisions_total")), "decision"),
               "decision {{decision}}"),
          ]),
    graph("proxy: answers from its caches", "Share of look-ups that needed no "
          "question.", "percentunit", [
              (total(rate(mine("sallyport_proxy_cache_requests_total",
                               'result="hit"')), "cache") + " / "
               + total(rate(mine("sallyport_proxy_cache_requests_total")),
                       "cache"), "{{cache}}"),
          ], max=1),
    graph("sessiond: until stored", "From the end of a session to its commit, "
          "and the time of transactions.", "s",
          quantiles("sallyport_audit_lag_seconds", "end to commit")
          + [(quantile(0.99, "sallyport_db_batch_duration_seconds",
                       "le, operation"), "{{operation}}, 99 %")]),
    graph("sessiond: rows and errors", "Ended sessions written a second; "
          "failed transactions and gaps in streams.", "cps", [
              (total(rate(mine("sallyport_db_batch_rows_sum"))), "rows"),
              (total(rate(mine("sallyport_db_errors_total")), "class"),
               "error {{class}}"),
              (total(rate(mine("sallyport_audit_gaps_total"))), "gaps"),
          ]),
    graph("apid: requests", "By class of status.", "reqps",
          [(total(rate(mine("sallyport_http_requests_total")), "code"),
            "{{code}}")], stack=True),
    graph("apid: durations", "Of requests, and of questions to the database.",
          "s", quantiles("sallyport_http_request_duration_seconds", "request")
          + quantiles("sallyport_api_query_duration_seconds", "query")),
    graph("Errors and warnings in the logs", "Lines a second.", "cps",
          [(total(rate(mine("sallyport_log_messages_total",
                            'level=~"error|warn"')), "component, level"),
            "{{component}} {{level}}")]),
    graph("Configuration refused", "1: the last load of the configuration was "
          "refused, and the one before is in force.", "short",
          [(f'1 - {mine("sallyport_config_last_reload_successful")}',
            "{{component}} {{instance}}")], max=1),
]

RESOURCES = [
    row("Resources"),
    graph("CPU", "Cores used.", "short",
          [(rate(mine("process_cpu_seconds_total")),
            "{{component}} {{instance}}")], width=8),
    graph("Memory", "Resident.", "bytes",
          [(mine("process_resident_memory_bytes"),
            "{{component}} {{instance}}")], width=8),
    graph("Descriptors", "Share of those that a process may open.",
          "percentunit",
          [(f'{mine("process_open_fds")} / {mine("process_max_fds")}',
            "{{component}} {{instance}}")], width=8, max=1),
]

# ---- the whole


def place(panels):
    """Numbers them, and puts each behind the one before."""
    x = y = 0
    for number, p in enumerate(panels, 1):
        at = p["gridPos"]
        if x + at["w"] > WIDTH:
            x, y = 0, y + tallest
        tallest = at["h"] if x == 0 else max(tallest, at["h"])
        at.update(x=x, y=y)
        x += at["w"]
        p["id"] = number
    return panels


def variable(name, label, metric):
    return {"type": "query", "name": name, "label": label,
            "datasource": SOURCE, "definition": f"label_values({metric}, {name})",
            "query": {"query": f"label_values({metric}, {name})",
                      "refId": f"variable-{name}"},
            "multi": True, "includeAll": True, "allValue": ".+",
            "current": {"text": ["All"], "value": ["$__all"]},
            "refresh": 2, "sort": 1, "hide": 0, "options": [], "regex": ""}


def dashboard():
    return {
        "id": None, "uid": "sallyport-overview",
        "title": "Sallyport: Overview", "tags": ["sallyport"],
        "description": "The guarded way out: sessions, bytes, refusals.",
        "schemaVersion": 39, "version": 1, "editable": False,
        "graphTooltip": 1, "refresh": "30s", "timezone": "browser",
        "time": {"from": "now-1h", "to": "now"}, "timepicker": {},
        "annotations": {"list": []},
        "links": [{"type": "dashboards", "title": "Sallyport",
                   "tags": ["sallyport"], "asDropdown": True,
                   "keepTime": True, "includeVars": True, "icon":
                   "external link", "targetBlank": False, "tooltip": "",
                   "url": ""}],
        "templating": {"list": [
            {"type": "datasource", "name": "datasource", "label": "Source",
             "query": "prometheus", "current": {}, "hide": 0, "multi": False,
             "includeAll": False, "options": [], "refresh": 1, "regex": ""},
            variable("job", "Job", "sallyport_build_info"),
            variable("instance", "Instance",
                     'sallyport_build_info{job=~"$job"}'),
        ]},
        "panels": place(HEALTH + TRAFFIC + DAEMONS + RESOURCES),
    }


if __name__ == "__main__":
    print(json.dumps(dashboard(), indent=1, ensure_ascii=False))
