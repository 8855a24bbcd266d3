"""What a suite sends stays in it: values, literals, passwords and errors are in nothing that is printed or written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from .suites import Suite

pytest_plugins = ["pytester"]

# The suite puts it together while it runs: pytest shows the source lines of a failing test, and those are not ours.
SECRET = "swordfish"
FORMATS = ("json", "html", "markdown", "sarif", "gitlab", "coverage")
BUDGETS = """
budgets = [
    pytest.mark.max_queries(0), pytest.mark.max_rows(0), pytest.mark.max_columns(0), pytest.mark.max_transaction(queries=0),
    pytest.mark.only_columns("orders.id"), pytest.mark.read_only, pytest.mark.no_antipatterns, pytest.mark.no_full_scans,
    pytest.mark.no_unbounded_selects, pytest.mark.max_connections(0), pytest.mark.no_sorts,
]
if os.environ.get("BUDGETS"):
    pytestmark = budgets
"""
SENT = """
import os
from sqlalchemy.exc import SQLAlchemyError
S = "".join(("swor", "dfish"))

def parameters(session):
    for each in range(3):
        session.scalars(select(Customer).where(Customer.name == f"{S}{each}")).all()
    for each in range(2):
        session.scalars(select(Customer.id).where(Customer.name == f"{S}same")).all()
    session.execute(insert(Customer), [{"name": f"{S}{each}"} for each in range(2)])
    for each in range(3):
        session.execute(update(Customer).where(Customer.name == f"{S}{each}").values(secret=S))

def literals(session):
    for each in range(3):
        session.execute(text(f"SELECT id FROM customer WHERE name = '{S}{each}' OR name LIKE '%{S}' ORDER BY secret")).all()
    session.execute(text(f"SELECT name || '{S}', upper('{S}'), '{S}''{S}' FROM customer -- {S}")).all()
    session.execute(text(f"SELECT id /* {S} */ FROM customer WHERE name NOT IN (SELECT '{S}')")).all()
    session.execute(select(Customer.id).where(Customer.name == bindparam("n", S, literal_execute=True))).all()
    session.connection().exec_driver_sql(f"INSERT INTO customer (name, secret) VALUES ('{S}', '{S}')")

def definitions(session):
    session.execute(text(f"CREATE TABLE made (name VARCHAR(20) DEFAULT '{S}' CHECK (name != '{S}'))"))
    session.execute(text(f"INSERT INTO made VALUES ('{S}2')"))
    session.execute(text("DROP TABLE made"))

def errors(session):
    for broken in (f"SELECT '{S} FROM customer", f"SELECT '{S}' FROM nowhere", f"INSERT INTO customer VALUES (1, '{S}', '')"):
        try:
            session.execute(text(broken))
        except SQLAlchemyError:
            session.rollback()
    try:
        session.execute(insert(Customer), [{"id": 1, "name": S, "secret": S}])
    except SQLAlchemyError:
        session.rollback()
"""
TESTS = """
from sent import *

@pytest.fixture(params=[key for key in os.environ if key.startswith("DATABASE_")] or ["sqlite"])
def session(request):
    url = os.environ.get(request.param)
    used = create_engine(url) if url else connect()
    Base.metadata.drop_all(used)
    Base.metadata.create_all(used)
    with Session(used) as session:
        session.add_all([Order(customer=Customer(name=f"{S}{each}", secret=S)) for each in range(3)])
        session.commit()
        yield session
    Base.metadata.drop_all(used)
    used.dispose()

def test_parameters(session):
    parameters(session)
def test_literals(session):
    literals(session)
def test_definitions(session):
    definitions(session)
def test_errors(session):
    errors(session)
def test_lazy(session):
    [order.customer.name for order in session.scalars(select(Order).where(Order.customer_id != 77))]
def test_block(session, query_budget):
    try:
        with query_budget(max_queries=0):
            literals(session)
    except AssertionError as error:
        print(error)
