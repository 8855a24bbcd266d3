"""What single executions of a statement asked for: the parameters of the first few, by name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from pytest_querybudget.capture.parameters import are_plain, digests, grouped, list_length, words_of
from pytest_querybudget.capture.shapes import ShapeEntry
from pytest_querybudget.recording.model import Sample, Statement
from pytest_querybudget.recording.patterns import leading_wildcard


def take_sample(entry: Statement, context: Any, parameters: Any, statement: str) -> None:
    """Remember what an execution asked for.

    Most statements are sent once, so the first is only put aside, and few are judged by their values, so that digests
    are made when a rule asks for them. Plain values alone may be kept for that, and not those that are written, which
    may be large.
    """
    named = _named(context, parameters, entry.shape)
    plain = are_plain(named.values())
    if entry.count == 1 and plain:
        entry.aside = named, statement, id(context.dialect)
        return
    if entry.aside is not None:
        first, text, database = entry.aside
        entry.aside = None
        entry.taken.append(partial(_sample, first, entry.shape, text, 0, database))
    follows = bool(entry.last_values) and _follows(entry, parameters, statement)
    sample = partial(
        _sample, named, entry.shape, statement, entry.last_rows, id(context.dialect), call=entry.calls, follows=follows
    )
    entry.taken.append(sample if plain and entry.shape.kind == "select" else sample())


def _follows(entry: Statement, parameters: Any, statement: str) -> bool:
    """Return whether an execution asks for what the one before it has brought."""
    values = parameters.values() if isinstance(parameters, Mapping) else parameters
    asked = set(words_of(values))
    if entry.shape.literal:
        asked |= words_of(each.strip("'") for each in entry.shape.literals(statement))
    return not asked.isdisjoint(entry.last_values)


def _named(context: Any, parameters: Any, shape: ShapeEntry) -> Mapping[str, Any]:
    """Return the parameters of one execution by name, or by position."""
    if shape.compiled and context.compiled_parameters and not context.executemany:
        named: Mapping[str, Any] = context.compiled_parameters[0]
        return named
    if isinstance(parameters, dict):
        # The application's own, which it may fill anew for the next execution.
        return dict(parameters)
    return {str(index): each for index, each in enumerate(parameters)}


def _sample(
    named: Mapping[str, Any],
    shape: ShapeEntry,
    statement: str,
    before: int,
    database: int,
    *,
    call: int = 0,
    follows: bool = False,
) -> Sample:
    """Note digests of the parameters by name, to see which of them vary."""
    together = grouped(named, shape.expanding) if shape.expanding else named
    text = statement if shape.literal else None
    wild = {key: sign for key, each in named.items() if type(each) is str and (sign := leading_wildcard(each))}
    return Sample(digests(together), list_length(together), before, text, database, follows, wild, call)
