"""`LIKE '%...'`."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_querybudget.recording.structure import ColumnUse, Condition, Query
from pytest_querybudget.rules.antipatterns.pattern import Case, Hit, Pattern
from pytest_querybudget.rules.cardinality import fixed
from pytest_querybudget.rules.parameters import wildcards

# What stands for anything, by the operator.
_SIGNS = {
    **dict.fromkeys(("LIKE", "ILIKE", "~~", "~~*", "SIMILAR TO"), "%"),
    **dict.fromkeys(("~", "~*", "REGEXP", "RLIKE"), ".*"),
    "GLOB": "*",
}


class LeadingWildcard(Pattern):
    """`LIKE '%...'`: a pattern that begins with a wildcard.

    An index is sorted from the first character on: a pattern without one reads the whole table. `contains()` and
    `endswith()` write such a pattern, and so does `like(f"%{word}")`. The same goes for a regular expression that
    begins with `.*`, for `SIMILAR TO '%...'` and for `GLOB '*...'`.

    ```python
    select(Contact).where(Contact.email.like("%@example.com"))
    ```

    Use instead what is looked for as a column of its own:

    ```python
    select(Contact).where(Contact.email_domain == "example.com")
    ```

    For words inside of texts, use the full text search of the database, or on PostgreSQL a trigram index
    (`gin_trgm_ops`); where the model declares one on the column, nothing is reported. Nor is a pattern within the one
    row that a unique key has selected.
    """

    name = "leading_wildcard"

    def find(self, case: Case) -> Iterator[Hit]:
        """Look at the patterns of every query: those in the text, and those that were sent as parameters."""
        sent = wildcards(case.statement)
        for query in case.structure.queries:
            single = fixed(case.structure, query)
            for each in query.conditions:
                column, sign = each.left.column, _SIGNS.get(each.operator)
                if sign is None or each.negated or column is None or column.relation in single:
                    continue
                begins = each.right.wildcard == sign or (_table_column(query, column), sign) in sent
                if begins and not _has_trigrams(case, query, each):
                    name = case.column(query, column)
                    yield Hit(
                        f"{name} {each.operator} '{sign}...': no index can find the end or the middle of a text",
                        f"Store what is looked for in {name} as a column of its own and compare with =; for words, use "
                        "full text search, or on PostgreSQL a trigram index (gin_trgm_ops).",
                    )


def _table_column(query: Query, column: ColumnUse) -> str:
    table = query.relations[column.relation].table if column.relation >= 0 else None
    return f"{table}.{column.name}".lower() if table else column.name


def _has_trigrams(case: Case, query: Query, condition: Condition) -> bool:
    column = condition.left.column
    if column is None or column.relation < 0:
        return False
    table = query.relations[column.relation].table or ""
    return f"trgm {column.name}" in case.structure.schema.expressions.get(table.lower(), ())
