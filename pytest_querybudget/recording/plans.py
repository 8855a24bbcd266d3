"""Plans as plain values: what every plan reader turns its database's EXPLAIN into, and all that rules see of it.

Texts in here are masked: neither a parameter nor a literal of a statement is in any of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pytest_querybudget.findings.model import Proof
from pytest_querybudget.recording.places import Place
from pytest_querybudget.values import dataclass

#: How rows of a table are found.
#:
#: `full` reads the whole table, `full_index` walks a whole index (also when it serves an order, or when only a
#: trailing column is limited), `automatic` is an index or hash table that the database builds for this one statement.
#: These three read everything. `unique` finds at most one row for each search, `index` and `index_only` (nothing but
#: the index is read) seek by the leading columns of an index, `bitmap` gathers from one or several indexes.
#: `none` is what reads no table: a join, a sort, an aggregate, a subquery, a function, a list of values.
Access = Literal["full", "full_index", "automatic", "index", "index_only", "unique", "bitmap", "none"]

#: What a table is read for: `filtered` drops rows by a condition on this table, `joined` looks rows up for those of
#: another table, `whole` needs every row anyway (no index could spare any). A DELETE or UPDATE that filters is
#: `filtered` as well.
Purpose = Literal["filtered", "joined", "whole"]

READS_EVERYTHING: frozenset[Access] = frozenset({"full", "full_index", "automatic"})

#: What a condition asks of a column or expression.
#:
#: `eq`, `in`, `null` (IS NULL) and `true` (a boolean column, or its negation) can lead a B-tree; `range` (<, >,
#: BETWEEN), `not_null` and `prefix` (LIKE 'x%') can end one. `contains` is JSON or array containment (GIN),
#: `search` a full-text match.
#: `suffix` (LIKE '%x'), `unequal`, `or` and `other` are served by no plain B-tree.
Operator = Literal[
    "eq", "in", "null", "true", "range", "not_null", "prefix", "contains", "search", "suffix", "unequal", "or", "other"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicate:
    """One condition on one table, a conjunct of what filters or joins it.

    `subject` is the column name as the catalog has it, or an expression over one table's columns as SQL without
    qualifiers and with literals kept only where they are part of the expression (`lower(email)`, `data ->> 'a'`
    only as far as it comes from an index or a path); `is_column` says which. `constant` is the other side when it is
    written in the statement and safe to show (`NULL`, `TRUE`, `FALSE`), else None. `joins` is the alias of the other
    table for a join condition. `parts` are the alternatives of an `or`, `columns` all columns involved.
    """

    operator: Operator
    subject: str
    is_column: bool = True
    columns: tuple[str, ...] = ()
    constant: str | None = None
    joins: str | None = None
    parts: tuple[Predicate, ...] = ()
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SortKey:
    """One key of an order: a column name or an expression, see `Predicate.subject`."""

    subject: str
    descending: bool = False
    nulls_first: bool | None = None
    is_column: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One step of a plan, the same for every database.

    `operation` is the database's own word (`Seq Scan`, `SCAN`, `ALL`). `table` is the real name as the catalog has it,
    qualified with its schema when that is not the default; `alias` is the name in the statement when it differs.
    `index` is what is used to find rows or deliver an order (several, joined by `, `, for a bitmap);
    `condition` is what the index serves, `filter` what is checked after reading, both masked; `columns` are the
    columns that filter or join this table. `predicates` are the same as facts, `rows` and `cost` the planner's guess.
    """

    operation: str
    table: str | None = None
    alias: str | None = None
    access: Access = "none"
    purpose: Purpose = "whole"
    index: str | None = None
    condition: str | None = None
    filter: str | None = None
    columns: tuple[str, ...] = ()
    predicates: tuple[Predicate, ...] = ()
    rows: float | None = None
    cost: float | None = None
    sort_keys: tuple[SortKey, ...] = ()
    detail: str | None = None
    children: tuple[Node, ...] = ()

    @property
    def reads_everything_in_vain(self) -> bool:
        """A whole table or index is read though only some of its rows are wanted."""
        return self.access in READS_EVERYTHING and self.purpose != "whole"

    @property
    def seeks(self) -> bool:
        """An index finds the rows."""
        return self.access in ("index", "index_only", "unique", "bitmap")

    def walk(self) -> Iterator[Node]:
        """This step and all below it, outermost first."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sort:
    """Rows of one table are sorted though an index on that table could deliver them in order.

    Readers report only sorts that an index could avoid: all keys belong to one table, and it comes first in the plan.
    `limited` when a LIMIT stands above: then the sort is what makes the statement read everything.
    """

    table: str
    alias: str | None = None
    keys: tuple[SortKey, ...]
    predicates: tuple[Predicate, ...] = ()
    limited: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexInfo:
    """An index of the catalog. `columns` are column names or expressions (`lower(email)`), in order.

    `method` is `btree`, `hash`, `gin`, `gist`, `brin`, `fulltext`, `spatial` or the like; `predicate` is the WHERE of a
    partial index; `descending` has one entry a column; `primary` is the key the table itself is stored or known by.
    """

    name: str
    table: str
    columns: tuple[str, ...]
    unique: bool = False
    primary: bool = False
    method: str = "btree"
    predicate: str | None = None
    descending: tuple[bool, ...] = ()
    collations: tuple[str | None, ...] = ()
    operator_classes: tuple[str | None, ...] = ()
    included: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnInfo:
    """A column of the catalog: `type` in the database's words, lower case; `collation` when it is not the default."""

    name: str
    type: str
    nullable: bool = True
    collation: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignKeyInfo:
    """A foreign key of the catalog, from `columns` of `table` to `target`."""

    table: str
    columns: tuple[str, ...]
    target: str
    target_columns: tuple[str, ...] = ()
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TableInfo:
    """A table of the catalog. `name` is as in `Node.table`, `schema` None for the default one."""

    name: str
    schema: str | None = None
    columns: tuple[ColumnInfo, ...] = ()
    indexes: tuple[IndexInfo, ...] = ()
    foreign_keys: tuple[ForeignKeyInfo, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """One index to create for one table of one statement, or the reason why none helps (`ddl` is None then).

    `purpose` is `scan` or `sort`: what it cures. `kind` is `btree`, `gin`, `gist`, `expression`, `partial`,
    `extend` (an existing index that lacks a column), `trigram`, `union` or `none`. `sqlalchemy` is the `Index(...)`
    line for the model, `alembic` the `op.create_index(...)` call. `note` says what the index is for, or what to do
    instead.
    `drop` names an existing index that the new one makes superfluous.
    """

    table: str
    purpose: Literal["scan", "sort"]
    kind: str
    alias: str | None = None
    name: str | None = None
    columns: tuple[str, ...] = ()
    ddl: str | None = None
    sqlalchemy: str | None = None
    alembic: str | None = None
    note: str | None = None
    drop: str | None = None
    proof: Proof | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The plan of one statement, judged as for a large table, with what would mend it.

    `cost` is the planner's own estimate without any setting changed, None where the database has no costs.
    `indexes_used` are all that serve (find rows, or deliver an order that is wanted) in this plan or one that the
    planner holds for equally good on a small table. `tables` are the catalog entries of the tables involved,
    `known_tables` the names of all that the database has.
    """

    dialect: str
    root: Node
    cost: float | None = None
    sorts: tuple[Sort, ...] = ()
    indexes_used: tuple[str, ...] = ()
    tables: tuple[TableInfo, ...] = ()
    advice: tuple[Advice, ...] = ()
    known_tables: frozenset[str] = frozenset()

    @property
    def text(self) -> str:
        """The plan as an indented text, a line a step."""
        return "\n".join(_lines(self.root, 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A statement that has a plan."""

    plan: Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class NotPlanned:
    """A statement that has none.

    `reason` is half a sentence; `slug` is `kind` (nothing to plan: DDL, SET ...),
    `reader` (no plan reader for the dialect), `state` (a connection that must not be disturbed) or `refused`.
    `tables` are the catalog entries of the tables that it writes.
    """

    reason: str
    tables: tuple[TableInfo, ...] = ()
    slug: Literal["kind", "reader", "state", "refused"] = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStatement:
    """All executions of one shape of statement from one place, with the plan of that shape."""

    sql: str
    kind: str
    tables: tuple[str, ...]
    count: int
    dialect: str
    location: Place | None = None
    chain: tuple[Place, ...] = ()
    plan: Plan | None = None
    not_planned: NotPlanned | None = None
    declared_only: bool = False


def _lines(node: Node, depth: int) -> Iterator[str]:
    yield "  " * depth + describe(node)
    for child in node.children:
        yield from _lines(child, depth + 1)


def describe(node: Node) -> str:
    """One step in one line: `Index Scan on orders o using ix_orders_customer (customer_id = ?) filter (total > ?)`."""
    words = [node.operation]
    if node.table:
        words.append(f"on {node.table}" + (f" {node.alias}" if node.alias else ""))
    if node.index:
        words.append(f"using {node.index}")
    if node.condition:
        words.append(
            f"({node.condition.removeprefix('(').removesuffix(')')})"
            if is_wrapped(node.condition)
            else f"({node.condition})"
        )
    if node.filter:
        words.append(f"filter {node.filter}" if is_wrapped(node.filter) else f"filter ({node.filter})")
    if node.detail:
        words.append(node.detail)
    return " ".join(words)


def is_wrapped(text: str) -> bool:
    """Whether one pair of parentheses encloses the whole text."""
    if not (text.startswith("(") and text.endswith(")")):
        return False
    depth = 0
    for position, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0 and position < len(text) - 1:
            return False
    return True


def worse(known: Planned | NotPlanned | None, new: Planned | NotPlanned | None) -> Planned | NotPlanned | None:
    """Return which of two answers about one statement to judge: a plan that reads or sorts in vain, if there is one."""
    if not isinstance(new, Planned):
        return known or new
    if not isinstance(known, Planned):
        return new
    wasteful = bool(new.plan.sorts) or any(each.reads_everything_in_vain for each in new.plan.root.walk())
    return new if wasteful else known
