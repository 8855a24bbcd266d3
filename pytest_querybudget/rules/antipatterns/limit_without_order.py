"""`LIMIT` or `OFFSET` without `ORDER BY`."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_querybudget.recording.structure import ColumnUse, Query, Structure
from pytest_querybudget.rules.antipatterns.pattern import Case, Hit, Pattern
from pytest_querybudget.rules.cardinality import fixed, is_single
from pytest_querybudget.rules.parameters import numbers


class LimitWithoutOrder(Pattern):
    """`LIMIT` or `OFFSET` without `ORDER BY`: some rows, and nobody says which.

    A database returns rows as they come: in the order of the primary key until an UPDATE, a parallel plan or an index
    changes it. The second page then repeats rows of the first, and misses others.

    ```python
    select(Customer.name).limit(20)
    ```

    Use instead an order that ends with a unique column:

    ```python
    select(Customer.name).order_by(Customer.name, Customer.id).limit(20)
    ```

    Not reported: results of one row (`.first()` asks whether there is any), queries for a unique key, rows that are
    locked (a queue takes any), and batches of rows that the same test then changes or deletes.
    """

    name = "limit_without_order"

    def find(self, case: Case) -> Iterator[Hit]:
        """Look at the query whose rows are returned, or at the one that it takes them from."""
        query = case.top
        if case.statement.max_rows < 2 or case.facts.locking or _is_drained(case):
            return
        if not (query.limited or query.skips):
            query = _leading(case.structure, query) or query
            # One parent may have many rows: how many it lets through must be known.
            if not _lets_several_through(case, query):
                return
        if (query.limited or query.skips) and not _is_ordered(case.structure, query) and _has_choice(case, query):
            word = "OFFSET" if query.skips and not query.limited else "LIMIT"
            yield Hit(
                f"{word} without ORDER BY: which rows come is left to chance, and differs from page to page",
                f"Add .order_by(...) with a unique column at its end{_key(case, query)}.",
            )


def _is_drained(case: Case) -> bool:
    """Return whether rows of these tables are changed in the same window: then any batch of them will do."""
    reads = {each.lower() for each in case.facts.reads}
    writes = [each for each in case.window if each.shape.kind in ("update", "delete")]
    return any(not reads.isdisjoint(name.lower() for name in each.shape.facts.writes) for each in writes)


def _leading(structure: Structure, query: Query) -> Query | None:
    first = query.relations[0].query if query.relations else None
    return structure.queries[first] if first is not None else None


def _lets_several_through(case: Case, query: Query) -> bool:
    return max((query.limit or 0, *numbers(case.statement, "limit"))) > 1


def _is_ordered(structure: Structure, query: Query) -> bool:
    if query.ordered:
        return True
    # SELECT ... FROM (SELECT ... ORDER BY ...) LIMIT ... keeps the order in every database that has no parallel plans.
    inner = _leading(structure, query)
    return inner is not None and inner.ordered and len(query.relations) == 1


def _has_choice(case: Case, query: Query) -> bool:
    """Return whether there are more rows to choose from than one."""
    if is_single(case.structure, query) and query.limit != 1:
        return False
    if query.limit == 1 and not query.skips:
        return False
    tables = [each for each in query.relations if each.table is not None or each.query is not None]
    several = bool(tables) and len(fixed(case.structure, query)) < len(query.relations)
    return bool(query.parts) or several


def _key(case: Case, query: Query) -> str:
    for number, relation in enumerate(query.relations):
        keys = case.structure.schema.keys.get((relation.table or "").lower(), ())
        for key in keys:
            if len(key) == 1:
                return f": .order_by({case.column(query, ColumnUse(number, next(iter(key))))})"
    return ""
