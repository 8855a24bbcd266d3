"""Tells one call of a function from the next, by what is hung on its frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from types import FrameType
from typing import Any

RESUMABLE = CO_COROUTINE | CO_GENERATOR | CO_ASYNC_GENERATOR
# How many statements a mark remembers before those of earlier tests are dropped: a worker's frame outlives them all.
MOST_MARKED = 256
# How many places of a function are told apart, where it waits while statements are sent.
MOST_PLACES = 1 << 20


class Mark:
    """Hangs on a frame to tell one call of a function from the next.

    A frame can neither be held (it would keep its locals alive, and with them what the session's identity map forgets)
    nor told by its address (the next call often gets the same). `f_trace` is a place on the frame that dies with it.
    A tracer that put its own function there is called as before.
    """

    __slots__ = ("before", "since", "statements")

    def __init__(self, before: Any) -> None:
        self.before = before
        # The numbers of those that were sent from the frame.
        self.statements: set[int] = set()
        # Where this is the frame of a request: how many statements each journal, by number, had before its first one.
        self.since: dict[int, int] = {}

    def forget(self, since: int) -> None:
        """Forget what came before the test whose journal is `since`."""
        # The lowest of those that it has waited for; see `waits_for`.
        lowest = waits_for(since)
        self.statements = {each for each in self.statements if each >= since or each <= lowest}
        self.since = {each: sent for each, sent in self.since.items() if each >= since}

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Pass a trace event on."""
        if self.before is not None:
            self.before = self.before(frame, event, argument)
        return self


def waits_for(statement: int) -> int:
    """Return the number that the mark on a waiting frame has for a statement: those who send it remember its own."""
    return -1 - statement * MOST_PLACES


def mark_of(frame: FrameType) -> Mark:
    """Return the mark of a frame, a new one where there is none."""
    known = frame.f_trace
    if type(known) is not Mark:
        known = frame.f_trace = Mark(known)
    return known


def mark(frames: Sequence[FrameType], statement: int) -> int:
    """Mark frames as those from which a statement was sent, and return the innermost that was marked with it before.

    Returns -1 when none was: no call that was active then is active now.
    """
    found = -1
    for index, frame in enumerate(frames):
        known = mark_of(frame).statements
        if statement in known:
            # All frames further out were active at that time, too.
            found = index
            break
        known.add(statement)
    return found


def resumed(frames: Sequence[FrameType], known: set[int]) -> Iterator[int]:
    """Yield the indexes of coroutine and generator frames that may have been there before, and remember all of them.

    A tracer, such as that of coverage, takes the mark off a frame that is resumed. Only the address of the frame is
    left to tell it, which the next call may get as well: whoever asks must have another reason to believe it.
    """
    for index, frame in enumerate(frames):
        if frame.f_code.co_flags & RESUMABLE:
            if id(frame) in known:
                yield index
            known.add(id(frame))
