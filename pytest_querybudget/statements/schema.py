"""What the mapping says of the tables that a statement reads, as plain values: nothing of the application is held."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import Date, DateTime, MetaData, Table

from pytest_querybudget.recording.structure import Link, Schema
from pytest_querybudget.statements import internals

# Fewer tables than these have no two collections to multiply.
_LEAST_JOINED = 3
# How many mapped classes are looked at for relationships between the tables of one statement.
_MOST_MAPPERS = 200


def schema_of(compiled: Any, metadata: MetaData | None, reads: Iterable[str]) -> Schema:
    """Tell the unique keys, foreign keys and index expressions of tables, and the relationships between them."""
    if metadata is None:
        return Schema()
    names = tuple(reads)
    tables = {name.lower(): table for name in names if (table := metadata.tables.get(name)) is not None}
    return Schema(
        keys={name: tuple(_lower(internals.unique_keys(metadata, table.fullname))) for name, table in tables.items()},
        foreign={name: frozenset(_foreign(table)) for name, table in tables.items()},
        expressions={name: found for name, table in tables.items() if (found := tuple(_expressions(table)))},
        moments={name: frozenset(_moments(table)) for name, table in tables.items()},
        links=tuple(_links(compiled, set(tables))) if len(names) >= _LEAST_JOINED else (),
        linked=any(map(_is_linked, tables.values())),
    )


def _lower(keys: Iterable[frozenset[str]]) -> Iterator[frozenset[str]]:
    for each in keys:
        yield frozenset(column.lower() for column in each)


def _foreign(table: Table) -> Iterator[str]:
    for constraint in table.foreign_key_constraints:
        for column in constraint.columns:
            yield str(column.name).lower()


def _moments(table: Table) -> Iterator[str]:
    for column in table.columns:
        if isinstance(column.type, (Date, DateTime)):
            yield str(column.name).lower()


def _is_linked(table: Table) -> bool:
    """Whether rows of a table form a tree or a chain: a key to itself, or two of them to one other table."""
    targets = [each.target_fullname.rpartition(".")[0] for each in table.foreign_keys]
    return table.fullname in targets or len(set(targets)) < len(targets)


def _expressions(table: Table) -> Iterator[str]:
    """What indexes hold that is no column: `lower(email)`, without the table's name and without quotes.

    The columns of a trigram index, which serves patterns, stand there as `trgm email`.
    """
    for index in table.indexes:
        # To ask for the options of a dialect would import it: they are there where the index was given some.
        given: Mapping[str, Any] = index.dialect_options.get("postgresql", {})
        if "trgm" in str(dict(given).get("ops")):
            yield from (f"trgm {str(column.name).lower()}" for column in index.columns)
        if len(index.expressions) != len(index.columns) or any(
            not hasattr(each, "table") for each in index.expressions
        ):
            for each in index.expressions:
                yield str(each).lower().replace(f"{table.fullname.lower()}.", "").replace('"', "")


def _links(compiled: Any, tables: set[str]) -> Iterator[Link]:
    """The relationships that lead from the entities of an ORM SELECT over its tables."""
    state = getattr(compiled, "compile_state", None)
    waiting = [mapper for each in getattr(state, "_entities", ()) if (mapper := getattr(each, "mapper", None))]
    seen: set[Any] = set()
    while waiting and len(seen) < _MOST_MAPPERS:
        mapper = waiting.pop()
        if mapper in seen:
            continue
        seen.add(mapper)
        waiting += mapper.self_and_descendants
        for relationship in mapper.relationships:
            target = relationship.mapper
            if _names(target) & tables:
                yield _link(mapper, relationship)
                waiting.append(target)


def _names(mapper: Any) -> set[str]:
    return {str(table.fullname).lower() for table in mapper.tables if isinstance(table, Table)}


def _link(mapper: Any, relationship: Any) -> Link:
    secondary = relationship.secondary
    columns = relationship.remote_side
    if secondary is not None:
        columns = [far for _, far in relationship.synchronize_pairs]
    target = next((str(each.table.fullname) for each in columns if isinstance(each.table, Table)), "")
    target = str(getattr(relationship.mapper.local_table, "fullname", "")) if secondary is not None else target
    return Link(
        owner=mapper.class_.__name__,
        key=relationship.key,
        source=str(getattr(mapper.local_table, "fullname", "")).lower(),
        target=target.lower(),
        columns=frozenset(str(each.name).lower() for each in columns),
        many=bool(relationship.uselist),
        secondary=str(getattr(secondary, "fullname", "")).lower() or None if secondary is not None else None,
        entity=relationship.mapper.class_.__name__,
    )
