"""What a test leaves in its database: rows that were committed, and tables that were emptied again."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from pytest_querybudget.statements import from_text
from pytest_querybudget.values import dataclass

_WRITES = ("insert", "update", "delete", "ddl", "other")
_WIPES = ("DROP", "TRUNCATE")


@dataclass(frozen=True, slots=True)
class Change:
    """One write: the table, whether it emptied it, and the database; `pool` is a weak reference to its connections."""

    table: str
    wipes: bool
    backend: str
    database: str
    pool: Any


class Commits:
    """Listens to what is written and committed. `ignoring` is True while a fixture of wider scope is set up.

    What such a fixture commits is there for the next test as it is for this one.
    """

    def __init__(self) -> None:
        self.ignoring = False
        self.listening = False
        self.committed: list[Change] = []
        self._pending: WeakKeyDictionary[Any, list[Change]] = WeakKeyDictionary()
        self._known: dict[str, tuple[tuple[str, bool], ...]] = {}

    def listen(self) -> None:
        """Listen from now on."""
        from sqlalchemy import event
        from sqlalchemy.engine import Engine

        if not event.contains(Engine, "commit", self._on_commit):
            event.listen(Engine, "after_cursor_execute", self._on_execute)
            event.listen(Engine, "commit", self._on_commit)
            event.listen(Engine, "rollback", self._on_rollback)
        self.listening = True

    def remove(self) -> None:
        """Stop listening."""
        if self.listening:
            from sqlalchemy import event
            from sqlalchemy.engine import Engine

            for name, function in (
                ("after_cursor_execute", self._on_execute),
                ("commit", self._on_commit),
                ("rollback", self._on_rollback),
            ):
                if event.contains(Engine, name, function):
                    event.remove(Engine, name, function)
        self.listening = False

    def begin(self) -> None:
        """Begin a test."""
        self.committed = []

    def left(self, own_directory: Path | None) -> list[str]:
        """Return the tables whose rows a test has changed for good, and not taken back.

        What lies in a directory of the test's own, or lived in memory and is gone, is not left.
        """
        emptied = {each.table for each in self.committed if each.wipes}
        return sorted({e.table for e in self.committed if e.table not in emptied and _outlives(e, own_directory)})

    def _on_execute(
        self,
        connection: Any,
        _cursor: Any,
        statement: str,
        _parameters: Any,
        context: Any,
        _many: bool,
    ) -> None:
        if self.ignoring or statement[:6].upper() == "SELECT":
            return
        changes = self._known.get(statement)
        if changes is None:
            changes = self._known[statement] = tuple(_changes(statement, connection.dialect.name))
        if not changes:
            return
        url, pool = connection.engine.url, weakref.ref(connection.engine.pool)
        made = [Change(*each, url.get_backend_name(), url.database or "", pool) for each in changes]
        if context is not None and context.execution_options.get("isolation_level") == "AUTOCOMMIT":
            self.committed += made
        else:
            self._pending.setdefault(connection, []).extend(made)

    def _on_commit(self, connection: Any) -> None:
        self.committed += self._pending.pop(connection, [])

    def _on_rollback(self, connection: Any) -> None:
        self._pending.pop(connection, None)


def _changes(statement: str, dialect: str) -> Iterator[tuple[str, bool]]:
    shape = from_text(statement, dialect)
    if shape.kind not in _WRITES:
        return
    words = statement.upper().split(None, 1)
    wipes = bool(words) and (words[0] in _WIPES or (words[0] == "DELETE" and " WHERE " not in f" {words[-1]} "))
    if wipes or shape.kind != "ddl":
        for table in shape.writes:
            yield table.rpartition(".")[2].strip('"`[]').lower(), wipes


def _outlives(change: Change, own_directory: Path | None) -> bool:
    """Return whether a database is still there when the test and its fixtures are gone."""
    if change.backend != "sqlite":
        return True
    if change.database in ("", ":memory:") or "mode=memory" in change.database:
        return change.pool() is not None
    return own_directory is None or not Path(change.database).is_relative_to(own_directory)
