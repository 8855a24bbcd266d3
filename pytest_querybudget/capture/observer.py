"""Adds an execution to the statement of the recording that it belongs to."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from copy import copy
from typing import Any
from weakref import ref

from pytest_querybudget.capture import orm
from pytest_querybudget.capture.attempts import attempt_of, keep
from pytest_querybudget.capture.finder import Finder
from pytest_querybudget.capture.journal import MOST_SEEN, Journal
from pytest_querybudget.capture.parameters import UNKNOWN, digest, digest_unordered
from pytest_querybudget.capture.rows import DEFAULT_FETCH, CountingFetch, LinkingFetch, strategy_for
from pytest_querybudget.capture.samples import take_sample
from pytest_querybudget.capture.sessions import Scope, Sessions
from pytest_querybudget.capture.shapes import ShapeEntry, Shapes
from pytest_querybudget.capture.transactions import Transactions
from pytest_querybudget.recording.loads import MOST_ORIGINS, Caused, Loads, Origin
from pytest_querybudget.recording.loops import Repeater
from pytest_querybudget.recording.model import MOST_DIGESTS, Hop, Statement
from pytest_querybudget.recording.plans import worse
from pytest_querybudget.recording.repeats import Doubt, Inside, Repeats
from pytest_querybudget.recording.samples import MOST_SAMPLES
from pytest_querybudget.recording.writes import Writes
from pytest_querybudget.stacks.reader import StackReader, stands_here

# How many executions are looked at to tell one call of a function from the next.
MOST_CALLS = 64
# What stands in an UPDATE or DELETE that is meant for many rows.
_MANY = re.compile(r"[<>]|\b(?:SELECT|IN|BETWEEN|LIKE)\b", re.IGNORECASE).search


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
        self.finder = Finder(reader, shapes, sessions)
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
            # An INSERT or an UPDATE may ask for its defaults first, with a SELECT.
            shape.kind != "select"
            and statement is not compiled.string
            and statement[:1] not in "IUiu"
            and (context.isinsert or context.isupdate)
        ):
            shape = self.shapes.of(statement, context)
        entry = shape.latest if not journal.inner else journal.latest.get(shape)
        test = journal.frame
        window = journal.window
        if (
            entry is None
            or entry.window is not window
            or entry.near is None
            or (
                test is not None
                and entry.stack.position != (test.f_lineno if journal.by_line else test.f_lasti)
                # A call of a builtin may have moved.
                and entry.stack.position != journal.instruction(test)
            )
            or not stands_here(entry.near, entry.beyond)
        ):
            entry = self.finder.find(journal, shape, context, cursor, start)
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
        if entry.members is not None:
            member = entry.members[shape]
            member.count += 1
            member.max_time = max(elapsed, member.max_time)
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
            if len(entry.digests) < MOST_DIGESTS and window.located and not shape.catalog:
                values = self._observe_read(journal, entry, scope, connection, statement, parameters, context)
            if shape.instances:
                self._observe_load(journal, entry, scope, values, context)
        else:
            if entry.strategy is not None:
                context.cursor_fetch_strategy = strategy_for(entry, context, cursor)
            self._observe_write(journal, entry, shape, scope, statement, parameters, cursor, context)

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
            named = context.compiled_parameters[0]
            values = digest_unordered(parameters, named, shape.expanding, shape.fixed, tuples=shape.tuples)
        else:
            values = digest(parameters)
        if shape.literal:
            values = hash((statement, values))
        if entry.count <= MOST_SAMPLES:
            self._take_sample(journal, entry, context, parameters, statement)
        repeats = entry.repeats
        if repeats is not None and repeats.doubt is not None:
            repeats = entry.repeats = repeats.settled(entry.answer)
            repeats.doubt = None
        if values != UNKNOWN:
            # One session may ask several databases, and only the text that is sent names a translated schema.
            key = hash((statement, scope.serial, id(context.dialect), values))
            seen = journal.seen
            before = seen.get(key)
            if before is None:
                if len(seen) >= MOST_SEEN:
                    journal.forget_oldest()
            elif journal.barrier < before and (not journal.written or journal.unchanged_since(before, shape)):
                first = journal.senders[key]
                repeats = entry.repeats = repeats or Repeats()
                doubt = _doubt_of(repeats, first) if first.asked == key else None
                self._note_repeat(journal, entry, repeats, first, before)
                repeats.doubt = doubt
            seen[key] = journal.sequence
            journal.senders[key] = entry
            entry.asked = key
        entry.answer = None
        entry.digests.add(values if values != UNKNOWN else -entry.count)
        return values

    def _note_repeat(self, journal: Journal, entry: Statement, repeats: Repeats, first: Statement, then: int) -> None:
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
            request = self.finder.request(journal, reading)
        if request is None:
            repeats.times[first] = repeats.times.get(first, 0) + 1
            return
        since = request.begun(journal.serial, then)
        if then > since:
            repeats.inside.setdefault(first, Inside()).add(since)

    def _note_call(self, journal: Journal, entry: Statement) -> None:
        """Find out whether the function in whose loop a statement runs was called anew since it was sent last."""
        reading = self.reader.read(sys._getframe(4), journal.own, journal.position)  # noqa: SLF001
        index = self.finder.repeaters.mark(reading, entry)
        frame = reading.frames[index]
        if index >= 0 and any(frame.f_code is code for code, _ in entry.stack.steps[: entry.loop + 1]):
            return
        entry.calls += 1
        entry.called = journal.sequence
        entry.calling = Repeater.APPLICATION
        if index < 0 or 0 <= reading.entered <= index:
            entry.calling = Repeater.REQUEST
        elif self.reader.is_arrangement(frame, journal.own):
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
            loads = entry.loads
            if loads is None:
                loads = entry.loads = Loads()
            _note_caused(loads.origins, origin, values, level)
            if (meaning.cause or meaning.load == "lazy") and scope.commits != loads.commit:
                loads.commits += 1
                loads.commit = scope.commits
            if meaning.load == "lazy":
                path = meaning.path
                level += 1
        journal.runs.add(self.next_run, origin, path, level)

    def _observe_write(
        self,
        journal: Journal,
        entry: Statement,
        shape: ShapeEntry,
        scope: Scope,
        statement: str,
        parameters: Any,
        cursor: Any,
        context: Any,
    ) -> None:
        kind = shape.kind
        if kind == "transaction":
            _note_control(journal, scope, shape, context.root_connection)
            return
        journal.note_written(shape)
        if kind == "ddl":
            self.on_schema_change(context.root_connection.get_transaction())
        if entry.columns and orm.returns_entities(context.compiled):
            entry.origin = scope.origin = Origin(entry)
            journal.runs.add(self.next_run, entry.origin, ())
        if kind in ("ddl", "other") or entry.stack is self.reader.nowhere:
            return
        writes = entry.writes = entry.writes or Writes()
        if context.executemany:
            flush = scope.flushing
            if flush is not None:
                flush.add_many(entry, context.parameters)
            else:
                writes.note_batch(len(context.parameters))
        elif _writes_one_row(entry, cursor):
            if kind != "insert" and entry.count <= MOST_SAMPLES:
                self._take_sample(journal, entry, context, parameters, statement)
            _note_single(journal, entry, writes, scope, context)
        else:
            writes.note_batch(getattr(cursor, "rowcount", None) or 0)


def _note_single(journal: Journal, entry: Statement, writes: Writes, scope: Scope, context: Any) -> None:
    """Count a write of one row, and the flush or transaction that it is the first of."""
    flush = scope.flushing
    writes.single += 1
    if flush is None or flush.add(entry):
        transaction = context.root_connection.get_transaction()
        before, writes.attempt = writes.attempt, attempt_of(scope, context.root_connection, transaction)
        # What was rolled back and is written again is a retry, not a loop.
        undone = before is not None and before is not writes.attempt and before.undone
        if (journal.barrier < writes.latest and not undone) or not writes.sent:
            writes.note_unit(id(context.dialect))
        if writes.transaction is None or writes.transaction() is not transaction:
            writes.transactions += 1
            writes.transaction = None if transaction is None else ref(transaction)
    writes.latest = journal.sequence


def _note_control(journal: Journal, scope: Scope, shape: ShapeEntry, connection: Any) -> None:
    """Note what a statement does to the transaction it is sent in."""
    verb = shape.facts.sql.partition(" ")[0].upper()
    if verb in ("ROLLBACK", "ABORT"):
        journal.barrier = journal.sequence
    elif verb in ("COMMIT", "END"):
        keep(scope, connection)


def _doubt_of(repeats: Repeats, first: Statement) -> Doubt | None:
    """Return what a repeat is compared with once it is fetched, None where the first answer is not known."""
    if first.answer is None:
        return None
    inside = repeats.inside.get(first)
    return Doubt(first, first.answer, repeats.times.get(first, 0), None if inside is None else copy(inside))


def _note_caused(origins: dict[Origin | None, Caused], origin: Origin | None, values: int, level: int) -> None:
    caused = origins.get(origin)
    if caused is not None:
        levels = caused.levels
        levels[level] = levels.get(level, 0) + 1
        caused.varied = caused.varied or values == UNKNOWN or values != caused.first
    elif len(origins) < MOST_ORIGINS:
        origins[origin] = Caused(values, levels={level: 1})


def _writes_one_row(entry: Statement, cursor: Any) -> bool:
    """Return whether an execution wrote one row at most.

    The driver is asked only where the statement does not say, and only when it was sent before: alone it is no loop. Of
    a first one that asks for many rows it is better to believe that it wrote many.
    """
    facts = entry.shape.facts
    if entry.shape.kind == "insert":
        return not facts.reads and ", ..." not in facts.sql
    if facts.unique:
        return True
    return not _MANY(facts.sql) if entry.count == 1 else bool(cursor.rowcount <= 1)
