"""Reads a stack again without asking of each frame whose it is.

Most of what a test sends was sent by an earlier one, from the same lines. Where all frames run the same code as then,
and those of the application stand where they stood, the stack is what it was.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import CodeType, FrameType
from typing import NamedTuple, Protocol

from pytest_querybudget.stacks.reader import (
    AROUND,
    CROSSING,
    DEEPEST,
    END,
    LINE,
    REQUEST,
    Part,
    Reading,
    Stack,
    StackReader,
    Standing,
    Way,
    parent_frame,
)

_getframe = sys._getframe  # noqa: SLF001
# In how many ways through SQLAlchemy a statement is remembered to have been sent, and by how many lines in each.
MOST_APPROACHES = 8
MOST_RECALLED = 64
# How many of these may have the two innermost frames in common.
MOST_ALIKE = 8


class Recalled(NamedTuple):
    """A stack that was read, and what to compare with it: it keeps no frame alive.

    `called` is what is `inside` in the reading, `others` are the ids of the code of the application's functions but the
    test, and `crossed` is how many steps lie inside of the greenlet, -1 where there is none.
    """

    called: CodeType | None
    parts: tuple[Part, ...]
    stack: Stack
    entered: int
    near: Way
    beyond: Way
    others: frozenset[int]
    crossed: int


class Approach:
    """The stacks from which a statement was sent by one way through SQLAlchemy, also by earlier tests.

    `inside` is the innermost code that an interesting frame has called, and `away` is how far away that runs. It is
    None where it is not SQLAlchemy's, and then all frames are compared: what another library calls may be the
    application's, as far away as what was the library's. `age` is that of what the reader knew.
    """

    __slots__ = ("age", "away", "inside", "known", "lines")

    def __init__(self, away: int, inside: CodeType | None, age: int) -> None:
        self.away = away
        self.inside = inside
        self.age = age
        # By the two innermost frames; a listener of SQLAlchemy's events has the same two wherever it comes from.
        self.known: dict[object, tuple[Recalled, ...]] = {}
        # The ids of the code of the innermost lines.
        self.lines: set[int] = set()

    def add(self, key: object, known: Recalled) -> None:
        """Remember a stack."""
        if len(self.known) >= MOST_RECALLED or len(self.lines) >= MOST_RECALLED:
            self.known.clear()
            self.lines.clear()
        self.known[key] = (known, *self.known.get(key, ())[: MOST_ALIKE - 1])
        self.lines.add(id(known.parts[0][1]))


class Approached(Protocol):
    """A shape of statement, and the ways in which it was sent."""

    approaches: tuple[Approach, ...]


def read(
    reader: StackReader,
    shape: Approached,
    own: frozenset[int],
    position: Callable[[FrameType | None], int],
    above: int,
) -> Reading:
    """Return the stack from `above` frames outwards on, and remember it with the shape of the statement."""
    for approach in shape.approaches:
        inside = approach.inside
        try:
            within = _getframe(approach.away + above)
        except ValueError:
            continue
        if inside is None or within.f_code is inside:
            frame = within if inside is None else within.f_back
            for known in approach.known.get(_key(frame, own), ()) if approach.age == reader.age else ():
                reading = _recall(reader, known, frame, own, position)
                if reading is not None:
                    return reading
    outwards = _getframe(above)
    reading = reader.read(outwards, own, position)
    if len(reading.frames) < DEEPEST and not reading.stack.recursive:
        _remember(reader, shape, reading, outwards, own)
    return reading


def _key(frame: FrameType | None, own: frozenset[int]) -> object:
    """Return what tells the two innermost lines of a stack from others, but not one test from the other."""
    if frame is None or id(frame.f_code) in own:
        return None
    outer = frame.f_back
    if outer is None or id(outer.f_code) in own:
        return id(frame.f_code), frame.f_lasti
    return id(frame.f_code), frame.f_lasti, id(outer.f_code), outer.f_lasti


def _remember(
    reader: StackReader, shape: Approached, reading: Reading, outwards: FrameType, own: frozenset[int]
) -> None:
    parts = reading.parts
    between, code, instruction, kind = parts[0]
    inside = between[-1] if between and kind == CROSSING else reading.inside
    frame: FrameType | None = outwards
    if inside is not None:
        parts = (((), code, instruction, kind), *parts[1:])
        for _ in between:
            frame = None if frame is None else frame.f_back
    others = frozenset([id(code) for _, code, _, kind in parts if kind == LINE])
    crossed = len(reading.near) if CROSSING in [kind for _, _, _, kind in parts] else -1
    facts = reading.stack, reading.entered, reading.near, reading.beyond, others, crossed
    away = 0 if inside is None else len(between) - 1
    _approach(reader, shape, away, inside).add(_key(frame, own), Recalled(reading.inside, parts, *facts))


def _approach(reader: StackReader, shape: Approached, away: int, inside: CodeType | None) -> Approach:
    """Return the ways by one way through SQLAlchemy, new ones where there are none that still hold."""
    holding = [each for each in shape.approaches if each.age == reader.age]
    for each in holding:
        if each.away == away and each.inside is inside:
            return each
    new = Approach(away, inside, reader.age)
    shape.approaches = (new, *holding[: MOST_APPROACHES - 1])
    return new


def _recall(  # noqa: C901, PLR0912 - one pass for each statement
    reader: StackReader,
    known: Recalled,
    frame: FrameType | None,
    own: frozenset[int],
    position: Callable[[FrameType | None], int],
) -> Reading | None:
    """Return the stack from `frame` outwards where it is the known one, None where it is not.

    Another test may be on it. What SQLAlchemy calls before it sends a statement was not compared frame by frame: called
    by the same line, and as deep, it is the same.
    """
    if not known.others.isdisjoint(own):
        return None
    frames: list[FrameType] = []
    test = request = None
    same = True
    for between, code, instruction, kind in known.parts:
        for each in between:
            if frame is None or frame.f_code is not each:
                return None
            frame = frame.f_back
        if kind == LINE:
            if frame is None or frame.f_code is not code or frame.f_lasti != instruction:
                return None
            frames.append(frame)
        elif kind == CROSSING:
            if frame is not None:
                return None
            frame = parent_frame()
            continue
        elif kind == END:
            if frame is not None and frame is not reader.outermost:
                return None
            break
        elif kind == AROUND:
            if (None if frame is None else frame.f_code) is not code:
                return None
            break
        elif frame is None:
            return None
        elif kind == REQUEST:
            if frame.f_code is not code:
                return None
            request = frame
        else:
            if id(frame.f_code) not in own:
                return None
            same = same and frame.f_code is code and frame.f_lasti == instruction
            test = frame
            frames.append(frame)
        frame = frame.f_back
    at = position(test)
    if same and at == known.stack.position:
        return Reading(known.stack, frames, known.entered, request, known.near, known.beyond, known.called)
    return _of_another_test(reader, known, frames, request, at)


def _of_another_test(
    reader: StackReader, known: Recalled, frames: list[FrameType], request: FrameType | None, position: int
) -> Reading:
    """Return the reading of a stack with another test on it, or where the test stands elsewhere."""
    ways = zip((*known.near, *known.beyond), frames, strict=True)
    steps = [(away, frame.f_code, frame.f_lasti) for (away, _, _), frame in ways]
    stack = reader.share(steps, len(steps), known.crossed, known.stack.entered, known.stack.tested, position)
    inside = len(known.near)
    near, beyond = tuple(steps[:inside]), tuple(steps[inside:])
    return Reading(stack, frames, known.entered, request, near, beyond, known.called)


def distance(reader: StackReader, approaches: tuple[Approach, ...], standing: Standing, above: int) -> int:
    """Return how far away the application's innermost frame is, if it is that of `standing` at the same instruction.

    Then so are all frames further out. It is -1 for any other. `above` is as in `read`.
    """
    for approach in approaches:
        try:
            within = _getframe(approach.away + above)
        except ValueError:
            continue
        frame = within.f_back if within.f_code is approach.inside else None
        if frame is not None:
            if frame.f_trace is standing.marks[0]:
                return approach.away + 1 if frame.f_lasti == standing.instruction else -1
            if id(frame.f_code) in approach.lines:
                return -1
    return reader.distance(_getframe(above), standing)
