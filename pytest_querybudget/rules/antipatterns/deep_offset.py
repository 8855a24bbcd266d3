"""`OFFSET` over many rows."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_querybudget.recording.loops import Repeater
from pytest_querybudget.recording.structure import Query
from pytest_querybudget.rules.antipatterns.pattern import Case, Hit, Pattern
from pytest_querybudget.rules.parameters import numbers

#: From here on the rows that are skipped are many more than those of any page.
DEEP = 1_000
#: A walk over the pages of a result has at least so many.
WALK = 3


class DeepOffset(Pattern):
    """A deep `OFFSET`: rows that are read only to be thrown away.

    The database walks over all rows before the page. The hundredth page costs a hundred times as much as the first, a
    walk over all pages the square of their number, and rows that come or go in between are seen twice or never.

    ```python
    while batch := session.scalars(select(Message).order_by(Message.id).limit(200).offset(done)).all():
        done += len(batch)
    ```

    Use instead the key of the last row (keyset pagination):

    ```python
    while batch := session.scalars(select(Message).where(Message.id > last).order_by(Message.id).limit(200)).all():
        last = batch[-1].id
    ```

    Reported are offsets from 1,000 on, and a loop of the application that sends the same statement with at least three
    different offsets. A page that a request asks for is none.
    """

    name = "deep_offset"

    def find(self, case: Case) -> Iterator[Hit]:
        """Look for deep offsets, and for walks from page to page."""
        query = _skipping(case)
        if query is None:
            return
        deepest = max((query.offset or 0, *numbers(case.statement, "offset"), *_written(case)))
        order = "" if not query.ordered else " in the same order"
        cure = f"Continue after the last key{order}: .where(key > last).order_by(key).limit(...), without OFFSET."
        steps = _steps(case)
        if deepest >= DEEP:
            yield Hit(f"OFFSET {deepest:,} reads as many rows to throw them away", cure)
        elif steps >= WALK and case.statement.repeater is Repeater.APPLICATION:
            yield Hit(
                f"a loop walks over {case.statement.count} pages by OFFSET: each page reads all rows before it", cure
            )


def _skipping(case: Case) -> Query | None:
    """Return the query that skips rows, the outermost first."""
    waiting = [case.top]
    for query in waiting:
        if query.skips:
            return query
        waiting += [case.structure.queries[each.query] for each in query.relations if each.query is not None][:1]
        if len(waiting) > 20:
            break
    return None


def _steps(case: Case) -> int:
    """Return how many different offsets were sent."""
    return max((len(set(values)) for values in (*case.values("offset"), _written(case))), default=0)


def _written(case: Case) -> list[int]:
    """Return the offsets that the texts of the executions were written with."""
    texts = {each.text for each in case.statement.samples if each.text is not None}
    structures = [case.statement.shape.describe(text).structure() for text in sorted(texts)]
    return [each.top.offset for each in structures if each.top is not None and each.top.offset is not None]
