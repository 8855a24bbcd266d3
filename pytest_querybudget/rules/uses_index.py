"""The rule `uses_index`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pytest_querybudget.findings.model import Finding
from pytest_querybudget.recording.model import Recording
from pytest_querybudget.recording.plans import Plan, PlannedStatement, TableInfo
from pytest_querybudget.rules.base import OptionError, Options, name_options, unknown_keywords
from pytest_querybudget.rules.planned import (
    PlanFinding,
    PlanRule,
    is_ignored,
    planned_statements,
    proof_of,
    qualified,
    unknown_table_faults,
    unplanned_faults,
)
from pytest_querybudget.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusedIndex(PlanFinding):
    """A statement that does not use the index that it should."""

    rule = "uses_index"
    wanted: tuple[str, ...] = ()
    used: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        """What should be used, and what is."""
        what = " or ".join(self.wanted) if self.wanted else "any index"
        instead = f"; it uses {', '.join(self.used)}" if self.used else ""
        return f"the plan does not use {what}{instead}"


class UsesIndex(PlanRule):
    """Statements must use an index, or these indexes.

    ## What it does

    Fails when the plan of a statement does not use the named index to find rows or to deliver a wanted order. Only
    statements that read the table of a named index are judged, or the table named by `table`. Without a name, every
    planned statement must use some index.

    An index that is named in the plan but read from end to end to filter its rows does not serve, and does not count.
    Walked for an order that is wanted of all rows, it does:

    ```
    SELECT * FROM users WHERE email = ?              counts for ix_users_email

    SQLite      SEARCH on users using ix_users_email (email=?)
    PostgreSQL  Index Scan on users using ix_users_email (users.email = ?)
    MariaDB     ref on users using ix_users_email (email = ?)

    SELECT * FROM users WHERE lower(email) = ?       does not

    SQLite      SCAN on users filter (lower(email) = ?)
    PostgreSQL  Seq Scan on users filter (lower(users.email) = ?)
    MariaDB     ALL on users filter (lcase(users.email) = ?)

    SELECT * FROM users ORDER BY email LIMIT 3       counts

    SQLite      SCAN on users using ix_users_email
    PostgreSQL  Index Scan on users using ix_users_email
    MariaDB     index on users using ix_users_email

    SELECT * FROM users WHERE name = ? ORDER BY email LIMIT 3    does not: it walks until enough names were right

    SQLite      SCAN on users using ix_users_email filter (name = ?)
    PostgreSQL  Index Scan on users using ix_users_email filter (users.name = ?)
    MariaDB     index on users using ix_users_email filter (users.name = ?)
    ```

    ## Why is this bad

    An index that was made for a query and is not used costs every write, and the query is still slow: a function around
    the column, another type or collation, or the wrong order of columns is enough.

    ## Example

    ```python
    @pytest.mark.uses_index("ix_users_email")
    def test_login(session):
        session.scalars(select(User).where(func.lower(User.email) == "a@example.org")).one()
    ```

    ## Use instead

    ```python
    Index("ix_users_email", func.lower(User.email))
    ```

    ## Options

    - names of indexes; `PRIMARY KEY` is SQLite's name for the key that a table is stored by.
    - `table`: judge the statements that read this table only.

    ## When to allow it

    A marker on the test is precise enough; leave it out where the index is not the point.

    ## What it cannot know

    Which of two indexes the planner takes on a large table when both serve: on a small one they cost the same, and on
    PostgreSQL any index counts that one of the plans asked for uses. How many rows a condition leaves, and so whether
    the planner of a large table would rather read all of it: the rule asks whether an index can serve, not whether
    it pays. A statement that was not planned (the summary lists them with the reason) is not judged.
    """

    name = "uses_index"
    takes = "names of indexes, table=name"

    def parse(self, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Options:
        """Take names of indexes and a table."""
        unknown_keywords(self, keywords, ("table",))
        table = keywords.get("table")
        if table is not None and (not isinstance(table, str) or not table.strip()):
            raise OptionError(f"{self.name} got table={table!r}, but table takes the name of a table")
        return Options(patterns=name_options(self, "names of indexes", tuple(arguments)), extra={"table": table})

    def judge(self, statements: Iterable[PlannedStatement], options: Options) -> Iterator[Finding]:
        """Yield each statement that does not use an index that it should."""
        table = options.extra.get("table")
        for each in statements:
            if each.plan is None or not _reads(each.plan, table):
                continue
            wanted = tuple(name for name in options.patterns if _has(each.plan, name, table))
            if options.patterns and not wanted:
                continue
            used = {name.lower() for name in each.plan.indexes_used}
            missing = not used if not wanted else not any(name.lower() in used for name in wanted)
            if missing:
                yield self.finding(each, each.plan, wanted)

    def finding(self, statement: PlannedStatement, plan: Plan, wanted: tuple[str, ...]) -> UnusedIndex:
        advice = tuple(each for each in plan.advice if each.purpose == "scan")
        return UnusedIndex(
            sql=statement.sql,
            tables=tuple(dict.fromkeys(node.table for node in plan.root.walk() if node.table)),
            count=statement.count,
            location=statement.location,
            chain=statement.chain,
            declared_only=statement.declared_only,
            wanted=wanted,
            used=plan.indexes_used,
            plan=plan.text,
            advice=advice,
            proof=proof_of(advice),
        )

    def faults(self, recording: Recording, options: Options) -> Iterator[str]:
        """An index that none of the tables has is a typo, and no statement on its table a test of nothing."""
        statements = planned_statements(recording, options.phase)
        yield from unplanned_faults(self.name, statements)
        table = options.extra.get("table")
        if table is not None:
            yield from unknown_table_faults(self.name, (table,), statements)
        faults = tuple(index_faults(self.name, options.patterns, statements))
        yield from faults
        if table is not None and not faults:
            yield from unread_table_faults(self.name, table, options.patterns, statements)


def index_faults(rule: str, names: Sequence[str], statements: Sequence[PlannedStatement]) -> Iterator[str]:
    """Names of indexes that no table of these statements has."""
    plans = [each.plan for each in statements if each.plan]
    known = _indexes(plans)
    lower = {each.lower() for each in known}
    for name in names if plans else ():
        if name.lower() not in lower:
            yield f"{rule} got {name!r}, which is no index of the tables that the test reads. {_listed(known, name)}"


def unread_table_faults(
    rule: str, table: str, names: Sequence[str], statements: Sequence[PlannedStatement]
) -> Iterator[str]:
    """A table that no planned statement reads, or that has none of these indexes: then nothing was judged."""
    plans = [each.plan for each in statements if each.plan]
    known = {name.lower() for plan in plans for name in plan.known_tables}
    exists = table.lower() in known | {name.rpartition(".")[2] for name in known}
    reading = [plan for plan in plans if _reads(plan, table)]
    if not reading and plans and exists:
        yield f"{rule} is declared with table={table!r}, but no planned statement of the test reads that table"
    for name in names if reading else ():
        if not any(_has(plan, name, table) for plan in reading):
            yield f"{rule} got {name!r} and table={table!r}, but that table has no such index"


def _reads(plan: Plan, table: str | None) -> bool:
    nodes = [node.table for node in plan.root.walk() if node.table]
    return bool(nodes) if table is None else any(is_ignored(name, (table,)) for name in nodes)


def _has(plan: Plan, index: str, table: str | None) -> bool:
    return any(
        each.name.lower() == index.lower()
        for info in plan.tables
        if table is None or is_ignored(qualified(info), (table,))
        for each in info.indexes
    )


def _indexes(plans: Iterable[Plan]) -> dict[str, TableInfo]:
    return {each.name: replace(table) for plan in plans for table in plan.tables for each in table.indexes}


def _listed(known: Mapping[str, TableInfo], name: str) -> str:
    if not known:
        return "They have none."
    listed = ", ".join(f"{index} ({qualified(table)})" for index, table in sorted(known.items()))
    close = difflib.get_close_matches(name, known, n=1)
    return f"They have: {listed}." + (f" Did you mean {close[0]!r}?" if close else "")
