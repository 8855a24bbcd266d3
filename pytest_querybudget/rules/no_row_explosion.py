"""The rule `no_row_explosion`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pytest_querybudget.findings.model import Finding
from pytest_querybudget.recording.model import Recording, Statement
from pytest_querybudget.recording.structure import Condition, Link, Query, Relation, Structure
from pytest_querybudget.rules.base import OptionError, Options, Rule, no_arguments, number_option
from pytest_querybudget.rules.cardinality import fixed, fixed_columns, keys_of
from pytest_querybudget.rules.loops import is_own
from pytest_querybudget.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RowExplosion(Finding):
    """Collections that one result holds in all their combinations."""

    rule = "no_row_explosion"

    rows: int
    parent: str
    collections: tuple[str, ...]
    options: tuple[str, ...] = ()
    eager: bool = False

    @property
    def message(self) -> str:
        """What is multiplied, and how many rows came of it."""
        named = " and ".join((", ".join(self.collections[:-1]), self.collections[-1]))
        return (
            f"{named} are joined side by side: for each row of {self.parent}, every combination of them is a row "
            f"({self.rows} rows in one result)"
        )

    @property
    def fix(self) -> str | None:
        """Load all but one of them by statements of their own."""
        where = f" at {self.location.path}:{self.location.line}" if self.location else ""
        if self.eager and self.options:
            return f"Load one of them apart{where}: .options({', '.join(self.options)}) instead of a second joinedload."
        others = " and ".join(self.collections[1:])
        return (
            f"Join one of them only{where}, and read {others} with a query of its own "
            "(selectinload for a relationship, EXISTS for a filter, a subquery for a count)."
        )


@dataclass(frozen=True, slots=True)
class _Edge:
    """How one relation hangs on another: `many` rows of it for each, or one at most.

    `narrow` says that a value chooses among them (`kind = ?`): whether that leaves several cannot be known.
    """

    parent: int
    many: bool
    columns: frozenset[str]
    narrow: bool = False


class NoRowExplosion(Rule):
    """No result may hold every combination of two collections.

    ## What it does

    Fails a test in which one SELECT joins two or more collections of the same parent side by side, neither of them
    through the other: two `joinedload` of collections, or joins to two tables by columns that are not unique there.
    What the mapping says to be one row (a unique key, a relationship with `uselist=False`) is no collection; a
    collection inside of a collection (orders, and their items) multiplies nothing. Results that GROUP BY, DISTINCT or
    an aggregate brings together are left alone.

    ## Why is this bad

    A journey with 4 nodes and 40 messages needs 44 rows, and fetches 160; with 40 nodes it is 1,600, each as wide as
    all three tables together. SQLAlchemy removes the duplicates afterwards, so that no test sees them.

    ## Example

    ```python
    @pytest.mark.no_row_explosion
    def test_activity(session):
        session.scalars(
            select(Journey).options(joinedload(Journey.nodes), joinedload(Journey.messages))
        ).unique().all()
    ```

    ## Use instead

    ```python
    session.scalars(
        select(Journey).options(selectinload(Journey.nodes), selectinload(Journey.messages))
    ).all()
    ```

    ## Options

    - `factor=2`: how often a row must have been repeated for a finding. Two collections that repeat each other's rows
      that often have the square of it as rows; results with fewer rows are left alone.

    ## When to allow it

    Where both collections have a member or two by nature, with a comment on the line:
    `# querybudget: allow[no_row_explosion] a person has two addresses`.

    ## What it cannot know

    Whether a value (`kind = ?`) leaves one row of a collection or several: such a collection is left alone. How the
    rows are spread over the parents: values of rows are not looked at, so a result counts from its number of rows.
    Unique keys come from the mapping: of tables that only a text names none are known, and nothing is reported.
    """

    name = "no_row_explosion"
    takes = "factor="

    def parse(self, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Options:
        """Take a factor."""
        no_arguments(self, arguments, keywords, "factor")
        factor = number_option(self, "factor", keywords.get("factor", 2), most=1_000_000)
        if factor <= 1:
            raise OptionError(f"{self.name} got factor={factor:g}, but it takes more than 1, which repeats nothing")
        return Options(threshold=factor)

    def check(self, recording: Recording, options: Options) -> Iterator[Finding]:
        """Yield each result of several collections."""
        for each in recording.statements(options.phase):
            if each.shape.kind != "select" or each.max_rows < options.threshold**2 or len(each.shape.tables) < 2:
                continue
            structure = each.shape.facts.structure()
            top = structure.top
            if top is None or top.parts or top.grouped or top.distinct or top.aggregates:
                continue
            edges = _edges(structure, top)
            collections = _side_by_side(edges)
            if len(collections) > 1:
                yield _finding(each, structure, top, edges, collections)


def _edges(structure: Structure, query: Query) -> dict[int, _Edge]:
    """Hang each relation on the one before it that it is joined to."""
    edges = {}
    single = fixed(structure, query)
    for number, relation in enumerate(query.relations):
        if relation.table is None or number in single or not structure.schema.knows(relation.table):
            continue
        joins = [each for each in query.conditions if _parent_in(each, number) is not None]
        parents = [parent for each in joins if (parent := _parent_in(each, number)) is not None]
        if not parents:
            continue
        parent = max(parents)
        others = set(range(number))
        columns = frozenset(
            column.name
            for condition in query.conditions
            for column in fixed_columns(structure, condition, number, others, listed=False)
        )
        keys = (*keys_of(structure, relation), *_mapped_keys(structure, relation.table))
        many = not any(key <= columns for key in keys)
        edges[number] = _Edge(parent, many, columns, _is_narrow(query, number))
    for number in sorted(edges, reverse=True):
        edge = edges[number]
        above = edges.get(edge.parent)
        if above is not None and edge.narrow and not edge.many:
            # What is chosen by its one tag is chosen.
            edges[edge.parent] = replace(above, narrow=True)
    return edges


def _is_narrow(query: Query, number: int) -> bool:
    """Return whether a value is asked for in a column by which a relation is not joined."""
    joined: set[str] = set()
    chosen: set[str] = set()
    for each in query.conditions:
        if not each.certain or each.negated or each.operator not in ("=", "=="):
            continue
        for own, other in ((each.left, each.right), (each.right, each.left)):
            if own.column is not None and own.column.relation == number and own.function is None:
                (chosen if other.is_value else joined).add(own.column.name)
    return bool(chosen - joined)


def _parent_in(condition: Condition, number: int) -> int | None:
    """Return the earlier relation that an equality ties a relation to."""
    if not condition.certain or condition.negated or condition.operator not in ("=", "=="):
        return None
    left, right = condition.left.column, condition.right.column
    if left is None or right is None or condition.left.function or condition.right.function:
        return None
    for own, other in ((left, right), (right, left)):
        if own.relation == number and 0 <= other.relation < number:
            return other.relation
    return None


def _mapped_keys(structure: Structure, table: str) -> Iterator[frozenset[str]]:
    """Yield the columns by which the mapping looks up one row of a table, whatever the database says."""
    for link in structure.schema.links:
        if not link.many and (link.secondary or link.target) == table.lower():
            yield link.columns


def _side_by_side(edges: Mapping[int, _Edge]) -> list[int]:
    """Return the collections that multiply each other: neither was joined through the other.

    Of a collection and those inside of it, the outermost one is named.
    """
    many = [number for number, edge in edges.items() if edge.many and not edge.narrow]
    above = {number: set(_above(edges, number)) for number in many}
    found = {
        number
        for number in many
        if any(number != each and each not in above[number] and number not in above[each] for each in many)
    }
    return [number for number in many if number in found and not above[number] & found]


def _above(edges: Mapping[int, _Edge], number: int) -> list[int]:
    path = []
    while number in edges:
        number = edges[number].parent
        path.append(number)
    return path


def _finding(
    statement: Statement, structure: Structure, query: Query, edges: Mapping[int, _Edge], collections: list[int]
) -> RowExplosion:
    shared = set.intersection(*(set(_above(edges, each)) for each in collections))
    parent = max(shared, default=0)
    links = {each: _link(structure, query, edges, each) for each in collections}
    options = [_option(structure, query, edges, each) for each in collections[1:]]
    return RowExplosion(
        sql=statement.shape.facts.sql,
        tables=statement.shape.tables,
        count=statement.count,
        location=statement.location,
        chain=statement.stack.places,
        declared_only=is_own(statement),
        rows=statement.max_rows,
        parent=_name(structure, query, parent),
        collections=tuple(
            f"{link.owner}.{link.key}" if (link := links[each]) else _name(structure, query, each)
            for each in collections
        ),
        options=tuple(each for each in options if each) if all(options) else (),
        eager=statement.shape.orm and all(_is_anonymous(query.relations[each]) for each in collections),
    )


def _is_anonymous(relation: Relation) -> bool:
    """Return whether a table has a name that eager loading made up: `orders_1`."""
    return relation.label != relation.table


def _name(structure: Structure, query: Query, number: int) -> str:
    relation = query.relations[number]
    if relation.table is None and relation.query is not None:
        inner = structure.queries[relation.query]
        return next((each.table for each in inner.relations if each.table), relation.label)
    return relation.table or relation.label


def _link(structure: Structure, query: Query, edges: Mapping[int, _Edge], number: int) -> Link | None:
    """Return the relationship along which a relation was joined."""
    edge = edges[number]
    table = (query.relations[number].table or "").lower()
    source = _name(structure, query, edge.parent).lower()
    found = [
        each
        for each in structure.schema.links
        if (each.secondary or each.target) == table and each.columns <= edge.columns and each.source == source
    ]
    return found[0] if len({(each.owner, each.key) for each in found}) == 1 else None


def _option(structure: Structure, query: Query, edges: Mapping[int, _Edge], number: int) -> str | None:
    """Return the loader option for one collection: the path from the entity, joined as it was, and then apart."""
    steps: list[str] = []
    while number in edges:
        if _is_secondary(structure, query, edges[number].parent):
            number = edges[number].parent
        link = _link(structure, query, edges, number)
        if link is None:
            return None
        steps.insert(0, f"{'joinedload' if steps else 'selectinload'}({link.owner}.{link.key})")
        number = edges[number].parent
    return ".".join(steps) or None


def _is_secondary(structure: Structure, query: Query, number: int) -> bool:
    """Return whether a relation is the table between two others, which has no relationship of its own."""
    table = (query.relations[number].table or "").lower()
    return any(each.secondary == table for each in structure.schema.links)
