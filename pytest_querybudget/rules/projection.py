"""What the two rules about columns share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytest_querybudget.findings.model import Finding
from pytest_querybudget.recording.model import Statement
from pytest_querybudget.recording.structure import Schema
from pytest_querybudget.rules.base import OptionError, Options, Rule, name_options, unknown_keywords
from pytest_querybudget.rules.columns import columns_of
from pytest_querybudget.rules.cures import alias_note
from pytest_querybudget.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns(Finding):
    """Columns that a result should not have.

    `attributes` are the mapped ones, where a loader option leaves them out, `kept` those of the same entities that may
    stay; `path` leads to them from the entity that the query loads, `entity` is what the statement selects.
    """

    columns: tuple[str, ...]
    attributes: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    entity: str | None = None
    by_identity: bool = False

    def option(self, *options: str) -> str:
        """Say where loader options go."""
        if self.path:
            # What loads the relationship stays as it is, be it an option, the mapping or an access.
            start = ".".join(f"defaultload({each})" for each in self.path)
            told = ", ".join(f"{start}.{each}" for each in options)
            return f"Add .options({told}) to the query for {self.path[0].partition('.')[0]}."
        told = ", ".join(options)
        if self.by_identity:
            return f"Pass options=[{told}] to session.get()."
        note = alias_note(told)
        return f".options({told}){note.removeprefix(',')}"


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
    shape, meaning = statement.shape, statement.meaning
    optional = _is_optional(statement, columns)
    attributes = tuple(_label(shape.attributes[each], shape.entities) for each in columns) if optional else ()
    classes = {each.partition(".")[0] for each in attributes}
    others = [_label(shape.attributes[each], shape.entities) for each in kept if each in shape.attributes]
    return kind(
        sql=shape.facts.sql,
        tables=tuple(sorted({each.rpartition(".")[0] for each in columns})),
        count=statement.count,
        location=statement.location,
        chain=statement.stack.places,
        columns=tuple(columns),
        attributes=attributes,
        kept=tuple(each for each in others if each.partition(".")[0] in classes),
        path=tuple(map(str, meaning.path)) if meaning else (),
        entity=shape.entities[0] if shape.entities else None,
        by_identity=shape.by_identity,
    )


def _is_optional(statement: Statement, columns: Sequence[str]) -> bool:
    """Return whether a loader option leaves all of these columns out: a cure that does not run is worse than none.

    It does where the query selects the entity that has them. It does not for columns that are selected by name, for
    those of an eager join or of a text, for a primary key, and for what is read again of an object that is there.
    """
    shape, meaning = statement.shape, statement.meaning
    if shape.given or (meaning is not None and (meaning.relationship is None or not meaning.path)):
        return False
    sent = columns_of(statement)
    loaded = {each.removeprefix("alias_of_") for each in shape.entities}
    return all(
        sent.count(each) == 1
        and shape.attributes.get(each, ".").partition(".")[0] in loaded
        and not _is_primary(each, shape.facts.schema)
        for each in columns
    )


def _is_primary(column: str, schema: Schema) -> bool:
    """Return whether a column belongs to the one key of its table, which every query for the entity selects."""
    table, _, name = column.lower().rpartition(".")
    keys = schema.keys.get(table, ())
    return len(keys) == 1 and name in keys[0]


def _label(attribute: str, entities: Sequence[str]) -> str:
    """Return an attribute of the entity as the query names it; an alias has a name that only the application knows."""
    alias = f"alias_of_{attribute.partition('.')[0]}"
    return f"alias_of_{attribute}" if alias in entities else attribute
