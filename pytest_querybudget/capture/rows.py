"""Counting fetched rows: a fetch strategy that belongs to a statement of the recording.

One of the two places that use more of SQLAlchemy than its public events. When the names below are missing, rows are
not counted, and the run says so once.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import cursor as _cursor

from pytest_querybudget.capture.parameters import KNOWN, hash_of, words_of
from pytest_querybudget.recording.model import Statement
from pytest_querybudget.stacks.alone import FREE_THREADED, alone

DEFAULT_FETCH: Any = getattr(_cursor, "_DEFAULT_FETCH", None)
# Called for each statement: by name, since `super()` costs as much as the rest.
_FETCH_ONE = _cursor.CursorFetchStrategy.fetchone
_FETCH_ALL = _cursor.CursorFetchStrategy.fetchall
# Rows that were fetched before anybody knows of which statement.
_NOBODY: Any = Statement(None, None, None)  # type: ignore[arg-type]


class CountingFetch(_cursor.CursorFetchStrategy):
    """Fetches as SQLAlchemy's default strategy does, and adds up rows: one for all results of a statement.

    A result that is fetched piece by piece gets a strategy of its own, but where one row is all: most such results
    have one, and share `after_one`. (To note the rows on the execution's context would cost more than all the rest:
    CPython makes a dictionary of an object that gets one attribute too many.)
    """

    __slots__ = ("after_one", "others", "statement")
    linked = False
    fetched = 0

    def __init__(self, statement: Statement, others: tuple[Statement, ...] = ()) -> None:
        self.statement = statement
        self.others = others
        self.after_one: CountingFetch | None = None

    def yield_per(self, result: Any, dbapi_cursor: Any, num: int) -> None:
        result.cursor_strategy = CountingBufferedFetch.of(
            self.statement, dbapi_cursor, {"max_row_buffer": num}, growth_factor=0, others=self.others
        )

    def fetchone(self, result: Any, dbapi_cursor: Any, hard_close: bool = False) -> Any:
        row = _FETCH_ONE(self, result, dbapi_cursor, hard_close)
        if row is not None:
            if self.others or self.linked or result.cursor_strategy is not self:
                self._note_one(result, row)
            else:
                result.cursor_strategy = self.after_one or self._after_one()
                statement = self.statement
                statement.rows += 1
                statement.last_rows = 1
                if not statement.max_rows:
                    statement.max_rows = 1
                statement.answer = "one", _number_of(row)
        else:
            self._note_end()
        return row

    def _note_end(self) -> None:
        """Note that there is no row more: where there was none before, that is the answer."""
        for each in (self.statement, *self.others):
            if each.answer is None:
                each.answer = "one", 0

    def _after_one(self) -> CountingFetch:
        self.after_one = FetchAfterOne(self.statement)
        return self.after_one

    def fetchmany(self, result: Any, dbapi_cursor: Any, size: int | None = None) -> Any:
        pieces = self._pieces(result)
        rows = super().fetchmany(result, dbapi_cursor, size)
        # Also of none: what a result before had is not what this one has.
        add(pieces, len(rows))
        if self.linked and rows:
            self._note_values(rows[0] if pieces.total == 1 else ())
        return rows

    def _pieces(self, result: Any) -> CountingPieces | CountingBufferedFetch:
        """Return what counts the pieces of one result; who iterates over it goes on to ask this strategy."""
        known = result.cursor_strategy
        if isinstance(known, (CountingPieces, CountingBufferedFetch)):
            return known
        pieces = CountingPieces(self, getattr(known, "fetched", 0))
        if isinstance(known, CountingFetch):
            result.cursor_strategy = pieces
        return pieces

    def _note_one(self, result: Any, row: Any) -> None:
        pieces = self._pieces(result)
        add(pieces, 1)
        if pieces.total == 1:
            for each in (self.statement, *self.others):
                each.answer = "one", _number_of(row)
        if self.linked:
            self._note_values(row if pieces.total == 1 else ())

    def _note_values(self, row: Any) -> None:
        for statement in (self.statement, *self.others):
            statement.last_values = words_of(row)

    def fetchall(self, result: Any, dbapi_cursor: Any) -> Any:
        rows = _FETCH_ALL(self, result, dbapi_cursor)
        number = len(rows)
        statement = self.statement
        statement.rows += number
        statement.last_rows = number
        if number > statement.max_rows:
            statement.max_rows = number
        statement.answer = "all", number if number != 1 else _number_of(rows[0])
        for each in self.others:
            each.rows += number
            each.last_rows = number
            each.max_rows = max(number, each.max_rows)
            each.answer = statement.answer
        return rows


def _number_of(row: Any) -> int:
    """Return what is kept of a row, the first of a result: a digest where it is one plain value, else that it is one.

    A driver may be told to make rows of its own kind, which is not looked into.
    """
    return hash_of(row) if type(row) is tuple and len(row) == 1 and type(row[0]) in KNOWN else 1


if FREE_THREADED:
    # What is written out above to spare calls, with calls that one thread at a time may make.

    @alone
    def _add_all(strategy: CountingFetch, rows: Any) -> None:
        number = len(rows)
        for statement in (strategy.statement, *strategy.others):
            statement.answer = "all", number if number != 1 else _number_of(rows[0])
            statement.rows += number
            statement.last_rows = number
            statement.max_rows = max(number, statement.max_rows)

    def _fetch_one(self: CountingFetch, result: Any, dbapi_cursor: Any, hard_close: bool = False) -> Any:
        row = _FETCH_ONE(self, result, dbapi_cursor, hard_close)
        if row is not None:
            self._note_one(result, row)
        else:
            self._note_end()
        return row

    def _fetch_all(self: CountingFetch, result: Any, dbapi_cursor: Any) -> Any:
        rows = _FETCH_ALL(self, result, dbapi_cursor)
        _add_all(self, rows)
        return rows

    CountingFetch.fetchone = _fetch_one  # type: ignore[method-assign]
    CountingFetch.fetchall = _fetch_all  # type: ignore[method-assign]


class LinkingFetch(CountingFetch):
    """Counts, and notes digests of a single row: what is read next may be what it refers to."""

    __slots__ = ()
    linked = True

    def fetchall(self, result: Any, dbapi_cursor: Any) -> Any:
        rows = super().fetchall(result, dbapi_cursor)
        self._note_values(rows[0] if len(rows) == 1 else ())
        return rows


class FetchAfterOne(CountingFetch):
    """Fetches the rest of a result of which one row was fetched: mostly there is none."""

    __slots__ = ()
    fetched = 1

    def yield_per(self, result: Any, dbapi_cursor: Any, num: int) -> None:
        super().yield_per(result, dbapi_cursor, num)
        result.cursor_strategy.total = 1

    def fetchone(self, result: Any, dbapi_cursor: Any, hard_close: bool = False) -> Any:
        row = _FETCH_ONE(self, result, dbapi_cursor, hard_close)
        if row is not None:
            self._note_one(result, row)
        return row

    def fetchall(self, result: Any, dbapi_cursor: Any) -> Any:
        pieces = self._pieces(result)
        return pieces.fetchall(result, dbapi_cursor)


class CountingPieces(FetchAfterOne):
    """Fetches the rest of a result of which a piece was fetched before."""

    __slots__ = ("linked", "total")

    def __init__(self, first: CountingFetch, total: int) -> None:
        super().__init__(first.statement, first.others)
        self.linked = first.linked
        self.total = total

    def yield_per(self, result: Any, dbapi_cursor: Any, num: int) -> None:
        super().yield_per(result, dbapi_cursor, num)
        result.cursor_strategy.total = self.total

    def fetchall(self, result: Any, dbapi_cursor: Any) -> Any:
        rows = _FETCH_ALL(self, result, dbapi_cursor)
        add(self, len(rows))
        if self.linked and rows:
            self._note_values(())
        return rows


class CountingBufferedFetch(_cursor.BufferedRowCursorFetchStrategy):
    """Fetches as SQLAlchemy's streaming strategy does, and adds up rows."""

    __slots__ = ("others", "statement", "total")

    statement: Statement
    others: tuple[Statement, ...]
    total: int

    @classmethod
    def of(
        cls,
        statement: Statement,
        dbapi_cursor: Any,
        options: Any,
        growth_factor: int = 5,
        others: tuple[Statement, ...] = (),
    ) -> CountingBufferedFetch:
        """Make a strategy for a cursor that streams."""
        import collections

        if growth_factor:
            made = cls(dbapi_cursor, options)
        else:
            made = cls(dbapi_cursor, options, initial_buffer=collections.deque(), growth_factor=0)
        made.statement = statement
        made.others = others
        made.total = 0
        return made

    def fetchone(self, result: Any, dbapi_cursor: Any, hard_close: bool = False) -> Any:
        row = super().fetchone(result, dbapi_cursor, hard_close)
        if row is not None:
            add(self, 1)
        return row

    def fetchmany(self, result: Any, dbapi_cursor: Any, size: int | None = None) -> Any:
        rows = super().fetchmany(result, dbapi_cursor, size)
        if size is not None:
            # Without a size it is `fetchall`, which has counted.
            add(self, len(rows))
        return rows

    def fetchall(self, result: Any, dbapi_cursor: Any) -> Any:
        rows = super().fetchall(result, dbapi_cursor)
        add(self, len(rows))
        return rows


