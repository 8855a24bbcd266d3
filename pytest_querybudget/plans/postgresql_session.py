"""Asking PostgreSQL without leaving a trace: everything happens in a savepoint, or a transaction, that is rolled back.

Rolling back to the savepoint also gives back the locks that EXPLAIN takes, and ends every SET LOCAL.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pytest_querybudget.plans.reader import CannotPlan, Link

_NAME = "pytest_querybudget"
_IDLE, _ACTIVE, _IN_TRANSACTION, _FAILED, _UNKNOWN = range(5)

#: Nothing waits for long behind a lock that another connection holds, and no worker is started.
_CAUTION = {"lock_timeout": "100ms", "statement_timeout": "3s", "max_parallel_workers_per_gather": "0"}


@contextmanager
def aside(link: Link) -> Iterator[None]:
    """Whatever is done inside is undone. Raises `CannotPlan` when the connection must not be disturbed."""
    begins, ends = _brackets(link)
    link.rows(begins)
    try:
        configure(link, _CAUTION)
        yield
    finally:
        for each in ends:
            link.rows(each)


def configure(link: Link, settings: Mapping[str, str]) -> None:
    """Change settings until the end of the savepoint."""
    calls = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in settings.items())
    link.rows(f"SELECT {calls}")


def _brackets(link: Link) -> tuple[str, tuple[str, ...]]:
    status = _status(link)
    if status == _FAILED:
        raise CannotPlan("the transaction has failed")
    if status in (_ACTIVE, _UNKNOWN):
        raise CannotPlan("the connection is busy")
    if status == _IDLE and getattr(link.connection, "autocommit", False):
        return "BEGIN", ("ROLLBACK",)
    # without autocommit the driver itself begins the transaction that the application's statement needs
    return f"SAVEPOINT {_NAME}", (f"ROLLBACK TO SAVEPOINT {_NAME}", f"RELEASE SAVEPOINT {_NAME}")


def _status(link: Link) -> int:
    """The state of the connection, in libpq's numbers."""
    driver: Any = getattr(link.connection, "driver_connection", None) or link.connection
    info: Any = getattr(driver, "info", None)
    if hasattr(info, "transaction_status"):
        if getattr(info, "pipeline_status", 0):
            raise CannotPlan("the connection is in pipeline mode")
        return int(info.transaction_status)
    if hasattr(driver, "is_in_transaction"):
        return _IN_TRANSACTION if driver.is_in_transaction() else _IDLE
    state = getattr(driver, "_transaction_status", None)  # pg8000 has no public word for it
    known = {b"I": _IDLE, b"T": _IN_TRANSACTION, b"E": _FAILED}
    return known.get(state, _IN_TRANSACTION) if isinstance(state, bytes) else _IN_TRANSACTION
