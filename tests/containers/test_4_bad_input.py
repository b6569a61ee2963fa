# SPDX-License-Identifier: MIT
"""What an administrator gets wrong: one clear line, then exit 78 or waiting."""
import pathlib
import re

import pytest

from compose import TOP, wait_for

ETC = TOP / "deploy/compose/etc"
URL = "postgresql://sallyport_writer@db/sallyport"
BAD_CONFIG = 78


class One:
    """A container of one image beside the suite, with a bus of its own."""

    def __init__(self, suite, service, *options, command=(), secrets=True):
        self.engine = suite.engine
        image = suite.inspect(service)["Config"]["Image"]
        owner = "migrate" if command else service
        arguments = ["run", "-d", "--read-only", "--cap-drop=ALL",
                     "--network=suite_db", f"--volume={ETC}:/etc/sallyport:ro",
                     "--tmpfs=/run/sallyport:mode=0770,uid=10001"]
        if secrets:
            arguments.append(f"--volume=suite_secrets-{owner}:/secrets/{owner}:ro")
        if not any("/var/lib/sallyport" in o for o in options):
            arguments.append("--tmpfs=/var/lib/sallyport:mode=0770,uid=10001")
        if command:
            command = ["--config", "/etc/sallyport/sallyport.toml", *command]
        self.id = self.engine.output(*arguments, *options, image, *command)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.engine.docker("rm", "-f", "-v", self.id)

    def lines(self):
        done = self.engine.docker("logs", self.id)
        return (done.stdout + done.stderr).splitlines()

    def complaints(self):
        """Names of the events that are no good news."""
        return [re.search(r"event=(\w+)", s)[1] for s in self.lines()
                if re.search(r"level=(error|warn)\b", s)]

    def running(self):
        return self.engine.output("inspect", "-f", "{{.State.Running}}", self.id) == "true"

    def exit_code(self):
        wait_for("it to end", lambda: not self.running(), 30)
        return int(self.engine.output("inspect", "-f", "{{.State.ExitCode}}", self.id))


def database(service, url, **more):
    name = service.upper()
    return [f"--env=SALLYPORT_{name}__DATABASE={url}",
            *(f"--env=SALLYPORT_{name}__{k.upper()}={v}" for k, v in more.items())]


def assert_last_line(one, *says):
    """Its last line is the one that is not of the log, and has all of these."""
    lines = one.lines()
    words = [s for s in lines if not s.startswith("ts=")]
    assert words == lines[-1:], lines
    assert all(re.search(w, words[0]) for w in says), lines


@pytest.fixture
def wrong_password(tmp_path):
    tmp_path.chmod(0o755)
    file = tmp_path / "password"
    file.write_text("not-the-password\n")
    file.chmod(0o644)
    return [f"--volume={file}:/wrong.password:ro"], "/wrong.password"


@pytest.mark.parametrize("service", ("sessiond", "apid"))
@pytest.mark.parametrize("url, says", [
    ("mysql://u@db/sallyport", ("database", "postgresql://")),
    ("postgresql://u@db:notaport/sallyport", ("database",)),
    ("postgresql://sallyport_{role}@db/nosuch", ("no such database",)),
    ("postgresql://nobody@db/sallyport", ("no such role",)),
], ids=["scheme", "port", "database", "role"])
def test_a_wrong_url_ends_it(suite, service, url, says):
    role = {"sessiond": "writer", "apid": "reader"}[service]
    with One(suite, service, *database(service, url.format(role=role))) as one:
        assert one.exit_code() == BAD_CONFIG, one.lines()
        assert_last_line(one, *says)


@pytest.mark.parametrize("service", ("sessiond", "apid"))
def test_a_wrong_password_ends_it(suite, service, wrong_password):
    volume, path = wrong_password
    with One(suite, service, *volume,
             *database(service, URL, database_password_file=path)) as one:
        assert one.exit_code() == BAD_CONFIG, one.lines()
        assert_last_line(one, "password")
        assert "not-the-password" not in "\n".join(one.lines())


def test_a_wrong_password_ends_the_migration(suite, wrong_password):
    volume, path = wrong_password
    with One(suite, "sessiond", *volume,
             *database("sessiond", URL, database_password_file=path),
             command=["--migrate"]) as one:
        assert one.exit_code() == BAD_CONFIG, one.lines()
        assert_last_line(one, "password")


