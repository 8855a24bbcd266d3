"""A function around a filtered column, or a calculation with it."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_querybudget.recording.structure import Condition, Operand, Query
from pytest_querybudget.rules.antipatterns.pattern import Case, Hit, Pattern
from pytest_querybudget.rules.cardinality import fixed

_COMPARING = frozenset(("=", "==", "<=>", "<", ">", "<=", ">=", "BETWEEN", "IN", "= ANY", "LIKE", "ILIKE"))
_TIMES = frozenset(
    """
    date datetime time strftime julianday unixepoch year month day hour minute week weekday dayofweek dayofmonth
    dayofyear quarter extract date_part date_trunc to_char date_format from_unixtime unix_timestamp date_add date_sub
    datediff timestampdiff to_days last_day timezone
    """.split()
)
_CASES = frozenset(("lower", "upper", "casefold"))
_NULLS = frozenset(("coalesce", "ifnull", "nvl", "isnull", "nullif"))
_OTHERS = frozenset(
    """
    trim ltrim rtrim btrim substr substring left right replace cast convert abs round floor ceil ceiling length
    char_length md5 sha1 sha2 hex concat
    """.split()
)
_SIGNS = frozenset("+-*/")
_KNOWN = _TIMES | _CASES | _NULLS | _OTHERS | _SIGNS


class FunctionOnColumn(Pattern):
    """A function around a filtered column, or a calculation with it: `lower(email) = ?`, `price * 2 > ?`.

    An index holds the values of the column, and not what a function makes of them: the function is called for each row
    of the table.

    ```python
    select(Message).where(func.date(Message.sent_at) == day)
    ```

    Use instead the column as it is, here with a range:

    ```python
    select(Message).where(Message.sent_at >= day, Message.sent_at < day + timedelta(days=1))
    ```

    In the same way `price * 2 > :limit` becomes `price > :limit / 2`.

    Addresses and names are best stored in the form in which they are compared. Where that cannot be, index the
    expression: `Index("ix_contacts_email_lower", func.lower(Contact.email))`. Where the model declares such an index,
    nothing is reported; nor is a function within the one row that a unique key has selected, the
    `lower(...) LIKE lower(...)` that `ilike()` becomes, a function that looks into a value (JSON, arrays, geometry), or
    a calculation that is compared with another column.
    """

    name = "function_on_column"

    def find(self, case: Case) -> Iterator[Hit]:
        """Look at both sides of every comparison in a WHERE or ON."""
        seen = set()
        for query in case.structure.queries:
            single = fixed(case.structure, query)
            for each in query.conditions:
                for own, other in ((each.left, each.right), (each.right, each.left)):
                    if not _is_wrapped(query, each, own, other) or _is_indexed(case, query, own):
                        continue
                    if own.column is not None and own.column.relation not in single and own.text not in seen:
                        seen.add(own.text)
                        yield _hit(case, query, own)


def _is_wrapped(query: Query, condition: Condition, own: Operand, other: Operand) -> bool:
    if condition.operator not in _COMPARING or condition.negated or own.column is None or own.function is None:
        return False
    if condition.operator in ("LIKE", "ILIKE") and f"{own.function}(" in other.text:
        # That is how SQLAlchemy spells ilike() where the database has none.
        return False
    if own.function in _SIGNS and other.columns:
        # Two columns that are compared: one of them has to be calculated.
        return False
    column = own.column
    if column.relation >= 0 and query.relations[column.relation].table is None:
        return False
    if column.relation == -2 or any(each.relation == column.relation for each in other.columns):
        return False
    inner: Operand | None = own
    while inner is not None and inner.function is not None:
        if inner.function not in _KNOWN:
            return False
        inner = inner.inner
    return True


def _is_indexed(case: Case, query: Query, own: Operand) -> bool:
    if own.column is None or own.column.relation < 0:
        return False
    relation = query.relations[own.column.relation]
    text = own.text.lower().replace(f"{relation.label.lower()}.", "").replace('"', "").replace("`", "")
    text = text.replace(f"{(relation.table or '').lower()}.", "")
    return text in case.structure.schema.expressions.get((relation.table or "").lower(), ())


def _hit(case: Case, query: Query, own: Operand) -> Hit:
    name = case.column(query, own.column)
    function = own.function or ""
    if function in _SIGNS:
        return Hit(
            f"the filter calculates with {name} ({own.text}): an index on the column cannot serve it",
            f"Leave {name} alone on its side of the comparison, and calculate with the value on the other.",
        )
    if function in _TIMES:
        cure = f"Compare the column itself with a range: .where({name} >= start, {name} < end)."
    elif function in _CASES:
        cure = (
            f"Store {name} in the form in which it is compared, or index the expression: "
            f'Index("ix_{name.replace(".", "_").lower()}_{function}", func.{function}({name})).'
        )
    elif function in _NULLS:
        cure = f"Ask for NULL by itself: or_({name} == ..., {name}.is_(None)), or make the column NOT NULL."
    elif function in ("cast", "convert"):
        cure = f"Send the value in the type of {name} instead of casting the column."
    else:
        cure = f"Compare {name} itself, store the result as a column of its own, or index the expression."
    return Hit(f"the filter wraps {name} in {function}(): an index on the column cannot serve it", cure)
