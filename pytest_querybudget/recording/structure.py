"""How a SELECT is put together: its queries, what each reads, and by what its rows are chosen. Plain values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType

from pytest_querybudget.values import dataclass

#: Of a column whose table cannot be told, and of one that belongs to a query further out.
UNKNOWN, OUTER = -1, -2


@dataclass(frozen=True, slots=True)
class Link:
    """A mapped relationship between two tables: the attribute `owner.key` leads to `target`, `many` rows or one.

    `columns` are those of the target (of `secondary` where there is such a table) by which it is looked up.
    """

    owner: str
    key: str
    source: str
    target: str
    columns: frozenset[str]
    many: bool
    secondary: str | None = None
    entity: str = ""


@dataclass(frozen=True, slots=True)
class Schema:
    """What the mapping says of the tables of a statement, all names in lower case.

    `keys` are the unique keys of a table as sets of columns, `foreign` the columns of its foreign keys, `expressions`
    what its indexes hold besides columns, `moments` the columns that hold a date or a time. A table that is missing is
    not known. `linked` tells whether a row may refer
    to another one of its kind, as in a tree or a chain; it is true where that cannot be told.
    """

    keys: Mapping[str, tuple[frozenset[str], ...]] = field(default_factory=lambda: MappingProxyType({}))
    foreign: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))
    expressions: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    moments: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))
    links: tuple[Link, ...] = ()
    linked: bool = True

    def knows(self, table: str | None) -> bool:
        """Return whether the unique keys of a table are known."""
        return table is not None and bool(self.keys.get(table.lower()))


@dataclass(frozen=True, slots=True)
class Relation:
    """One entry of FROM: a table, a query (`query` is its number), or a function.

    `join` is `""` for the first, `","`, `"cross"`, `"inner"`, `"left"` or `"full"`; `conditional` says that the join
    is by columns of the same name (USING, NATURAL); `lateral` that it looks at the entries before it.
    """

    label: str
    table: str | None = None
    query: int | None = None
    function: bool = False
    lateral: bool = False
    join: str = ""
    conditional: bool = False


@dataclass(frozen=True, slots=True)
class ColumnUse:
    """A column where it is named: the number of its relation, `UNKNOWN` or `OUTER`, and its name in lower case."""

    relation: int
    name: str


@dataclass(frozen=True, slots=True)
class Operand:
    """One side of a comparison.

    `text` shows it without literals. `columns` are all columns in it; `column` is the one it consists of, or the one
    that `function` is applied to. `query` is the number of the query it consists of, `listed` says that it is a list
    of values, `wildcard` is the one that a pattern begins with, see `recording.patterns`. A column that is calculated
    with has the sign as its `function`.
    """

    text: str = ""
    columns: tuple[ColumnUse, ...] = ()
    column: ColumnUse | None = None
    function: str | None = None
    inner: Operand | None = None
    query: int | None = None
    listed: bool = False
    is_row: bool = False
    wildcard: str = ""
    is_value: bool = False


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison. `certain` says that each row of the result fulfils it, `relation` is that of its ON or -1."""

    clause: str
    relation: int
    operator: str
    negated: bool
    certain: bool
    left: Operand
    right: Operand


@dataclass(frozen=True, slots=True)
class Factor:
    """One of the conditions that AND connects, and the relations that it names, also in queries inside of it."""

    clause: str
    relation: int
    relations: frozenset[int]


@dataclass(frozen=True, slots=True)
class Query:
    """One SELECT, or several that UNION and its like connect (`parts` are their numbers).

    `role` is where it stands: `top`, `part`, `from`, `cte`, `exists`, `in` or `value`. `stars` are the relations of
    which it selects all columns, `UNKNOWN` for a bare `*`. `aggregates` are the functions that sum up rows, `places`
    the names of outputs that number them (`row_number() OVER (...) AS place`). `choices` are the conditions that OR
    connects: each row fulfils all of one of the alternatives.
    """

    number: int
    role: str = "top"
    parts: tuple[int, ...] = ()
    relations: tuple[Relation, ...] = ()
    conditions: tuple[Condition, ...] = ()
    choices: tuple[tuple[tuple[Condition, ...], ...], ...] = ()
    factors: tuple[Factor, ...] = ()
    columns: tuple[ColumnUse, ...] = ()
    outputs: int = 0
    stars: tuple[int, ...] = ()
    aggregates: tuple[str, ...] = ()
    places: frozenset[str] = frozenset()
    plain: int = 0
    filtered: bool = False
    grouped: bool = False
    distinct: bool = False
    ordered: bool = False
    shuffled: bool = False
    limited: bool = False
    limit: int | None = None
    skips: bool = False
    offset: int | None = None
    locking: bool = False
    recursive: bool = False
    values: bool = False

    @property
    def is_aggregate(self) -> bool:
        """Whether the result is one row of aggregates."""
        return bool(self.aggregates) and not self.plain and not self.grouped and not self.parts


@dataclass(frozen=True, slots=True)
class Structure:
    """All queries of one SELECT. `top` is None for what is none, or could not be understood."""

    queries: tuple[Query, ...] = ()
    top: Query | None = None
    schema: Schema = field(default_factory=Schema)
