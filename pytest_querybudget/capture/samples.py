"""What single executions of a statement asked for: the parameters of the first few, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_querybudget.capture.parameters import are_plain, digests, grouped, list_length, words_of
from pytest_querybudget.capture.shapes import ShapeEntry
from pytest_querybudget.recording.model import Statement
from pytest_querybudget.recording.patterns import leading_wildcard
from pytest_querybudget.recording.samples import Sample

# How many parameters, and how long a text among them, may be kept until a rule asks for digests of them.
MOST_KEPT = 32
LONGEST_KEPT = 200


class Taken:
    """One execution, from which a sample is made when a rule asks: few rules do, and of few statements.

    Its representation shows no value.
    """

    __slots__ = ("_made", "call", "database", "follows", "named", "rows", "shape", "text")

    def __init__(
        self, named: Mapping[str, Any], shape: ShapeEntry, text: str, database: int, *, rows: int, call: int
    ) -> None:
        self.named = named
        self.shape = shape
        self.text = text
        self.database = database
        self.rows = rows
        self.call = call
        self.follows = False
        self._made: Sample | None = None

    def sample(self) -> Sample:
        """Return digests of the parameters by name, to see which of them vary, and let go of the parameters."""
        if self._made is None:
            self._made = self._make()
            self.named, self.text = {}, ""
        return self._made

    def _make(self) -> Sample:
        named, shape = self.named, self.shape
        together = grouped(named, shape.expanding, shape.fixed) if shape.expanding else named
        return Sample(
            digests(together),
            list_length(together),
            rows=self.rows,
            text=self.text if shape.literal else None,
            database=self.database,
            follows=self.follows,
            wild={key: sign for key, each in named.items() if type(each) is str and (sign := leading_wildcard(each))},
            call=self.call,
        )


def take_sample(entry: Statement, context: Any, parameters: Any, statement: str) -> None:
    """Remember what an execution asked for.

    Most statements are sent once, so the first is only put aside; plain values alone may be kept for that.
    """
    named, database = _named(context, parameters, entry.shape), id(context.dialect)
    if entry.count == 1 and are_plain(named.values()):
        entry.aside = named, statement, database
        return
    if entry.aside is not None:
        first, text, where = entry.aside
        entry.aside = None
        _take(entry, Taken(first, entry.shape, text, where, rows=0, call=0))
    taken = Taken(named, entry.shape, statement, database, rows=entry.last_rows, call=entry.calls)
    taken.follows = bool(entry.last_values) and _follows(entry, parameters, statement)
    _take(entry, taken)


def _take(entry: Statement, taken: Taken) -> None:
    values = taken.named.values()
    if len(values) > MOST_KEPT or not are_plain(values) or _are_long(values):
        # What the application may change, or what is large, is not kept.
        taken.sample()
    if entry.taken is None:
        entry.taken = []
    entry.taken.append(taken)


def _are_long(values: Any) -> bool:
    return any(type(each) in (str, bytes) and len(each) > LONGEST_KEPT for each in values)


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
