"""Sessions, transactions and flushes: what statements have in common beside their text."""

from __future__ import annotations

from collections.abc import Callable
from threading import get_ident
from typing import Any
from weakref import ref

from pytest_querybudget.capture.alone import alone
from pytest_querybudget.capture.journal import Journal
from pytest_querybudget.recording.model import Origin


class Scope:
    """What one session, or one transaction of a plain connection, has in common: repeats are looked for inside it."""

    __slots__ = ("__weakref__", "commits", "flush", "internal", "of_session", "origin", "serial", "transaction")

    def __init__(self, serial: int, *, of_session: bool) -> None:
        self.serial = serial
        self.of_session = of_session
        self.flush = 0
        # How many commits have expired what the session holds.
        self.commits = 0
        # Whether SQLAlchemy itself asks the server for its version and settings, when an engine first connects.
        self.internal = False
        self.origin: Origin | None = None
        self.transaction: Any = None


class Sessions:
    """Listens to sessions, and tells which scope a connection belongs to.

    `journals` returns what is being written.
    """

    def __init__(self, journals: Callable[[], tuple[Journal, ...]]) -> None:
        self.journals = journals
        # Two captures may listen at once: a block without pytest inside of a test, or a run inside a run.
        self.key = f"_querybudget_scope_{id(self)}"
        self.serial = 0
        self.flushes = 0
        self.flushing: dict[int, int] = {}

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

    def flush(self, scope: Scope) -> int:
        """Return the number of the flush that sends the current statement, 0 when none does."""
        return scope.flush or self.flushing.get(get_ident(), 0)

    @alone
    def _next_flush(self) -> int:
        self.flushes += 1
        return self.flushes

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
        return scope

    def on_begin(self, session: Any, _transaction: Any, connection: Any) -> None:
        """Tie a connection to the session that begins on it (`SessionEvents.after_begin`)."""
        setattr(connection, self.key, self._of(session))

    def on_commit(self, session: Any) -> None:
        """Note that what the session holds has been expired by a commit (`SessionEvents.after_commit`)."""
        # The end of a savepoint is told as a commit, too, and expires nothing.
        if session.expire_on_commit and not session.in_nested_transaction():
            self._of(session).commits += 1

    def on_rollback(self, session: Any, _previous: Any) -> None:
        """Forget what was read before a rollback (`SessionEvents.after_soft_rollback`)."""
        for journal in self.journals():
            journal.barrier = journal.sequence
        self._of(session).flush = 0
        self.flushing.pop(get_ident(), None)

    def on_flush(self, session: Any = None, _context: Any = None, _instances: Any = None) -> None:
        """Give the flush that begins a number (`SessionEvents.before_flush`).

        A suite may call the listeners by hand, with nothing.
        """
        if session is None:
            return
        self._of(session).flush = self.flushing[get_ident()] = self._next_flush()

    def on_flushed(self, session: Any, _context: Any) -> None:
        """Note that a flush has sent what it had (`SessionEvents.after_flush`)."""
        self._of(session).flush = 0
        self.flushing.pop(get_ident(), None)
