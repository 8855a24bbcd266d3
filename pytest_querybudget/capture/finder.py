"""Finds the statement of the recording that an execution belongs to.

One look at the stack tells it where the same was seen before; only what is new reads the whole stack.
"""

from __future__ import annotations

import sys
from types import CodeType, FrameType
from typing import Any, NamedTuple
from weakref import ref

from pytest_querybudget.capture import orm
from pytest_querybudget.capture.journal import Journal
from pytest_querybudget.capture.repeaters import Repeaters, compare
from pytest_querybudget.capture.rows import CountingFetch, LinkingFetch, returns_rows, streams
from pytest_querybudget.capture.sessions import Sessions
from pytest_querybudget.capture.shapes import ShapeEntry, Shapes
from pytest_querybudget.capture.waiters import frame_in_tests_thread, mark_of_waiting
from pytest_querybudget.recording.loops import Repeater
from pytest_querybudget.recording.model import Hop, Meaning, Member, StackLike, Statement
from pytest_querybudget.stacks.marks import MOST_MARKED, Mark, mark_of, resumed
from pytest_querybudget.stacks.reader import (
    Reading,
    Stack,
    StackReader,
    Standing,
    Way,
    delegates,
    parent_frame,
    standing_at,
    standing_of,
    stands_here,
)
from pytest_querybudget.stacks.recall import distance, read
from pytest_querybudget.stacks.source import FRAMEWORK
from pytest_querybudget.stacks.waiting import stack_of


class Call(NamedTuple):
    """A call that sends several statements: how far away its frame is, the mark on that, and where it stands.

    `inside` is the code of SQLAlchemy that it has called. It is None where that is another library's, or where it
    awaits a greenlet (`crossed`): functions of the application may be called from there, as far away. `waiting` is the
    mark on the frame in which the test waits meanwhile.
    """

    away: int
    mark: Mark
    instruction: int
    inside: CodeType | None
    waiting: Mark | None
    crossed: bool


