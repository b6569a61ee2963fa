# SPDX-License-Identifier: MIT
"""The whole suite as a newcomer starts it: run.sh, real curl, real servers.

Every test process lives in a network namespace of its own (namespace.py).

Tests marked `both_databases` run on SQLite and on PostgreSQL, whose server
starts once in the namespace of a test process that needs it.
"""
import itertools
import pathlib
import sys

import pytest

from namespace import enter_namespace
from stack import Servers, Stack

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/tools"))
from with_postgres import Postgres  # noqa: E402


def pytest_configure(config):
    # Under xdist the controller starts workers only; it needs no namespace.
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        enter_namespace()
    config.addinivalue_line("markers", "both_databases: on SQLite and on PostgreSQL")


def pytest_generate_tests(metafunc):
    marked = metafunc.definition.get_closest_marker("both_databases")
    if marked and "database" in metafunc.fixturenames:
        metafunc.parametrize("database", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture(scope="session")
def postgres():
    """The server of this test process. Who stops it starts it again."""
    with Postgres() as pg:
        yield pg


class Database:
    """An empty database and the one role that owns it, for one test."""

    numbers = itertools.count(1)

    def __init__(self, postgres):
        self.postgres = postgres
        self.name = self.role = f"test{next(self.numbers)}"
        self.password = f"secret-of-{self.name}"
        postgres.psql(f"CREATE ROLE {self.role} LOGIN PASSWORD '{self.password}'")
        postgres.psql(f"CREATE DATABASE {self.name} OWNER {self.role}")
        self.url = self.url_of(self.role, self.password)

    def url_of(self, role, password=""):
        return self.postgres.url(role, password, self.name)

    def psql(self, sql, user="postgres", **options):
        return self.postgres.psql(sql, self.name, user, **options)

    def drop(self):
        self.postgres.psql(f"DROP DATABASE {self.name} WITH (FORCE)")
        self.postgres.psql(f"DROP ROLE {self.role}")


@pytest.fixture
def new_database(postgres):
    d = Database(postgres)
    yield d
    d.drop()


@pytest.fixture
def database(request):
    """What the environment of run.sh says of the database: on SQLite nothing."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return {}
    return {"SALLYPORT_DATABASE": request.getfixturevalue("new_database").url}


@pytest.fixture
def stack(tmp_path, database):
    """run.sh with a state of its own, ready."""
    s = Stack(TOP, tmp_path / "var", **database)
    s.start()
    yield s
    s.finish()


@pytest.fixture
def servers():
    """Echo and HTTP servers on all addresses."""
    s = Servers()
    yield s
    s.close()
