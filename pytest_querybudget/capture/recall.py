"""Reads a stack again without asking of each frame whose it is.

Most of what a test sends was sent by an earlier one, from the same lines. Where all frames run the same code as then,
and those of the application stand where they stood, the stack is what it was.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import CodeType, FrameType
from typing import NamedTuple, Protocol

from pytest_querybudget.capture.stacks import (
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
# How many stacks are remembered of a statement that several lines send.
MOST_RECALLED = 4


class Recalling(Protocol):
    """A shape of statement, with the stacks it was sent from last, also by earlier tests."""

    recalled: tuple[Recalled, ...]


class Recalled(NamedTuple):
    """A stack that was read, and what to compare with it: it keeps no frame alive.

    `away` is how far away the first frame of the `parts` is, and `inside` the code of the one inside of it. Where that
    is no code of SQLAlchemy, the `parts` tell all frames; `called` is what is `inside` in the reading. `others` are the
    ids of the code of the application's functions but the test, `crossed` is how many steps lie inside of the greenlet,
    -1 where there is none, and `age` is that of what the reader knew.
    """

    away: int
    inside: CodeType | None
    called: CodeType | None
    parts: tuple[Part, ...]
    stack: Stack
    entered: int
    near: Way
    beyond: Way
    others: frozenset[int]
    crossed: int
    age: int


def read(
    reader: StackReader,
    shape: Recalling,
    own: frozenset[int],
    position: Callable[[FrameType | None], int],
    above: int,
) -> Reading:
    """Return the stack from `above` frames outwards on, and remember it with the shape of the statement."""
    for known in shape.recalled:
        reading = recall(reader, known, own, position, above + 1)
        if reading is not None:
            return reading
    reading = reader.read(_getframe(above), own, position)
    if len(reading.frames) < DEEPEST and not reading.stack.recursive:
        shape.recalled = (_remember(reader, reading), *shape.recalled[: MOST_RECALLED - 1])
    return reading


def _remember(reader: StackReader, reading: Reading) -> Recalled:
    """Return what tells a stack like this one."""
    parts, stack = reading.parts, reading.stack
    between, code, instruction, kind = parts[0]
    inside = between[-1] if between and kind == CROSSING else reading.inside
    away = 0 if inside is None else len(between)
    if inside is not None:
        # What another library calls may be the application's, as far away as what was the library's.
        parts = (((), code, instruction, kind), *parts[1:])
    others = frozenset([id(code) for _, code, _, kind in parts if kind == LINE])
    crossed = len(reading.near) if CROSSING in [kind for _, _, _, kind in parts] else -1
    facts = stack, reading.entered, reading.near, reading.beyond, others, crossed, reader.age
    return Recalled(away, inside, reading.inside, parts, *facts)


def recall(  # noqa: C901, PLR0912 - one pass for each statement
    reader: StackReader, known: Recalled, own: frozenset[int], position: Callable[[FrameType | None], int], above: int
) -> Reading | None:
    """Return the stack as it is seen from `above` frames outwards, where it is the known one; None where it is not.

    Another test may be on it. What SQLAlchemy calls before it sends a statement is not compared frame by frame: called
    by the same line, and as deep, it is the same.
    """
    if known.age != reader.age or not known.others.isdisjoint(own):
        return None
    away = known.away + above
    try:
        within = _getframe(away if known.inside is None else away - 1)
    except ValueError:
        return None
    frame: FrameType | None = within
    if known.inside is not None:
        if within.f_code is not known.inside:
            return None
        frame = within.f_back
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


def distance(reader: StackReader, remembered: tuple[Recalled, ...], standing: Standing, above: int) -> int:
    """Return how far away the application's innermost frame is, if it is that of `standing` at the same instruction.

    Then so are all frames further out. It is -1 for any other. `above` is as in `recall`.
    """
    for known in remembered:
        away = known.away
        try:
            within = _getframe(away + above - 1)
        except ValueError:
            continue
        frame = within.f_back if within.f_code is known.inside else None
        if frame is not None:
            if frame.f_trace is standing.marks[0]:
                return away if frame.f_lasti == standing.instruction else -1
            if frame.f_code is known.parts[0][1]:
                return -1
    return reader.distance(_getframe(above), standing)
