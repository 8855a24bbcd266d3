"""Not a recorder: two listeners that do nothing, the least that a cursor-event recorder costs."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, event


def _nothing(conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool) -> None:
    pass


def pytest_configure() -> None:
    event.listen(Engine, "before_cursor_execute", _nothing)
    event.listen(Engine, "after_cursor_execute", _nothing)


def pytest_unconfigure() -> None:
    event.remove(Engine, "before_cursor_execute", _nothing)
    event.remove(Engine, "after_cursor_execute", _nothing)
