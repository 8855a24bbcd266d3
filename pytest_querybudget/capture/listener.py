"""Listens to SQLAlchemy while a test runs, and writes down what it sends.

The way of one statement: `Capture.on_execute` runs it and takes the time, `Capture.observe` finds the statement of the
recording that it belongs to (one look at the stack where the same was seen before), and adds it up.
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from threading import get_ident
from time import perf_counter
from types import CodeType, FrameType
from typing import Any
from weakref import WeakKeyDictionary, ref

from pytest_querybudget.capture import orm
from pytest_querybudget.capture.journal import Journal
from pytest_querybudget.capture.parameters import (
    UNKNOWN,
    are_plain,
    digest,
    digest_unordered,
    digests,
    grouped,
    list_length,
)
from pytest_querybudget.capture.rows import DEFAULT_FETCH, CountingFetch, strategy_for
from pytest_querybudget.capture.shapes import ShapeEntry, Shapes
from pytest_querybudget.capture.source import APPLICATION, FRAMEWORK
from pytest_querybudget.capture.stacks import COMPARED, Reading, Stack, StackReader, mark
from pytest_querybudget.recording.loops import Repeater
from pytest_querybudget.recording.model import (
    MOST_DIGESTS,
    MOST_ORIGINS,
    MOST_SAMPLES,
    Caused,
    Hop,
    Meaning,
    Origin,
    Recording,
    Sample,
    Statement,
)

_SCOPE = "_querybudget_scope"
_SELECTS = re.compile(r"\s*select\b", re.IGNORECASE).match


class Scope:
    """What one session, or one transaction of a plain connection, has in common: repeats are looked for inside it."""

    __slots__ = ("__weakref__", "committed", "flush", "of_session", "origin", "serial", "transaction")

    def __init__(self, serial: int, *, of_session: bool) -> None:
        self.serial = serial
        self.of_session = of_session
        self.flush = 0
        self.committed = False
        self.origin: Origin | None = None
        self.transaction: Any = None


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
        self.lock = None if getattr(sys, "_is_gil_enabled", lambda: True)() else threading.RLock()
        # Plans a statement before it is sent, where a rule or the user asks for plans.
        self.planner: Any = None
        # The transaction in which the schema was last changed.
        self.changed_in: Any = None
        self.serial = 0
        self.flushes = 0
        self.flushing: dict[int, int] = {}
        self.sessions: WeakKeyDictionary[Any, Scope] = WeakKeyDictionary()
        self.next_run: Callable[[], int] = orm.run_ids()

    # Statements

    def on_execute(self, cursor: Any, statement: str, parameters: Any, context: Any) -> bool | None:
        """Run one statement in the dialect's place and record it (`DialectEvents.do_execute`)."""
        journals = self.journals
        if not journals:
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
            self._note_failure(journals, cursor, statement, parameters, context, start)
            raise
        finished = perf_counter()
        try:
            if self.lock is None:
                for journal in journals:
                    self.observe(journal, cursor, statement, parameters, context, start, finished, failed=False)
            else:
                self._observe_locked(journals, cursor, statement, parameters, context, start, finished)
        except Exception as error:  # noqa: BLE001 - whatever it is, the application must not notice
            self._fault(journals, error)
        return True

    def _observe_locked(self, journals: tuple[Journal, ...], *facts: Any, failed: bool = False) -> None:
        with self.lock or nullcontext():
            for journal in journals:
                self.observe(journal, *facts, failed=failed)

    def on_executemany(self, cursor: Any, statement: str, parameters: Any, context: Any) -> bool | None:
        """Run one `executemany` in the dialect's place and record it (`DialectEvents.do_executemany`)."""
        return self._run("do_executemany", cursor, statement, parameters, context)

    def on_execute_no_params(self, cursor: Any, statement: str, context: Any) -> bool | None:
        """Run one statement without parameters and record it (`DialectEvents.do_execute_no_params`)."""
        return self._run("do_execute_no_params", cursor, statement, context)

    def _run(self, name: str, cursor: Any, statement: str, *arguments: Any) -> bool | None:
        journals = self.journals
        if not journals:
            return None
        context = arguments[-1]
        parameters = arguments[0] if len(arguments) > 1 else ()
        listeners = getattr(context.dialect.dispatch, name)
        if self.planner is not None:
            self._plan(statement, parameters, context, many=name == "do_executemany")
        start = perf_counter()
        try:
            if len(listeners) == 1 or not self._others(listeners, cursor, statement, *arguments):
                getattr(context.dialect, name)(cursor, statement, *arguments)
        except BaseException:
            self._note_failure(journals, cursor, statement, parameters, context, start)
            raise
        finished = perf_counter()
        try:
            self._observe_locked(journals, cursor, statement, parameters, context, start, finished)
        except Exception as error:  # noqa: BLE001 - whatever it is, the application must not notice
            self._fault(journals, error)
        return True

    def _others(self, listeners: Any, *arguments: Any) -> bool:
        """Ask the listeners of the same event that come after this one."""
        mine = (self.on_execute, self.on_executemany, self.on_execute_no_params)
        remaining = iter(listeners)
        if any(each in mine for each in remaining):
            return any(each(*arguments) for each in remaining)
        return False

    def _note_failure(
        self, journals: tuple[Journal, ...], cursor: Any, statement: str, parameters: Any, context: Any, start: float
    ) -> None:
        try:
            self._observe_locked(journals, cursor, statement, parameters, context, start, perf_counter(), failed=True)
        except Exception as error:  # noqa: BLE001 - the application's own error goes on
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
            shape = self._shape_of(statement, context)
            connection = context.root_connection
            if self.changed_in is not None and self.changed_in() is not connection.get_transaction():
                # The transaction that changed the schema is over, perhaps by a rollback.
                self._note_schema_change(None)
            shape.planned = self.planner.plan(connection, statement, parameters, executemany=many, shape=shape.text)
        except Exception as error:  # noqa: BLE001 - the statement runs all the same
            self._fault(self.journals, error)

    def _shape_of(self, statement: str, context: Any) -> ShapeEntry:
        compiled = context.compiled
        if compiled is not None and (context.isinsert or context.isupdate) and _is_default(context, statement):
            compiled = None
        text = statement if compiled is None else compiled.string
        return self.shapes.by_text.get(text) or self.shapes.add(text, compiled, context.dialect.name)

    def _note_schema_change(self, transaction: Any) -> None:
        if self.planner is not None:
            self.planner.schema_changed()
            self.changed_in = None if transaction is None else ref(transaction)

    # What is being written

    def begin(self, recording: Recording, own: frozenset[CodeType]) -> Journal:
        """Begin to write a test's recording; the test's own file is the application's, wherever it lies."""
        for code in own:
            self.reader.files.kinds[code.co_filename] = APPLICATION
        journal = Journal(recording, own)
        self.journals = (journal,)
        return journal

    def end(self) -> None:
        """Stop writing, and let go of everything that a test left behind."""
        self.journals = ()
        self.reader.forget()
        self.shapes.forget()

    def begin_block(self, recording: Recording) -> Journal:
        """Begin to write the recording of a block, beside that of the test it is in."""
        journal = Journal(recording, frozenset(), "call", inner=bool(self.journals))
        if self.journals:
            journal.own, journal.by_line = self.journals[0].own, self.journals[0].by_line
        self.journals = (*self.journals, journal)
        return journal

    def end_block(self, journal: Journal) -> None:
        """Stop writing the recording of a block."""
        journal.frame = None
        if journal not in self.journals and not journal.recording.problems:
            journal.recording.problems.append("recording had stopped before the block ended")
        self.journals = tuple(each for each in self.journals if each is not journal)

    def on_error(self, exception_context: Any) -> None:
        """Take this plugin's frame out of the traceback of a failing statement (`DialectEvents.handle_error`)."""
        trace = exception_context.original_exception.__traceback__
        codes = (Capture.on_execute.__code__, Capture._run.__code__)
        while trace is not None and trace.tb_next is not None:
            if trace.tb_next.tb_frame.f_code in codes:
                trace.tb_next = trace.tb_next.tb_next
            else:
                trace = trace.tb_next

    def observe(  # noqa: C901, PLR0912, PLR0913 - the hottest path there is: no call that can be spared
        self,
        journal: Journal,
        cursor: Any,
        statement: str,
        parameters: Any,
        context: Any,
        start: float,
        finished: float,
        *,
        failed: bool,
    ) -> None:
        """Add one execution to the recording."""
        if self.strays and self._is_stray():
            return
        compiled = context.compiled
        if compiled is not None and (context.isinsert or context.isupdate) and _is_default(context, statement):
            compiled = None
        text = statement if compiled is None else compiled.string
        shape = self.shapes.by_text.get(text)
        if shape is None:
            shape = self.shapes.add(text, compiled, context.dialect.name)
        entry = shape.latest if not journal.inner else journal.latest.get(shape)
        if entry is None or entry.window is not journal.window or not entry.compared:
            entry = self._find(journal, shape, context, cursor, start)
        else:
            stack = entry.stack
            test = journal.frame
            if (
                test is not None and stack.position != (test.f_lineno if journal.by_line else test.f_lasti)
            ) or not stack.matches(entry.compared):
                entry = self._find(journal, shape, context, cursor, start)
        connection = context.root_connection
        scope = connection.__dict__.get(_SCOPE) or self._scope_of(connection)
        elapsed = finished - start
        journal.sequence += 1
        entry.count += 1
        entry.time += elapsed
        if elapsed > entry.max_time:
            entry.max_time = elapsed
        entry.last = finished
        if failed:
            entry.failed += 1
        elif shape.kind == "select":
            strategy = entry.strategy
            if strategy is not None:
                if context.cursor_fetch_strategy is DEFAULT_FETCH and strategy.__class__ is CountingFetch:
                    context.cursor_fetch_strategy = strategy
                else:
                    context.cursor_fetch_strategy = strategy_for(entry, context, cursor) or context.cursor_fetch_strategy
            # Beyond so many different parameters it is a loop for good, and a repeat in it is no finding of its own.
            values = entry.count
            if len(entry.digests) < MOST_DIGESTS:
                values = self._observe_read(journal, entry, scope, connection, statement, parameters, context)
            if shape.orm:
                self._observe_load(journal, entry, scope, values, context)
        else:
            self._observe_write(journal, entry, scope, statement, cursor, context)

    def _find(self, journal: Journal, shape: ShapeEntry, context: Any, cursor: Any, start: float) -> Statement:  # noqa: PLR0913
        """Read the stack, and return the statement of the recording that this shape has there."""
        reading = self.reader.read(sys._getframe(1), journal.own, journal.position)  # noqa: SLF001
        statements = journal.window.statements
        key = (id(shape), id(reading.stack))
        entry = statements.get(key)
        if entry is None:
            entry = statements[key] = self._new_statement(journal, shape, reading.stack, context, cursor)
            entry.first = start
            mark(reading.frames, id(entry))
        elif entry.repeater is not Repeater.APPLICATION:
            self._find_repeater(journal, entry, reading)
        if journal.inner:
            journal.latest[shape] = entry
        else:
            shape.latest = entry
        return entry

    def _find_repeater(self, journal: Journal, entry: Statement, reading: Reading) -> None:
        """Find out who sends a statement again: whoever was active then and still is, the innermost first."""
        stack = entry.stack
        index = mark(reading.frames, id(entry))
        if index < 0:
            if self._application_waits(journal):
                entry.repeater = Repeater.APPLICATION
                entry.compared = COMPARED
            else:
                entry.repeater = Repeater.REQUEST if stack.entered >= 0 else Repeater.TEST
            return
        frame = reading.frames[index]
        looping = self.reader.loops.contains(frame.f_code, frame.f_lasti)
        if index == 0:
            if not stack.recursive:
                entry.compared = 1
            if not looping:
                # One line sends several statements: that is SQLAlchemy's doing, a batch for instance.
                return
        if 0 <= reading.entered <= index:
            entry.repeater = Repeater.REQUEST
        elif id(frame.f_code) in journal.own:
            entry.repeater = Repeater.TEST
        else:
            entry.repeater = Repeater.APPLICATION
            entry.loop = _step_of(stack, frame) if looping else -1
            if not stack.recursive:
                entry.compared = min(index + 1, COMPARED)

    def _new_statement(
        self, journal: Journal, shape: ShapeEntry, stack: Stack, context: Any, cursor: Any
    ) -> Statement:
        entry = Statement(shape, stack, None)
        entry.plan = shape.planned
        entry.window = journal.window
        entry.dialect = context.dialect.name
        description = cursor.description
        if description:
            entry.columns = tuple([each[0] for each in description])
            entry.strategy = strategy_for(entry, context, cursor)
        if shape.orm:
            load = orm.load_of(context)
            if load is not None:
                entry.meaning = self._meaning(journal, load, context)
        return entry

    def _meaning(self, journal: Journal, load: orm.Load, context: Any) -> Meaning:
        if load.state is None:
            return orm.meaning_of(load, (), None)
        origin, path = journal.runs.find(load.state.runid)
        if not path and origin is not None and origin.statement.compiled is not None:
            path = orm.joined_path(origin.statement.compiled, load.state.mapper)
        scope = context.root_connection.__dict__.get(_SCOPE)
        return orm.meaning_of(load, path, "commit" if scope is not None and scope.committed else None)

    def _application_waits(self, journal: Journal) -> bool:
        """Return whether the application, and not the test or a web client, waits for the current thread or task."""
        frame = journal.frame
        if frame is not None and self.reader.loops.contains(frame.f_code, frame.f_lasti):
            return False
        kinds = self.reader.files
        for frames in journal.waiting_frames():
            waits = False
            for each in frames:
                if id(each.f_code) in journal.own:
                    continue
                filename = each.f_code.co_filename
                kind = kinds.kinds.get(filename)
                if kind is None:
                    kind = kinds.classify(filename)
                if kind == APPLICATION:
                    waits = True
                elif kind == FRAMEWORK:
                    waits = False
            if waits:
                return True
        return False

    def _observe_read(  # noqa: PLR0913 - the facts of one read
        self,
        journal: Journal,
        entry: Statement,
        scope: Scope,
        connection: Any,
        statement: str,
        parameters: Any,
        context: Any,
    ) -> int:
        """Compare the parameters with those of earlier executions; return their digest."""
        shape = entry.shape
        if not scope.of_session:
            self._follow_transaction(scope, connection)
        if shape.expanding:
            values = digest_unordered(grouped(context.compiled_parameters[0], shape.expanding))
        else:
            values = digest(parameters)
        if shape.literal:
            values = hash((statement, values))
        if entry.count <= MOST_SAMPLES:
            self._take_sample(entry, context, parameters, statement)
        if values != UNKNOWN:
            key = (shape, scope.serial, values)
            before = journal.seen.get(key)
            if before is None:
                journal.note_seen(key, entry)
            else:
                if journal.barrier < before[0] and (not journal.written or journal.unchanged_since(before[0], shape)):
                    first = before[1]
                    entry.repeats[first] = entry.repeats.get(first, 0) + 1
                before[0], before[1] = journal.sequence, entry
        entry.digests.add(values if values != UNKNOWN else -entry.count)
        return values

    def _take_sample(self, entry: Statement, context: Any, parameters: Any, statement: str) -> None:
        """Remember what this execution asked for.

        Most statements are sent once, so the first is only put aside; plain values alone may be kept for that.
        """
        named = _named(context, parameters)
        if entry.count == 1 and are_plain(named.values()):
            entry.aside = named, statement
            return
        if entry.aside is not None:
            first, text = entry.aside
            entry.aside = None
            entry.samples.append(_sample(first, entry.shape, text, 0))
        entry.samples.append(_sample(named, entry.shape, statement, entry.last_rows))

    def _follow_transaction(self, scope: Scope, connection: Any) -> None:
        """Begin a new scope with each transaction of a connection that no session uses."""
        transaction = connection.get_transaction()
        known = scope.transaction
        if known is None or known() is not transaction:
            self.serial += 1
            scope.serial = self.serial
            scope.transaction = None if transaction is None else ref(transaction)

    def _observe_load(self, journal: Journal, entry: Statement, scope: Scope, values: int, context: Any) -> None:
        """Note which result an ORM load's instances come from, and go to."""
        meaning = entry.meaning
        path: tuple[Hop, ...] = ()
        if meaning is None:
            origin = entry.origin
            if origin is None or entry.repeater is not Repeater.APPLICATION:
                origin = entry.origin = Origin(entry)
                entry.compiled = context.compiled
            else:
                origin.many = True
            scope.origin = origin
        elif meaning.load == "eager":
            origin, path = scope.origin, meaning.path
        else:
            options = context.execution_options["_sa_orm_load_options"]
            state = options._lazy_loaded_from or options._refresh_state  # noqa: SLF001
            origin, path = journal.runs.find(state.runid)
            _note_caused(entry, origin, values)
            if meaning.load == "lazy":
                path = meaning.path
        journal.runs.add(self.next_run(), origin, path)

    def _observe_write(
        self, journal: Journal, entry: Statement, scope: Scope, statement: str, cursor: Any, context: Any
    ) -> None:
        kind = entry.shape.kind
        if kind == "transaction":
            if statement[:8].upper() == "ROLLBACK":
                journal.barrier = journal.sequence
            return
        journal.note_written(entry.shape)
        if kind == "ddl":
            self._note_schema_change(context.root_connection.get_transaction())
        if entry.columns and orm.returns_entities(context.compiled):
            entry.origin = scope.origin = Origin(entry)
            journal.runs.add(self.next_run(), entry.origin, ())
        if kind in ("ddl", "other") or context.executemany or cursor.rowcount > 1:
            return
        flush = scope.flush or self.flushing.get(get_ident(), 0)
        entry.single += 1
        if not flush or flush != entry.last_flush:
            # What was rolled back and is written again is a retry, not a loop.
            entry.units += 1 if journal.barrier < entry.written or not entry.units else 0
            entry.last_flush = flush
        entry.written = journal.sequence

    # Sessions and connections

    def _scope_of(self, connection: Any) -> Scope:
        self.serial += 1
        scope = Scope(self.serial, of_session=False)
        connection.__dict__[_SCOPE] = scope
        return scope

    def _session_scope(self, session: Any) -> Scope:
        scope = self.sessions.get(session)
        if scope is None:
            self.serial += 1
            scope = self.sessions[session] = Scope(self.serial, of_session=True)
        return scope

    def on_checkout(self, _connection: Any, _record: Any, _proxy: Any) -> None:
        """Count a connection that is taken from a pool (`PoolEvents.checkout`)."""
        for journal in self.journals:
            phase = journal.window.phase
            counts = journal.recording.checkouts
            counts[phase] = counts.get(phase, 0) + 1

    def on_connect(self, _connection: Any, _record: Any) -> None:
        """Count a connection that a pool opens (`PoolEvents.connect`)."""
        for journal in self.journals:
            phase = journal.window.phase
            counts = journal.recording.connects
            counts[phase] = counts.get(phase, 0) + 1

    def on_begin(self, session: Any, _transaction: Any, connection: Any) -> None:
        """Tie a connection to the session that begins on it (`SessionEvents.after_begin`)."""
        connection.__dict__[_SCOPE] = self._session_scope(session)

    def on_commit(self, session: Any) -> None:
        """Note that what the session holds has been expired by a commit (`SessionEvents.after_commit`)."""
        if session.expire_on_commit:
            self._session_scope(session).committed = True

    def on_rollback(self, session: Any, _previous: Any) -> None:
        """Forget what was read before a rollback (`SessionEvents.after_soft_rollback`)."""
        for journal in self.journals:
            journal.barrier = journal.sequence
        self._session_scope(session).flush = 0
        self.flushing.pop(get_ident(), None)

    def on_flush(self, session: Any, _context: Any, _instances: Any) -> None:
        """Give the flush that begins a number (`SessionEvents.before_flush`)."""
        self.flushes += 1
        self._session_scope(session).flush = self.flushing[get_ident()] = self.flushes

    def on_flushed(self, session: Any, _context: Any) -> None:
        """Note that a flush has sent what it had (`SessionEvents.after_flush`)."""
        self._session_scope(session).flush = 0
        self.flushing.pop(get_ident(), None)

    def _is_stray(self) -> bool:
        name = self.strays.get(get_ident())
        if name is None:
            return False
        self.stray_statements[name] = self.stray_statements.get(name, 0) + 1
        return True