@pytest.mark.parametrize("service, file", [
    ("sessiond", "/secrets/sessiond/writer.password"),
    ("apid", "/secrets/apid/reader.password"),
    ("authd", "/secrets/authd/users.toml"),
])
def test_a_missing_secret_file_ends_it(suite, service, file):
    with One(suite, service, secrets=False) as one:
        assert one.exit_code() == BAD_CONFIG, one.lines()
        assert_last_line(one, re.escape(file), "No such file")


def test_a_database_that_is_away_is_waited_for(suite):
    url = "postgresql://sallyport_writer@nowhere.invalid/sallyport"
    with One(suite, "sessiond", *database("sessiond", url)) as one:
        wait_for("a line", one.complaints)
        # Still there after it tried again, and said each thing once.
        health = ["exec", one.id, "/usr/bin/sallyport-sessiond", "--config",
                  "/etc/sallyport/sallyport.toml", "--health"]
        for _ in range(3):
            assert one.engine.docker(*health, check=False).returncode != 0
        assert one.running()
        assert sorted(one.complaints()) == ["database_failed", "not_ready"]
        assert "nowhere.invalid" in "\n".join(one.lines())


def test_a_read_only_database_is_waited_for(suite):
    suite.psql("ALTER ROLE sallyport_writer SET default_transaction_read_only = on")
    try:
        with One(suite, "sessiond") as one:
            wait_for("a line", lambda: "not_ready" in one.complaints())
            assert one.running()
            assert sorted(one.complaints()) == ["database_failed", "not_ready"]
            assert "read-only" in "\n".join(one.lines())
            suite.psql("ALTER ROLE sallyport_writer"
                       " RESET default_transaction_read_only")
            wait_for("it to heal", lambda: "event=ready" in "\n".join(one.lines()))
    finally:
        suite.psql("ALTER ROLE sallyport_writer RESET default_transaction_read_only")


# ---- volumes of somebody else ------------------------------------------------


@pytest.fixture
def foreign(engine):
    """A volume that belongs to uid 4242 and is closed to others."""
    name = engine.output("volume", "create")
    engine.docker("run", "--rm", "--network=none", f"--volume={name}:/v",
                  "debian:trixie-slim", "sh", "-c", "touch /v/x; chown -R 4242 /v; "
                  "chmod 700 /v")
    yield name
    engine.docker("volume", "rm", "-f", name)


@pytest.mark.parametrize("service", ("sessiond", "acld", "proxy"))
def test_a_state_volume_of_another_user(suite, service, foreign):
    with One(suite, service, f"--volume={foreign}:/var/lib/sallyport") as one:
        assert one.exit_code() == 1, one.lines()
        assert_last_line(one, "/var/lib/sallyport", "Permission denied", "10001")


def test_a_secrets_volume_of_another_user(suite, engine, foreign):
    image = suite.inspect("setup")["Config"]["Image"]
    done = engine.docker("run", "--rm", "--network=none", "--read-only",
                         f"--volume={foreign}:/secrets/db", image, "setup", "init",
                         check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "sallyctl: /secrets/db: Permission denied: it belongs to uid 4242 and this "
        "runs as uid 10001; as root: chown -R 10001:10001 /secrets/db"]


def test_a_read_only_secrets_volume(suite, engine):
    image = suite.inspect("setup")["Config"]["Image"]
    done = engine.docker("run", "--rm", "--network=none", "--read-only",
                         "--tmpfs=/secrets/db:ro,uid=10001", image, "setup", "init",
                         check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "sallyctl: /secrets/db: Read-only file system; mount it writable for setup"]


def test_a_configuration_directory_without_the_file(suite, engine, tmp_path):
    tmp_path.chmod(0o755)
    empty = pathlib.Path(tmp_path / "etc")
    empty.mkdir()
    image = suite.inspect("acld")["Config"]["Image"]
    done = engine.docker("run", "--rm", "--network=none", "--read-only",
                         f"--volume={empty}:/etc/sallyport:ro", image, check=False)
    assert done.returncode == BAD_CONFIG
    assert "/etc/sallyport/sallyport.toml" in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
