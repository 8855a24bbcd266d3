"""Who sends a statement again: the application in a loop of it, the test, or a client that sends requests."""

from __future__ import annotations

import sys
from itertools import pairwise
from types import FrameType
from typing import Any, NamedTuple

from pytest_querybudget.capture.journal import Journal
from pytest_querybudget.capture.waiters import Waiters
from pytest_querybudget.recording.loops import Repeater
from pytest_querybudget.recording.model import Statement
from pytest_querybudget.stacks.callers import EVENT_LOOP, EXIT, SERVER, caller_between
from pytest_querybudget.stacks.marks import RESUMABLE, mark, resumed
from pytest_querybudget.stacks.messages import Messages
from pytest_querybudget.stacks.reader import COMPARED, Reading, StackReader, Way, delegates
from pytest_querybudget.stacks.starters import Starters

# How many times it is asked who has started a thread or a task: each looks at all that wait.
MOST_ASKED = 16


class Again(NamedTuple):
    """One more send of a statement, `requested` where a web client waits for it.

    `at` is the index of the innermost function that was active at an earlier one and still is, -1 where none was; it is
    `looping` where it stands in a loop of its own.
    """

    journal: Journal
    entry: Statement
    reading: Reading
    requested: bool
    at: int
    looping: bool

    @property
    def frame(self) -> FrameType:
        """The frame of that function."""
        return self.reading.frames[self.at]


class Repeaters:
    """Finds out who sends a statement again, by the frames that were active before and still are."""

    def __init__(self, reader: StackReader) -> None:
        self.reader = reader
        self.starters = Starters(reader.loops)
        self.waiters = Waiters(reader, self.starters.sites)
        self.messages = Messages()

    def find(self, journal: Journal, entry: Statement, reading: Reading, *, requested: bool) -> None:
        """Find out who sends a statement again; what was found before stays where nobody is seen to."""
        index = self.mark(reading, entry)
        entry.calls += 1
        if index < 0 and entry.calls > MOST_ASKED:
            # Nobody was seen to, time and again: where libraries alone send it, this is each send.
            return
        looping = index >= 0 and self.reader.loops.holds(reading.frames[index])
        stack: Any = entry.stack
        if index == 0 and entry.call is None and not stack.recursive:
            compare(entry, reading, 2)
        entry.repeater = self._who(Again(journal, entry, reading, requested, index, looping)) or entry.repeater

    def _who(self, again: Again) -> Repeater | None:
        """Return who sends a statement again, None where nobody is seen to.

        It is whoever was active then and still is, the innermost first. All questions stand here, in the order in which
        they have to be asked: the first that has an answer ends it.
        """
        frames, index = again.reading.frames, again.at
        if index < 0:
            # Each send is that of another call, which may be another thread's or task's.
            return None if _may_be_called_on_exit(again.reading) else self._starter(again, frames)
        # The function need not stand in a loop of its own: a library that it has called (`map`, a serializer, a
        # template) may call the one further in again and again, on its behalf. These do so on nobody's.
        caller = caller_between(frames[index - 1], again.frame) if index else ""
        if caller == SERVER:
            return Repeater.REQUEST
        if caller == EVENT_LOOP and not again.looping:
            # Each send may be another task's.
            return self._starter(again, frames[:index])
        if not again.looping and (index == 0 or caller == EXIT or self._retries(again.frame)):
            # SQLAlchemy sends several statements from one line, a batch for instance; the others go round no loop.
            return None
        again.entry.way = ()
        if 0 <= again.reading.entered <= index or self._answers(again):
            return Repeater.REQUEST
        if self.reader.is_arrangement(again.frame, again.journal.own):
            return self._test(again)
        return self._application(again)

    def _starter(self, again: Again, frames: list[FrameType]) -> Repeater | None:
        """Return who has started the threads or tasks that send a statement once each, with `frames`."""
        journal, entry, reading = again.journal, again.entry, again.reading
        if entry.calls > MOST_ASKED:
            return None
        if 0 <= reading.entered < len(frames):
            # Each is sent in a request of its own.
            return Repeater.REQUEST
        stacks, own = self.waiters.stacks(journal, entry)
        if self.starters.are_looping(stacks, frames):
            compare(entry, reading, COMPARED)
            return Repeater.APPLICATION
        test_loops = journal.frame is not None and self.reader.loops.holds(journal.frame)
        if again.requested and (not stacks or test_loops):
            return Repeater.REQUEST
        if test_loops or (not stacks and self.starters.are_looping(own, frames)):
            return Repeater.TEST
        # Without a loop each thread or task was started by itself.
        return None

    def _retries(self, frame: FrameType) -> bool:
        return self.reader.loops.retries(frame.f_code, frame.f_lasti)

    def _answers(self, again: Again) -> bool:
        """Return whether a loop answers what somebody else sends."""
        if not (again.looping and self.messages.are_taken(again.frame)):
            return False
        running = again.reading.frames[again.at :]
        return again.entry.calls > MOST_ASKED or not self.waiters.fill_a_queue(again.journal, running)

    def _test(self, again: Again) -> Repeater:
        """Remember the way to the test that sends a statement again: the same way is another time."""
        stack: Any = again.entry.stack
        if again.reading.request is None and not stack.recursive:
            again.entry.way = _way_to(again.reading, again.at)
        return Repeater.TEST

    def _application(self, again: Again) -> Repeater:
        """Note the loop of a function that sends a statement again, and let the innermost steps tell it from now on."""
        entry, frames = again.entry, again.reading.frames
        stack: Any = entry.stack
        entry.calls -= 1
        entry.loop = stack.step_of(again.frame) if again.looping else -1
        entry.parts = self.reader.loops.parts(again.frame.f_code)
        # A function that calls itself stands in the stack once.
        steps = len({id(each.f_code) for each in frames[: again.at + 1]})
        # One step more tells its caller.
        compare(entry, again.reading, min(steps + 1, COMPARED))
        return Repeater.APPLICATION

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


def _way_to(reading: Reading, index: int) -> Way:
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
    # Above the observer's frame are those of this function, of `_test`, `_who` and `find`, of `Finder._read` and of
    # `Finder.find`.
    called = sys._getframe(away + 6)  # noqa: SLF001
    return ((away, called.f_code, called.f_lasti), *way)


def _may_be_called_on_exit(reading: Reading) -> bool:
    """Return whether one call may send several on its exit, where a tracer has taken the marks off coroutines."""
    return sys.gettrace() is not None and any(caller_between(*each) == EXIT for each in pairwise(reading.frames))


def compare(entry: Statement, reading: Reading, steps: int) -> None:
    """Let the innermost steps tell from now on that a statement is sent from the same place again."""
    near, beyond = reading.innermost(steps)
    if near or beyond:
        entry.near, entry.beyond = near, beyond
