"""Who waits while a thread or a task sends a statement: one of these has started it."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from threading import get_ident
from types import FrameType
from typing import NamedTuple

from pytest_querybudget.capture.journal import Answered, Journal
from pytest_querybudget.recording.model import StackLike, Statement
from pytest_querybudget.stacks.marks import MOST_MARKED, MOST_PLACES, RESUMABLE, Mark, mark_of, waits_for
from pytest_querybudget.stacks.reader import Reading, StackReader, thread_frames
from pytest_querybudget.stacks.sites import Sites
from pytest_querybudget.stacks.source import APPLICATION, FRAMEWORK
from pytest_querybudget.stacks.starters import Waiting
from pytest_querybudget.stacks.waiting import all_waiting_frames


class _Sides(NamedTuple):
    """The frames of a stack that waits: the application's functions, and the test's; see `Waiting`.

    `called` is what the innermost function has called, None where that is on its own.
    """

    functions: list[FrameType]
    own: list[FrameType]
    called: FrameType | None
    is_told: bool


class Waiters:
    """Looks at the functions that wait while a statement is sent, and marks them to know them when it is sent again."""

    def __init__(self, reader: StackReader, sites: Sites) -> None:
        self.reader = reader
        self.sites = sites

    def meet(self, journal: Journal, entry: Statement, reading: Reading) -> None:
        """Remember what waits while a statement is sent for the first time, where that may have started what runs."""
        if journal.frame is None or not (reading.stack.tested < 0 or _is_in_event_loop(journal.frame)):
            return
        call = self.call_of(journal, reading)
        if call is None:
            self.stacks(journal, entry)
        elif call.waiting is None:
            call.waiting = []
            self.stacks(journal, entry, call.waiting)
        else:
            for waiting, at in call.waiting:
                _remember(waiting, entry, at, self.reader.since)

    def call_of(self, journal: Journal, reading: Reading) -> Answered | None:
        """Return what is known of the outermost call that runs: what waits for it waits until it has returned.

        It is None where nothing may be known: a loop in it may work for one after the other.
        """
        outermost = reading.frames[-1] if reading.frames else None
        if outermost is None or self.reader.loops.holds(outermost) or sys.gettrace() is not None:
            return None
        # A worker may be in one call for ever, which answers one request after the other through `map`.
        called, waiting = mark_of(outermost), mark_of_waiting(journal, reading.stack)
        known = journal.answered
        if known is None or known.call is not called or known.waits is not waiting:
            known = journal.answered = Answered(called, waiting)
        return known

    def stacks(
        self, journal: Journal, entry: Statement, met: list[tuple[Mark, int]] | None = None
    ) -> tuple[list[Waiting], list[Waiting]]:
        """Return the application's functions that wait while this thread or task runs, and the test's, stack by stack.

        The marks on the former are added to `met`, each with where its function stands.
        """
        found: list[Waiting] = []
        of_test: list[Waiting] = []
        for frames in all_waiting_frames(journal.thread):
            sides = self._sides(journal, frames)
            if sides.own:
                of_test.append(Waiting(sides.own, -1, sides.is_told))
            if sides.functions:
                again = self._met(sides.functions, entry, met)
                if sides.called is not None and self._met([sides.called], entry, met) >= 0:
                    # It still waits for what it waited for then.
                    again = -1
                found.append(Waiting(sides.functions, again, sides.is_told))
        if self._fill(journal, (each for stack in found for each in stack.frames)):
            found = [each._replace(filled=True) for each in found]
        return found, of_test

    def fill_a_queue(self, journal: Journal, running: list[FrameType]) -> bool:
        """Return whether one of those that run, or that wait, puts what there is into a queue in a loop.

        Who does so, and waits until it is worked off, goes through it all the same.
        """
        return self._fill(journal, running) or any(
            self._fill(journal, frames) for frames in all_waiting_frames(journal.thread)
        )

    def _fill(self, journal: Journal, frames: Iterable[FrameType]) -> bool:
        return any(
            self.sites.fills(each.f_code)
            for each in frames
            if self.reader.files.kind(each.f_code.co_filename) == APPLICATION
            and not self.reader.is_arrangement(each, journal.own)
        )

    def _sides(self, journal: Journal, frames: list[FrameType]) -> _Sides:
        """Tell the application's functions on a stack from the test's.

        The test, what arranges for it and what a web client waits for are none of the application's: each request is
        one of its own.
        """
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
            if self.reader.is_arrangement(each, journal.own):
                is_told = True
                own.append(each)
            else:
                functions.append(each)
        return _Sides(functions, own, called, is_told)

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
        if not self.reader.loops.holds(frame):
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


def _is_in_event_loop(test: FrameType) -> bool:
    """Return whether an event loop runs here that a test which is no coroutine has started."""
    asyncio = sys.modules.get("asyncio.events")
    return asyncio is not None and not test.f_code.co_flags & RESUMABLE and asyncio._get_running_loop() is not None  # noqa: SLF001


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
