"""Counts what a scenario really sends, without the plugin: who judges must not rest on the judged."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from greenlet import getcurrent
from sqlalchemy import event
from sqlalchemy.engine import Engine

CONTROL = ("SAVEPOINT", "RELEASE", "ROLLBACK")


class Witness:
    """A pytest plugin: the statements of the call phase by the innermost line of the project that sent them."""

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self.sent: Counter[tuple[str, int]] = Counter()
        self.texts: list[str] = []
        self.calling = False
        self.outcomes: dict[str, str] = {}

    def pytest_configure(self) -> None:
        """Listen as long as the session runs."""
        event.listen(Engine, "before_cursor_execute", self.note)

    def pytest_unconfigure(self) -> None:
        """Leave nothing behind."""
        event.remove(Engine, "before_cursor_execute", self.note)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        """Only what a test sends itself counts, not its fixtures."""
        self.calling = True
        try:
            return (yield)
        finally:
            self.calling = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep why a test failed."""
        if report.failed:
            self.outcomes[f"{report.nodeid} {report.when}"] = str(report.longrepr)

    def note(self, connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        """Count one statement."""
        if self.calling and not statement.startswith(CONTROL):
            self.texts.append(statement)
            for path, line in self.places():
                self.sent[path, line] += 1

    def places(self) -> set[tuple[str, int]]:
        """Every line of the project on the stack."""
        result = set()
        for frame in frames():
            name = frame.f_code.co_filename
            if name.startswith(self.root):
                result.add((name[len(self.root) + 1 :].replace("\\", "/"), frame.f_lineno))
        return result


def frames() -> Iterator[Any]:
    """The stack from here outwards, through the greenlets that SQLAlchemy's asyncio runs in."""
    frame, greenlet = sys._getframe(), getcurrent()
    while frame is not None or greenlet is not None:
        while frame is not None:
            yield frame
            frame = frame.f_back
        greenlet = greenlet.parent
        frame = greenlet.gr_frame if greenlet is not None else None
