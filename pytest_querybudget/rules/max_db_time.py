"""The rule `max_db_time`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytest_querybudget.recording.model import Statement
from pytest_querybudget.rules.base import MOST_SECONDS, number_option
from pytest_querybudget.rules.ceilings import Exceeded
from pytest_querybudget.rules.figures import Ceiling


class TooMuchTime(Exceeded):
    """More time in the database than allowed."""

    __slots__ = ()
    rule = "max_db_time"
    is_time = True


class MaxDbTime(Ceiling):
    """A ceiling on the time of all statements together.

    ## What it does

    Fails a test whose statements take longer than the limit, added up. Statements that run at the same time in
    several threads or tasks are added up as well.

    ## Why is this bad

    Many fast statements are as slow as one slow statement, and harder to see.

    ## Example

    ```python
    @pytest.mark.max_db_time(0.2)
    def test_dashboard(client):
        client.get("/dashboard")
    ```

    ## Use instead

    Fewer statements first; see `no_n_plus_one` and `no_repeated_queries`.

    ## Options

    - `n`: seconds.
    - `per="request"`: the limit is for each request by itself that comes through `query_budget.app(app)`.

    ## When to allow it

    Time depends on the machine. Take a limit that only a real regression reaches.
    """

    name = "max_db_time"
    takes_per = True
    takes = 'seconds, per="request"'
    unit = "in the database", "in the database"
    finding = TooMuchTime

    def read_limit(self, value: Any) -> float:
        """Return seconds."""
        return number_option(self, "n", value, " of seconds", MOST_SECONDS)

    def figure(self, statements: Sequence[Statement]) -> tuple[float, Statement | None]:
        """Return the sum of all times, in seconds, and the statement that took most of it."""
        longest = max(statements, key=lambda each: each.time, default=None)
        return sum(each.time for each in statements), longest
