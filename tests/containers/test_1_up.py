# SPDX-License-Identifier: MIT
"""A clone and `docker-compose up`: how long it takes, and what one gets."""
import itertools
import json
import re
import subprocess

import pytest

from compose import DAEMONS, ONCE, Compose, note, wait_for
from conftest import WORLD

PROFILES = ("demo", "observability", "cli")


@pytest.mark.parametrize("profiles", [
    c for n in range(len(PROFILES) + 1) for c in itertools.combinations(PROFILES, n)
], ids="+".join)
def test_the_file_is_valid_with_profiles(engine, profiles):
    Compose(engine, "parsed", profiles)("config", "-q")


def test_cold_start(suite):
    """From nothing but the images, fresh volumes, to all healthy. The time is
    for docs/benchmarks.md; on a busy machine it says little."""
    assert all(suite.health(s) == "healthy" for s in ("db", *DAEMONS))
    note(f"cold start: all healthy after {suite.took:.1f} s, "
         f"with {suite.load:.1f} tasks a core")


def test_one_shots_ended_well_and_say_how_to_try_it(suite, client):
    for service in ONCE:
        assert suite.state(service)["ExitCode"] == 0, suite.logs(service)
    hello = suite.logs("hello")
    assert hello.startswith("ready\n")
    assert "127.0.0.1:1080" in hello and "127.0.0.1:8080" in hello
    assert client.user == "demo" and len(client.password) == 24


def test_no_secret_in_any_log_or_description(suite, client):
    secrets = [client.password, client.token]
    for directory in ("db", "sessiond", "apid", "migrate"):
        files = suite("run", "--rm", "-T", "--no-deps", "--entrypoint", "/bin/cat",
                      "setup", *(f"/secrets/{directory}/{f}.password" for f in {
                          "db": ("admin", "owner", "writer", "reader"),
                          "sessiond": ("writer",), "apid": ("reader",),
                          "migrate": ("owner",)}[directory])).stdout.split()
        secrets += files
    assert len(set(secrets)) == 6
    for service in ("db", *DAEMONS, *ONCE):
        text = suite.logs(service) + json.dumps(suite.inspect(service))
        for secret in secrets:
            assert secret not in text, service


def test_containers_are_locked_down(suite):
    for service in ("db", "echo", *DAEMONS, *ONCE):
        facts = suite.inspect(service)
        host = facts["HostConfig"]
        assert host["ReadonlyRootfs"], service
        assert host["CapDrop"] == ["ALL"] and not host["CapAdd"], service
        assert "no-new-privileges:true" in host["SecurityOpt"], service
        assert host["PidsLimit"] > 0 and not host["Privileged"], service
        assert facts["Config"]["User"].split(":")[0].isdigit(), service
        assert facts["Config"]["User"] != "0", service


def test_only_two_ports_are_published(suite):
    published = {
        (service, b["HostIp"], b["HostPort"])
        for service in ("db", "echo", *DAEMONS)
        for bindings in suite.inspect(service)["NetworkSettings"]["Ports"].values()
        for b in bindings or ()
        if b["HostIp"] != "::"
    }
    assert published == {("proxy", "0.0.0.0", "1080"), ("apid", "127.0.0.1", "8080")}


def test_each_reader_sees_its_own_secrets_only(suite):
    seen = {
        service: sorted(m["Destination"] for m in suite.inspect(service)["Mounts"]
                        if m["Destination"].startswith("/secrets"))
        for service in ("db", "migrate", *DAEMONS)
    }
    assert seen == {
        "proxy": [], "acld": [], "authd": ["/secrets/authd"],
        "sessiond": ["/secrets/sessiond"], "apid": ["/secrets/apid"],
        "db": ["/secrets/db"], "migrate": ["/secrets/migrate"],
    }
    for service in seen:
        for mount in suite.inspect(service)["Mounts"]:
            if mount["Destination"].startswith("/secrets"):
                assert not mount["RW"], service


def test_daemons_that_need_not_talk_share_no_network(suite):
    networks = {s: {n.split("_")[1] for n in
                    suite.inspect(s)["NetworkSettings"]["Networks"]}
                for s in ("db", *DAEMONS)}
    assert networks == {
        "db": {"db"}, "proxy": {"egress", "monitoring"}, "authd": {"monitoring"},
        "acld": {"monitoring"}, "sessiond": {"db", "monitoring"},
        "apid": {"api", "db", "monitoring"},
    }


# ---- traffic ----------------------------------------------------------------


def test_curl_reaches_the_demo_target(client):
    answer = client.curl("http://echo:8080/")
    assert answer.returncode == 0, answer.stderr
    assert "You came through Sallyport" in answer.stdout


def test_curl_reaches_the_world(client, world):
    answer = client.curl(f"http://{WORLD}/there")
    assert (answer.returncode, answer.stdout) == (0, "the world\n"), answer.stderr
    assert world.hits == ["/there"]


@pytest.mark.parametrize("url", [
    f"http://{WORLD}:25/",          # by rule
    "http://127.0.0.1:1080/",       # the proxy's own loopback
    "http://169.254.169.254/",      # a cloud's metadata
    "http://10.213.80.1:8080/",     # the machine, by the bridge's gateway
    "http://10.213.80.10:9999/",    # the demo target, another port
    "http://proxy:9181/",           # the suite itself
])
def test_what_the_policy_closes_is_refused(client, url):
    answer = client.curl(url)
    assert answer.returncode == 97, answer.stderr
    assert "(2)" in answer.stderr, answer.stderr    # not allowed by ruleset


