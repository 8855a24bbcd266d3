"""The plan readers that ship with the plugin. Import this only when something is to be planned."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_querybudget.plans.mysql import MySQLReader
from pytest_querybudget.plans.postgresql import PostgresqlReader
from pytest_querybudget.plans.reader import PlanReader
from pytest_querybudget.plans.sqlite import SqliteReader


def default_readers() -> Sequence[PlanReader]:
    """New readers for SQLite, PostgreSQL, MySQL and MariaDB; those of other plugins come after them."""
    return (SqliteReader(), PostgresqlReader(), MySQLReader())
