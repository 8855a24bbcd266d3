"""Finds the statement of the recording that an execution belongs to, and adds it up.

One look at the stack tells it where the same was seen before; only what is new reads the whole stack.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any
from weakref import ref

from pytest_querybudget.capture import orm
from pytest_querybudget.capture.journal import MOST_SEEN, Journal
from pytest_querybudget.capture.parameters import (
    UNKNOWN,
    digest,
    digest_unordered,
)
from pytest_querybudget.capture.rows import DEFAULT_FETCH, CountingFetch, LinkingFetch, strategy_for, streams
from pytest_querybudget.capture.samples import take_sample
from pytest_querybudget.capture.sessions import Scope, Sessions
from pytest_querybudget.capture.shapes import ShapeEntry, Shapes, writes_one_row
from pytest_querybudget.capture.source import APPLICATION, FRAMEWORK
from pytest_querybudget.capture.stacks import (
    COMPARED,
    Mark,
    Reading,
    Stack,
    StackReader,
    mark,
    mark_of,
    resumed,
    standing_of,
    stands_here,
)
from pytest_querybudget.capture.transactions import Transactions
from pytest_querybudget.recording.loops import Repeater
from pytest_querybudget.recording.model import (
    MOST_DIGESTS,
    MOST_ORIGINS,
    MOST_SAMPLES,
    Caused,
    Hop,
    Inside,
    Meaning,
    Origin,
    Statement,
)
from pytest_querybudget.recording.plans import worse

# How many executions are looked at to tell one call of a function from the next.
MOST_CALLS = 64


class Observer:
    """Writes down one execution after the other.

    `on_schema_change` hears of the transaction in which DDL was sent.
    """

    def __init__(
        self, reader: StackReader, shapes: Shapes, sessions: Sessions, on_schema_change: Callable[[Any], None]
    ) -> None:
        self.reader = reader
        self.shapes = shapes
        self.sessions = sessions
        self.scope_key = sessions.key
        self.shape_key = shapes.key
        self.on_schema_change = on_schema_change
        self.next_run: Callable[[], int] = orm.run_ids()
        # Adds statements up by transaction, where a rule asks for it.
        self.transactions: Transactions | None = None

    def observe(  # noqa: C901, PLR0912 - the hottest path there is: no call that can be spared
        self,
        journal: Journal,
        cursor: Any,
        statement: str,
        parameters: Any,
        context: Any,
        start: float,
        finished: float,
        failed: bool,
    ) -> None:
        """Add one execution to the recording."""
        connection = context.root_connection
        scope = getattr(connection, self.scope_key, None) or self.sessions.scope(connection)
        if scope.internal:
            return
        compiled = context.compiled
        shape = getattr(compiled, self.shape_key, None)
        if shape is None or (
            # An INSERT or an UPDATE may ask for its defaults first.
            shape.kind != "select" and statement is not compiled.string and (context.isinsert or context.isupdate)
        ):
            shape = self.shapes.of(statement, context)
        entry = shape.latest if not journal.inner else journal.latest.get(shape)
        test = journal.frame
        if (
            entry is None
            or entry.window is not journal.window
            or entry.near is None
            or (test is not None and entry.stack.position != (test.f_lineno if journal.by_line else test.f_lasti))
            or not stands_here(entry.near, entry.beyond)
        ):
            entry = self._find(journal, shape, context, cursor, start)
        if shape.planned is not entry.plan:
            entry.plan = worse(entry.plan, shape.planned)
        elapsed = finished - start
        journal.sequence += 1
        entry.count += 1
        entry.time += elapsed
        if elapsed > entry.max_time:
            entry.max_time = elapsed
        entry.last = finished
        if self.transactions is not None:
            self.transactions.note(journal, entry, connection, start, finished)
        if failed:
            entry.failed += 1
            # Whoever sends again what came before a failure tries anew.
            journal.barrier = journal.sequence
        elif shape.kind == "select":
            strategy = entry.strategy
            if strategy is not None:
                if entry.count > MOST_SAMPLES and strategy.__class__ is LinkingFetch:
                    # No more samples are taken, and what the rows hold is of no use any more.
                    strategy = entry.strategy = CountingFetch(entry)
                if context.cursor_fetch_strategy is DEFAULT_FETCH and not (
                    context._is_server_side or context.execution_options.get("stream_results")  # noqa: SLF001
                ):
                    context.cursor_fetch_strategy = strategy
                else:
                    context.cursor_fetch_strategy = strategy_for(entry, context, cursor)
            # Beyond so many different parameters it is a loop for good, and a repeat in it is no finding of its own.
            values = entry.count
            if len(entry.digests) < MOST_DIGESTS:
                values = self._observe_read(journal, entry, scope, connection, statement, parameters, context)
            if shape.instances:
                self._observe_load(journal, entry, scope, values, context)
        else:
            self._observe_write(journal, entry, scope, statement, parameters, cursor, context)

    def _find(self, journal: Journal, shape: ShapeEntry, context: Any, cursor: Any, start: float) -> Statement:
        """Return the statement of the recording that this shape has where it was sent from."""
        frame = sys._getframe(1)  # noqa: SLF001
        standing = journal.standing
        statements = journal.window.statements
        # Several statements come from one call of `create_all`, `flush` or a query with eager loads.
        if (
            standing is None
            or (id(shape), id(standing.stack)) in statements
            or not self.reader.stands(frame, standing)
            # The test goes on while a thread of it stays where it was.
            or standing.stack.position != journal.position(None)
            or sys.gettrace() is not None
        ):
            return self._read(journal, shape, context, cursor, start)
        if standing.request is not None:
            standing.request.since.setdefault(id(journal), journal.sequence)
        return self._begin(journal, shape, standing.stack, standing.marks, context, cursor, start)

    def _read(self, journal: Journal, shape: ShapeEntry, context: Any, cursor: Any, start: float) -> Statement:
        """Read the stack, and return the statement of the recording that this shape has there."""
        reading = self.reader.read(sys._getframe(2), journal.own, journal.position)  # noqa: SLF001
        entry = journal.window.statements.get((id(shape), id(reading.stack)))
        request = self._request(journal, reading)
        if request is not None:
            request.since.setdefault(id(journal), journal.sequence)
        if entry is None:
            marks = [mark_of(each) for each in reading.frames]
            entry = self._begin(journal, shape, reading.stack, marks, context, cursor, start)
            if sys.gettrace() is not None:
                list(resumed(reading.frames, entry.resumed))
            journal.standing = standing_of(reading, marks, request)
            return entry
        if entry.repeater is not Repeater.APPLICATION:
            self._find_repeater(journal, entry, reading, requested=request is not None)
        elif entry.near is not None:
            # The way through the libraries in between may differ from call to call; the last one is the likeliest.
            _compare(entry, reading, len(entry.near) + len(entry.beyond))
        self._remember(journal, shape, entry)
        return entry

    def _begin(
        self,
        journal: Journal,
        shape: ShapeEntry,
        stack: Stack,
        marks: list[Mark],
        context: Any,
        cursor: Any,
        start: float,
    ) -> Statement:
        """Add a statement to the recording, and mark the frames that it was sent from."""
        new = self._new_statement(journal, shape, stack, context, cursor)
        # Another thread may have come here in the meantime.
        entry = journal.window.statements.setdefault((id(shape), id(stack)), new)
        entry.first = entry.first or start
        for each in marks:
            each.statements.add(id(entry))
        self._remember(journal, shape, entry)
        return entry

    def _remember(self, journal: Journal, shape: ShapeEntry, entry: Statement) -> None:
        if journal.inner:
            journal.latest[shape] = entry
        else:
            shape.latest = entry

    def _find_repeater(self, journal: Journal, entry: Statement, reading: Reading, *, requested: bool) -> None:
        """Find out who sends a statement again: whoever was active then and still is, the innermost first."""
        stack: Any = entry.stack
        index = self._mark(reading, entry)
        entry.calls += 1
        if index < 0:
            waiting = self._waiting(journal)
            if any(self.reader.loops.anywhere(each) for each in waiting):
                entry.repeater = Repeater.APPLICATION
                _compare(entry, reading, COMPARED)
            elif not waiting:
                entry.repeater = Repeater.REQUEST if stack.entered >= 0 or requested else Repeater.TEST
            # Without a loop the application has started each thread or task by itself.
            return
        frame = reading.frames[index]
        looping = self.reader.loops.contains(frame.f_code, frame.f_lasti)
        if index == 0:
            if not stack.recursive:
                _compare(entry, reading, 2)
            if not looping:
                # One line sends several statements: that is SQLAlchemy's doing, a batch for instance.
                return
        if 0 <= reading.entered <= index:
            entry.repeater = Repeater.REQUEST
        elif self._is_arrangement(journal, frame):
            entry.repeater = Repeater.TEST
        else:
            entry.repeater = Repeater.APPLICATION
            entry.calls -= 1
            entry.loop = stack.step_of(frame) if looping else -1
            entry.parts = self.reader.loops.parts(frame.f_code)
            # A function that calls itself stands in the stack once.
            steps = len({id(each.f_code) for each in reading.frames[: index + 1]})
            # One step more tells its caller.
            _compare(entry, reading, min(steps + 1, COMPARED))

    def _is_arrangement(self, journal: Journal, frame: FrameType) -> bool:
        code = frame.f_code
        return id(code) in journal.own or self.reader.files.is_arrangement(code, frame.f_globals)

    def _mark(self, reading: Reading, entry: Statement) -> int:
        """Return the index of the innermost frame that was active at an earlier send, -1 when there is none."""
        index = mark(reading.frames, id(entry))
        if sys.gettrace() is None:
            return index
        loops = self.reader.loops
        for found in list(resumed(reading.frames, entry.resumed)):
            frame = reading.frames[found]
            if (index < 0 or found < index) and loops.contains(frame.f_code, frame.f_lasti):
                return found
        return index

    def _new_statement(self, journal: Journal, shape: ShapeEntry, stack: Stack, context: Any, cursor: Any) -> Statement:
        entry = Statement(shape, stack, None)
        entry.window = journal.window
        entry.dialect = context.dialect.name
        description = cursor.description
        if description:
            entry.columns = tuple([each[0] for each in description]) if isinstance(description, (list, tuple)) else ()
        entry.streams = streams(context)
        if description or entry.streams:
            # A server-side cursor describes its rows only when the first one has been fetched.
            entry.strategy = LinkingFetch(entry) if shape.linked else CountingFetch(entry)
        if shape.by_identity:
            entry.by_query = orm.is_query_get(sys._getframe(1))  # noqa: SLF001
        if shape.orm:
            load = orm.load_of(context)
            if load is not None:
                entry.meaning = self._meaning(journal, load, context)
        return entry

    def _meaning(self, journal: Journal, load: orm.Load, context: Any) -> Meaning:
        if load.state is None:
            return orm.meaning_of(load, (), None)
        origin, before, _ = journal.runs.find(load.state.runid)
        path: tuple[Hop, ...] | None = before
        if before:
            path = orm.continued_path(before, load)
        elif origin is not None and origin.statement.compiled is not None:
            path = orm.joined_path(origin.statement.compiled, load)
        scope = self.sessions.scope(context.root_connection)
        return orm.meaning_of(load, path, "commit" if scope.commits else None)

    def _waiting(self, journal: Journal) -> list[CodeType]:
        """Return the application's functions, and not the test or a web client, that wait for this thread or task."""
        frame = journal.frame
        if frame is not None and self.reader.loops.contains(frame.f_code, frame.f_lasti):
            return []
        found: list[CodeType] = []
        for frames in journal.waiting_frames():
            waiting: list[CodeType] = []
            for each in frames:
                code = each.f_code
                kind = self.reader.files.kind(code.co_filename)
                if kind == FRAMEWORK:
                    waiting.clear()
                elif kind == APPLICATION and id(code) not in journal.own:
                    waiting.append(code)
            found += waiting
        return found

    def _observe_read(
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
            self.sessions.follow_transaction(scope, connection)
        if shape.expanding:
            values = digest_unordered(context.compiled_parameters[0], shape.expanding, shape.fixed)
        else:
            values = digest(parameters)
        if shape.literal:
            values = hash((statement, values))
        if entry.count <= MOST_SAMPLES:
            self._take_sample(journal, entry, context, parameters, statement)
        if values != UNKNOWN:
            # One session may ask several databases, and only the text that is sent names a translated schema.
            key = hash((statement, scope.serial, id(context.dialect), values))
            seen = journal.seen
            before = seen.get(key)
            if before is None:
                if len(seen) >= MOST_SEEN:
                    journal.forget_oldest()
            elif journal.barrier < before and (not journal.written or journal.unchanged_since(before, shape)):
                self._note_repeat(journal, entry, journal.senders[key], before)
            seen[key] = journal.sequence
            journal.senders[key] = entry
        entry.digests.add(values if values != UNKNOWN else -entry.count)
        return values

    def _note_repeat(self, journal: Journal, entry: Statement, first: Statement, then: int) -> None:
        """Count a repeat of what was sent `then`; two requests that ask for the same are none."""
        stack: Any = entry.stack
        if first is entry and entry.loop >= 0:
            if entry.count <= MOST_CALLS:
                self._note_call(journal, entry)
            if entry.calling not in (None, Repeater.APPLICATION) and (then <= entry.called or entry.count > MOST_CALLS):
                # Whoever calls the function anew asks anew.
                return
        request = None
        if (stack.entered >= 0 or stack.tested < 0) and not (first is entry and entry.repeater is Repeater.APPLICATION):
            reading = self.reader.read(sys._getframe(2), journal.own, journal.position)  # noqa: SLF001
            request = self._request(journal, reading)
        if request is None:
            entry.repeats[first] = entry.repeats.get(first, 0) + 1
            return
        since = request.since.get(id(journal), then)
        if then > since:
            entry.inside.setdefault(first, Inside()).add(since)

    def _request(self, journal: Journal, reading: Reading) -> Mark | None:
        """Return the mark on the frame of the request that is being served, None where there is none to be seen."""
        frame = reading.request
        if reading.stack.tested < 0 and journal.frame is not None:
            # A thread or a task of its own serves it, and the client waits in the test.
            frame = self._waiting_client(journal) or frame
        return None if frame is None else mark_of(frame)

    def _waiting_client(self, journal: Journal) -> FrameType | None:
        for frames in journal.waiting_frames():
            inside = False
            for each in frames:
                inside = inside or id(each.f_code) in journal.own
                if inside and self.reader.files.kind(each.f_code.co_filename) == FRAMEWORK:
                    return each
        return None

    def _note_call(self, journal: Journal, entry: Statement) -> None:
        """Find out whether the function in whose loop a statement runs was called anew since it was sent last."""
        reading = self.reader.read(sys._getframe(4), journal.own, journal.position)  # noqa: SLF001
        index = self._mark(reading, entry)
        frame = reading.frames[index]
        if index >= 0 and any(frame.f_code is code for code, _ in entry.stack.steps[: entry.loop + 1]):
            return
        entry.calls += 1
        entry.called = journal.sequence
        entry.calling = Repeater.APPLICATION
        if index < 0 or 0 <= reading.entered <= index:
            entry.calling = Repeater.REQUEST
        elif self._is_arrangement(journal, frame):
            entry.calling = Repeater.TEST

    def _take_sample(self, journal: Journal, entry: Statement, context: Any, parameters: Any, statement: str) -> None:
        """Remember what this execution asked for, and in which call."""
        if entry.loop >= 0 and entry.shape.expanding:
            self._note_call(journal, entry)
        take_sample(entry, context, parameters, statement)

    def _observe_load(self, journal: Journal, entry: Statement, scope: Scope, values: int, context: Any) -> None:
        """Note which result an ORM load's instances come from, and go to."""
        meaning = entry.meaning
        path: tuple[Hop, ...] = ()
        level = 0
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
            origin, path, level = journal.runs.find(None if state is None else state.runid)
            _note_caused(entry, origin, values, level)
            if (meaning.cause or meaning.load == "lazy") and scope.commits != entry.last_commit:
                entry.commits += 1
                entry.last_commit = scope.commits
            if meaning.load == "lazy":
                path = meaning.path
                level += 1
        journal.runs.add(self.next_run, origin, path, level)

    def _observe_write(
        self,
        journal: Journal,
        entry: Statement,
        scope: Scope,
        statement: str,
        parameters: Any,
        cursor: Any,
        context: Any,
    ) -> None:
        kind = entry.shape.kind
        if kind == "transaction":
            if statement[:8].upper() == "ROLLBACK":
                journal.barrier = journal.sequence
            return
        journal.note_written(entry.shape)
        if kind == "ddl":
            self.on_schema_change(context.root_connection.get_transaction())
        if entry.columns and orm.returns_entities(context.compiled):
            entry.origin = scope.origin = Origin(entry)
            journal.runs.add(self.next_run, entry.origin, ())
        if kind in ("ddl", "other") or context.executemany or not writes_one_row(entry, cursor):
            return
        flush = self.sessions.flush(scope)
        entry.single += 1
        if kind != "insert" and entry.count <= MOST_SAMPLES:
            self._take_sample(journal, entry, context, parameters, statement)
        if not flush or flush != entry.last_flush:
            # What was rolled back and is written again is a retry, not a loop.
            if journal.barrier < entry.written or not entry.units:
                entry.note_unit(id(context.dialect))
            entry.last_flush = flush
            transaction = context.root_connection.get_transaction()
            if entry.transaction is None or entry.transaction() is not transaction:
                entry.transactions += 1
                entry.transaction = None if transaction is None else ref(transaction)
        entry.written = journal.sequence


def _compare(entry: Statement, reading: Reading, steps: int) -> None:
    """Let the innermost steps tell from now on that a statement is sent from the same place again."""
    near, beyond = reading.innermost(steps)
    if near or beyond:
        entry.near, entry.beyond = near, beyond


def _note_caused(entry: Statement, origin: Origin | None, values: int, level: int) -> None:
    caused = entry.origins.get(origin)
    if caused is not None:
        levels = caused.levels
        levels[level] = levels.get(level, 0) + 1
        caused.varied = caused.varied or values == UNKNOWN or values != caused.first
    elif len(entry.origins) < MOST_ORIGINS:
        entry.origins[origin] = Caused(values, levels={level: 1})
