"""How many rows a query can have, as far as its structure tells: one, a bounded number, or as many as its tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pytest_querybudget.recording.structure import OUTER, ColumnUse, Condition, Operand, Query, Relation, Structure

_EQUAL = frozenset(("=", "==", "<=>", "IS", "= ANY", "IN", "= SOME"))
_LISTING = frozenset(("IN", "= ANY", "= SOME"))
# What is applied to a column to compare the day that it lies on.
_DAYS = frozenset(("date", "date_trunc", "strftime"))
_LOWER, _UPPER = frozenset((">", ">=")), frozenset(("<", "<="))
_CATALOGS = ("pg_", "information_schema", "sqlite_", "mysql.", "performance_schema", "sys.", "alembic_version")
# Where nothing is known of a table, this is taken for its key: whoever asks whether rows are bounded errs on that side.
_USUAL_KEY = (frozenset(("id",)),)


def is_catalog(table: str) -> bool:
    """Return whether a table is one of the database's own."""
    return table.lower().removeprefix("pg_catalog.").startswith(_CATALOGS) or table.lower().startswith("pg_catalog.")


def keys_of(structure: Structure, relation: Relation) -> tuple[frozenset[str], ...]:
    """Return the unique keys of a relation's table."""
    if relation.table is None:
        return ()
    return structure.schema.keys.get(relation.table.lower()) or _USUAL_KEY


def fixed(structure: Structure, query: Query, *, listed: bool = False) -> frozenset[int]:
    """Return the relations of which one row is left (with `listed`: as many as lists of keys have members).

    Equality on all columns of a unique key, with values or with columns of relations that are fixed themselves.
    """
    known: set[int] = set()
    while True:
        found = {
            number
            for number, relation in enumerate(query.relations)
            if number not in known and _is_fixed(structure, query, number, relation, known, listed=listed)
        }
        if not found:
            return frozenset(known)
        known |= found


def _is_fixed(
    structure: Structure, query: Query, number: int, relation: Relation, known: set[int], *, listed: bool
) -> bool:
    if relation.join == "full":
        return False
    if relation.query is not None:
        inner = structure.queries[relation.query]
        return is_bounded(structure, inner) if listed else is_single(structure, inner)
    columns = {
        each.name
        for condition in query.conditions
        if _can_fix(query, condition, number)
        for each in fixed_columns(structure, condition, number, known, listed=listed)
    }
    return any(key <= columns for key in keys_of(structure, relation))


def _can_fix(query: Query, condition: Condition, number: int) -> bool:
    """The ON of an outer join says nothing about the rows of the relations before it."""
    if condition.clause != "on":
        return True
    start = condition.relation
    while start > 0 and query.relations[start].join not in ("left", "full"):
        start -= 1
    return start <= 0 or number >= start


def fixed_columns(
    structure: Structure, condition: Condition, number: int, known: Iterable[int], *, listed: bool
) -> Iterable[ColumnUse]:
    """Yield the columns of one relation that a condition makes equal to something known."""
    if not condition.certain or condition.negated or condition.operator not in _EQUAL:
        return
    is_list = condition.operator not in ("=", "==", "<=>", "IS")
    for own, other in ((condition.left, condition.right), (condition.right, condition.left)):
        if own.function is not None or not (own.column or own.is_row) or own.is_value:
            continue
        if is_list and not (listed and own is condition.left and _is_bounded_list(structure, other)):
            continue
        if any(each.relation not in known and each.relation != OUTER for each in other.columns):
            continue
        yield from (each for each in own.columns if each.relation == number)


def _is_bounded_list(structure: Structure, operand: Operand) -> bool:
    if operand.query is not None:
        return is_bounded(structure, structure.queries[operand.query])
    return operand.is_value


def is_single(structure: Structure, query: Query) -> bool:
    """Return whether a query has one row at most."""
    if query.parts:
        return False
    if query.is_aggregate or query.limit == 1 or not query.relations:
        return True
    return len(fixed(structure, query)) == len(query.relations)


def is_bounded(structure: Structure, query: Query) -> bool:
    """Return whether a query has no more rows than it was asked for, however large its tables grow.

    Whatever cannot be told (functions, recursive queries) is taken for bounded.
    """
    if query.limited or query.recursive or query.values or is_single(structure, query):
        return True
    if query.parts:
        return all(is_bounded(structure, structure.queries[each]) for each in query.parts)
    if query.grouped or any(each.function for each in query.relations):
        return True
    if any(_has_few(structure, query, each) for each in query.conditions) or _has_range(query):
        return True
    if (query.distinct and not _selects_key(structure, query)) or is_listed(structure, query):
        return True
    if _has_few_choices(structure, query):
        return True
    few = fixed(structure, query, listed=True)
    # The collections of a bounded number of parents, as joined eager loading brings them in.
    return 0 in few and all(number in few or each.join == "left" for number, each in enumerate(query.relations))


