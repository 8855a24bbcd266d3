"""Listens to SQLAlchemy while a test runs.

The way of one statement: `Capture.on_execute` runs it and takes the time, the observer finds the statement of the
recording that it belongs to, and adds it up.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import get_ident
from time import perf_counter
from types import CodeType
from typing import Any
from weakref import ref

from pytest_querybudget.capture.connections import Connections
from pytest_querybudget.capture.journal import Journal
from pytest_querybudget.capture.observer import Observer
from pytest_querybudget.capture.rows import fetch_ahead
from pytest_querybudget.capture.sessions import Sessions
from pytest_querybudget.capture.shapes import Shapes
from pytest_querybudget.capture.transactions import Transactions
from pytest_querybudget.recording.model import Recording
from pytest_querybudget.stacks.alone import FREE_THREADED, LOCK, alone
from pytest_querybudget.stacks.reader import StackReader


class Capture:
    """Everything of a run that listens to SQLAlchemy.

    `on_fault` hears of an error inside this plugin, which never reaches the application.
    """

    def __init__(self, reader: StackReader, on_fault: Callable[[BaseException], None]) -> None:
        self.reader = reader
        self.on_fault = on_fault
        self.shapes = Shapes()
        # What is being written: the test's journal first, then those of the blocks that run inside it.
        self.journals: tuple[Journal, ...] = ()
        # Threads that an earlier test left running, by identifier, and what they sent since.
        self.strays: dict[int, str] = {}
        self.stray_statements: dict[str, int] = {}
        # With a global interpreter lock no other thread comes in between the reads and writes of one counter.
        self.lock = LOCK if FREE_THREADED else None
        # Plans a statement before it is sent, where a rule or the user asks for plans.
        self.planner: Any = None
        # Watches what is read of the objects that statements load, where the user asks for it.
        self.audit: Any = None
        # Under which name the time when a statement was sent hangs on the context of its execution.
        self.started = f"_querybudget_started_{id(self)}"
        # The transaction in which the schema was last changed.
        self.changed_in: Any = None
        self.sessions = Sessions(lambda: self.journals, self._fault_of_listener)
        self.observer = Observer(reader, self.shapes, self.sessions, self._note_schema_change)
        self.connections = Connections(reader, lambda: self.journals, self._runs_in_stray, self._fault_of_listener)
        self.transactions = Transactions(reader, lambda: self.journals, self._fault_of_listener)

    # Statements

    def on_execute(self, cursor: Any, statement: str, parameters: Any, context: Any) -> bool | None:
        """Run one statement in the dialect's place and record it (`DialectEvents.do_execute`)."""
        journals = self.journals
        if not journals or context is None:
            # Without a context a dialect asks something for itself, when an engine first connects.
            return None
        dialect = context.dialect
        listeners = dialect.dispatch.do_execute
        if self.planner is not None:
            self._plan(statement, parameters, context)
        start = perf_counter()
        try:
            if len(listeners) == 1 or not self._others(listeners, cursor, statement, parameters, context):
                dialect.do_execute(cursor, statement, parameters, context)
        except BaseException:
            self._note(journals, cursor, statement, parameters, context, start, failed=True)
            raise
        finished = perf_counter()
        try:
            if self.strays and get_ident() in self.strays and self._is_stray():
                return True
            if self.lock is None:
                observe = self.observer.observe
                for journal in journals:
                    observe(journal, cursor, statement, parameters, context, start, finished, False)
            else:
                self._observe(journals, cursor, statement, parameters, context, start, finished, False)
        except Exception as error:  # noqa: BLE001 - whatever it is, the application must not notice
            self._fault(journals, error)
        return True

    def _observe(
        self,
        journals: tuple[Journal, ...],
        cursor: Any,
        statement: str,
        parameters: Any,
        context: Any,
        start: float,
        finished: float,
        failed: bool,
    ) -> None:
        if self.strays and self._is_stray():
            return
        if self.lock is None:
            for journal in journals:
                self.observer.observe(journal, cursor, statement, parameters, context, start, finished, failed)
            return
        if not failed:
            fetch_ahead(context, cursor)
        with self.lock:
            for journal in journals:
                self.observer.observe(journal, cursor, statement, parameters, context, start, finished, failed)

    def on_executemany(self, cursor: Any, statement: str, parameters: Any, context: Any) -> bool | None:
        """Run one `executemany` in the dialect's place and record it (`DialectEvents.do_executemany`)."""
        return self._run("do_executemany", cursor, statement, parameters, context)

    def on_execute_no_params(self, cursor: Any, statement: str, context: Any) -> bool | None:
        """Run one statement without parameters and record it (`DialectEvents.do_execute_no_params`)."""
        return self._run("do_execute_no_params", cursor, statement, context)

    def _run(self, name: str, cursor: Any, statement: str, *arguments: Any) -> bool | None:
        journals = self.journals
        context = arguments[-1]
        if not journals or context is None:
            return None
        parameters = arguments[0] if len(arguments) > 1 else ()
        listeners = getattr(context.dialect.dispatch, name)
        if self.planner is not None:
            self._plan(statement, parameters, context, many=name == "do_executemany")
        start = perf_counter()
        try:
            if len(listeners) == 1 or not self._others(listeners, cursor, statement, *arguments):
                getattr(context.dialect, name)(cursor, statement, *arguments)
        except BaseException:
            self._note(journals, cursor, statement, parameters, context, start, failed=True)
            raise
        self._note(journals, cursor, statement, parameters, context, start)
        return True

    # Where a listener that may answer in the dialect's place was there before, the dialect's events may never come here

    def on_before_cursor(
        self, _connection: Any, _cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool
    ) -> None:
        """Take the time at which a statement is sent (`ConnectionEvents.before_cursor_execute`)."""
        if self.journals:
            if self.planner is not None:
                self._plan(statement, parameters, context, many=executemany)
            context.__dict__[self.started] = perf_counter()

    def on_after_cursor(
        self, _connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, _executemany: bool
    ) -> None:
        """Record a statement that has run (`ConnectionEvents.after_cursor_execute`)."""
        start = context.__dict__.pop(self.started, None)
        if start is not None and self.journals:
            self._note(self.journals, cursor, statement, parameters, context, start)

    def _others(self, listeners: Any, *arguments: Any) -> bool:
        """Ask the listeners of the same event that come after this one."""
        mine = (self.on_execute, self.on_executemany, self.on_execute_no_params)
        remaining = iter(listeners)
        if any(each in mine for each in remaining):
            return any(each(*arguments) for each in remaining)
        return False

    def _note(
        self,
        journals: tuple[Journal, ...],
        cursor: Any,
        statement: str,
        parameters: Any,
        context: Any,
        start: float,
        *,
        failed: bool = False,
    ) -> None:
        """Record a statement that was sent at `start` and has just ended."""
        try:
            self._observe(journals, cursor, statement, parameters, context, start, perf_counter(), failed)
        except Exception as error:  # noqa: BLE001 - whatever it is, the application must not notice
            self._fault(journals, error)

    def _fault(self, journals: tuple[Journal, ...], error: Exception) -> None:
        """Stop recording this test: a budget that could not be measured must say so."""
        for journal in journals:
            journal.recording.problems.append(f"{type(error).__name__} inside pytest-querybudget")
        self.journals = ()
        self.on_fault(error)

    # Plans

    def _plan(self, statement: str, parameters: Any, context: Any, *, many: bool = False) -> None:
        """Plan a statement before it runs: afterwards the database might tell other things of it."""
        try:
            shape = self.shapes.of(statement, context)
            connection = context.root_connection
            if self.changed_in is not None and self.changed_in() is not connection.get_transaction():
                # The transaction that changed the schema is over, perhaps by a rollback.
                self._note_schema_change(None)
            elif self.changed_in is not None and statement.startswith("ROLLBACK TO"):
                self.planner.schema_changed()
            shape.planned = self.planner.plan(connection, statement, parameters, executemany=many, shape=shape.text)
        except Exception as error:  # noqa: BLE001 - the statement runs all the same
            self._fault(self.journals, error)

    def _note_schema_change(self, transaction: Any) -> None:
        if self.planner is not None:
            self.planner.schema_changed()
            self.changed_in = None if transaction is None else ref(transaction)

    # What is being written

    def begin(self, recording: Recording, own: frozenset[CodeType], fixtures: frozenset[str] | None = None) -> Journal:
        """Begin to write a test's recording; the test's own file is the application's, wherever it lies."""
        for code in own:
            self.reader.take_for_application(code.co_filename)
        journal = Journal(recording, own)
        self.reader.since = journal.serial
        journal.fixtures = fixtures
        recording.audited = self.audit is not None and self.audit.active
        self._follow(journal)
        self.journals = (journal,)
        return journal

    def _follow(self, journal: Journal) -> None:
        self.connections.begin(journal)
        if self.observer.transactions is not None:
            self.transactions.begin(journal)

    def end(self) -> None:
        """Stop writing, and let go of everything that a test left behind."""
        self.journals = ()
        if self.audit is not None:
            self.audit.forget()
        self.reader.forget()
        self.shapes.forget()
        self.connections.forget()

    def begin_block(self, recording: Recording) -> Journal:
        """Begin to write the recording of a block, beside that of the test it is in."""
        journal = Journal(recording, frozenset(), "call", inner=bool(self.journals))
        recording.audited = self.audit is not None and self.audit.active
        if not self.journals:
            self.reader.since = journal.serial
        else:
            journal.own, journal.by_line = self.journals[0].own, self.journals[0].by_line
            journal.fixtures = self.journals[0].fixtures
        self._follow(journal)
        if self.journals:
            journal.checkouts_before_test = self.journals[0].checkouts_before_test
        self.journals = (*self.journals, journal)
        self.connections.note_peak(journal)
        return journal

    def end_block(self, journal: Journal) -> None:
        """Stop writing the recording of a block."""
        journal.frame = None
        if self.audit is not None:
            self.audit.end_block(journal)
        self.connections.note_leaks(journal)
        if journal not in self.journals and not journal.recording.problems:
            journal.recording.problems.append("recording had stopped before the block ended")
        self.journals = tuple(each for each in self.journals if each is not journal)

    def on_error(self, exception_context: Any) -> None:
        """Take this plugin's frame out of the traceback of a failing statement (`DialectEvents.handle_error`).

        Where the cursor events are listened to, only this one tells that a statement has failed.
        """
        context = exception_context.execution_context
        start = None if context is None else context.__dict__.pop(self.started, None)
        if start is not None and self.journals:
            facts = (context.cursor, exception_context.statement, exception_context.parameters, context)
            self._note(self.journals, *facts, start, failed=True)
        trace = exception_context.original_exception.__traceback__
        while trace is not None and trace.tb_next is not None:
            if trace.tb_next.tb_frame.f_code.co_filename == __file__:
                trace.tb_next = trace.tb_next.tb_next
            else:
                trace = trace.tb_next

    # Threads

    def _fault_of_listener(self, error: Exception) -> None:
        self._fault(self.journals, error)

    def _runs_in_stray(self) -> bool:
        return bool(self.strays) and self.strays.get(get_ident()) is not None

    def _is_stray(self) -> bool:
        name = self.strays.get(get_ident())
        if name is None:
            return False
        self._note_stray(name)
        return True

    @alone
    def _note_stray(self, name: str) -> None:
        self.stray_statements[name] = self.stray_statements.get(name, 0) + 1
