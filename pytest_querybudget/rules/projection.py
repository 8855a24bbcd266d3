"""What the two rules about columns share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_querybudget.findings.model import Finding
from pytest_querybudget.recording.model import Statement
from pytest_querybudget.rules.base import OptionError, Options, Rule, name_options, unknown_keywords


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns(Finding):
    """Columns that a result should not have. `attributes` are the mapped ones, `kept` those that may stay."""

    columns: tuple[str, ...]
    attributes: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    entity: str | None = None


class Projection(Rule):
    """A rule that takes patterns of columns."""

    names_columns = True
    takes = '"table.column" patterns, for example "contacts.id", "*.metadata"'

    def parse(self, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Options:
        """Take at least one pattern."""
        unknown_keywords(self, keywords, ())
        values = arguments
        if len(arguments) == 1 and isinstance(arguments[0], (list, tuple)):
            values = arguments[0]
        if not values:
            raise OptionError(f"{self.name} got no pattern; it takes {self.takes}")
        patterns = name_options(self, "patterns", values)
        for each in patterns:
            if "." not in each:
                raise OptionError(
                    f'{self.name} got {each!r}, but a pattern is "table.column"; for every table "*.{each}"'
                )
        return Options(patterns=patterns)


def columns_finding(kind: type[Columns], statement: Statement, columns: Sequence[str], kept: Sequence[str]) -> Columns:
    """Make a finding about some columns of a statement."""
    facts = statement.shape.facts
    attributes = statement.shape.attributes
    return kind(
        sql=facts.sql,
        tables=tuple(sorted({each.rpartition(".")[0] for each in columns})),
        count=statement.count,
        location=statement.location,
        chain=statement.stack.places,
        columns=tuple(columns),
        attributes=tuple(attributes[each] for each in columns if each in attributes),
        kept=tuple(attributes[each] for each in kept if each in attributes),
        entity=statement.shape.entities[0] if statement.shape.entities else None,
    )