def _is_default(context: Any, statement: str) -> bool:
    """Return whether this is not the context's own statement but one that fetches a default for it."""
    return statement is not context.statement and _SELECTS(statement) is not None


def _step_of(stack: Stack, frame: FrameType) -> int:
    """Return the index of the step that a frame is."""
    for index, (_, code, instruction) in enumerate(stack.steps):
        if code is frame.f_code and instruction == frame.f_lasti:
            return index
    return -1


def _note_caused(entry: Statement, origin: Origin | None, values: int) -> None:
    caused = entry.origins.get(origin)
    if caused is not None:
        caused.count += 1
        caused.varied = caused.varied or values in (UNKNOWN,) or values != caused.first
    elif len(entry.origins) < MOST_ORIGINS:
        entry.origins[origin] = Caused(values)


def _named(context: Any, parameters: Any) -> Mapping[str, Any]:
    """Return the parameters of one execution by name, or by position."""
    if context.compiled is not None and context.compiled_parameters and not context.executemany:
        named: Mapping[str, Any] = context.compiled_parameters[0]
        return named
    if isinstance(parameters, dict):
        return parameters
    return {str(index): each for index, each in enumerate(parameters)}


def _sample(named: Mapping[str, Any], shape: ShapeEntry, statement: str, before: int) -> Sample:
    """Note digests of the parameters by name, to see which of them vary."""
    together = grouped(named, shape.expanding) if shape.expanding else named
    return Sample(digests(together), list_length(together), before, statement if shape.literal else None)