@alone
def add(strategy: CountingPieces | CountingBufferedFetch, number: int) -> None:
    """Add rows of one result that were fetched."""
    strategy.total = total = strategy.total + number
    for statement in (strategy.statement, *strategy.others):
        statement.rows += number
        statement.last_rows = total
        if total > statement.max_rows:
            statement.max_rows = total


def streams(context: Any) -> bool:
    """Return whether the rows of an execution are fetched piece by piece from the server."""
    asked = context.execution_options.get("stream_results", False) and not context.is_text
    return bool(context._is_server_side or asked)  # noqa: SLF001


def returns_rows(kind: str, context: Any) -> bool:
    """Return whether a statement that writes was asked for rows, and not only for the keys that a flush needs."""
    if kind not in ("insert", "update", "delete"):
        return False
    # A SELECT may write by a common table expression, and is no statement of this kind to SQLAlchemy.
    is_select = not (context.isinsert or context.isupdate or context.isdelete)
    return bool(is_select or context.is_text or context._is_explicit_returning)  # noqa: SLF001


def fetch_ahead(context: Any, cursor: Any) -> None:
    """Fetch the first row of what streams before a lock is taken: it may have to wait for what another thread sends."""
    if (
        context.cursor_fetch_strategy is DEFAULT_FETCH
        and streams(context)
        and not context.is_crud
        and (context._is_server_side or cursor.description)  # noqa: SLF001
    ):
        context.cursor_fetch_strategy = CountingBufferedFetch.of(_NOBODY, cursor, context.execution_options)


def strategy_for(statement: Statement, context: Any, cursor: Any) -> Any:
    """Return the strategy that counts for one execution; what it has already stays when it cannot be counted.

    To be called once for each execution and recording: a strategy that streams fetches its first row when it is made.
    """
    given = context.cursor_fetch_strategy
    if isinstance(given, CountingFetch):
        return type(given)(given.statement, (*given.others, statement))
    if given.__class__ is CountingBufferedFetch:
        if given.statement is _NOBODY:
            given.statement = statement
            return given
        given.others = (*given.others, statement)
        return given
    if given is not DEFAULT_FETCH:
        return given
    if not streams(context):
        return CountingFetch(statement)
    return given if context.is_crud else CountingBufferedFetch.of(statement, cursor, context.execution_options)
