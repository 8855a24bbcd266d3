"""Where a repetition comes from: the application, the test's own lines, or a client that sends requests."""

from __future__ import annotations

from enum import Enum

from pytest_querybudget.recording.model import StackLike


class Repeater(Enum):
    """Who runs the same stack again."""

    APPLICATION = "application"
    TEST = "test"
    REQUEST = "request"


def repeater(stack: StackLike) -> Repeater:
    """Say who repeats a stack that was seen at least twice.

    The innermost frame that stands in a loop repeats what is inside of it. Where none does, something without a
    frame calls again (`map`, `gather`, an executor, a callback): the innermost function that could have asked for it
    is the one that called the last one.
    """
    loop = stack.loop
    if loop >= 0:
        return Repeater.TEST if stack.is_own(loop) else Repeater.APPLICATION
    if stack.entered >= 0:
        return Repeater.REQUEST
    if stack.detached:
        return Repeater.APPLICATION if stack.waited else Repeater.TEST
    return Repeater.APPLICATION if stack.tested > 1 else Repeater.TEST
