"""The rule `max_query_time`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytest_querybudget.recording.model import Statement
from pytest_querybudget.rules.base import MOST_SECONDS, number_option
from pytest_querybudget.rules.ceilings import Exceeded
from pytest_querybudget.rules.figures import Ceiling


class SlowQuery(Exceeded):
    """A statement slower than allowed."""

    __slots__ = ()
    rule = "max_query_time"
    of_one = True
    is_time = True


class MaxQueryTime(Ceiling):
    """A ceiling on the time of the slowest statement.

    ## What it does

    Fails a test in which one statement takes longer than the limit, from the call of the driver to its return.
    Fetching rows is not part of it.

    ## Why is this bad

    A statement that is slow on a handful of rows is a scan, a lock or a function that will be slower in production.

    ## Example

    ```python
    @pytest.mark.max_query_time(0.05)
    def test_report(session):
        monthly_report(session)
    ```

    ## Use instead

    An index, a narrower query, or a figure that is kept up to date instead of computed.

    ## Options

    - `n`: seconds.

    ## When to allow it

    Time depends on the machine. Take a limit that only a real regression reaches, and count statements for the rest.
    """

    name = "max_query_time"
    takes = "seconds"
    unit = "for one statement", "for one statement"
    finding = SlowQuery

    def read_limit(self, value: Any) -> float:
        """Return seconds."""
        return number_option(self, "n", value, " of seconds", MOST_SECONDS)

    def figure(self, statements: Sequence[Statement]) -> tuple[float, Statement | None]:
        """Return the time of the slowest execution, in seconds."""
        slowest = max(statements, key=lambda each: each.max_time, default=None)
        return (slowest.max_time, slowest) if slowest else (0.0, None)

    def blamed(self, statement: Statement) -> tuple[str, tuple[str, ...], int]:
        """Return the one shape that was slow, where several are recorded together."""
        shape = statement.slowest
        return shape.facts.sql, shape.tables, dict(statement.shapes())[shape]
