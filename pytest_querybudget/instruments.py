"""What is switched on while a run lasts: the capture, and whether it can see anything."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import CodeType, FrameType, SimpleNamespace
from typing import TYPE_CHECKING, Any

from pytest_querybudget.errors import QueryBudgetError
from pytest_querybudget.recording.model import Recording, Window
from pytest_querybudget.reports.document import Problem
from pytest_querybudget.settings import Settings

if TYPE_CHECKING:
    from pytest_querybudget.budgets import Budget
    from pytest_querybudget.capture.listener import Capture
    from pytest_querybudget.capture.registration import ImportWatch, Registration
    from pytest_querybudget.plans.planner import Planner
    from pytest_querybudget.rules.base import Rule


# Of a fixture that keeps nothing but what it returns.
_NOBODY = SimpleNamespace()


def _runner_frame() -> FrameType | None:
    """Return the frame from which pytest runs the current phase of a test: what lies beyond says nothing of it."""
    # Between it and this lie at least as many of this plugin and of pluggy.
    frame: FrameType | None = sys._getframe(5)  # noqa: SLF001
    runner = vars(sys.modules["_pytest.runner"])
    while frame is not None and frame.f_globals is not runner:
        frame = frame.f_back
    return frame


class Instruments:
    """The capture of a run, made when the suite has imported SQLAlchemy."""

    def __init__(self, settings: Settings, on_fault: Callable[[BaseException], None]) -> None:
        self.settings = settings
        self.on_fault = on_fault
        self.capture: Capture | None = None
        self.registration: Registration | None = None
        # Why nothing is known of what is read, although the user asked for it.
        self.unaudited: str | None = None
        self.watch: ImportWatch | None = None
        self.recording: Recording | None = None
        self.own: frozenset[CodeType] = frozenset()
        self.fixtures_used: frozenset[str] | None = None
        self.phase = "setup"
        self.journal: Any = None
        # The threads there were when the call began (if it did), and those it had started and not joined when it ended.
        self.threads_before: frozenset[threading.Thread] | None = None
        self.threads_left: frozenset[threading.Thread] = frozenset()
        # What some rule of the run needs to see beside statements.
        self.pools = bool(settings.reports)
        self.places = self.transactions = False
        # Fixtures of several tests that are set up, each with the class or module on which it keeps things.
        self.fixtures: list[tuple[Any, Any]] = []
        self.engine_seen = False
        self.planner: Planner | None = None
        # Plan readers of other plugins and of the suite.
        self.readers: tuple[Any, ...] = ()

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
        if self.capture is not None and self.capture.audit is not None:
            self.capture.audit.remove()
        self.capture = None

    def _start(self) -> None:
        from pytest_querybudget.capture.listener import Capture
        from pytest_querybudget.capture.registration import Registration
        from pytest_querybudget.capture.threads import Strays
        from pytest_querybudget.stacks.reader import StackReader
        from pytest_querybudget.stacks.source import Source

        reader = StackReader(Source(self.settings.rootdir, self.settings.source))
        self.capture = Capture(reader, self.on_fault)
        self.capture.strays = Strays()
        self.registration = Registration(self.capture, pools=self.pools)
        self.registration.watch(pools=self.places, transactions=self.transactions)
        self.registration.add()
        if self.settings.audit:
            self._start_audit(self.capture)
        if self.recording is not None:
            # SQLAlchemy came with the test itself: record from here on.
            self.journal = self.capture.begin(self.recording, self.own, self.fixtures_used)
            self.journal.open(self.phase)

    def _start_audit(self, capture: Capture) -> None:
        """Watch what is read, or remember why that cannot be: everything else works without."""
        from pytest_querybudget.capture.audit import Audit, AuditError

        audit = Audit(lambda: capture.journals, self._note_unaudited)
        try:
            audit.install()
        except AuditError as error:
            self._note_unaudited(error)
        else:
            capture.audit = audit

    def _note_unaudited(self, error: Exception) -> None:
        known = type(error).__name__ == "AuditError"
        self.unaudited = str(error) if known else f"{type(error).__name__} while objects were loaded"
        if self.capture is not None:
            for each in self.capture.journals:
                each.recording.audited = False

    def need(self, rules: Iterable[Rule]) -> None:
        """Listen to pools and transactions from here on, where a rule needs it."""
        for each in rules:
            self.places = self.places or each.needs_pools
            self.transactions = self.transactions or each.needs_transactions
        self.pools = self.pools or self.places
        if self.registration is not None:
            self.registration.watch(pools=self.places, transactions=self.transactions)

    # While a test runs

    def begin(self, recording: Recording, own: frozenset[CodeType], fixtures: Iterable[str] | None = None) -> Any:
        """Begin a test, and remember which fixtures it uses."""
        self.recording, self.own, self.phase = recording, own, "setup"
        self.fixtures_used = None if fixtures is None else frozenset(fixtures)
        self.journal = None
        if self.capture is not None and self.registration is not None:
            self.registration.renew()
            self.journal = self.capture.begin(recording, own, self.fixtures_used)
            self.capture.reader.outermost = _runner_frame()
            self.capture.planner = None
        return self.journal

    def plan_statements(self) -> None:
        """Plan every statement from here on."""
        if self.capture is not None:
            self.capture.planner = self.need_planner()
            # Nobody has watched for DDL since statements were last planned.
            self.capture.planner.schema_changed()

    def need_planner(self) -> Planner:
        """Return the planner of the run."""
        if self.planner is None:
            from pytest_querybudget.plans.planner import Planner
            from pytest_querybudget.plans.readers import default_readers

            self.planner = Planner.of([*default_readers(), *self.readers])
        return self.planner

    def open(self, phase: str, label: str | None = None) -> Window | None:
        """Begin a window."""
        self._listen_again()
        return self._open(phase, label)

    def _open(self, phase: str, label: str | None = None) -> Window | None:
        self.phase = phase
        if self.capture is None or self.journal is None:
            return None
        self.capture.reader.outermost = _runner_frame()
        window: Window = self.journal.open(phase, label)
        return window

    def locate(self) -> None:
        """Tell statements of every phase apart by their lines: something has come that shows or judges them."""
        if self.journal is not None:
            self.journal.locate()
        elif self.recording is not None:
            self.recording.located = None

    def begin_call(self) -> None:
        """Begin the call: remember which threads there are."""
        self.open("call")
        if self.capture is not None and self.journal is not None:
            self.capture.connections.note_peak(self.journal)
        self.threads_before = frozenset(threading.enumerate())

    def end_call(self) -> None:
        """End the call."""
        self.release()
        if self.capture is not None and self.capture.audit is not None:
            self.capture.audit.end_call()
        self._listen_again()

    def _listen_again(self) -> None:
        """Notice that the suite has cleared SQLAlchemy's listeners: whatever it sent since then was not seen."""
        if self.registration is not None and self.registration.renew() and self.recording is not None:
            self.recording.problems.append(
                "the suite removed SQLAlchemy's listeners, so that a part of the test was not recorded"
            )

    def begin_teardown(self) -> None:
        """Begin the teardown, right after the call: remember which threads that has left running."""
        self._open("teardown")
        if self.threads_before is not None:
            self.threads_left = frozenset(threading.enumerate()) - self.threads_before

    def release(self) -> None:
        """Let go of the test function's frame."""
        if self.journal is not None:
            self.journal.frame = None
            self.journal.own = frozenset()
        if self.capture is not None:
            self.capture.reader.outermost = None

    # Fixtures

    def begin_fixture(self, fixture: Any) -> None:
        """Note that a fixture is being set up: what is taken meanwhile is the fixture's."""
        if self.capture is not None:
            self.capture.connections.fixtures.append((fixture.argname, fixture.scope))

    def end_fixture(self, fixture: Any, request: Any) -> None:
        """Note that a fixture has been set up; those of several tests may keep what a test takes through them."""
        if self.capture is not None and self.capture.connections.fixtures:
            self.capture.connections.fixtures.pop()
        if fixture.scope != "function":
            self.fixtures.append((fixture, _keeper(fixture, request)))

    def forget_fixture(self, fixture: Any) -> None:
        """Note that a fixture has been torn down."""
        self.fixtures = [each for each in self.fixtures if each[0] is not fixture]

    def note_leaks(self) -> None:
        """Note which connections of the test are still out, now that its fixtures have finished."""
        if self.capture is not None and self.journal is not None:
            self.capture.connections.note_leaks(self.journal, self._fixture_values)

    def _fixture_values(self) -> Iterator[Any]:
        for fixture, keeper in self.fixtures:
            if fixture.cached_result is not None:
                yield fixture.cached_result[0]
            # A list of what tests have left behind is no fixture's.
            yield from (each for each in vars(keeper).values() if not isinstance(each, (list, dict, set)))

    def end(self) -> None:
        """End a test."""
        if self.capture is not None:
            self._note_strays()
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
        """Return the capture: a block in the test asks for SQLAlchemy before the application has imported it.

        Raises `QueryBudgetError` when there is nothing to record.
        """
        if self.capture is None:
            with suppress(ImportError):
                importlib.import_module("sqlalchemy.orm")
        if self.capture is None:
            raise QueryBudgetError("the block cannot be measured: SQLAlchemy cannot be imported")
        return self.capture

    # Threads

    def _note_strays(self) -> None:
        """Note threads that the call started and that outlive the test: what they send later is no other test's."""
        strays = getattr(self.capture, "strays", None)
        for each in self.threads_left:
            if each.is_alive() and strays is not None:
                test = self.recording.nodeid if self.recording else "a test"
                strays.note(each, f"{each.name}, left over from {test}")
        self.threads_before, self.threads_left = None, frozenset()

    # What could not be seen

    def why_blind(self, recording: Recording) -> str | None:
        """Say why a test could not be measured, if so: there is no engine in the whole process."""
        if self._engine_seen() or any(True for _ in recording.statements()):
            return None
        return "there is no SQLAlchemy engine in this process, so no statement could be seen"

    def _engine_seen(self) -> bool:
        """Return whether there is an engine, or was one; a look at all objects is taken only until one is found."""
        if not self.engine_seen and "sqlalchemy.engine.base" in sys.modules:
            from pytest_querybudget.capture.catalog import engine_exists

            self.engine_seen = bool(self.capture and self.capture.shapes.variants) or engine_exists()
        return self.engine_seen

    def problems(self) -> list[Problem]:
        """Return what was left over when the run ended."""
        if self.capture is None:
            return []
        unaudited = [Problem(slug="audit", text=self.unaudited)] if self.unaudited else []
        return unaudited + [
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


def _keeper(fixture: Any, request: Any) -> Any:
    """Return what a fixture sets attributes of: `setup_class`, `setUpClass` and `setup_module` return nothing."""
    if fixture.scope == "class" and request.cls is not None:
        return request.cls
    is_setup = fixture.scope == "module" and fixture.argname.startswith(
        ("_xunit_setup_module", "_unittest_setUpModule")
    )
    return request.module if is_setup else _NOBODY