def test_a_wrong_password_is_refused(client):
    answer = client.curl("http://echo:8080/", password="wrong")
    assert answer.returncode == 97, answer.stderr


# ---- records ----------------------------------------------------------------


def test_the_row_is_whole_in_postgresql_and_in_rest(suite, client):
    with client.connect() as s:
        port = s.getsockname()[1]
        s.sendall(b"x" * 1000)
        got = b""
        while len(got) < 1000:
            got += s.recv(4096)
    query = f"""SELECT row_to_json(s) FROM sallyport.sessions s
        WHERE source_port = {port} ORDER BY started_at DESC LIMIT 1"""
    row = json.loads(wait_for("the row", lambda: suite.psql(query))[0][0])
    gateway = suite.inspect("proxy")["NetworkSettings"]["Networks"][
        "suite_egress"]["Gateway"]
    wanted = {
        "status": "closed", "username": "demo", "source_ip": gateway,
        "source_port": port, "dest_host": "echo", "dest_ip": "10.213.80.10",
        "dest_port": 7, "protocol": "tcp", "command": "connect",
        "bytes_up": 1000, "bytes_down": 1000, "acl_decision": "allow",
        "acl_rule_matched": "demo-echo", "auth_method": "userpass",
        "carrier": "socks5", "incomplete": False,
    }
    assert {k: row[k] for k in wanted} == wanted
    assert row["id"] and row["stream_id"] and row["proxy"]
    assert row["policy_generation"] > 0 and row["close_reason"]
    assert row["started_at"] <= row["ended_at"]
    item = client.rest(f"/api/sessions/{row['id']}")
    for theirs, ours in (("username", "user"), ("source_ip",) * 2, ("dest_ip",) * 2,
                         ("source_port",) * 2, ("dest_host",) * 2, ("status",) * 2,
                         ("dest_port",) * 2, ("acl_rule_matched",) * 2,
                         ("close_reason",) * 2):
        assert item[ours] == row[theirs], ours


def test_refusals_are_recorded_too(suite, client):
    client.curl(f"http://{WORLD}:25/")
    client.curl("http://echo:8080/", user="nobody", password="nothing")
    wait_for("both", lambda: dict(suite.psql(
        "SELECT close_reason, count(*) FROM sallyport.sessions"
        " WHERE status = 'rejected' AND (acl_rule_matched = 'no-mail'"
        " OR username = 'nobody') GROUP BY 1")).keys() >= {"auth_failed"})
    reasons = {r["close_reason"] for r in client.history() if r["status"] == "rejected"}
    assert len(reasons) >= 2, reasons


def test_the_schema_belongs_to_its_owner(suite):
    owners = suite.psql("SELECT DISTINCT tableowner FROM pg_tables"
                        " WHERE schemaname = 'sallyport'")
    assert owners == [["sallyport_owner"]]
    users = {u for (u,) in suite.psql("SELECT DISTINCT usename FROM pg_stat_activity"
                                      " WHERE application_name LIKE 'sallyport%'")}
    assert users <= {"sallyport_writer", "sallyport_reader"}
    assert "sallyport_writer" in users


# ---- the command line -------------------------------------------------------


def test_sallyctl_in_its_container(suite, client):
    done = suite("run", "--rm", "-T", "cli", "sessions", "list", "--limit", "1")
    assert "USER" in done.stdout, done.stderr
    subprocess.run(
        ["docker-compose", "--ansi", "never", *suite.flags, "run", "--rm", "-T", "cli",
         "users", "add", "eve", "--password-stdin"],
        env=suite.engine.environment(**suite.environment), input="open sesame\n", text=True, check=True,
        capture_output=True)

    # eve is known, and may do nothing: the refusal is the policy's (2).
    def refused_by_policy():
        answer = client.curl("http://echo:8080/", user="eve", password="open%20sesame")
        return "(2)" in answer.stderr

    wait_for("authd to see eve", refused_by_policy)


# ---- profile observability --------------------------------------------------


def test_prometheus_scrapes_every_daemon(suite, engine):
    """Grafana is in no Debian release: of it only the file is parsed."""
    watched = Compose(engine, suite.project, ["observability"])
    watched("up", "-d", "--no-build", "--no-deps", "prometheus")
    try:
        watched.healthy("prometheus")

        def up():
            done = engine.docker(
                "exec", watched.id("prometheus"), "promtool", "query", "instant",
                "http://127.0.0.1:9090", 'up{job=~"sallyport.*"} == 1', check=False)
            return set(re.findall(r'service="(\w+)"', done.stdout))

        wait_for("every target", lambda: up() == {*DAEMONS, "fleet"})
    finally:
        watched("rm", "-s", "-f", "prometheus")


def test_a_second_up_changes_nothing(suite, client):
    before = {s: suite.inspect(s)["Id"] for s in ("db", *DAEMONS)}
    started = {s: suite.state(s)["StartedAt"] for s in before}
    suite.up()
    assert {s: suite.inspect(s)["Id"] for s in before} == before
    assert {s: suite.state(s)["StartedAt"] for s in before} == started
    assert suite.credentials()["SALLYPORT_PASSWORD"] == client.password
    assert "made" not in suite.logs("setup").split("STATE")[-1]
