"""The rule `no_full_scans`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pytest_querybudget.findings.model import Finding
from pytest_querybudget.recording.plans import PlannedStatement
from pytest_querybudget.rules.base import Options
from pytest_querybudget.rules.planned import PlanFinding, PlanRule, advice_for, is_ignored, proof_of
from pytest_querybudget.values import dataclass

_WHY = {
    "filtered": "to find rows by",
    "joined": "to join by",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FullScan(PlanFinding):
    """A table, or a whole index of it, that is read from end to end for some of its rows."""

    rule = "no_full_scans"
    columns: tuple[str, ...] = ()
    purpose: str = "filtered"
    index: str | None = None

    @property
    def message(self) -> str:
        """Which table is read, and for what."""
        what = f"all of {self.tables[0]}"
        if self.index:
            what = f"{self.index} of {self.tables[0]} from end to end"
        by = f" {_WHY[self.purpose]} {', '.join(self.columns)}" if self.columns else ""
        return f"reads {what}{by}: no index serves"


class NoFullScans(PlanRule):
    """No table may be read whole to find some of its rows.

    ## What it does

    Asks the database for the plan of each statement, and fails when it filters, joins, updates or deletes by reading a
    whole table because no index can serve. A walk along a whole index is the same, even when it delivers the
    order that is wanted. The size of the table plays no part: the question is whether an index *could* serve.

    What counts as reading everything:

    - SQLite: `SCAN t`, `SCAN t USING INDEX` and `SEARCH t USING AUTOMATIC INDEX`, where the statement filters or joins
      `t`.
    - PostgreSQL, asked with `enable_seqscan`, `enable_hashjoin` and `enable_mergejoin` off: a `Seq Scan`, or an index
      scan whose `Index Cond` leaves out the index's first column.
    - MySQL and MariaDB: the access types `ALL` and `index`.

    A read of a whole table without a filter is never a finding. In a join of small tables the planner may begin
    anywhere; of a large one it begins with the filter, so the table that the join stops at for want of an index is
    named (`ticket_tags` here, whose primary key begins with `ticket_id`):

    ```
    SELECT tickets.* FROM tickets JOIN ticket_tags ON ... JOIN tags ON ... WHERE tags.name = ?

    SQLite      SCAN on tickets
                SEARCH on ticket_tags using sqlite_autoindex_ticket_tags_1 (ticket_id=? AND tag_id=?)
    PostgreSQL  Index Only Scan on ticket_tags using ticket_tags_pkey
    MariaDB     ALL on ticket_tags filter (ticket_tags.tag_id = tags.id)
    ```

    ## Why is this bad

    On the ten rows of a test every plan is fast. In production the same statement reads a million rows to return three,
    and a DELETE or UPDATE locks them on the way.

    ## Example

    ```python
    @pytest.mark.no_full_scans
    def test_orders_of_customer(session):
        session.scalars(select(Order).where(Order.customer_id == 7)).all()
    ```

    ## Use instead

    ```python
    class Order(Base):
        __tablename__ = "orders"
        __table_args__ = (Index("ix_orders_customer_id", "customer_id"),)
    ```

    The finding has the index as SQL, as a line of the model and as a migration. Where possible it has been tried: in a
    savepoint or with hypopg on PostgreSQL, in an empty copy of the schema on SQLite, in a scratch database on MySQL
    and MariaDB.

    ## Options

    - `ignore`: names of tables that stay small, as `no_full_scans(ignore=("countries",))`.

    ## When to allow it

    For reports and migrations that are meant to read everything: `allow_queries("no_full_scans", match="*report*",
    reason=...)`.

    ## What it cannot know

    How selective a condition is: an index on a column with two values may serve in name only. An OR over the columns
    of two tables, and an EXISTS that SQLite asks for each row, are not judged: no index would help. How large the table
    will be: name the small ones in `ignore`. On SQLite the plan does not say what is filtered, so the statement's
    text is read as well; a statement that cannot be understood is not judged.
    """

    name = "no_full_scans"
    explained = True
    takes = "ignore=(names of tables)"

    def judge(self, statements: Iterable[PlannedStatement], options: Options) -> Iterator[Finding]:
        """Yield each table of each statement that is read whole in vain."""
        for each in statements:
            seen = set()
            for node in each.plan.root.walk() if each.plan else ():
                table = node.table or ""
                if (
                    not node.reads_everything_in_vain
                    or is_ignored(table, options.patterns)
                    or (table, node.alias) in seen
                ):
                    continue
                seen.add((table, node.alias))
                assert each.plan is not None  # noqa: S101 - it is what is being walked
                advice = advice_for(each.plan, table, node.alias, "scan")
                yield FullScan(
                    sql=each.sql,
                    tables=(table,),
                    count=each.count,
                    location=each.location,
                    chain=each.chain,
                    declared_only=each.declared_only,
                    columns=node.columns,
                    purpose=node.purpose,
                    index=node.index if node.access == "full_index" else None,
                    plan=each.plan.text,
                    advice=advice,
                    proof=proof_of(advice),
                )
