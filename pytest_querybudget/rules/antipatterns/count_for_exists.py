"""`count(*)` where `EXISTS` is meant."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_querybudget.rules.antipatterns.answers import asks_whether_any
from pytest_querybudget.rules.antipatterns.pattern import Case, Hit, Pattern
from pytest_querybudget.rules.loops import is_own


class CountForExists(Pattern):
    """`count(*)` to learn whether there is a row at all.

    Counting reads all rows that match, and the answer was known with the first.

    ```python
    session.scalar(select(func.count()).select_from(Order).where(Order.status == "open")) > 0
    ```

    Use instead:

    ```python
    session.scalar(select(exists().where(Order.status == "open")))
    ```

    What becomes of the number is read from the code that sends the statement: it is reported where the same expression
    compares it with 0, or takes it for true or false. A number that is returned or kept may be wanted, and assertions
    of the test itself may count.
    """

    name = "count_for_exists"

    def find(self, case: Case) -> Iterator[Hit]:
        """Look at counts, and at what the line that asked for them does with the answer."""
        top = case.top
        if top.aggregates != ("count",) or not top.is_aggregate or top.outputs != 1 or is_own(case.statement):
            return
        steps = case.statement.stack.steps
        if steps and asks_whether_any(*steps[0]):
            tables = ", ".join(case.facts.reads)
            yield Hit(
                f"counts all matching rows of {tables} to learn whether there is one",
                "Ask EXISTS: session.scalar(select(exists().where(...))) with the same conditions.",
            )
