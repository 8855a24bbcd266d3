"""Which statements were sent in one transaction, and how long nothing was sent in it.

What wraps a test is the fixture's: inside of it, the application's transaction is what its session takes for one, or
the outermost savepoint.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from pytest_querybudget.capture.harmless import harmless
from pytest_querybudget.capture.journal import Journal
from pytest_querybudget.recording.connections import Transaction
from pytest_querybudget.recording.model import Statement
from pytest_querybudget.stacks.alone import alone
from pytest_querybudget.stacks.reader import StackReader


class Open:
    """What is open on one connection.

    `began` are the numbers of the journals in whose call the transaction began, `savepoints` the same for each
    savepoint; `units` the application's transaction as each journal sees it. `in_session` tells whether a
    session says when that ends. `autocommit` is asked of the driver only where it makes a difference.
    """

    __slots__ = ("autocommit", "began", "in_session", "savepoints", "units")

    def __init__(self, began: frozenset[int] = frozenset()) -> None:
        self.began = began
        self.autocommit: bool | None = None
        self.savepoints: list[frozenset[int]] = []
        self.units: dict[int, Transaction] = {}
        self.in_session = False


class Transactions:
    """Listens to transactions of connections and sessions, and hears of each statement from the observer.

    `journals` returns what is being written, and `fault` hears of what goes wrong.
    """

    def __init__(
        self, reader: StackReader, journals: Callable[[], tuple[Journal, ...]], fault: Callable[[Exception], None]
    ) -> None:
        self.reader = reader
        self.journals = journals
        self.fault = fault
        # Two captures may listen at once: a block without pytest inside of a test, or a run inside a run.
        self.key = f"_querybudget_open_{id(self)}"
        self.connections: WeakKeyDictionary[Any, WeakSet[Any]] = WeakKeyDictionary()
        self.numbers = 0

    def begin(self, journal: Journal) -> None:
        """Begin a test or a block."""
        self.numbers += 1
        journal.number = self.numbers
        journal.recording.transactions.watched = True

    def note(self, journal: Journal, entry: Statement, connection: Any, start: float, finished: float) -> None:
        """Add one statement to the transaction that it was sent in."""
        known: Open | None = connection.__dict__.get(self.key)
        if known is None:
            known = connection.__dict__[self.key] = Open()
        counted = entry.shape.kind != "transaction"
        if not counted and entry.shape.text[:5].upper() == "BEGIN":
            # A driver that begins nothing by itself, and an application that does.
            known.autocommit = False
        if journal.window.phase != "call":
            return
        unit = known.units.get(journal.number)
        if unit is not None and self._commits_by_itself(known, connection):
            unit = None
        if unit is None:
            if not counted:
                return
            unit = Transaction(entry, start, finished, entry)
            journal.recording.transactions.count += 1
            current = {each.number for each in self.journals()}
            known.units = {number: each for number, each in known.units.items() if number in current}
            known.units[journal.number] = unit
        elif unit.wait_until(start):
            unit.after = entry.stack
        unit.queries += counted
        unit.ended, unit.last = finished, entry
        _compare(journal, unit)

    # Events of connections

    @harmless
    def on_begin(self, connection: Any, _xid: Any = None) -> None:
        """Begin a transaction (`ConnectionEvents.begin`, `begin_twophase`)."""
        connection.__dict__[self.key] = Open(self._in_call())

    @harmless
    def on_end(self, connection: Any, _xid: Any = None, _prepared: Any = None) -> None:
        """End a transaction (`ConnectionEvents.commit`, `rollback` and their two-phase forms)."""
        known = connection.__dict__.pop(self.key, None)
        if known is not None:
            self._end(known, connection, lambda _: True)

    @harmless
    def on_savepoint(self, connection: Any, _name: str | None) -> None:
        """Begin a savepoint (`ConnectionEvents.savepoint`)."""
        known = connection.__dict__.get(self.key)
        if known is not None:
            known.savepoints.append(self._in_call())

    @harmless
    def on_savepoint_end(self, connection: Any, _name: str, _context: Any) -> None:
        """End a savepoint (`ConnectionEvents.release_savepoint`, `rollback_savepoint`)."""
        known = connection.__dict__.get(self.key)
        if known is None:
            return
        # SQLAlchemy names a savepoint only after it has told of it; they end from the inside out.
        del known.savepoints[-1:]
        if not known.in_session:
            inside = frozenset[int]().union(*known.savepoints)
            self._end(known, connection, lambda number: number not in known.began and number not in inside)

    # Events of sessions

    @harmless
    def on_session_begin(self, session: Any, transaction: Any, connection: Any) -> None:
        """Note that a session says when its transaction ends (`SessionEvents.after_begin`)."""
        known = connection.__dict__.get(self.key)
        if known is not None and not transaction.nested:
            known.in_session = True
            self.connections.setdefault(session, WeakSet()).add(connection)

    @harmless
    def on_session_end(self, session: Any, transaction: Any) -> None:
        """End what a session takes for its transaction (`SessionEvents.after_transaction_end`)."""
        if transaction.parent is not None:
            return
        for connection in list(self.connections.pop(session, ())):
            known = connection.__dict__.get(self.key)
            if known is not None:
                known.in_session = False
                self._end(known, connection, partial(_is_outside, known.began))

    # What they have in common

    def _stack(self, journal: Journal) -> Any:
        return self.reader.read(sys._getframe(2), journal.own, lambda _: -1).stack  # noqa: SLF001

    def _in_call(self) -> frozenset[int]:
        return frozenset(each.number for each in self.journals() if each.window.phase == "call")

    def _commits_by_itself(self, known: Open, connection: Any) -> bool:
        if known.autocommit is None:
            known.autocommit = is_autocommit(connection)
        return known.autocommit

    def _end(self, known: Open, connection: Any, ends: Callable[[int], bool]) -> None:
        now = perf_counter()
        for journal in self.journals():
            unit = known.units.get(journal.number)
            if unit is None or not ends(journal.number):
                continue
            del known.units[journal.number]
            if journal.window.phase == "call" and not self._commits_by_itself(known, connection):
                if unit.wait_until(now):
                    unit.after = self._stack(journal)
                unit.ended = now
                _compare(journal, unit)


def _is_outside(began: frozenset[int], number: int) -> bool:
    return number not in began


@alone
def _compare(journal: Journal, unit: Transaction) -> None:
    """Remember the longest transactions alone."""
    best = journal.recording.transactions
    if best.most is None or unit.queries > best.most.queries:
        best.most = unit
    if best.longest is None or unit.seconds > best.longest.seconds:
        best.longest = unit


def is_autocommit(connection: Any) -> bool:
    """Return whether each statement of a connection is a transaction of its own."""
    level = connection.get_execution_options().get("isolation_level")
    if level is not None:
        return str(level).upper() == "AUTOCOMMIT"
    detect = getattr(connection.dialect, "detect_autocommit_setting", None)
    if detect is None or connection.closed or connection.invalidated:
        # SQLAlchemy before 2.0.43 has no public way to ask, and a lost connection would be opened again.
        return False
    try:
        return bool(detect(connection.connection.dbapi_connection))
    except Exception:  # noqa: BLE001 - a dialect that does not know it, or a connection that is lost
        return False
