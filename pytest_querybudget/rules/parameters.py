"""What is known of the values that a statement was sent with: they are looked at here, and never shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pytest_querybudget.recording.model import Statement
from pytest_querybudget.recording.patterns import leading_wildcard


def sent_once(statement: Statement) -> Mapping[str, Any]:
    """Return the parameters of a statement that was sent once: of more executions only digests are kept."""
    return statement.aside[0] if statement.aside is not None else {}


def numbers(statement: Statement, role: str) -> Iterator[int]:
    """Yield the numbers that were sent for a role (`limit`, `offset`)."""
    values = sent_once(statement)
    for each in statement.shape.facts.binds:
        value = values.get(each.name)
        if each.role == role and not each.literal and type(value) is int:
            yield value


def wildcards(statement: Statement) -> set[tuple[str, str]]:
    """Return the columns, in lower case, whose pattern was sent as one that begins with a wildcard, and with which."""
    once = {key: leading_wildcard(each) for key, each in sent_once(statement).items() if isinstance(each, str)}
    return {
        ((each.column or "").lower(), sign)
        for each in statement.shape.facts.binds
        for sent in (once, *(sample.wild for sample in statement.samples))
        if each.role == "like" and (sign := sent.get(each.name, ""))
    }


def list_length(statement: Statement) -> int:
    """Return how many members the longest IN list had, in the execution that had the fewest."""
    if statement.samples:
        return min(each.listed for each in statement.samples)
    values = sent_once(statement)
    lengths = [0]
    for each in statement.shape.facts.binds:
        if each.role == "in" and not each.literal:
            value = values.get(each.name)
            members = len(value) if isinstance(value, (list, tuple, set, frozenset)) else 0
            lengths.append(members or sum(name.startswith(f"{each.name}_") for name in values))
    return max(lengths)


def streams(statement: Statement) -> bool:
    """Return whether the rows of a statement were fetched in batches (`yield_per`, `stream_results`)."""
    return statement.streams
