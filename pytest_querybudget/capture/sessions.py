"""Sessions, transactions and flushes: what statements have in common beside their text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import ref

from pytest_querybudget.capture.harmless import harmless
from pytest_querybudget.capture.journal import Journal
from pytest_querybudget.recording.loads import Origin
from pytest_querybudget.recording.model import Statement
from pytest_querybudget.recording.writes import Flushes, Writes
from pytest_querybudget.stacks.alone import alone


class Flush:
    """What one flush has sent so far: the rows that each statement wrote, one by one or many at once.

    Flushes of other sessions may come in between, where threads or tasks take turns.
    """

    __slots__ = ("latest", "many", "single")

    def __init__(self) -> None:
        self.single: dict[Statement, int] = {}
        self.many: dict[Statement, int] = {}
        # The parameters of the latest `executemany`: it may come in several pieces, each with all of them.
        self.latest: dict[Statement, Any] = {}

    def add(self, entry: Statement) -> bool:
        """Count a single row; return whether it is the first that this flush has sent of a statement."""
        known = self.single.get(entry, 0)
        self.single[entry] = known + 1
        if known:
            return False
        _flushes_of(entry).single += 1
        return True

    def add_many(self, entry: Statement, parameters: Any) -> None:
        """Count the rows of an `executemany`."""
        if self.latest.get(entry) is not parameters:
            self.latest[entry] = parameters
            self.many[entry] = self.many.get(entry, 0) + len(parameters)

    def end(self) -> None:
        """Tell each statement how many rows the flush wrote to its table."""
        tables: dict[tuple[str, ...], int] = {}
        for sent in (self.single, self.many):
            for entry, rows in sent.items():
                table = entry.shape.facts.writes
                tables[table] = tables.get(table, 0) + rows
        for entry in {**self.single, **self.many}:
            _flushes_of(entry).note_rows(tables[entry.shape.facts.writes])


def _flushes_of(entry: Statement) -> Flushes:
    """Return the flushes that sent a statement, to be added to."""
    writes = entry.writes = entry.writes or Writes()
    flushes = writes.flushes = writes.flushes or Flushes()
    return flushes


class Scope:
    """What one session, or one transaction of a plain connection, has in common: repeats are looked for inside it.

    A session that was closed and is used again is another one.
    """

    __slots__ = (
        "__weakref__",
        "attempt",
        "beside",
        "commits",
        "flush",
        "held",
        "internal",
        "of_session",
        "origin",
        "serial",
        "session",
        "transaction",
    )

    def __init__(self, serial: int, *, of_session: bool) -> None:
        self.serial = serial
        self.of_session = of_session
        self.flush: Flush | None = None
        # How many commits have expired what the session holds.
        self.commits = 0
        # Whether SQLAlchemy itself asks the server for its version and settings, when an engine first connects.
        self.internal = False
        self.origin: Origin | None = None
        self.transaction: Any = None
        self.session: Any = None
        # A weak reference to the identity map of the session in its latest transaction: closing it brings another one.
        self.held: Any = None
        # What the session's transaction has written; see `attempts`.
        self.attempt: Any = None
        # Weak references to those of all sessions that have begun on the same connection.
        self.beside: list[Any] = []

    @property
    def flushing(self) -> Flush | None:
        """The flush that sends the current statement, None when none does."""
        for scope in (self, *(each() for each in self.beside)):
            flush: Flush | None = None if scope is None else scope.unfinished()
            if flush is not None:
                return flush
        return None

    def unfinished(self) -> Flush | None:
        """Return the flush of this session: a listener that raises ends one without a word."""
        session = None if self.session is None else self.session()
        return self.flush if getattr(session, "_flushing", session is not None) else None


class Sessions:
    """Listens to sessions, and tells which scope a connection belongs to.

    `journals` returns what is being written, and `fault` hears of what goes wrong.
    """

    def __init__(self, journals: Callable[[], tuple[Journal, ...]], fault: Callable[[Exception], None]) -> None:
        self.journals = journals
        self.fault = fault
        # Two captures may listen at once: a block without pytest inside of a test, or a run inside a run.
        self.key = f"_querybudget_scope_{id(self)}"
        self.serial = 0

    def scope(self, connection: Any) -> Scope:
        """Return the scope of a connection."""
        known: Scope | None = getattr(connection, self.key, None)
        if known is None:
            self.serial += 1
            known = Scope(self.serial, of_session=False)
            setattr(connection, self.key, known)
            known.internal = not getattr(connection, "_allow_autobegin", True)
        return known

    def follow_transaction(self, scope: Scope, connection: Any) -> None:
        """Begin a new scope with each transaction of a connection that no session uses."""
        transaction = connection.get_transaction()
        known = scope.transaction
        if known is None or known() is not transaction:
            self.serial += 1
            scope.serial = self.serial
            scope.transaction = None if transaction is None else ref(transaction)

    def _of(self, session: Any) -> Scope:
        # Not by name: an application's subclass of Session may answer for any.
        scope: Scope | None = session.__dict__.get(self.key)
        if scope is None:
            scope = self._new(session)
        return scope

    @alone
    def _new(self, session: Any) -> Scope:
        self.serial += 1
        scope = session.__dict__[self.key] = Scope(self.serial, of_session=True)
        scope.session = ref(session)
        return scope

    @harmless
    def on_begin(self, session: Any, _transaction: Any, connection: Any) -> None:
        """Tie a connection to the session that begins on it (`SessionEvents.after_begin`)."""
        scope, before = self._of(session), getattr(connection, self.key, None)
        # A suite may have a connection that answers for anything.
        if isinstance(before, Scope) and before is not scope:
            others = [*before.beside, ref(before)]
            scope.beside = [each for each in others if each() is not None and each() is not scope]
        if scope.held is None or scope.held() is not session.identity_map:
            if scope.held is not None:
                self.serial += 1
                scope.serial = self.serial
            scope.held = ref(session.identity_map)
        setattr(connection, self.key, scope)

    @harmless
    def on_commit(self, session: Any) -> None:
        """Note that what was written is kept, and what the session holds expired (`SessionEvents.after_commit`)."""
        # The end of a savepoint is told as a commit, too, and does neither.
        if session.in_nested_transaction():
            return
        scope = self._of(session)
        if scope.attempt is not None:
            scope.attempt.kept = True
            scope.attempt = None
        if session.expire_on_commit:
            scope.commits += 1

    @harmless
    def on_rollback(self, session: Any, _previous: Any) -> None:
        """Forget what was read before a rollback (`SessionEvents.after_soft_rollback`)."""
        for journal in self.journals():
            journal.barrier = journal.sequence
        self._of(session).flush = None

    @harmless
    def on_flush(self, session: Any = None, _context: Any = None, _instances: Any = None) -> None:
        """Note that a flush begins (`SessionEvents.before_flush`).

        A suite may call the listeners by hand, with nothing.
        """
        if session is None:
            return
        self._of(session).flush = Flush()

    @harmless
    @alone
    def on_flushed(self, session: Any, _context: Any) -> None:
        """Note that a flush has sent what it had (`SessionEvents.after_flush`)."""
        scope = self._of(session)
        if scope.flush is not None:
            scope.flush.end()
        scope.flush = None