def _has_few_choices(structure: Structure, query: Query) -> bool:
    """Return whether an OR has nothing but alternatives that each leave a bounded number of rows."""
    if not query.choices:
        return False
    # Without those that are one of several: an OR may have thousands.
    rest = tuple(each for each in query.conditions if each.certain)
    return any(
        all(is_bounded(structure, replace(query, conditions=(*rest, *each), choices=())) for each in choice)
        for choice in query.choices
    )


def _is_for_all(query: Query, condition: Condition) -> bool:
    """Return whether each row of the result fulfils a condition, and not only those that an outer join adds."""
    return condition.certain and not condition.negated and _can_fix(query, condition, 0)


def _has_few(structure: Structure, query: Query, condition: Condition) -> bool:
    """Return whether a condition takes the rows of one day, or the first of numbered rows."""
    column = condition.left.column
    if column is None or column.relation < 0 or condition.right.columns or not _is_for_all(query, condition):
        return False
    relation = query.relations[column.relation]
    if condition.operator in _EQUAL:
        dates = structure.schema.moments.get((relation.table or "").lower(), ())
        if condition.left.function in _DAYS or (condition.left.function is None and column.name in dates):
            return condition.right.text.upper() != "NULL"
    is_place = relation.query is not None and column.name in structure.queries[relation.query].places
    return is_place and condition.operator in (*_UPPER, *_EQUAL, "BETWEEN")


def is_listed(structure: Structure, query: Query) -> bool:
    """Return whether a list says what is wanted: keys of a table or of its parents, a row or more for each.

    A list of values, a page, or a query that is one in this sense; also where it says what has to exist.
    """
    if any(
        each.query is not None and len(query.relations) == 1 and _is_list(structure, each.query)
        for each in query.relations
    ):
        return True
    return any(_is_listing(structure, query, each) for each in query.conditions)


def _is_listing(structure: Structure, query: Query, condition: Condition) -> bool:
    if not _is_for_all(query, condition):
        return False
    if condition.operator in _LISTING:
        right = condition.right
        if right.is_value and (right.query is None or _is_list(structure, right.query)):
            return any(_is_reference(structure, query, each) for each in condition.left.columns)
        return False
    if condition.operator not in ("=", "=="):
        return False
    for own, other in ((condition.left, condition.right), (condition.right, condition.left)):
        if own.column is None or other.column is None or own.function or other.function:
            continue
        number = other.column.relation
        listing = query.relations[number].query if number >= 0 else None
        if listing is not None and query.relations[number].join != "left" and _is_list(structure, listing):
            return _is_reference(structure, query, own.column)
    return False


def _is_reference(structure: Structure, query: Query, column: ColumnUse) -> bool:
    """Return whether a column is part of a key, or refers to one. Of a table that is not known, any may be."""
    relation = query.relations[column.relation] if column.relation >= 0 else None
    table = (relation.table or "").lower() if relation else ""
    known = structure.schema.keys.get(table)
    if not known or column.name in structure.schema.foreign.get(table, ()):
        return True
    return any(column.name in key for key in known)


def _is_list(structure: Structure, number: int) -> bool:
    """Return whether a query gives several rows that do not grow with a table; figures by group may."""
    query = structure.queries[number]
    if not query.relations and not query.parts:
        # VALUES, and functions that return rows.
        return True
    plain = replace(query, grouped=False, distinct=False, aggregates=())
    return not is_single(structure, query) and is_bounded(structure, plain)


def _has_range(query: Query) -> bool:
    """Return whether a column is limited from both sides: a day, a chunk of keys."""
    lower: set[ColumnUse] = set()
    upper: set[ColumnUse] = set()
    for each in query.conditions:
        column = each.left.column
        if column is None or each.right.columns or not _is_for_all(query, each):
            continue
        if each.operator == "BETWEEN":
            return True
        lower |= {column} if each.operator in _LOWER else set()
        upper |= {column} if each.operator in _UPPER else set()
    return bool(lower & upper)


def _selects_key(structure: Structure, query: Query) -> bool:
    """Return whether all columns of a unique key are selected, so that DISTINCT takes nothing away."""
    if query.stars:
        return True
    return any(
        key <= {each.name for each in query.columns if each.relation == number}
        for number, relation in enumerate(query.relations)
        for key in keys_of(structure, relation)
    )
