"""Counts the rows that statements add while a test seeds its data."""

from __future__ import annotations

import re
from types import TracebackType
from typing import Any

_ADDS = re.compile(r"\s*(?:insert|replace|merge|update|copy|load|call|exec|with)\b", re.IGNORECASE)


class AddedRows:
    """Listens to every engine inside a `with` block: `statements` that may add rows, and the `rows` they did.

    `unknown` tells that a driver did not say for some statement.
    """

    def __init__(self) -> None:
        self.statements = 0
        self.rows = 0
        self.unknown = False

    def __enter__(self) -> AddedRows:  # noqa: PYI034 - Self is of Python 3.11
        """Begin to listen."""
        from sqlalchemy import event
        from sqlalchemy.engine import Engine

        event.listen(Engine, "after_cursor_execute", self.note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening."""
        from sqlalchemy import event
        from sqlalchemy.engine import Engine

        event.remove(Engine, "after_cursor_execute", self.note)

    def note(
        self, _connection: Any, cursor: Any, statement: str, _parameters: Any, context: Any, executemany: bool
    ) -> None:
        """Count one statement (`ConnectionEvents.after_cursor_execute`)."""
        if not (context.isinsert or context.isupdate or _ADDS.match(statement)):
            return
        self.statements += 1
        rows = getattr(cursor, "rowcount", -1)
        # A RETURNING is counted by some drivers only when it has been read, an executemany by some only in part.
        if rows > 0:
            self.rows += rows
        elif rows < 0 or cursor.description is not None or executemany:
            self.unknown = True

    @property
    def nothing(self) -> bool:
        """Whether it is certain that no row was added."""
        return not self.rows and not self.unknown