class Finder:
    """Finds a statement by its shape and by the frames that it was sent from, and who sends it again.

    Each method that reads frames counts them from `Observer.observe`.
    """

    def __init__(self, reader: StackReader, shapes: Shapes, sessions: Sessions) -> None:
        self.reader = reader
        self.shapes = shapes
        self.sessions = sessions
        self.repeaters = Repeaters(reader)
        self.waiters = self.repeaters.waiters

    def find(self, journal: Journal, shape: ShapeEntry, context: Any, cursor: Any, start: float) -> Statement:
        """Return the statement of the recording that this shape has where it was sent from."""
        kin = shape.family
        if not (journal.window.located or shape.instances or orm.returns_entities(context.compiled)):
            return self._unlocated(journal, shape, context, cursor, start)
        known = (kin or shape).latest if not journal.inner else journal.latest.get(kin or shape)
        if known is not None and (
            # Another thread may come in between: what it asks for is read once.
            ((call := known.call) is not None and self._is_same_call(journal, known, call))
            or ((route := known.way) and self._is_arranged_again(journal, known, route))
            or (kin is not None and self._sends(journal, known))
        ):
            if kin is not None:
                self._remember(journal, shape, known)
            return known
        standing = journal.standing
        # Several statements come from one call of `create_all`, `flush` or a query with eager loads.
        if (
            standing is None
            or (away := distance(self.reader, shape.approaches, standing, 2)) < 0
            # The test goes on while a thread of it stays where it was.
            or standing.stack.position != journal.position(None)
            or not _waits(journal, standing.stack, standing.waiting)
            or sys.gettrace() is not None
        ):
            return self._read(journal, shape, context, cursor, start)
        known = journal.window.statements.get((id(kin or shape), id(standing.stack)))
        if known is None:
            if standing.request is not None:
                standing.request.begin(journal.serial, journal.sequence)
            known = self._begin(journal, shape, standing.stack, standing.marks, context, cursor, start)
            known.call = self._call(journal, standing.stack, *standing_at(away, 2), standing.waiting)
        elif self._sends_several(journal, known, standing, away):
            self._remember(journal, shape, known)
        else:
            known = self._read(journal, shape, context, cursor, start)
        return known

    def _unlocated(self, journal: Journal, shape: ShapeEntry, context: Any, cursor: Any, start: float) -> Statement:
        """Return the statement that stands for a shape wherever in the window it was sent from.

        What loads instances has a line all the same: a lazy load of the call may be cured there.
        """
        nowhere = self.reader.nowhere
        entry = None if shape.family is None or journal.inner else shape.family.latest
        if entry is None or entry.window is not journal.window or entry.stack is not nowhere:
            entry = journal.window.statements.get((id(shape.family or shape), id(nowhere)))
        if entry is not None:
            self._remember(journal, shape, entry)
            return entry
        entry = self._begin(journal, shape, nowhere, [], context, cursor, start)
        if entry.strategy is not None:
            entry.strategy = CountingFetch(entry)
        # No frame tells it from others.
        entry.near = ()
        return entry

    def _call(
        self,
        journal: Journal,
        stack: StackLike,
        frame: FrameType,
        away: int,
        inside: CodeType | None,
        waiting: Mark | None,
        *,
        crossed: bool = False,
    ) -> Call | None:
        """Return what tells that a statement is one more of the call that has sent one: nothing is learned from it.

        It is None where something is: in a loop, and where another line may resume the same call. Where `crossed`,
        `away` counts from the frame that awaits this greenlet.
        """
        if stack.tested < 0 and not _waits(journal, stack, waiting):
            return None
        code, instruction = frame.f_code, frame.f_lasti
        if self.reader.loops.contains(code, instruction) or delegates(code, instruction):
            return None
        return Call(away, mark_of(frame), instruction, inside, waiting, crossed)

    def _is_same_call(self, journal: Journal, entry: Statement, call: Call) -> bool:
        """Return whether the call that has sent a statement sends another one, from as far away."""
        if entry.window is not journal.window:
            return False
        if call.crossed:
            frame = self._awaiting(call.away)
        elif call.inside is None:
            frame = self.reader.beyond_libraries(sys._getframe(2), call.away)  # noqa: SLF001
        else:
            try:
                # Above the observer's frame are those of this method and of `find`.
                frame = sys._getframe(call.away + 2)  # noqa: SLF001
            except ValueError:
                return False
            # What was a library's may be the application's.
            if sys._getframe(call.away + 1).f_code is not call.inside:  # noqa: SLF001
                return False
        same = frame is not None and frame.f_trace is call.mark and frame.f_lasti == call.instruction
        return same and _waits(journal, entry.stack, call.waiting)

    def _awaiting(self, away: int) -> FrameType | None:
        """Return the frame that awaits this greenlet so far outwards, where nothing in between is the application's."""
        inside = sys._getframe(3)  # noqa: SLF001
        return self.reader.beyond_libraries(parent_frame(), away) if self.reader.is_all_libraries(inside) else None

    def _sends_several(self, journal: Journal, entry: Statement, standing: Standing, away: int) -> bool:
        """Return whether nothing is to be learned from another statement of the call that stands where it stood."""
        if entry.repeater is Repeater.APPLICATION and entry.near:
            # By another way through the libraries in between; the last one is the likeliest.
            further = away - entry.near[0][0]
            near = tuple([(each + further, code, at) for each, code, at in entry.near])
            # Above the observer's frame are those of this method and of `find`.
            if not stands_here(near, entry.beyond, above=3):
                return False
            entry.near = near
            return True
        call = self._call(journal, standing.stack, *standing_at(away, 3), standing.waiting)
        if call is None or entry.serial not in standing.marks[0].serials:
            return False
        entry.call = call
        return True

    def _read(self, journal: Journal, shape: ShapeEntry, context: Any, cursor: Any, start: float) -> Statement:
        """Read the stack, and return the statement of the recording that this shape has there."""
        reading = read(self.reader, shape, journal.own, journal.position, 3)
        entry = journal.window.statements.get((id(shape.family or shape), id(reading.stack)))
        stack, frames = reading.stack, reading.frames
        request = waiting = call = None
        if reading.request is not None or stack.tested < 0:
            request = self.request(journal, reading)
            if request is not None:
                request.begin(journal.serial, journal.sequence)
            waiting = mark_of_waiting(journal, stack)
        if frames:
            away, crossed = (reading.near or reading.beyond)[0][0], not reading.near
            call = self._call(journal, stack, frames[0], away, reading.inside, waiting, crossed=crossed)
        if entry is None:
            marks = [mark_of(each) for each in frames]
            entry = self._begin(journal, shape, stack, marks, context, cursor, start)
            if sys.gettrace() is not None:
                entry.resumed = set()
                list(resumed(reading.frames, entry.resumed))
            journal.standing = standing_of(reading, marks, request, waiting)
            entry.call = call
            self.waiters.meet(journal, entry, reading)
            return entry
        entry.call = call
        if entry.repeater is not Repeater.APPLICATION:
            self.repeaters.find(journal, entry, reading, requested=request is not None)
        elif entry.near is not None:
            # The way through the libraries in between may differ from call to call; the last one is the likeliest.
            compare(entry, reading, len(entry.near) + len(entry.beyond))
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
        entry = journal.window.statements.setdefault((id(shape.family or shape), id(stack)), new)
        entry.first = entry.first or start
        serial = entry.serial
        for each in marks:
            each.serials.add(serial)
            if not len(each.serials) % MOST_MARKED:
                each.forget(self.reader.since)
        self._remember(journal, shape, entry)
        return entry

    def _remember(self, journal: Journal, shape: ShapeEntry, entry: Statement) -> None:
        members, kin = entry.members, shape.family
        if members is not None and shape not in members:
            members.setdefault(shape, Member())
        if journal.inner:
            journal.latest[shape] = entry
            if kin is not None:
                journal.latest[kin] = entry
            return
        self.shapes.remember(shape, entry)
        if kin is not None and kin.latest is not entry:
            self.shapes.remember(kin, entry)

    def _sends(self, journal: Journal, entry: Statement) -> bool:
        """Return whether the frame that asked for a statement is where the latest of its family was sent from."""
        near = entry.near
        # Above the observer's frame are those of this method and of `find`.
        return near is not None and self._is_now(journal, entry) and stands_here(near, entry.beyond, above=3)

    def _is_now(self, journal: Journal, entry: Statement) -> bool:
        """Return whether the test is still in the window of a statement, and where it was."""
        test = journal.frame
        return entry.window is journal.window and (test is None or entry.stack.position == journal.instruction(test))

    def _is_arranged_again(self, journal: Journal, entry: Statement, way: Way) -> bool:
        """Return whether a test, or what arranges for it, sends a statement once more: `Repeaters.find` in one look."""
        if not self._is_now(journal, entry) or sys.gettrace() is not None:
            return False
        new: list[FrameType] = []
        inside = way[0]
        try:
            for each in way:
                away, code, instruction = each
                # Above the observer's frame are those of this method and of `find`.
                frame = sys._getframe(away + 2)  # noqa: SLF001
                if frame.f_code is not code or frame.f_lasti != instruction:
                    return False
                if each is inside:
                    continue
                known = frame.f_trace
                if type(known) is Mark and entry.serial in known.serials:
                    break
                new.append(frame)
            else:
                return False
        except ValueError:
            return False
        if not new or not self.reader.is_arrangement(frame, journal.own):
            return False
        for frame in new:
            mark_of(frame).serials.add(entry.serial)
        entry.calls += 1
        waiting = mark_of_waiting(journal, entry.stack)
        entry.call = self._call(journal, entry.stack, *standing_at(way[1][0], 3), waiting)
        return True

    def _new_statement(self, journal: Journal, shape: ShapeEntry, stack: Stack, context: Any, cursor: Any) -> Statement:
        entry = Statement(shape, stack, None)
        entry.window = journal.window
        if shape.family is not None:
            entry.members = {}
        entry.dialect = context.dialect.name
        description = cursor.description
        if description:
            entry.columns = tuple([each[0] for each in description]) if isinstance(description, (list, tuple)) else ()
        entry.streams = streams(context)
        if (description or entry.streams) and (shape.kind == "select" or returns_rows(shape.kind, context)):
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

    def request(self, journal: Journal, reading: Reading) -> Mark | None:
        """Return the mark on the frame of the request that is being served, None where there is none to be seen."""
        client = None
        if reading.stack.tested < 0 and journal.frame is not None:
            # A thread or a task of its own serves it, and the client waits in the test.
            client = self._client(journal, reading)
        return client or (None if reading.request is None else mark_of(reading.request))

    def _client(self, journal: Journal, reading: Reading) -> Mark | None:
        call = self.waiters.call_of(journal, reading)
        if call is not None and call.client is not False:
            return call.client
        frame = self._waiting_client(journal)
        client = None if frame is None else mark_of(frame)
        if call is not None:
            call.client = client
        return client

    def _waiting_client(self, journal: Journal) -> FrameType | None:
        frames, task = stack_of(journal.own, journal.thread, None if journal.task is None else journal.task())
        journal.task = None if task is None else ref(task)
        inside = False
        for each in frames:
            inside = inside or id(each.f_code) in journal.own
            if inside and self.reader.files.kind(each.f_code.co_filename) == FRAMEWORK:
                return each
        return None


def _waits(journal: Journal, stack: StackLike, waiting: Mark | None) -> bool:
    """Return whether the test is still in the call in which it waited when a stack was read.

    What it is not on itself may stay where it is, while the test makes one request after the other.
    """
    if stack.tested >= 0 or journal.frame is None:
        return True
    frame = None if waiting is None else frame_in_tests_thread(journal)
    return frame is not None and frame.f_trace is waiting and stack.position == journal.position(None)
