"""What all tests share: a pinned terminal, an environment without a CI service, golden files, and databases."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.plans import mysql_servers, postgresql_servers

#: What no machine has without more: a MySQL beside a MariaDB, a driver that needs a compiler, what a driver cannot do.
EXCEPTED = ("names no MySQL server", "'MySQLdb'", "pg8000 has no", "psycopg has no such", "hypopg is not available")
HERE = Path(__file__).parent
# A run inside a run forgets the modules that it imported first. What does not survive being imported again is imported
# here: dialects that register functions, and drivers written in C, which crash.
for _name in (
    "aiosqlite",
    "hypothesis",
    "pytest_asyncio",
    "pytest_querybudget.capture.catalog",
    "pytest_querybudget.capture.listener",
    "pytest_querybudget.capture.registration",
    "pytest_querybudget.stacks.reader",
    "pytest_querybudget.run",
    "aiomysql",
    "asyncmy",
    "asyncpg",
    "pg8000",
    "psycopg",
    "psycopg2",
    "pymysql",
    "sqlalchemy.dialects.mysql.aiomysql",
    "sqlalchemy.dialects.mysql.asyncmy",
    "sqlalchemy.dialects.mysql.pymysql",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "sqlalchemy.dialects.postgresql.pg8000",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.postgresql.psycopg2",
    "sqlalchemy.dialects.sqlite.aiosqlite",
    "sqlalchemy.ext.asyncio",
    "sqlalchemy.orm",
):
    # Not every driver is to be had for every Python.
    with suppress(ImportError):
        import_module(_name)

#: What would make output wider, coloured, or send it to a CI service.
OUTSIDE = ("CI", "BUILD_NUMBER", "FORCE_COLOR", "NO_COLOR", "PY_COLORS", "PYTEST_ADDOPTS")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what `tox run -e golden` needs."""
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew")


def pytest_configure(config: pytest.Config) -> None:
    """Tell the golden files of all rooms, which know the switch as a variable of the environment."""
    if config.getoption("--update-golden"):
        os.environ["QUERYBUDGET_UPDATE_GOLDEN"] = os.environ["UPDATE_GOLDEN"] = "1"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Let a skipped database test fail where the databases are known to be there."""
    report = yield
    if os.environ.get("QUERYBUDGET_TEST_REQUIRE_DATABASES") and report.skipped and not hasattr(report, "wasxfail"):
        reason = str(report.longrepr)
        if item.path.is_relative_to(HERE / "plans") and not any(each in reason for each in EXCEPTED):
            report.outcome = "failed"
            report.longrepr = f"skipped, though QUERYBUDGET_TEST_REQUIRE_DATABASES is set: {reason}"
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let runs inside a run have the warnings of their own project, which are no errors there."""
    for item in items:
        if "pytester" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.filterwarnings("default"))


@pytest.fixture(autouse=True)
def pinned_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """80 columns, no colour, and no CI service to write to, whoever runs the tests."""
    monkeypatch.setenv("COLUMNS", "80")
    for name in [*OUTSIDE, *(each for each in os.environ if each.startswith("GITHUB_"))]:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def pytester(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Leave pytest-rerunfailures out of runs inside a run; tests of reruns ask for it.

    Beside pytest-xdist it starts a server in each of them, whose thread and socket stay until the process ends: with a
    thousand of them everything is slow.
    """
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:rerunfailures")
    return pytester


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """An empty database on the running PostgreSQL, for psycopg; `QUERYBUDGET_TEST_POSTGRESQL` names another server."""
    with (
        postgresql_servers.running() as server,
        postgresql_servers.scratch(server, f"querybudget_tests_{os.getpid()}") as url,
    ):
        yield url.render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def mariadb_url() -> Iterator[str]:
    """An empty database on the running MariaDB, for pymysql; `QUERYBUDGET_TEST_MARIADB` names another server."""
    reason = mysql_servers.unreachable(mysql_servers.MARIADB)
    if reason:
        pytest.skip(reason)
    with mysql_servers.database(mysql_servers.MARIADB, f"querybudget_tests_{os.getpid()}") as found:
        account = f"{found['user']}:{found['password']}"
        yield f"mysql+pymysql://{account}@{found['host']}:{found['port']}/{found['database']}"
