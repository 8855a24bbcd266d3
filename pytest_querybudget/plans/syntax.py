"""Statements and expressions as plain trees: as much of SQL as index advice needs, the same for every database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field, fields
from typing import TypeAlias

from pytest_querybudget.values import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """A column name; `qualifier` is the table or alias before the dot."""

    name: str
    qualifier: str | None = None


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal as written. `kind` is string, number, null or boolean."""

    text: str
    kind: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """A placeholder, with its place among all placeholders of the statement, from 0."""

    text: str
    position: int = -1


@dataclass(frozen=True, slots=True)
class Call:
    """A function call. `windowed` when it has OVER, `star` for `count(*)`."""

    name: str
    arguments: tuple[Expression, ...] = ()
    windowed: bool = False
    over: tuple[Order, ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator, in capitals: AND, OR, NOT, =, <, IN, NOT IN, LIKE, BETWEEN, IS NULL, IS NOT NULL, ->>, CASE ..."""

    operator: str
    operands: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Cast:
    """`operand::type` or CAST(operand AS type); `type` in lower case."""

    operand: Expression
    type: str


@dataclass(frozen=True, slots=True)
class Collated:
    """`operand COLLATE name`."""

    operand: Expression
    collation: str


@dataclass(frozen=True, slots=True)
class Nested:
    """A subquery as an expression; `exists` for EXISTS (...)."""

    query: Query
    exists: bool = False


@dataclass(frozen=True, slots=True)
class Star:
    """`*` or `t.*`."""

    qualifier: str | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """What is not understood, such as `(hashed SubPlan 1)` in a plan."""

    text: str


Expression: TypeAlias = Column | Constant | Parameter | Call | Operation | Cast | Collated | Nested | Star | Unknown


@dataclass(frozen=True, slots=True)
class Order:
    """One key of ORDER BY."""

    expression: Expression
    descending: bool = False
    nulls_first: bool | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """One item of FROM: a table (`name`) or a subquery. `join` is `inner`, `left`, `right`, `full` or `cross`."""

    name: str | None
    schema: str | None = None
    alias: str | None = None
    query: Query | None = None
    join: str = "inner"
    on: Expression | None = None
    using: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The name that columns are qualified with."""
        return self.alias or self.name or ""


@dataclass(frozen=True, slots=True)
class Select:
    """One SELECT between set operations, or the reading part of an UPDATE or DELETE."""

    outputs: tuple[tuple[Expression, str | None], ...] = ()
    sources: tuple[Source, ...] = ()
    where: Expression | None = None
    group_by: tuple[Expression, ...] = ()
    having: Expression | None = None
    distinct: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A whole query: one or several SELECTs with common tables, order and limit."""

    selects: tuple[Select, ...]
    ctes: tuple[tuple[str, Query], ...] = ()
    order_by: tuple[Order, ...] = ()
    limited: bool = False
    set_operator: str | None = None
    recursive: bool = field(default=False)


def children(node: Expression) -> Iterator[Expression]:
    """The direct parts of an expression, without descending into subqueries."""
    for each in fields(node):
        value = getattr(node, each.name)
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, EXPRESSIONS):
                yield part
            elif isinstance(part, Order):
                yield part.expression


def walk(node: Expression) -> Iterator[Expression]:
    """An expression and all its parts, without descending into subqueries."""
    pending = [node]
    while pending:
        current = pending.pop()
        yield current
        pending.extend(reversed(list(children(current))))


def columns_of(node: Expression) -> tuple[Column, ...]:
    """The columns in an expression, in order, without those inside subqueries."""
    return tuple(each for each in walk(node) if isinstance(each, Column))


EXPRESSIONS = (Column, Constant, Parameter, Call, Operation, Cast, Collated, Nested, Star, Unknown)
