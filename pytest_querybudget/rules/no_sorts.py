"""The rule `no_sorts`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pytest_querybudget.findings.model import Finding
from pytest_querybudget.recording.plans import PlannedStatement
from pytest_querybudget.rules.base import Options
from pytest_querybudget.rules.planned import PlanFinding, PlanRule, advice_for, is_ignored, proof_of
from pytest_querybudget.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class AvoidableSort(PlanFinding):
    """Rows that are sorted though an index could deliver them in order."""

    rule = "no_sorts"
    keys: tuple[str, ...] = ()
    limited: bool = False

    @property
    def message(self) -> str:
        """What is sorted, by what."""
        first = ", all of them to return the first few" if self.limited else ""
        return f"sorts rows of {self.tables[0]} by {', '.join(self.keys)}{first}: an index could deliver them in order"


class NoSorts(PlanRule):
    """No rows may be sorted that an index could deliver in order.

    ## What it does

    Fails when a plan sorts the rows of one table (PostgreSQL `Sort`, SQLite `USE TEMP B-TREE FOR ORDER BY`, MySQL and
    MariaDB `filesort`) although an index on that table could deliver them in the wanted order. One row at the most,
    found by a unique key, is no order; behind an equality, an index that serves the order alone does not count.

    The index has the equality columns first, then the keys of the order, with `DESC` where the directions differ:

    ```
    SQLite      SEARCH tickets USING INDEX ix_ticket_tenant (tenant_id=?)
                USE TEMP B-TREE FOR ORDER BY
    PostgreSQL  Sort by tickets.created_at
                  Index Scan on tickets using ix_ticket_tenant (tickets.tenant_id = ?)
    MariaDB     filesort by tickets.created_at
                  ref on tickets using ix_ticket_tenant (tenant_id = ?)
    ```

    ## Why is this bad

    Under a LIMIT the sort is what makes a page of ten cost as much as the whole table: all rows have to be read
    before the first can be returned.

    ## Example

    ```python
    @pytest.mark.no_sorts
    def test_latest_messages(session):
        session.scalars(
            select(Message).where(Message.tenant_id == 1).order_by(Message.created_at.desc()).limit(10)
        ).all()
    ```

    ## Use instead

    ```python
    __table_args__ = (Index("ix_messages_tenant_id_created_at", "tenant_id", "created_at"),)
    ```

    ## Options

    - `ignore`: names of tables whose rows may be sorted.

    ## When to allow it

    Where the rows to sort are few by nature.

    ## What it cannot know

    How many rows there are to sort. Sorts for GROUP BY, DISTINCT, windows and merge joins, and sorts by columns of
    several tables, are not judged; nor, on PostgreSQL, is the order of a whole table without a LIMIT, where a sort is
    cheaper than reading along an index.
    """

    name = "no_sorts"
    explained = True
    takes = "ignore=(names of tables)"

    def judge(self, statements: Iterable[PlannedStatement], options: Options) -> Iterator[Finding]:
        """Yield each sort that an index could avoid."""
        for each in statements:
            for sort in each.plan.sorts if each.plan else ():
                if is_ignored(sort.table, options.patterns):
                    continue
                assert each.plan is not None  # noqa: S101 - it has the sort
                advice = advice_for(each.plan, sort.table, sort.alias, "sort")
                yield AvoidableSort(
                    sql=each.sql,
                    tables=(sort.table,),
                    count=each.count,
                    location=each.location,
                    chain=each.chain,
                    declared_only=each.declared_only,
                    keys=tuple(f"{key.subject} DESC" if key.descending else key.subject for key in sort.keys),
                    limited=sort.limited,
                    plan=each.plan.text,
                    advice=advice,
                    proof=proof_of(advice),
                )
