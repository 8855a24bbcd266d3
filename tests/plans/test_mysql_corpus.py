"""Verdicts on MySQL and MariaDB: the same for empty tables, small ones and large ones, and advice that the planner takes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from pytest_querybudget.plans.mysql import MySQLReader
from pytest_querybudget.plans.proof import prove
from pytest_querybudget.plans.reader import Question
from pytest_querybudget.recording.plans import Plan
from tests.plans.mysql_corpus import CASES, Case
from tests.plans.mysql_servers import MARIADB, MYSQL, Link, connected, create, database, fill, unreachable

SIZES = (0, 1, 30)
LARGE = 20_000


@pytest.fixture(scope="module", params=["mariadb", "mysql"])
def server(request: pytest.FixtureRequest) -> str:
    """The URL of a running server."""
    url = MARIADB if request.param == "mariadb" else MYSQL
    reason = unreachable(url)
    if reason:
        pytest.skip(reason)
    return url


@pytest.fixture(scope="module", params=SIZES, ids=lambda rows: f"{rows}-rows")
def link(request: pytest.FixtureRequest, server: str) -> Iterator[Link]:
    """Small tables."""
    with database(server, f"querybudget_corpus_{os.getpid()}") as keywords, connected(keywords) as found:
        create(found)
        fill(found, request.param)
        yield found


@pytest.fixture(scope="module")
def large(server: str) -> Iterator[Link]:
    """Large tables with fresh statistics."""
    with database(server, f"querybudget_truth_{os.getpid()}") as keywords, connected(keywords) as found:
        create(found)
        fill(found, LARGE)
        yield found


def question(case: Case) -> Question:
    return Question(statement=case.sql, parameters=case.parameters, kind=case.kind)


def scans(plan: Plan) -> set[str]:
    return {str(node.table) for node in plan.root.walk() if node.reads_everything_in_vain}


def verdict(plan: Plan) -> tuple[set[str], set[str]]:
    return scans(plan), {sort.table for sort in plan.sorts}


def is_tiny(link: Link) -> bool:
    return bool(link.rows("SELECT COUNT(*) FROM orders")[0][0] <= 1)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_verdict_does_not_depend_on_size(link: Link, case: Case) -> None:
    """Tables of 0, 1 and 30 rows get the verdict that a large table would."""
    plan = MySQLReader().explain(link, question(case))
    if case.needs_rows and is_tiny(link):
        assert verdict(plan)[0] <= set(case.scans), "never a false alarm"
        return
    assert verdict(plan) == (set(case.scans), set(case.sorts)), plan.text
    if case.uses:
        assert case.uses in plan.indexes_used, plan.text


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_verdict_of_large_tables(large: Link, case: Case) -> None:
    """20,000 rows with statistics: the same verdict."""
    plan = MySQLReader().explain(large, question(case))
    assert verdict(plan) == (set(case.scans), set(case.sorts)), plan.text


@pytest.mark.parametrize("case", [case for case in CASES if case.scans or case.sorts], ids=lambda case: case.name)
def test_advice_is_proven_and_the_planner_of_large_tables_takes_it(link: Link, large: Link, case: Case) -> None:
    """The index advised on small tables is the one that the planner uses on large ones; without it, it does not."""
    reader = MySQLReader()
    plan = reader.explain(link, question(case))
    advice = [
        each
        for each in prove(plan, reader.traits, lambda tried: reader.replan(link, question(case), tried))
        if each.ddl
    ]
    found: dict[str, Any] = {each.table: each.columns for each in advice}
    for table, columns in case.advice.items():
        assert found.get(table) == columns, found
    if not case.advice:
        return
    allowed = {"proven", "untried"} if case.needs_rows and is_tiny(link) else {"proven"}
    assert {each.proof.verdict for each in advice if each.proof} <= allowed
    named = {str(each.name): each for each in advice}
    with large.aside() as builder:
        for each in named.values():
            builder.rows(str(each.ddl).replace("%", "%%"))
        try:
            for each in named.values():
                builder.rows(f"ANALYZE TABLE `{each.table}`")
            after = reader.explain(large, question(case))
        finally:
            large.connection.rollback()
            for each in named.values():
                builder.rows(f"DROP INDEX `{each.name}` ON `{each.table}`".replace("%", "%%"))
                builder.rows(f"ANALYZE TABLE `{each.table}`")
    assert set(named) & set(after.indexes_used), after.text
