"""What is switched on while a run lasts: the capture, and whether it can see anything."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import CodeType
from typing import TYPE_CHECKING, Any

from pytest_querybudget.errors import QueryBudgetError
from pytest_querybudget.recording.model import Recording, Window
from pytest_querybudget.reports.document import Problem
from pytest_querybudget.settings import Settings

if TYPE_CHECKING:
    from pytest_querybudget.budgets import Budget
    from pytest_querybudget.capture.listener import Capture
    from pytest_querybudget.capture.registration import ImportWatch, Registration


class Instruments:
    """The capture of a run, made when the suite has imported SQLAlchemy."""

    def __init__(self, settings: Settings, on_fault: Callable[[BaseException], None]) -> None:
        self.settings = settings
        self.on_fault = on_fault
        self.capture: Capture | None = None
        self.registration: Registration | None = None
        self.watch: ImportWatch | None = None
        self.recording: Recording | None = None
        self.own: frozenset[CodeType] = frozenset()
        self.phase = "setup"
        self.journal: Any = None
        self.threads_before: set[int] = set()

    def install(self) -> None:
        """Listen to SQLAlchemy, now or as soon as the suite imports it."""
        from pytest_querybudget.capture.registration import ImportWatch

        self.watch = ImportWatch(self._start)
        self.watch.install()

    def remove(self) -> None:
        """Leave SQLAlchemy as it was."""
        if self.watch is not None:
            self.watch.remove()
        if self.registration is not None:
            self.registration.remove()
        self.capture = None

    def _start(self) -> None:
        from pytest_querybudget.capture.listener import Capture
        from pytest_querybudget.capture.registration import Registration
        from pytest_querybudget.capture.source import Source
        from pytest_querybudget.capture.stacks import StackReader

        reader = StackReader(Source(self.settings.rootdir, self.settings.source))
        self.capture = Capture(reader, self.on_fault)
        self.registration = Registration(self.capture)
        self.registration.add()
        if self.recording is not None:
            # SQLAlchemy came with the test itself: record from here on.
            self.journal = self.capture.begin(self.recording, self.own)
            self.journal.open(self.phase)

    # While a test runs

    def begin(self, recording: Recording, own: frozenset[CodeType]) -> Any:
        """Begin a test."""
        self.recording, self.own, self.phase = recording, own, "setup"
        self.journal = None
        if self.capture is not None and self.registration is not None:
            self.registration.renew()
            self.journal = self.capture.begin(recording, own)
        return self.journal

    def open(self, phase: str, label: str | None = None) -> Window | None:
        """Begin a window."""
        self.phase = phase
        if self.capture is None or self.journal is None:
            return None
        if phase == "call":
            self.threads_before = {each.ident or 0 for each in threading.enumerate()}
        elif phase == "teardown":
            self._note_strays()
        if self.registration is not None and self.registration.renew() and self.recording is not None:
            self.recording.problems.append(
                "the suite removed SQLAlchemy's listeners, so that a part of the test was not recorded"
            )
        window: Window = self.journal.open(phase, label)
        return window

    def name_window(self, label: str) -> None:
        """Name the window that has just ended."""
        if self.journal is not None:
            self.journal.window.label = label

    def release(self) -> None:
        """Let go of the test function's frame."""
        if self.journal is not None:
            self.journal.frame = None
            self.journal.own = frozenset()

    def end(self) -> None:
        """End a test."""
        if self.capture is not None:
            if self.registration is not None:
                self.registration.renew()
            self.capture.end()
        self.recording = None
        self.journal = None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Record nothing meanwhile."""
        capture = self.capture
        if capture is None:
            yield
            return
        journals, capture.journals = capture.journals, ()
        try:
            yield
        finally:
            capture.journals = journals

    def need_capture(self) -> Capture:
        """Return the capture. Raises `QueryBudgetError` when there is nothing to record."""
        if self.capture is None:
            raise QueryBudgetError("the block cannot be measured: SQLAlchemy has not been imported")
        return self.capture

    # Threads

    def _note_strays(self) -> None:
        """Note threads that the call started and left running: what they send later is no other test's."""
        if self.capture is None or threading.active_count() == 1:
            return
        from pytest_querybudget.capture.threads import serves_others

        for each in threading.enumerate():
            ident = each.ident or 0
            if ident not in self.threads_before and ident not in self.capture.strays and not serves_others(ident):
                name = f"{each.name}, left over from {self.recording.nodeid if self.recording else 'a test'}"
                self.capture.strays[ident] = name
        alive = {each.ident for each in threading.enumerate()}
        for ident in [each for each in self.capture.strays if each not in alive]:
            del self.capture.strays[ident]

    # What could not be seen

    def why_blind(self, recording: Recording) -> str | None:
        """Say why a test could not be measured, if so: there is no engine in the whole process."""
        if any(True for _ in recording.statements()) or self._engine_exists():
            return None
        return "there is no SQLAlchemy engine in this process, so no statement could be seen"

    def _engine_exists(self) -> bool:
        if self.capture is not None and self.capture.shapes.by_text:
            return True
        engine = sys.modules.get("sqlalchemy.engine.base")
        if engine is None:
            return False
        return any(issubclass(type(each), engine.Engine) for each in gc.get_objects())

    def problems(self) -> list[Problem]:
        """Return what was left over when the run ended."""
        if self.capture is None:
            return []
        return [
            Problem(slug="stray-thread", text=f"thread {name} sent {count} statements that belong to no test")
            for name, count in self.capture.stray_statements.items()
        ]

    # Patterns

    def check_patterns(self, budgets: Mapping[str, Budget]) -> None:
        """Raise `LookupError` for a pattern that no column known to the metadata matches."""
        if not budgets or "sqlalchemy.sql.schema" not in sys.modules:
            return
        from pytest_querybudget.capture.catalog import check_patterns

        check_patterns(budgets)
