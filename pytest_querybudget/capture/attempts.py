"""What one transaction has written, and whether that was undone: what is sent again for it is another attempt.

A session tells of a commit, and that its transaction is another one by now can be seen. A plain connection tells of
both ends to those alone who listen to its events, and SQLAlchemy then asks for listeners at each statement of every
connection. So a connection that has written gets a method of its own in place of the one that SQLAlchemy calls to roll
back, for as long as that transaction lasts. Where SQLAlchemy calls it by another name, attempts of plain connections
are taken for a loop.
"""

from __future__ import annotations

from typing import Any
from weakref import ref

from sqlalchemy import Connection

from pytest_querybudget.capture.sessions import Scope
from pytest_querybudget.capture.transactions import is_autocommit

ROLLBACK = "_rollback_impl"


class Attempt:
    """What a transaction has written; it is `kept` once that was committed."""

    __slots__ = ("kept", "transaction")

    def __init__(self, transaction: Any, *, kept: bool) -> None:
        self.transaction = ref(transaction)
        self.kept = kept

    def is_of(self, transaction: Any) -> bool:
        """Return whether it is that of a transaction."""
        return self.transaction() is transaction


class SessionAttempt(Attempt):
    """What the transaction of a session has written."""

    __slots__ = ("session",)

    def __init__(self, session: Any, transaction: Any, *, kept: bool) -> None:
        super().__init__(transaction, kept=kept)
        self.session = ref(session)

    @property
    def undone(self) -> bool:
        """Whether the transaction has ended without a commit: by a rollback, or since its session was closed."""
        if self.kept:
            return False
        session, transaction = self.session(), self.transaction()
        return session is None or transaction is None or session.get_transaction() is not transaction


class ConnectionAttempt(Attempt):
    """What the transaction of a plain connection has written, and what the connection calls to roll it back."""

    __slots__ = ("connection", "undone")

    def __init__(self, connection: Any, transaction: Any, *, kept: bool) -> None:
        super().__init__(transaction, kept=kept)
        self.connection = ref(connection)
        self.undone = False

    def __call__(self) -> None:
        """Note that it is rolled back, and let the connection do that."""
        __tracebackhide__ = True
        connection: Any = self.connection()
        connection.__dict__.pop(ROLLBACK, None)
        # It may have been committed, and what is rolled back have written nothing.
        self.undone = not self.kept and self.is_of(getattr(connection, "_transaction", None))
        getattr(connection, ROLLBACK)()


def attempt_of(scope: Scope, connection: Any, transaction: Any) -> SessionAttempt | ConnectionAttempt | None:
    """Return what the transaction that a connection is in has written; `transaction` is the connection's own."""
    session = None if scope.session is None else scope.session()
    begun = None if session is None or _is_guest(scope, session) else session.get_transaction()
    if begun is not None:
        known: SessionAttempt | None = scope.attempt
        if known is None or not known.is_of(begun):
            known = scope.attempt = SessionAttempt(session, begun, kept=_keeps_by_itself(connection))
        return known
    if transaction is None:
        return None
    given = connection.__dict__.get(ROLLBACK)
    if isinstance(given, ConnectionAttempt) and given.is_of(transaction):
        return given
    if given is not None and not isinstance(given, ConnectionAttempt):
        # The application has put something in its place.
        return None
    made = connection.__dict__[ROLLBACK] = ConnectionAttempt(connection, transaction, kept=_keeps_by_itself(connection))
    return made


def _is_guest(scope: Scope, session: Any) -> bool:
    """Return whether a session was given the connection of another one, in whose transaction all that it writes stays.

    What a suite gives it, which is to see nothing of the test afterwards, is to the application an engine.
    """
    if not isinstance(session.bind, Connection):
        return False
    others = [known.session() for each in scope.beside if (known := each()) is not None and known.session is not None]
    return any(each is not None and each is not session and each.in_transaction() for each in others)


def keep(scope: Scope, connection: Any) -> None:
    """Note that the application has sent a COMMIT by itself."""
    for each in (scope.attempt, connection.__dict__.get(ROLLBACK)):
        if isinstance(each, Attempt):
            each.kept = True


def _keeps_by_itself(connection: Any) -> bool:
    """Return whether each statement is a transaction of its own.

    SQLite's driver may be told to begin none, by an application that begins them itself.
    """
    return is_autocommit(connection) and not getattr(connection.connection.dbapi_connection, "in_transaction", False)
