"""The whole way, from an application's statements in a real run to findings, on each database."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from tests.plans.any_server import NAMES, empty_database

SUITE = """
import os

import pytest
from held_cases import CASES
from held_models import create
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

ENGINE = create_engine(os.environ["HELD_URL"])
HERE = [each for each in CASES if ENGINE.dialect.name in each.dialects]


@pytest.fixture(scope="module")
def connection():
    with ENGINE.connect() as found:
        create(found, 9)
        found.commit()
        yield found


@pytest.mark.parametrize("number", range(len(HERE)))
@pytest.mark.query_budget(no_full_scans=True, no_sorts=True)
def test_case(connection, number):
    with Session(connection, join_transaction_mode="create_savepoint") as session:
        session.execute(HERE[number].statement())
    connection.rollback()
"""


@pytest.mark.parametrize("name", NAMES)
def test_verdicts_of_a_real_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each statement in a test of its own, on nine rows: what is found is what a careful DBA would find."""
    here = Path(__file__).parent
    for each in ("held_models.py", "held_cases.py"):
        tmp_path.joinpath(each).write_text(here.joinpath(each).read_text("utf-8"), "utf-8")
    tmp_path.joinpath("test_held_cases.py").write_text(SUITE, "utf-8")
    with empty_database(name, "held", f"{tmp_path}/held.db") as url:
        monkeypatch.setenv("HELD_URL", url.render_as_string(hide_password=False))
        command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "--querybudget-report=json:r.json"]
        subprocess.run(command, cwd=tmp_path, check=False, stdout=subprocess.DEVNULL)
        engine = create_engine(url)
        dialect = engine.dialect.name
        engine.dispose()
    report = json.loads(tmp_path.joinpath("r.json").read_text("utf-8"))
    assert differences(report, dialect, tmp_path) == []


def differences(report: dict[str, Any], dialect: str, folder: Path) -> list[str]:
    """The statements that were misjudged, each with its plan."""
    sys.path.insert(0, str(folder))
    try:
        from held_cases import CASES  # type: ignore[import-not-found] # a file of the suite
    finally:
        sys.path.remove(str(folder))
    cases = [each for each in CASES if dialect in each.dialects]
    assert len(report["tests"]) == len(cases) > 70
    found = []
    for test in report["tests"]:
        case = cases[int(test["nodeid"].rpartition("[")[2].rstrip("]"))]
        wanted = case.expected(dialect)
        given = {rule: [each["tables"][0] for each in test["findings"] if each["rule"] == rule] for rule in wanted}
        unread = test["outcome"] != "passed" and not any(each["failed"] for each in test["findings"])
        if unread or {rule: set(each) for rule, each in given.items()} != {
            rule: set(each) for rule, each in wanted.items()
        }:
            plans = [each.get("plan") for each in test["statements"]]
            found.append(f"{case.name}: {given}, not {wanted} {plans}")
    return found
