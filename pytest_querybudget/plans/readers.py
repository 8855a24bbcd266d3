"""The plan readers that ship with the plugin."""

from __future__ import annotations

from pytest_querybudget.plans.reader import PlanReader


def default_readers() -> list[PlanReader]:
    """Return one reader for each database that is known here."""
    from pytest_querybudget.plans.mysql import MySQLReader
    from pytest_querybudget.plans.postgresql import PostgresqlReader
    from pytest_querybudget.plans.sqlite import SqliteReader

    return [SqliteReader(), PostgresqlReader(), MySQLReader()]
