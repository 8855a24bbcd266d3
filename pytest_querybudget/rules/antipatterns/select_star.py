"""`SELECT *`."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_querybudget.recording.structure import Query, Structure
from pytest_querybudget.rules.antipatterns.pattern import Case, Hit, Pattern
from pytest_querybudget.rules.cardinality import is_catalog


class SelectStar(Pattern):
    """`SELECT *`: all columns that the table has, and those that it will get.

    The statement fetches the JSON and the long texts along with the two numbers that are read, no index can cover it,
    and the code breaks when a column is added, dropped or moved.

    ```python
    connection.execute(text("SELECT * FROM call_logs WHERE contact_id = :contact"), {"contact": 2})
    ```

    Use instead:

    ```python
    connection.execute(text("SELECT id, seconds FROM call_logs WHERE contact_id = :contact"), {"contact": 2})
    ```

    `count(*)` and `EXISTS (SELECT * ...)` fetch no columns, a star over a subquery that names its columns is no other
    than these, and the database's own catalogue may be looked at as one likes.
    """

    name = "select_star"

    def find(self, case: Case) -> Iterator[Hit]:
        """Follow the columns of the result to the tables."""
        tables = sorted(set(_tables(case.structure, case.top, 0)))
        if tables:
            columns = len(case.statement.columns)
            yield Hit(
                f"SELECT * fetches all columns of {', '.join(tables)}" + (f" ({columns} in all)" if columns else ""),
                "Name the columns that are read instead of *.",
            )


def _tables(structure: Structure, query: Query, depth: int) -> Iterator[str]:
    if depth > 20:
        return
    for number in query.parts:
        yield from _tables(structure, structure.queries[number], depth + 1)
    for star in query.stars:
        for relation in query.relations if star < 0 else (query.relations[star],):
            if relation.table is not None and not is_catalog(relation.table):
                yield relation.table
            elif relation.query is not None:
                yield from _tables(structure, structure.queries[relation.query], depth + 1)
