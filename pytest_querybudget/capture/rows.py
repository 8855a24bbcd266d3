"""Counting fetched rows: a fetch strategy that belongs to a statement of the recording.

One of the two places that use more of SQLAlchemy than its public events. When the names below are missing, rows are
not counted, and the run says so once.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import cursor as _cursor

from pytest_querybudget.capture.parameters import words_of
from pytest_querybudget.recording.model import Statement

DEFAULT_FETCH: Any = getattr(_cursor, "_DEFAULT_FETCH", None)
_MARK = "_querybudget_rows"
# Called for each statement: by name, since `super()` costs as much as the rest.
_FETCH_ONE = _cursor.CursorFetchStrategy.fetchone
_FETCH_ALL = _cursor.CursorFetchStrategy.fetchall


class CountingFetch(_cursor.CursorFetchStrategy):
    """Fetches as SQLAlchemy's default strategy does, and adds up rows."""

    __slots__ = ("others", "statement")

    def __init__(self, statement: Statement, others: tuple[Statement, ...] = ()) -> None:
        self.statement = statement
        self.others = others

    def yield_per(self, result: Any, dbapi_cursor: Any, num: int) -> None:
        streaming = CountingBufferedFetch.of(self.statement, dbapi_cursor, {"max_row_buffer": num}, growth_factor=0)
        streaming.others = self.others
        result.cursor_strategy = streaming

    def fetchone(self, result: Any, dbapi_cursor: Any, hard_close: bool = False) -> Any:
        row = _FETCH_ONE(self, result, dbapi_cursor, hard_close)
        if row is not None:
            if self.others:
                count(self, result, 1)
            else:
                # By name: to ask an object for its `__dict__` makes one.
                context = result.context
                statement = self.statement
                statement.rows += 1
                statement.last_rows = context._querybudget_rows = total = getattr(context, _MARK, 0) + 1  # noqa: SLF001
                if total > statement.max_rows:
                    statement.max_rows = total
        return row

    def fetchmany(self, result: Any, dbapi_cursor: Any, size: int | None = None) -> Any:
        rows = super().fetchmany(result, dbapi_cursor, size)
        count(self, result, len(rows))
        return rows

    def fetchall(self, result: Any, dbapi_cursor: Any) -> Any:
        rows = _FETCH_ALL(self, result, dbapi_cursor)
        statement = self.statement
        number = len(rows)
        if self.others or getattr(result.context, _MARK, None) is not None:
            count(self, result, number)
        else:
            statement.rows += number
            statement.last_rows = number
            if number > statement.max_rows:
                statement.max_rows = number
        return rows


class LinkingFetch(CountingFetch):
    """Counts, and notes digests of a single row: what is read next may be what it refers to."""

    __slots__ = ()

    def fetchone(self, result: Any, dbapi_cursor: Any, hard_close: bool = False) -> Any:
        row = super().fetchone(result, dbapi_cursor, hard_close)
        if row is not None:
            self._note([row] if self.statement.last_rows == 1 else [])
        return row

    def fetchall(self, result: Any, dbapi_cursor: Any) -> Any:
        rows = super().fetchall(result, dbapi_cursor)
        self._note(rows)
        return rows

    def _note(self, rows: Any) -> None:
        for statement in (self.statement, *self.others):
            statement.last_values = words_of(rows[0]) if len(rows) == 1 else frozenset()


class CountingBufferedFetch(_cursor.BufferedRowCursorFetchStrategy):
    """Fetches as SQLAlchemy's streaming strategy does, and adds up rows."""

    __slots__ = ("others", "statement")

    statement: Statement
    others: tuple[Statement, ...]

    @classmethod
    def of(cls, statement: Statement, dbapi_cursor: Any, options: Any, growth_factor: int = 5) -> CountingBufferedFetch:
        """Make a strategy for a cursor that streams."""
        import collections

        if growth_factor:
            made = cls(dbapi_cursor, options)
        else:
            made = cls(dbapi_cursor, options, initial_buffer=collections.deque(), growth_factor=0)
        made.statement = statement
        made.others = ()
        return made

    def fetchone(self, result: Any, dbapi_cursor: Any, hard_close: bool = False) -> Any:
        row = super().fetchone(result, dbapi_cursor, hard_close)
        if row is not None:
            count(self, result, 1)
        return row

    def fetchmany(self, result: Any, dbapi_cursor: Any, size: int | None = None) -> Any:
        rows = super().fetchmany(result, dbapi_cursor, size)
        if size is not None:
            # Without a size it is `fetchall`, which has counted.
            count(self, result, len(rows))
        return rows

    def fetchall(self, result: Any, dbapi_cursor: Any) -> Any:
        rows = super().fetchall(result, dbapi_cursor)
        count(self, result, len(rows))
        return rows


def count(strategy: CountingFetch | CountingBufferedFetch, result: Any, number: int) -> None:
    """Add rows that were fetched piece by piece; the execution context remembers how many this result had."""
    total = getattr(result.context, _MARK, 0) + number
    setattr(result.context, _MARK, total)
    for statement in (strategy.statement, *strategy.others):
        statement.rows += number
        statement.last_rows = total
        if total > statement.max_rows:
            statement.max_rows = total


def streams(context: Any) -> bool:
    """Return whether the rows of an execution are fetched piece by piece from the server."""
    asked = context.execution_options.get("stream_results", False) and not context.is_text
    return bool(context._is_server_side or asked)  # noqa: SLF001


def strategy_for(statement: Statement, context: Any, cursor: Any) -> Any:
    """Return the strategy that counts for one execution; what it has already stays when it cannot be counted.

    To be called once for each execution and recording: a strategy that streams fetches its first row when it is made.
    """
    given = context.cursor_fetch_strategy
    if isinstance(given, CountingFetch):
        return type(given)(given.statement, (*given.others, statement))
    if given.__class__ is CountingBufferedFetch:
        given.others = (*given.others, statement)
        return given
    if given is not DEFAULT_FETCH:
        return given
    if not streams(context):
        return CountingFetch(statement)
    return given if context.is_crud else CountingBufferedFetch.of(statement, cursor, context.execution_options)
