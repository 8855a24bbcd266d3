"""What the rules about repetition share: whose repetition it is, and how a finding says where."""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pytest_querybudget.recording.model import Statement
from pytest_querybudget.recording.places import Place
from pytest_querybudget.rules.base import Options, Rule, no_arguments, threshold_option


class LoopRule(Rule, ABC):
    """A rule that looks in every test for what is sent again and again."""

    default = True
    needs_statements = True

    def parse(self, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Options:
        """Take a threshold."""
        no_arguments(self, arguments, keywords, "threshold")
        return Options(threshold=threshold_option(self, keywords))


def is_own(statement: Statement) -> bool:
    """Return whether the test function's own lines sent a statement."""
    return statement.stack.is_own(0)


def loop_place(statement: Statement) -> Place | None:
    """Return the line in the loop, when it is not the line that sends the statement."""
    return statement.stack.places[statement.loop] if statement.loop > 0 else None


def caller(chain: tuple[Place, ...]) -> Place | None:
    """Return the line that called the function which sends a statement."""
    here = chain[0] if chain else None
    return next((each for each in chain if here and (each.function, each.path) != (here.function, here.path)), None)


def brought_in_by(statement: Statement, others: Iterable[Statement]) -> Statement | None:
    """Return the query of the function in whose loop a statement runs that ran last before it."""
    stack = statement.stack
    loop = max(statement.loop, 0)
    if not stack.places:
        return None
    frame = stack.places[loop]
    best: Statement | None = None
    for each in others:
        if each is statement or each.shape.kind != "select" or each.first >= statement.first:
            continue
        if each.count >= statement.count > 1:
            # It is sent in the same loop.
            continue
        if each.meaning is not None and each.meaning.load == "eager":
            # It belongs to the query before it.
            continue
        if any((place.path, place.function) == (frame.path, frame.function) for place in each.stack.places[: loop + 2]):
            best = each if best is None or each.first > best.first else best
    return best
