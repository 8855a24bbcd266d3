"""The rule `max_rows`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytest_querybudget.recording.model import Statement
from pytest_querybudget.rules.base import count_option
from pytest_querybudget.rules.ceilings import Exceeded
from pytest_querybudget.rules.figures import Ceiling


class TooManyRows(Exceeded):
    """A statement that fetched more rows than allowed."""

    __slots__ = ()
    rule = "max_rows"
    of_one = True


class MaxRows(Ceiling):
    """A ceiling on the rows that one statement fetches.

    ## What it does

    Fails a test in which one statement fetches more rows than the limit. Rows are counted as they are fetched, also
    from a result that streams, and what an UPDATE or DELETE returns with RETURNING. What an INSERT
    returns that SQLAlchemy sends in batches is not counted: the caller has passed as many rows.

    ## Why is this bad

    Rows that are fetched are rows that are sent, parsed and held in memory. A statement that fetches a whole table to
    show a page works in every test and fails with the first large customer.

    ## Example

    ```python
    @pytest.mark.max_rows(50)
    def test_first_page(session):
        list(session.scalars(select(Message)))[:50]
    ```

    ## Use instead

    ```python
    session.scalars(select(Message).order_by(Message.id).limit(50))
    ```

    ## Options

    - `n`: the most rows of one statement.

    ## When to allow it

    For exports and batches that need every row: stream those with `yield_per`, and allow them with a comment on the
    line, `# querybudget: allow[max_rows] the export holds a batch at a time`. They fetch as many rows as before, but
    never hold all of them.
    """

    name = "max_rows"
    takes = "n"
    unit = "row fetched by one statement", "rows fetched by one statement"
    finding = TooManyRows

    def read_limit(self, value: Any) -> float:
        """Return a number of rows."""
        return count_option(self, "n", value)

    def figure(self, statements: Sequence[Statement]) -> tuple[float, Statement | None]:
        """Return the most rows of one execution."""
        most = max(statements, key=lambda each: each.max_rows, default=None)
        return (most.max_rows, most) if most else (0, None)

    def advice(self, statement: Statement | None) -> str | None:
        """Say where to page or to stream."""
        if statement is None or statement.location is None:
            return None
        where = f"the query at {statement.location}"
        allowed = "allow it with # querybudget: allow[max_rows] and a reason"
        if statement.shape.kind != "select":
            return f"Leave RETURNING out of the statement at {statement.location}, or write fewer rows at once."
        if statement.streams:
            return f"Page {where} with .limit(...), or, where every row is needed, {allowed}: it is streamed already."
        if statement.shape.facts.limited:
            return f"Lower the LIMIT of {where}."
        order = "" if statement.shape.facts.ordered else ".order_by(...)"
        return (
            f"Page {where} with {order}.limit(...). Where every row is needed, stream it with "
            f".execution_options(yield_per=...), and {allowed}."
        )
