# SPDX-License-Identifier: MIT
"""PostgreSQL where it is wrong, away, read-only or killed; and its three roles."""
import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import threading

import pytest

from conftest import TOP
from daemons import Hand, command, complaint, get, metric, run
from stack import DAEMONS, PATIENCE, Stack, wait_for

KEY = "SALLYPORT_SESSIOND__DATABASE"
READER_KEY = "SALLYPORT_APID__DATABASE"
# run.sh's stack, on the test's new_database
on_postgresql = pytest.mark.parametrize("database", ["postgresql"], indirect=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A state that run.sh made, with nothing running on it."""
    s = Stack(TOP, tmp_path_factory.mktemp("made") / "var")
    s.start()
    s.finish()
    return s


@pytest.fixture
def hand(made):
    h = Hand(made)
    yield h
    h.close()


@pytest.fixture
def password_file(tmp_path):
    """A file that the daemons' user can read: path and text."""

    def write(name, text):
        for parent in (tmp_path, *tmp_path.parents):
            if parent.stat().st_uid == os.getuid() and parent != parent.parent:
                parent.chmod(parent.stat().st_mode | 0o011)
        path = tmp_path / name
        path.write_text(text)
        path.chmod(0o644)
        return str(path)

    return write


def unready(words):
    """sessiond serves, but is not ready, and says why."""
    status, text = get("sessiond", "/readyz")
    return status == 503 and words in text


# ---- what only a human can mend: exit 78, one line ----

WRONG = {
    "scheme": ("mysql://u:{password}@127.0.0.1/x", "expected"),
    "brackets": ("postgresql://u:{password}@[::1/x", "database"),
    "port": ("postgresql://u:{password}@127.0.0.1:99999/x", "port"),
    "option": ("{url}?nonsense=1", "expected postgresql://"),
    "sslmode": ("{url}?sslmode=maybe", "sslmode"),
    "password": ("{url_wrong_password}", "wrong password"),
    "role": ("{url_wrong_role}", "wrong password, or no such role"),
    "database": ("{url}_not", "no such database"),
}


def check_refused(made, words, secret, **environment):
    """Start, --check and --migrate say the same; none shows the password."""
    for mode in ((), ("--check",), ("--migrate",)):
        result = run(made, "sessiond", *mode, **environment)
        assert result.returncode == 78, (mode, result)
        (line,) = complaint(result.stderr)
        assert words in line, (mode, line)
        assert secret not in result.stderr + result.stdout, mode


@pytest.mark.parametrize("case", WRONG)
def test_wrong_settings(made, new_database, case):
    url, words = WRONG[case]
    secret = new_database.password
    url = url.format(
        url=new_database.url,
        password=secret,
        url_wrong_password=new_database.url_of(new_database.role, secret + "x"),
        url_wrong_role=new_database.url_of("nobody_there", secret),
    )
    check_refused(made, words, secret, **{KEY: url})


def test_wrong_password_files(made, new_database, password_file):
    url = new_database.url_of(new_database.role).replace(":@", "@")
    secret = new_database.password
    check_refused(made, "password", secret, **{KEY: url})
    for name, text, words in (
        ("missing", None, "No such file"),
        ("empty", "\n", "empty"),
        ("wrong", f"{secret}x\n", "wrong password"),
    ):
        path = password_file(name, text or "")
        if text is None:
            os.unlink(path)
        environment = {KEY: url, KEY + "_PASSWORD_FILE": path}
        check_refused(made, words, secret, **environment)
    # It is the file that counts, not what the URL says besides.
    right = {KEY: new_database.url_of(new_database.role, "x"),
             KEY + "_PASSWORD_FILE": password_file("right", f"{secret}\nmore\n")}  # fmt: skip
    assert run(made, "sessiond", "--check", **right).returncode == 0


def test_schemas_of_others(made, new_database):
    secret = new_database.password
    new_database.psql("CREATE SCHEMA sallyport; CREATE TABLE sallyport.theirs (x int)")
    check_refused(made, "another program", secret, **{KEY: new_database.url})
    new_database.psql("DROP SCHEMA sallyport CASCADE")
    assert run(made, "sessiond", "--migrate", **{KEY: new_database.url}).returncode == 0
    new_database.psql("INSERT INTO sallyport.schema_migration VALUES (9999, 'x', 'y', now())")
    check_refused(made, "later release", secret, **{KEY: new_database.url})


def test_run_sh_ends_with_the_message(tmp_path, new_database):
    for url, words in (
        ("postgresql//oops", "SALLYPORT_DATABASE: expected postgresql://"),
        (new_database.url_of(new_database.role, "not-it"), "wrong password"),
    ):
        stack = Stack(TOP, tmp_path / "var", SALLYPORT_DATABASE=url)
        with pytest.raises(AssertionError, match="ended before ready"):
            stack.start()
        assert stack.run.wait(PATIENCE) != 0
        assert words in stack.log()
        assert "not-it" not in stack.log()


# ---- --migrate ----


def test_migrate(made, new_database, tmp_path):
    first = run(made, "sessiond", "--migrate", **{KEY: new_database.url})
    assert (first.returncode, first.stdout) == (0, "the database is up to date\n"), first
    steps = len(list((TOP / "services/sessiond/schema/postgresql").glob("*.sql")))
    assert f"applied={steps}\n" in first.stderr
    again = run(made, "sessiond", "--migrate", **{KEY: new_database.url})
    assert again.returncode == 0 and "applied=0" in again.stderr, again
    assert new_database.psql("SELECT count(*) FROM sallyport.session_partition") == "8"

    sqlite = made.state / "data" / "migrate.db"
    done = run(made, "sessiond", "--migrate", **{KEY: f"sqlite:{sqlite}"})
    assert done.returncode == 0, done
    # The daemon's user has to be able to use it.
    assert sqlite.stat().st_uid == (made.state / "data").stat().st_uid
    other = run(made, "acld", "--migrate")
    assert other.returncode == 2 and "no database" in other.stderr


def test_migrate_waits_for_the_server(made, postgres, new_database):
    postgres.stop()
    try:
        migrate = subprocess.Popen(
            command(made, "sessiond", "--migrate"),
            env=os.environ | {KEY: new_database.url},
            stderr=subprocess.PIPE,
            text=True,
        )
        waiting = migrate.stderr.readline()
        assert "database_waiting" in waiting and "refused" in waiting.lower(), waiting
    finally:
        postgres.start()
    rest = migrate.stderr.read()
    assert migrate.wait(PATIENCE) == 0, rest
    # Each reason in a row is said once, however often it was tried.
    reasons = re.findall(r'database_waiting why="(.*)"', waiting + rest)
    assert all(one != next_ for one, next_ in zip(reasons, reasons[1:])), reasons


# ---- what may heal: it waits ----


def test_away_at_start(made, postgres, new_database, hand, monkeypatch):
    monkeypatch.setenv(KEY, new_database.url)
    postgres.stop()
    try:
        hand.start("sessiond", "apid")
        assert unready("database")
        assert get("sessiond", "/healthz")[0] == 200
    finally:
        postgres.start()
    hand.wait_ready(["sessiond", "apid"])


def test_older_schema_without_rights(made, new_database, hand, monkeypatch):
    """The writer waits until the owner has migrated, and goes on by itself."""
    with three_roles(new_database) as urls:
        monkeypatch.setenv(KEY, urls["writer"])
        hand.start("sessiond")
        wait_for("sessiond to say what it waits for", lambda: unready("--migrate"))
        assert run(made, "sessiond", "--migrate", **{KEY: urls["owner"]}).returncode == 0
        hand.wait_ready(["sessiond"])
        hand.stop("sessiond")


def test_standby(made, postgres, new_database, hand, monkeypatch):
    assert run(made, "sessiond", "--migrate", **{KEY: new_database.url}).returncode == 0
    monkeypatch.setenv(KEY, new_database.url)
    postgres.stop()
    (postgres.dir / "data/standby.signal").touch()
    postgres.start()
    try:
        hand.start("sessiond")
        wait_for("sessiond to say why", lambda: unready("read-only"))
    finally:
        postgres.psql("SELECT pg_promote()")
    wait_for("the promotion", lambda: postgres.psql("SELECT pg_is_in_recovery()") == "f")
    hand.wait_ready(["sessiond"])


def test_read_only_database(made, postgres, new_database, hand, monkeypatch):
    assert run(made, "sessiond", "--migrate", **{KEY: new_database.url}).returncode == 0
    monkeypatch.setenv(KEY, new_database.url)
    alter = f"ALTER DATABASE {new_database.name} "
    postgres.psql(alter + "SET default_transaction_read_only = on")
    hand.start("sessiond")
    wait_for("sessiond to say why", lambda: unready("read-only"))
    postgres.psql(alter + "RESET default_transaction_read_only")
    hand.wait_ready(["sessiond"])


# ---- killed while traffic runs ----


class Traffic:
    """Short sessions, one after the other; how many were served."""

    def __init__(self, stack, port):
        self.stack, self.port = stack, port
        self.served, self.ending = 0, False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.ending:
            answer = self.stack.curl(f"http://127.0.0.1:{self.port}/{self.served}")
            assert answer.returncode == 0, answer
            self.served += 1

    def more(self, n=5):
        enough = self.served + n
        wait_for(f"{n} more sessions", lambda: self.served >= enough or not self.thread.is_alive())
        assert self.thread.is_alive()

    def stop(self):
        self.ending = True
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()
        return self.served


@on_postgresql
def test_killed_under_traffic(stack, servers, postgres, new_database):
    """Everything that ended while it was away is there, and nothing twice."""
    traffic = Traffic(stack, servers.port)
    try:
        for _ in range(2):
            traffic.more()
            postgres.kill()
            wait_for("sessiond to notice", lambda: unready("database"))
            traffic.more()
            status, problem = stack.api("/api/sessions/history")
            assert status == 503 and problem["detail"], problem
            postgres.start()
            wait_for("sessiond to recover", lambda: get("sessiond", "/readyz")[0] == 200)
            traffic.more()
    finally:
        served = traffic.stop()
        if postgres.server is None:
            postgres.start()

    def stored():
        return int(new_database.psql("SELECT count(*) FROM sallyport.session"))

    wait_for("all sessions", lambda: stored() >= served)
    assert stored() == served
    assert new_database.psql("SELECT count(DISTINCT id) FROM sallyport.session") == str(served)
    sums = "SELECT sum(sessions) FROM sallyport.rollup_hour WHERE dimension = 0"
    assert new_database.psql(sums) == str(served)
    assert new_database.psql("SELECT count(*) FROM sallyport.audit_gap") == "0"
    assert metric("sessiond", "audit_batches_total", 'result="dropped"') == 0
    wait_for("the API", lambda: stack.api("/api/sessions/history")[0] == 200)
    # Each change was said, and not each try.
    said = re.findall(r"service=sessiond .*(event=(?:not_)?ready what=database.*)", stack.log())
    assert len([line for line in said if "event=ready" in line]) >= 2, said
    assert all(one != next_ for one, next_ in zip(said, said[1:])), said


# ---- who may what ----


ROLES = ("owner", "writer", "reader")
ROLES_SQL = TOP / "deploy/postgresql/roles.sql"


def drop_roles(database):
    for role in ROLES:
        database.psql(f"DROP OWNED BY sallyport_{role} CASCADE")
    for role in ROLES:
        database.psql(f"DROP ROLE sallyport_{role}")


@contextlib.contextmanager
def three_roles(database):
    """deploy/postgresql's roles, made as the official image would; their URLs."""
    postgres = database.postgres
    secrets = postgres.dir / "secrets"
    secrets.mkdir()
    try:
        for role in ROLES:
            (secrets / f"{role}.password").write_text(f"{role}'s \"secret\\\n")
        done = subprocess.run(
            [TOP / "deploy/postgresql/init/10-sallyport.sh"],
            env={
                "PATH": f"{postgres.bin}:{os.environ['PATH']}",
                "PGHOST": str(postgres.dir),
                "PGPORT": str(postgres.port),
                "POSTGRES_DB": database.name,
                "SALLYPORT_SECRETS": str(secrets),
                "SALLYPORT_ROLES": str(ROLES_SQL),
            },
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done
        yield {r: database.url_of(f"sallyport_{r}", f"{r}%27s%20%22secret%5C") for r in ROLES}
    finally:
        shutil.rmtree(secrets)
        drop_roles(database)


def test_three_roles(made, servers, new_database, hand, monkeypatch):
    with three_roles(new_database) as urls:
        assert run(made, "sessiond", "--migrate", **{KEY: urls["owner"]}).returncode == 0
        monkeypatch.setenv(KEY, urls["writer"])
        monkeypatch.setenv(READER_KEY, urls["reader"])
        hand.start("sessiond", "acld", "authd", "proxy", "apid")
        hand.wait_ready()
        assert made.curl(f"http://127.0.0.1:{servers.port}/").returncode == 0
        made.wait_history(1)
        for user, sql in (
            ("writer", "DELETE FROM sallyport.session"),
            ("writer", "UPDATE sallyport.session SET bytes_up = 0"),
            ("writer", "TRUNCATE sallyport.session"),
            ("reader", "DELETE FROM sallyport.session_active"),
            ("reader", "UPDATE sallyport.rollup_hour SET sessions = 0"),
        ):
            code, _, errors = new_database.psql(sql, f"sallyport_{user}", check=False)
            assert code != 0 and ("42501" in errors or "25006" in errors), (sql, errors)
        seen = new_database.psql(
            "SELECT status, username FROM sallyport.sessions", "sallyport_reader")  # fmt: skip
        assert seen == "closed|demo"
        for daemon in list(hand.running):
            hand.stop(daemon)


def test_one_role_becomes_three(made, new_database):
    """By one who is no superuser, with what is there already; and once more."""
    new_database.psql(f"ALTER ROLE {new_database.role} CREATEROLE")
    assert run(made, "sessiond", "--migrate", **{KEY: new_database.url}).returncode == 0
    try:
        for _ in range(2):
            done = new_database.postgres.run(
                "psql", "-X", "-U", new_database.role, "-d", new_database.name, "-f", ROLES_SQL)  # fmt: skip
            assert done.returncode == 0, done
        owners = "SELECT DISTINCT pg_get_userbyid(%sowner) FROM pg_%s WHERE %snamespace = 'sallyport'::regnamespace"
        for prefix, catalogue in (("rel", "class"), ("pro", "proc")):
            sql = owners % (prefix, catalogue, prefix)
            assert new_database.psql(sql) == "sallyport_owner"
        assert new_database.psql("SELECT sallyport.session_partitions_make(8)", "sallyport_writer") == "1"
        assert new_database.psql("TABLE sallyport.sessions", "sallyport_reader") == ""
    finally:
        drop_roles(new_database)


def test_passwords_stay_out_of_the_servers_log(postgres, new_database):
    postgres.psql("ALTER SYSTEM SET log_statement = 'all'; SELECT pg_reload_conf()")
    try:
        wait_for("all to be logged", lambda: "canary" in (postgres.psql("SELECT 'canary'") and postgres.log()))
        with three_roles(new_database):
            pass
        assert "CREATE ROLE" not in postgres.log().split("canary")[-1]
        assert '"secret' not in postgres.log()
    finally:
        postgres.psql("ALTER SYSTEM RESET log_statement; SELECT pg_reload_conf()")


@on_postgresql
def test_the_url_stays_private(stack, new_database):
    """In no argument, in no file, and only with the daemons that need it."""
    secret = new_database.password
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            assert secret not in (entry / "cmdline").read_text(errors="replace")
    holders = {
        d for d in DAEMONS
        if secret in pathlib.Path(f"/proc/{stack.pid(d)}/environ").read_text(errors="replace")
    }  # fmt: skip
    assert holders == {"sessiond", "apid"}
    for path in stack.state.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # a daemon's own, gone meanwhile
            assert not path.is_file() or secret.encode() not in path.read_bytes(), path
    assert secret not in stack.log() + "\n".join(stack.banner)
    # A start over shows no more.
    os.kill(stack.pid("sessiond"), 9)
    wait_for("sessiond again", lambda: stack.pid("sessiond") and get("sessiond", "/readyz")[0] == 200)
    assert secret not in stack.log()
