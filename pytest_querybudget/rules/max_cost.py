"""The rule `max_cost`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_querybudget.findings.model import Finding
from pytest_querybudget.recording.model import Recording
from pytest_querybudget.recording.plans import PlannedStatement
from pytest_querybudget.rules.base import OptionError, Options, Rule, number_option, unknown_keywords
from pytest_querybudget.rules.ceilings import Exceeded
from pytest_querybudget.rules.planned import planned_statements, unplanned_faults
from pytest_querybudget.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CostlyStatement(Exceeded):
    """A statement that the planner holds for more costly than allowed. `plan` is the plan as text."""

    rule = "max_cost"
    of_one = True
    plan: str | None = None


class MaxCost(Rule):
    """A ceiling on the planner's estimated cost of one statement.

    ## What it does

    Fails a test in which the database's planner estimates a statement above the limit, in its own unit: PostgreSQL's
    `Total Cost`, MySQL's and MariaDB's query cost. No planner setting is changed for this figure.

    ```
    SELECT * FROM users WHERE email = ?        of 100,000 rows

                with an index              without
    PostgreSQL  Index Scan, cost 8.31      Seq Scan, cost 1,791
    MariaDB     ref, cost 1.33             ALL, cost 20,277
    SQLite      has no costs: the rule is an error there
    ```

    ## Why is this bad

    A cost that jumps after a change means another plan: an index that no longer serves, or a join that multiplies.

    ## Example

    ```python
    @pytest.mark.max_cost(500)
    def test_dashboard(large_dataset, session):
        dashboard(session)
    ```

    ## Use instead

    An index, a narrower query, or figures that are kept up to date.

    ## Options

    - `n`: the limit, in the planner's unit.

    ## When to allow it

    Raise the limit together with the data of the test.

    ## What it cannot know

    What a cost is: each planner has a unit of its own, and figures of two databases or two versions do not compare.
    Costs depend on the size of the tables and on fresh statistics: on empty tables they say little. SQLite has no
    costs, so there the rule is an error.
    """

    name = "max_cost"
    needs_plans = True
    takes = "a number"
    needs_statements = True

    def parse(self, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Options:
        """Take the limit."""
        unknown_keywords(self, keywords, ())
        if len(arguments) != 1:
            raise OptionError(f"{self.name} takes one number, got {len(arguments)} arguments")
        return Options(limit=number_option(self, "n", arguments[0]))

    def measure(self, recording: Recording, options: Options) -> Mapping[str, tuple[float, float]]:
        """The highest cost of one statement."""
        costs = [
            each.plan.cost for each in planned_statements(recording, options.phase) if each.plan and each.plan.cost
        ]
        return {self.name: (options.limit or 0, max(costs, default=0.0))}

    def check(self, recording: Recording, options: Options) -> Iterator[Finding]:
        """Yield each statement above the limit."""
        limit = options.limit or 0
        for each in planned_statements(recording, options.phase):
            if each.plan is not None and each.plan.cost is not None and each.plan.cost > limit:
                yield self.finding(each, limit, each.plan.cost, each.plan.text)

    def finding(self, statement: PlannedStatement, limit: float, cost: float, plan: str) -> CostlyStatement:
        return CostlyStatement(
            sql=statement.sql,
            tables=statement.tables,
            count=statement.count,
            location=statement.location,
            chain=statement.chain,
            declared_only=statement.declared_only,
            limit=limit,
            actual=cost,
            unit="as the planner's cost of one statement",
            plan=plan,
        )

    def faults(self, recording: Recording, options: Options) -> Iterator[str]:
        """A database without costs cannot be held to one."""
        statements = planned_statements(recording, options.phase)
        yield from unplanned_faults(self.name, statements)
        yield from cost_faults(self.name, statements)


def cost_faults(rule: str, statements: Sequence[PlannedStatement]) -> Iterator[str]:
    """Dialects whose plans have no cost."""
    for dialect in sorted({each.dialect for each in statements if each.plan and each.plan.cost is None}):
        yield f"{rule} cannot be judged on {dialect}: its plans have no cost"
