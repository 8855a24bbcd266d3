"""Who sends a statement again: the application in a loop of it, the test, or a client that sends requests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import pairwise
from threading import get_ident
from types import CodeType, FrameType
from typing import Any

from pytest_querybudget.capture.journal import Answered, Journal
from pytest_querybudget.recording.loops import Repeater
from pytest_querybudget.recording.model import StackLike, Statement
from pytest_querybudget.stacks.marks import (
    MOST_MARKED,
    MOST_PLACES,
    RESUMABLE,
    Mark,
    mark,
    mark_of,
    resumed,
    waits_for,
)
from pytest_querybudget.stacks.messages import Messages
from pytest_querybudget.stacks.reader import (
    COMPARED,
    Reading,
    StackReader,
    Way,
    delegates,
    parent_frame,
    thread_frames,
)
from pytest_querybudget.stacks.source import APPLICATION, FRAMEWORK
from pytest_querybudget.stacks.starters import Starters, Waiting
from pytest_querybudget.stacks.waiting import all_waiting_frames

# How many times it is asked who has started a thread or a task: each looks at all that wait.
MOST_ASKED = 16
# Between a function and the one that it has called lies what calls several in turn without being in a loop for them: an
# event loop its tasks, a server the handler of each request, a stack of contexts what was put on it.
_EVENT_LOOP, _SERVER, _EXIT = "event loop", "server", "exit"
_BETWEEN = (
    ("asyncio/base_events.py", "run_forever", _EVENT_LOOP),
    # Another event loop has no frames of Python.
    ("asyncio/runners.py", "run", _EVENT_LOOP),
    ("anyio/_core/_eventloop.py", "run", _EVENT_LOOP),
    ("trio/_core/_run.py", "run", _EVENT_LOOP),
    ("socketserver.py", "_handle_request_noblock", _SERVER),
    ("contextlib.py", "__exit__", _EXIT),
    ("contextlib.py", "__aexit__", _EXIT),
)


class Repeaters:
    """Finds out who sends a statement again, by the frames that were active before and still are."""

    def __init__(self, reader: StackReader) -> None:
        self.reader = reader
        self.starters = Starters(reader.loops)
        self.messages = Messages()

    def meet(self, journal: Journal, entry: Statement, reading: Reading) -> None:
        """Remember what waits while a statement is sent for the first time, where that may have started what runs."""
        if journal.frame is None or not (reading.stack.tested < 0 or _is_in_event_loop(journal.frame)):
            return
        call = self.call_of(journal, reading)
        if call is None:
            self._stacks_that_wait(journal, entry)
        elif call.waiting is None:
            call.waiting = []
            self._stacks_that_wait(journal, entry, call.waiting)
        else:
            for waiting, at in call.waiting:
                _remember(waiting, entry, at, self.reader.since)

    def call_of(self, journal: Journal, reading: Reading) -> Answered | None:
        """Return what is known of the outermost call that runs: what waits for it waits until it has returned.

        It is None where nothing may be known: a loop in it may work for one after the other.
        """
        outermost = reading.frames[-1] if reading.frames else None
        if outermost is None or self._loops(outermost) or sys.gettrace() is not None:
            return None
        # A worker may be in one call for ever, which answers one request after the other through `map`.
        called, waiting = mark_of(outermost), mark_of_waiting(journal, reading.stack)
        known = journal.answered
        if known is None or known.call is not called or known.waits is not waiting:
            known = journal.answered = Answered(called, waiting)
        return known

    def find(self, journal: Journal, entry: Statement, reading: Reading, *, requested: bool) -> None:
        """Find out who sends a statement again: whoever was active then and still is, the innermost first."""
        stack: Any = entry.stack
        index = self.mark(reading, entry)
        entry.calls += 1
        if index < 0:
            if entry.calls <= MOST_ASKED and not _may_be_called_on_exit(reading):
                self._find_starter(journal, entry, reading, reading.frames, requested=requested)
            return
        frame = reading.frames[index]
        looping = self.reader.loops.contains(frame.f_code, frame.f_lasti)
        if index == 0:
            if entry.call is None and not stack.recursive:
                compare(entry, reading, 2)
            if not looping:
                # One line sends several statements: that is SQLAlchemy's doing, a batch for instance.
                return
        elif self._is_elsewhere(journal, entry, reading, index, requested=requested):
            return
        entry.way = ()
        if 0 <= reading.entered <= index or (looping and self._answers(journal, entry, reading, index)):
            entry.repeater = Repeater.REQUEST
        elif self.is_arrangement(journal, frame):
            entry.repeater = Repeater.TEST
            if reading.request is None and not stack.recursive:
                entry.way = self._way_to(reading, index)
        else:
            entry.repeater = Repeater.APPLICATION
            entry.calls -= 1
            entry.loop = stack.step_of(frame) if looping else -1
            entry.parts = self.reader.loops.parts(frame.f_code)
            # A function that calls itself stands in the stack once.
            steps = len({id(each.f_code) for each in reading.frames[: index + 1]})
            # One step more tells its caller.
            compare(entry, reading, min(steps + 1, COMPARED))

    def _answers(self, journal: Journal, entry: Statement, reading: Reading, index: int) -> bool:
        """Return whether the loop at `index` answers what somebody else sends.

        Who puts what there is into a queue in a loop, and waits until it is worked off, goes through it all the same.
        """
        if not self.messages.are_taken(reading.frames[index]):
            return False
        if entry.calls > MOST_ASKED:
            return True
        waiting = [each for stack in all_waiting_frames(journal.thread) for each in stack]
        return not any(
            self.starters.sites.fills(each.f_code)
            for each in (*reading.frames[index:], *waiting)
            if self.reader.files.kind(each.f_code.co_filename) == APPLICATION and not self.is_arrangement(journal, each)
        )

    def _is_elsewhere(
        self, journal: Journal, entry: Statement, reading: Reading, index: int, *, requested: bool
    ) -> bool:
        """Return whether it is not the function at `index` that repeats what the one further in sends anew.

        It need not stand in a loop of its own for that: a library that it has called (`map`, a serializer, a template)
        may call the function further in again and again, on its behalf.
        """
        frame = reading.frames[index]
        loops = self.reader.loops
        between = _between(reading.frames[index - 1], frame)
        if between == _SERVER:
            entry.repeater = Repeater.REQUEST
            return True
        if loops.contains(frame.f_code, frame.f_lasti):
            return False
        if between == _EVENT_LOOP:
            if entry.calls <= MOST_ASKED:
                # Each send may be another task's.
                self._find_starter(journal, entry, reading, reading.frames[:index], requested=requested)
            return True
        return between == _EXIT or loops.retries(frame.f_code, frame.f_lasti)

    def _way_to(self, reading: Reading, index: int) -> Way:
        """Return the way to the frame at `index`, from the library's that the innermost one has called.

        It is empty where another frame may take the place of one without being seen: a library in between may make way
        for a function of the application, and a generator is resumed by anybody.
        """
        way = reading.near[: index + 1]
        if len(way) <= index or way[index][0] - way[0][0] > index:
            return ()
        if any(code.co_flags & RESUMABLE for _, code, _ in way):
            return ()
        away = way[0][0] - 1
        # Above the observer's frame are those of this method, of `find`, of `Finder._read` and of `Finder.find`.
        called = sys._getframe(away + 4)  # noqa: SLF001
        return ((away, called.f_code, called.f_lasti), *way)

    def is_arrangement(self, journal: Journal, frame: FrameType) -> bool:
        """Return whether a frame is the test's, or that of what arranges for it, such as a fixture."""
        code = frame.f_code
        return id(code) in journal.own or self.reader.files.is_arrangement(code, frame.f_globals)

    def mark(self, reading: Reading, entry: Statement) -> int:
        """Return the index of the innermost frame that was active at an earlier send, -1 when there is none."""
        index = mark(reading.frames, entry.serial)
        if sys.gettrace() is None:
            return index
        loops = self.reader.loops
        if entry.resumed is None:
            entry.resumed = set()
        for found in list(resumed(reading.frames, entry.resumed)):
            code, instruction = reading.frames[found].f_code, reading.frames[found].f_lasti
            if (index < 0 or found < index) and loops.contains(code, instruction):
                return found
            # It stays in its line, and a frame further out is the same as before.
            if found < index and delegates(code, instruction):
                return found
        return index

    def _find_starter(
        self, journal: Journal, entry: Statement, reading: Reading, frames: list[FrameType], *, requested: bool
    ) -> None:
        """Find out who sends a statement again where each send is another thread's or task's, with `frames`."""
        if 0 <= reading.entered < len(frames):
            # Each is sent in a request of its own.
            entry.repeater = Repeater.REQUEST
            return
        stacks, own = self._stacks_that_wait(journal, entry)
        if self.starters.are_looping(stacks, frames):
            entry.repeater = Repeater.APPLICATION
            compare(entry, reading, COMPARED)
        elif requested and (not stacks or self._loops(journal.frame)):
            entry.repeater = Repeater.REQUEST
        elif self._loops(journal.frame) or (not stacks and self.starters.are_looping(own, frames)):
            entry.repeater = Repeater.TEST
        # Without a loop each thread or task was started by itself.

    def _loops(self, frame: FrameType | None) -> bool:
        return frame is not None and self.reader.loops.contains(frame.f_code, frame.f_lasti)

    def _stacks_that_wait(
        self, journal: Journal, entry: Statement, met: list[tuple[Mark, int]] | None = None
    ) -> tuple[list[Waiting], list[Waiting]]:
        """Return the application's functions that wait while this thread or task runs, and the test's, stack by stack.

        The test, what arranges for it and what a web client waits for are left out: each request is one of its own.
        The marks on all others are added to `met`, each with where its function stands.
        """
        found: list[Waiting] = []
        of_test: list[Waiting] = []
        for frames in all_waiting_frames(journal.thread):
            functions: list[FrameType] = []
            own: list[FrameType] = []
            called: FrameType | None = None
            is_told = in_framework = False
            for each in frames:
                kind = self.reader.files.kind(each.f_code.co_filename)
                if kind != APPLICATION:
                    called = called or each
                    in_framework = in_framework or kind == FRAMEWORK
                    continue
                called = None
                if in_framework:
                    # It has called the application, which may in turn call a framework.
                    functions.clear()
                    is_told, in_framework = True, False
                if self.is_arrangement(journal, each):
                    is_told = True
                    own.append(each)
                else:
                    functions.append(each)
            if own:
                of_test.append(Waiting(own, -1, is_told))
            if functions:
                again = self._met(functions, entry, met)
                if called is not None and self._met([called], entry, met) >= 0:
                    # It still waits for what it waited for then.
                    again = -1
                found.append(Waiting(functions, again, is_told))
        if any(self.starters.sites.fills(each.f_code) for stack in found for each in stack.frames):
            found = [each._replace(filled=True) for each in found]
        return found, of_test

    def _met(self, frames: list[FrameType], entry: Statement, marks: list[tuple[Mark, int]] | None) -> int:
        """Return the index of the innermost frame that was there when a statement was sent before; remember all.

        It is -1 also where that frame stood elsewhere in its function: then it has not come back.
        """
        again = -1
        for index, frame in enumerate(frames):
            at = self._place(frame)
            known = mark_of(frame)
            if marks is not None:
                marks.append((known, at))
            met, came_back = _remember(known, entry, at, self.reader.since)
            if at and sys.gettrace() is not None and frame.f_code.co_flags & RESUMABLE:
                # A tracer takes the mark off what is resumed. Another frame may get its address, but in a loop rarely.
                address = -1 - id(frame) * MOST_PLACES - at
                entry.resumed = entry.resumed or set()
                met = came_back = came_back or address in entry.resumed
                entry.resumed.add(address)
            if met:
                again = index if came_back else -1
        return again

    def _place(self, frame: FrameType) -> int:
        """Return where a function stands: in no loop, or a coroutine in which line of one.

        It waits and runs at two instructions of a line. Any other function may not wait yet for what it has started.
        """
        if not self._loops(frame):
            return 0
        return 2 + (frame.f_lineno or 0) if frame.f_code.co_flags & RESUMABLE else 1


