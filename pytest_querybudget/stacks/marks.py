"""Tells one call of a function from the next, by what is hung on its frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from types import FrameType
from typing import Any

RESUMABLE = CO_COROUTINE | CO_GENERATOR | CO_ASYNC_GENERATOR
# How many numbers a mark remembers before those of earlier tests are dropped: a worker's frame outlives them all.
MOST_MARKED = 256
# How many places of a function are told apart, where it waits for what runs.
MOST_PLACES = 1 << 20


class Mark:
    """Hangs on a frame to tell one call of a function from the next.

    A frame can neither be held (it would keep its locals alive, and with them what the session's identity map forgets)
    nor told by its address (the next call often gets the same). `f_trace` is a place on the frame that dies with it.
    A tracer that put its own function there is called as before.
    """

    __slots__ = ("before", "serials", "since")

    def __init__(self, before: Any) -> None:
        self.before = before
        # The numbers of what ran from the frame, and of what it has waited for; see `waits_for`.
        self.serials: set[int] = set()
        # Where this is the frame of a request: how far each journal, by number, had counted when it began.
        self.since: dict[int, int] | None = None

    def begin(self, journal: int, sent: int) -> None:
        """Note how far a journal has counted when the request of this frame begins, which only the first call knows."""
        self.since = self.since or {}
        self.since.setdefault(journal, sent)

    def begun(self, journal: int, otherwise: int) -> int:
        """Return how far a journal had counted then."""
        return otherwise if self.since is None else self.since.get(journal, otherwise)

    def forget(self, since: int) -> None:
        """Forget what came before the test whose journal is `since`."""
        # The lowest of those that it has waited for; see `waits_for`.
        lowest = waits_for(since)
        self.serials = {each for each in self.serials if each >= since or each <= lowest}
        self.since = {each: sent for each, sent in (self.since or {}).items() if each >= since}

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Pass a trace event on."""
        if self.before is not None:
            self.before = self.before(frame, event, argument)
        return self


def waits_for(serial: int) -> int:
    """Return the number that the mark on a waiting frame has for what runs: its own is on those who run it."""
    return -1 - serial * MOST_PLACES


def mark_of(frame: FrameType) -> Mark:
    """Return the mark of a frame, a new one where there is none."""
    known = frame.f_trace
    if type(known) is not Mark:
        known = frame.f_trace = Mark(known)
    return known


def mark(frames: Sequence[FrameType], serial: int) -> int:
    """Mark frames with the number of what runs from them, and return the innermost that was marked with it before.

    Returns -1 when none was: no call that was active then is active now.
    """
    found = -1
    for index, frame in enumerate(frames):
        known = mark_of(frame).serials
        if serial in known:
            # All frames further out were active at that time, too.
            found = index
            break
        known.add(serial)
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
