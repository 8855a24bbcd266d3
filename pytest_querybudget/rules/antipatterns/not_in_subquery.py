"""`NOT IN (SELECT ...)`."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_querybudget.recording.structure import Condition, Query
from pytest_querybudget.rules.antipatterns.pattern import Case, Hit, Pattern


class NotInSubquery(Pattern):
    """`NOT IN (SELECT ...)` instead of `NOT EXISTS`.

    One NULL in the subquery makes the whole condition unknown, and the result empty. And because of that NULL,
    databases cannot turn it into an anti-join: PostgreSQL holds the whole list in memory, or, when it does not fit,
    searches it for each row.

    ```python
    select(Contact).where(Contact.id.not_in(select(Message.contact_id)))
    ```

    Use instead, with an index on `Message.contact_id`:

    ```python
    select(Contact).where(~exists().where(Message.contact_id == Contact.id))
    ```

    `NOT IN` with a list of values is another thing, and not reported.
    """

    name = "not_in_subquery"

    def find(self, case: Case) -> Iterator[Hit]:
        """Look at the conditions of every query."""
        for query in case.structure.queries:
            for each in query.conditions:
                if _is_not_in(each) and _reads_table(case, each):
                    yield _hit(case, query, each)


def _is_not_in(condition: Condition) -> bool:
    if condition.operator in ("<> ALL", "!= ALL"):
        return not condition.negated
    return condition.operator in ("IN", "= ANY", "= SOME") and condition.negated


def _reads_table(case: Case, condition: Condition) -> bool:
    """Return whether a table is listed: SQLAlchemy writes an empty list as a subquery of nothing."""
    return condition.right.query is not None and any(
        each.columns or each.stars
        for each in _listing(case, case.structure.queries[condition.right.query])
        if each.relations
    )


def _listing(case: Case, query: Query) -> list[Query]:
    """Return the queries that give the list, several where UNION connects them."""
    return [case.structure.queries[each] for each in query.parts] or [query]


def _hit(case: Case, query: Query, condition: Condition) -> Hit:
    assert condition.right.query is not None  # noqa: S101 - that makes it one
    inner = _listing(case, case.structure.queries[condition.right.query])[0]
    outer = case.column(query, condition.left.column)
    listed = case.column(inner, inner.columns[0]) if inner.columns else "its key"
    return Hit(
        f"NOT IN (SELECT ...) on {outer}: one NULL in the list empties the result, and no index can serve it",
        f"Ask NOT EXISTS: .where(~exists().where({listed} == {outer})), with the subquery's own conditions in it.",
    )