"""
HEAD = "import os, pytest\nfrom shop import *\n"


@pytest.fixture
def secretive(suite: Suite) -> Suite:
    """A suite that sends the secret in all ways there are."""
    suite.write("sent.py", "from shop import *\nfrom sqlalchemy import bindparam\n" + SENT)
    suite.write("test_it.py", HEAD + BUDGETS + TESTS)
    return suite


def shown(suite: Suite) -> list[str]:
    """The files that the runs wrote in which the secret stands."""
    written = (each for each in suite.path.rglob("*") if each.is_file() and each.suffix not in (".py", ".pyc"))
    return [each.name for each in written if SECRET.encode() in each.read_bytes().lower()]


def run(suite: Suite, *arguments: str, **environment: str) -> Any:
    """Run the suite with every output there is."""
    formats = [f"--querybudget-report={name}:{name}.{number}" for number, name in enumerate(FORMATS)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GITHUB_ACTIONS", "true")
        patch.setenv("GITHUB_STEP_SUMMARY", str(suite.path / "summary.md"))
        for name, value in environment.items():
            patch.setenv(name, value)
        found = ("--querybudget-explain", "--querybudget-audit")
        return suite.run("", "--junit-xml=junit.xml", "-s", *found, *formats, *arguments)


def test_no_secret_leaves_the_suite(secretive: Suite) -> None:
    """Not in a failure, a summary, a report of any format, an annotation, a JUnit property or the lock file."""
    lock = ("--querybudget-lock=known.lock", "--querybudget-update")
    passed = run(secretive, "-vv", *lock)
    assert passed.counts == {"passed": 6}
    assert "no_n_plus_one" in (secretive.path / "known.lock").read_text("utf-8")
    text = (secretive.path / "known.lock").read_text("utf-8")
    (secretive.path / "known.lock").write_text(text.replace("select = 9", "select = 1"), "utf-8")
    grown = run(secretive, "-vv", "--querybudget-lock=known.lock")
    failed = run(secretive, "-vv", "--querybudget=strict", "--querybudget-prove", BUDGETS="1")
    assert failed.counts == {"failed": 6}
    for each in (passed, grown, failed):
        assert "query budget" in each.text
        assert SECRET not in each.text.lower()
    assert "::error" in failed.text
    assert shown(secretive) == []
    _check_the_command(secretive.path)


def test_no_secret_leaves_the_suite_from_a_server(
    secretive: Suite, postgresql_url: str, mariadb_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plans of a server name the values that it got, and its URL may hold a password."""
    url = make_url(postgresql_url).set(password=SECRET)
    monkeypatch.setenv("DATABASE_POSTGRESQL", url.render_as_string(hide_password=False))
    monkeypatch.setenv("DATABASE_MARIADB", mariadb_url)
    short = "from sqlalchemy import String\n\nclass Base(DeclarativeBase):\n    type_annotation_map = {str: String(50)}"
    shop = (secretive.path / "shop.py").read_text("utf-8")
    secretive.write("shop.py", shop.replace("class Base(DeclarativeBase):\n    pass", short))
    failed = run(secretive, "-vv", "--querybudget=strict", BUDGETS="1")
    assert failed.counts == {"failed": 12}
    assert SECRET not in failed.text.lower()
    assert shown(secretive) == []
    assert any(each.get("plan") for test in failed.tests.values() for each in test["statements"])


def _check_the_command(path: Path) -> None:
    """Whatever the command prints of these runs."""
    for arguments in (
        ("compare", "json.0", "report.json"),
        ("compare", "report.json", "json.0", "--all-phases", "--format=markdown", "--top=0"),
        ("compare", "report.json", "json.0", "--format=json"),
        *(("report", "report.json", each) for each in ("markdown", "json", "html", "sarif", "gitlab")),
        ("merge", "report.json", "json.0", "--lock=known.lock"),
        ("lock", "check", "report.json", "--lock=known.lock"),
        ("lock", "debts", "--lock=known.lock"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "pytest_querybudget.cli", *arguments],
            cwd=path, capture_output=True, check=False, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        assert done.returncode in (0, 1), done.stderr.decode()
        assert done.stdout, arguments
        assert SECRET.encode() not in (done.stdout + done.stderr).lower(), arguments