def _remember(waiting: Mark, entry: Statement, at: int, since: int) -> tuple[bool, bool]:
    """Remember that a function waits, and `at` what place; return whether it did before, and there."""
    there = waits_for(entry.serial)
    before = there in waiting.serials, there - at in waiting.serials
    waiting.serials |= {there, there - at}
    if len(waiting.serials) > MOST_MARKED and len(waiting.serials) % MOST_MARKED < 2:
        waiting.forget(since)
    return before


def _may_be_called_on_exit(reading: Reading) -> bool:
    """Return whether one call may send several on its exit, where a tracer has taken the marks off coroutines."""
    return sys.gettrace() is not None and any(_between(*each) == _EXIT for each in pairwise(reading.frames))


def _is_in_event_loop(test: FrameType) -> bool:
    """Return whether an event loop runs here that a test which is no coroutine has started."""
    asyncio = sys.modules.get("asyncio.events")
    return asyncio is not None and not test.f_code.co_flags & RESUMABLE and asyncio._get_running_loop() is not None  # noqa: SLF001


def _between(inner: FrameType, outer: FrameType) -> str:
    """Return what calls the inner function on behalf of the outer one, empty where that is nothing of note."""
    for code in _codes_between(inner, outer):
        for file, function, what in _BETWEEN:
            if code.co_name == function and code.co_filename.replace("\\", "/").endswith(file):
                return what
    return ""


def _codes_between(inner: FrameType, outer: FrameType) -> Iterator[CodeType]:
    frame = inner.f_back
    crossed = False
    while frame is not outer:
        if frame is None:
            if crossed:
                return
            frame, crossed = parent_frame(), True
        else:
            yield frame.f_code
            frame = frame.f_back


def compare(entry: Statement, reading: Reading, steps: int) -> None:
    """Let the innermost steps tell from now on that a statement is sent from the same place again."""
    near, beyond = reading.innermost(steps)
    if near or beyond:
        entry.near, entry.beyond = near, beyond


def mark_of_waiting(journal: Journal, stack: StackLike) -> Mark | None:
    """Return the mark on the frame in which the test waits for the thread or task that runs, None where it is that."""
    frame = None if stack.tested >= 0 else frame_in_tests_thread(journal)
    return None if frame is None else mark_of(frame)


def frame_in_tests_thread(journal: Journal) -> FrameType | None:
    """Return the test function's frame, or, while another thread runs, the innermost frame of the test's thread.

    That is where the test waits: another call of the same line is another frame.
    """
    if journal.frame is None or get_ident() == journal.thread:
        return journal.frame
    return thread_frames(journal.thread)
