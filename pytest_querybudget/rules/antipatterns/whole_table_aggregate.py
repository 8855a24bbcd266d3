"""An aggregate over a whole table."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_querybudget.recording.structure import Query, Structure
from pytest_querybudget.rules.antipatterns.pattern import Case, Hit, Pattern
from pytest_querybudget.rules.cardinality import is_catalog

_SERVED = frozenset(("min", "max"))


class WholeTableAggregate(Pattern):
    """An aggregate over a whole table: `count(*)`, `sum`, `avg` or GROUP BY without a filter.

    Every call reads every row, to tell a figure that was nearly the same a minute ago.

    ```python
    select(Order.placed_on, func.sum(Order.total)).group_by(Order.placed_on)
    ```

    Use instead a summary that is kept up to date (a materialised view, a table that a job fills, a counter), or the
    part that is shown:

    ```python
    select(DailyTotal.day, DailyTotal.total).order_by(DailyTotal.day.desc()).limit(7)
    ```

    `min` and `max` of one table are read from the end of an index, and not reported. Where a total number of rows is
    wanted, an estimate (`pg_class.reltuples`) or "more than 1,000" may do.
    """

    name = "whole_table_aggregate"

    def find(self, case: Case) -> Iterator[Hit]:
        """Look at the query that is asked for, and at figures in its select list."""
        for query in case.structure.queries:
            if query.role not in ("top", "value", "part") or not query.aggregates:
                continue
            tables = _whole(case.structure, query, 0)
            if tables and not _is_served(query):
                functions = ", ".join(dict.fromkeys(query.aggregates))
                yield Hit(
                    f"{functions} over all rows of {', '.join(tables)} on every call",
                    "Keep the figure (a materialised view, a summary table, a counter), or filter what is summed up.",
                )
                return


def _is_served(query: Query) -> bool:
    return set(query.aggregates) <= _SERVED and not query.grouped and len(query.relations) == 1


def _whole(structure: Structure, query: Query, depth: int) -> list[str]:
    """Return the tables that a query reads from end to end, none where anything limits it."""
    restricted = query.filtered or query.parts or (query.limited and depth) or query.recursive or query.values
    if restricted or not query.relations or depth > 20:
        return []
    if any(each.right.is_value and each.certain for each in query.conditions):
        return []
    tables: list[str] = []
    for relation in query.relations:
        inner = [] if relation.query is None else _whole(structure, structure.queries[relation.query], depth + 1)
        if relation.table is None and not inner:
            return []
        tables += [relation.table] if relation.table is not None else inner
    return [] if any(is_catalog(each) for each in tables) else list(dict.fromkeys(tables))
