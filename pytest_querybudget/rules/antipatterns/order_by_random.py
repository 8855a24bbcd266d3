"""`ORDER BY random()`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pytest_querybudget.rules.antipatterns.pattern import Case, Hit, Pattern
from pytest_querybudget.rules.cardinality import is_bounded


class OrderByRandom(Pattern):
    """`ORDER BY random()`: a number for every row, and a sort of them all.

    To return one row, the database reads the whole table, gives each row a random number and sorts by it.

    ```python
    select(Customer).order_by(func.random()).limit(1)
    ```

    Use instead a key that is drawn, and the next row from there:

    ```python
    select(Customer).where(Customer.id >= drawn).order_by(Customer.id).limit(1)
    ```

    On PostgreSQL `TABLESAMPLE` gives a sample of a large table. A few rows are shuffled as well in Python; where a list
    of keys is shuffled (`id IN (...)`), nothing is reported.
    """

    name = "order_by_random"

    def find(self, case: Case) -> Iterator[Hit]:
        """Look at the order of every query."""
        for query in case.structure.queries:
            if query.shuffled and not is_bounded(case.structure, replace(query, limited=False, limit=None)):
                tables = ", ".join(case.facts.reads)
                yield Hit(
                    f"ORDER BY random() numbers and sorts all rows of {tables}{' that match' * query.filtered}",
                    "Draw a key and take the next row: .where(key >= drawn).order_by(key).limit(1).",
                )
                return
