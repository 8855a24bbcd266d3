"""What a condition asks of one table: conjuncts become `Predicate` facts.

A conjunct that no index of the table could ever decide gives no predicate, because it asks another table (EXISTS,
NOT IN (SELECT ...)) or nothing at all (`:filter IS NULL OR ...`): that the table is read whole is not its fault.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from pytest_querybudget.plans import syntax
from pytest_querybudget.plans.names import quoted
from pytest_querybudget.recording.plans import ColumnInfo, Operator, Predicate, SortKey
from pytest_querybudget.values import dataclass

_MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
_LIKE = {"LIKE", "~~", "GLOB"}
_OTHER_MATCH = {"ILIKE", "~~*", "~", "~*", "REGEXP", "RLIKE", "SIMILAR", "MATCH"}
_UNEQUAL = {
    "<>", "IS DISTINCT FROM", "NOT IN", "<> ALL", "NOT LIKE", "!~~", "!~~*", "!~", "!~*", "NOT ILIKE", "NOT BETWEEN",
    "NOT GLOB", "IS NOT TRUE", "IS NOT FALSE", "IS UNKNOWN", "IS NOT UNKNOWN",
}  # fmt: skip
_CONTAINS = {"@>", "?", "?|", "?&", "@?", "&&", "<@"}
#: Functions whose literal arguments belong to the schema: a path, a unit of time, a language.
_STRUCTURAL = ("json", "date_trunc", "date_part", "extract", "to_tsvector", "timezone")
#: Functions whose arguments are parted by words, which the tree does not keep.
_KEYWORDED = {"extract", "position", "overlay", "trim"}
_TEXT_TYPES = ("text", "varchar", "character varying")


@dataclass(frozen=True, slots=True)
class Subject:
    """The table whose conditions are looked for.

    `owner` says which alias a column belongs to (None: not known, or an outer query), `columns` are those of the
    catalog by lower-case name, `value` gives the value bound to a placeholder for the moment of asking, or None.
    """

    alias: str
    owner: Callable[[syntax.Column], str | None]
    columns: dict[str, ColumnInfo]
    value: Callable[[syntax.Parameter], object] = lambda _: None

    def owns(self, expression: syntax.Expression) -> bool:
        return any(self.owner(each) == self.alias for each in syntax.columns_of(expression))

    def column(self, expression: syntax.Expression) -> ColumnInfo | None:
        """The catalog's column if the expression is nothing but one, seen through casts that change nothing."""
        if isinstance(expression, syntax.Cast):
            inner = self.column(expression.operand)
            harmless = inner and (
                expression.type == inner.type.split("(")[0]
                or (expression.type in _TEXT_TYPES and inner.type.startswith(_TEXT_TYPES))
            )
            return inner if harmless else None
        if isinstance(expression, syntax.Column) and self.owner(expression) == self.alias:
            return self.columns.get(expression.name.lower()) or ColumnInfo(name=expression.name, type="")
        return None

    def plain_name(self, expression: syntax.Expression) -> str | None:
        column = self.column(expression)
        return column.name if column else None


def conjuncts(expression: syntax.Expression | None) -> Iterator[syntax.Expression]:
    """The conditions that all must hold."""
    if isinstance(expression, syntax.Operation) and expression.operator == "AND":
        for each in expression.operands:
            yield from conjuncts(each)
    elif isinstance(expression, syntax.Operation) and expression.operator == "NOT":
        yield from _negated(expression.operands[0], expression)
    elif expression is not None:
        yield expression


def _negated(inner: syntax.Expression, whole: syntax.Expression) -> Iterator[syntax.Expression]:
    if isinstance(inner, syntax.Operation) and inner.operator == "OR":
        for each in inner.operands:
            yield syntax.Operation("NOT", (each,))
    else:
        yield whole


def predicates_of(expressions: Iterable[syntax.Expression], subject: Subject) -> tuple[Predicate, ...]:
    """The facts about `subject` in a list of conditions."""
    found = []
    for expression in expressions:
        for each in conjuncts(expression):
            predicate = predicate_of(each, subject)
            if predicate is not None and predicate not in found:
                found.append(predicate)
    return tuple(found)


def predicate_of(expression: syntax.Expression, subject: Subject) -> Predicate | None:
    """The fact about `subject` in one condition, or None if it does not limit that table by its own columns."""
    if not subject.owns(expression) or _asks_elsewhere(expression):
        return None
    if isinstance(expression, syntax.Operation):
        return _of_operation(expression, subject)
    if isinstance(expression, syntax.Column):
        return _simple("true", expression, subject, constant="TRUE")
    return _other(expression, subject)


def _of_operation(expression: syntax.Operation, subject: Subject) -> Predicate | None:
    operator, operands = expression.operator, expression.operands
    if operator == "NOT":
        return _of_negation(operands[0], subject)
    if operator == "OR":
        return _of_alternatives(operands, subject)
    if operator in ("IS NULL", "IS NOT NULL"):
        return _simple("null" if operator == "IS NULL" else "not_null", operands[0], subject, constant=operator[3:])
    if operator in ("IS TRUE", "IS FALSE"):
        return _simple("true", operands[0], subject, constant=operator)
    if operator in _UNEQUAL:
        return _simple("unequal", _own_side(operands, subject), subject, joins=_joined(operands, subject))
    if operator in ("IN", "= ANY", "BETWEEN"):
        return _of_list(expression, subject)
    if len(operands) == 2:
        return _of_comparison(operator, operands[0], operands[1], subject)
    return _other(expression, subject)


def _of_negation(inner: syntax.Expression, subject: Subject) -> Predicate | None:
    if isinstance(inner, syntax.Column):
        return _simple("true", inner, subject, constant="FALSE")
    if isinstance(inner, syntax.Operation) and inner.operator in ("IS NULL", "IS NOT NULL"):
        flipped = "IS NULL" if inner.operator == "IS NOT NULL" else "IS NOT NULL"
        return _of_operation(syntax.Operation(flipped, inner.operands), subject)
    if isinstance(inner, syntax.Operation) and inner.operator == "IN" and _is_query(inner.operands[-1]):
        return None
    return _simple("unequal", _own_side(getattr(inner, "operands", (inner,)), subject), subject)


def _of_alternatives(operands: tuple[syntax.Expression, ...], subject: Subject) -> Predicate | None:
    parts = []
    for operand in operands:
        if not syntax.columns_of(operand) and not _has_query(operand):
            # `:filter IS NULL OR ...`: whether anything is filtered is known only when it runs
            return None
        inner = predicates_of([operand], subject)
        parts.append(inner[0] if inner else None)
    known = [each for each in parts if each is not None]
    columns = tuple(dict.fromkeys(name for each in known for name in each.columns))
    if len(known) < len(parts) or any(each.joins for each in known):
        elsewhere = next((each.joins for each in known if each.joins), None) or _joined(operands, subject)
        return Predicate(
            operator="other", subject=", ".join(columns), is_column=False, columns=columns, joins=elsewhere
        )
    subjects = {each.subject for each in known}
    if len(subjects) == 1 and all(each.operator in ("eq", "in") for each in known):
        first = known[0]
        return Predicate(operator="in", subject=first.subject, is_column=first.is_column, columns=first.columns)
    return Predicate(operator="or", subject=", ".join(columns), is_column=False, columns=columns, parts=tuple(known))


def _of_list(expression: syntax.Operation, subject: Subject) -> Predicate | None:
    operator, operands = expression.operator, expression.operands
    left, rest = operands[0], operands[1:]
    if isinstance(left, syntax.Operation) and left.operator == "ROW":
        return _other(expression, subject, "rows")
    if not subject.owns(left):
        return _other(expression, subject)
    if any(subject.owns(each) for each in rest):
        return _other(expression, subject)
    queries = [each for each in rest if isinstance(each, syntax.Nested)]
    if queries and all(_is_empty(each.query) for each in queries):
        return None  # a list without values: nothing is searched
    if operator != "BETWEEN" and queries and not any(_limits(each.query) for each in queries):
        # every row of another table qualifies: a join without a filter
        return _simple("in", left, subject, joins="subquery")
    name: Operator = (
        "range" if operator == "BETWEEN" else "eq" if operator == "IN" and len(rest) == 1 and not queries else "in"
    )
    return _simple(name, left, subject, joins=_joined(rest, subject))


def _limits(query: syntax.Query) -> bool:
    return (
        query.limited
        or not query.selects
        or any(
            each.where is not None or each.having is not None or len(each.sources) != 1 or _derived_limits(each)
            for each in query.selects
        )
    )


def _is_empty(query: syntax.Query) -> bool:
    """How SQLAlchemy writes an IN list without values: `SELECT 1 FROM (SELECT 1) WHERE 1 != 1`."""
    never = syntax.Operation("<>", (syntax.Constant("1", "number"), syntax.Constant("1", "number")))
    return len(query.selects) == 1 and query.selects[0].where == never


def _derived_limits(select: syntax.Select) -> bool:
    return any(source.query is not None and _limits(source.query) for source in select.sources)


def _of_comparison(
    operator: str, left: syntax.Expression, right: syntax.Expression, subject: Subject
) -> Predicate | None:
    if subject.owns(left) and subject.owns(right):
        return _other(syntax.Operation(operator, (left, right)), subject)
    if subject.owns(right):
        left, right = right, left
        operator = _MIRRORED.get(operator, operator)
    joins = _joined((right,), subject)
    if operator in ("=", "<=>"):
        return _of_equality(left, right, subject, joins)
    if operator in _MIRRORED:
        return _of_range(left, subject, joins)
    if operator in _LIKE:
        note = operator if operator == "GLOB" else None
        return _simple(_pattern(right, subject, operator), left, subject, joins=joins, note=note)
    if operator in _OTHER_MATCH:
        return _simple("suffix", left, subject, joins=joins, note=operator)
    if operator == "@@":
        return _simple("search", left, subject, joins=joins)
    if operator in _CONTAINS:
        return _simple("contains", left, subject, joins=joins, note=operator)
    return _other(syntax.Operation(operator, (left, right)), subject)


def _of_equality(
    left: syntax.Expression, right: syntax.Expression, subject: Subject, joins: str | None
) -> Predicate | None:
    column = subject.column(left)
    constant = None
    if column is not None and isinstance(right, syntax.Constant):
        if right.kind == "boolean" or (column.type.startswith("bool") and right.text in ("0", "1")):
            constant = right.text
    return _simple("true" if constant else "eq", left, subject, constant=constant, joins=joins)


def _of_range(left: syntax.Expression, subject: Subject, joins: str | None) -> Predicate | None:
    row = left.operands if isinstance(left, syntax.Operation) and left.operator == "ROW" else ()
    if isinstance(left, syntax.Call) and left.name == "row":
        row = left.arguments  # as PostgreSQL writes it
    if row:
        names = tuple(each.name for each in map(subject.column, row) if each is not None)
        if len(names) == len(row):
            return Predicate(operator="range", subject=names[0], columns=names, joins=joins)
    return _simple("range", left, subject, joins=joins)


def _pattern(right: syntax.Expression, subject: Subject, operator: str) -> Operator:
    """Whether a LIKE pattern begins with a wildcard; a bound one that cannot be seen counts as a prefix."""
    while isinstance(right, syntax.Cast):
        right = right.operand
    value: object = None
    if isinstance(right, syntax.Constant):
        value = right.text.lstrip("eEnN").strip("'")
    elif isinstance(right, syntax.Parameter):
        value = subject.value(right)
    elif isinstance(right, syntax.Operation) and right.operator == "||":
        return _pattern(right.operands[0], subject, operator)
    elif isinstance(right, syntax.Call) and right.name == "concat" and right.arguments:
        return _pattern(right.arguments[0], subject, operator)
    if isinstance(value, str) and value[:1] in (("*", "?", "[") if operator == "GLOB" else ("%", "_")):
        return "suffix"
    return "prefix"


def _own_side(operands: Iterable[syntax.Expression], subject: Subject) -> syntax.Expression:
    parts = list(operands)
    return next((each for each in parts if subject.owns(each)), parts[0])


def _joined(operands: Iterable[syntax.Expression], subject: Subject) -> str | None:
    for operand in operands:
        for column in syntax.columns_of(operand):
            owner = subject.owner(column)
            if owner != subject.alias:
                return owner or "outer"
    return None


def _simple(
    operator: Operator,
    expression: syntax.Expression,
    subject: Subject,
    *,
    constant: str | None = None,
    joins: str | None = None,
    note: str | None = None,
) -> Predicate:
    column = subject.column(expression)
    if column is not None:
        return Predicate(
            operator=operator, subject=column.name, columns=(column.name,), constant=constant, joins=joins, note=note
        )
    columns = _names(expression, subject)
    mixed = any(subject.owner(each) != subject.alias for each in syntax.columns_of(expression))
    text = None if mixed else render(expression, subject.plain_name)
    if text is None:
        bound = any(isinstance(each, syntax.Parameter) for each in syntax.walk(expression))
        return Predicate(
            operator="other", subject=", ".join(columns), is_column=False, columns=columns, joins=joins,
            note="parameter" if bound else note,
        )  # fmt: skip
    kind: Operator = "eq" if operator == "true" else operator
    return Predicate(
        operator=kind, subject=text, is_column=False, columns=columns, joins=joins, note=note or _reason(expression)
    )


def _reason(expression: syntax.Expression) -> str | None:
    """A column that is converted; a part of a document has to be."""
    operand = expression
    while isinstance(operand, syntax.Cast):
        operand = operand.operand
    converted = isinstance(expression, syntax.Cast) and isinstance(operand, syntax.Column)
    return f"cast:{expression.type}" if isinstance(expression, syntax.Cast) and converted else None


def _other(expression: syntax.Expression, subject: Subject, note: str | None = None) -> Predicate:
    columns = _names(expression, subject)
    return Predicate(
        operator="other", subject=", ".join(columns), is_column=False, columns=columns,
        joins=_joined((expression,), subject), note=note,
    )  # fmt: skip


def _names(expression: syntax.Expression, subject: Subject) -> tuple[str, ...]:
    own = (each for each in syntax.columns_of(expression) if subject.owner(each) == subject.alias)
    return tuple(dict.fromkeys(getattr(subject.column(each), "name", each.name) for each in own))


def _is_query(expression: syntax.Expression) -> bool:
    return isinstance(expression, syntax.Nested)


def _has_query(expression: syntax.Expression) -> bool:
    return any(isinstance(each, (syntax.Nested, syntax.Unknown)) for each in syntax.walk(expression))


def _asks_elsewhere(expression: syntax.Expression) -> bool:
    """EXISTS, NOT IN (SELECT ...), and whatever a plan shows as a subplan of each row."""
    if not isinstance(expression, syntax.Operation):
        return isinstance(expression, syntax.Nested) or _has_query(expression)
    if expression.operator in ("NOT IN", "<> ALL"):
        return any(_has_query(each) for each in expression.operands[1:])
    if expression.operator == "NOT":
        return _asks_elsewhere(expression.operands[0]) or _has_query(expression.operands[0])
    return any(isinstance(each, syntax.Unknown) for each in syntax.walk(expression))


# -- expressions as SQL for an index


def render(
    expression: syntax.Expression, plain: Callable[[syntax.Expression], str | None] = lambda _: None
) -> str | None:
    """An expression over one table as SQL without qualifiers, or None if it cannot be part of an index.

    Literals are kept only where they name a part of a document (`data ->> 'kind'`); any other literal, and any
    placeholder, makes the answer None, so that no value of a statement gets into an index definition. `plain` names
    the column behind casts that change nothing.
    """
    name = plain(expression)
    if name is not None:
        return quoted(name)
    if isinstance(expression, syntax.Column):
        return quoted(expression.name)
    if isinstance(expression, syntax.Cast):
        inner = render(expression.operand, plain)
        return inner and (inner if _path(expression.operand) else f"({inner})::{expression.type}")
    if isinstance(expression, syntax.Collated):
        inner = render(expression.operand, plain)
        return inner and f"{inner} COLLATE {quoted(expression.collation)}"
    if isinstance(expression, syntax.Call):
        return _render_call(expression, plain)
    if isinstance(expression, syntax.Operation):
        return _render_operation(expression, plain)
    return None


def _render_call(expression: syntax.Call, plain: Callable[[syntax.Expression], str | None]) -> str | None:
    if expression.windowed or not expression.arguments or expression.name in _KEYWORDED:
        return None
    parts = [
        _path(each) if _path(each) and expression.name.startswith(_STRUCTURAL) else render(each, plain)
        for each in expression.arguments
    ]
    if any(each is None for each in parts):
        return None
    return f"{expression.name}({', '.join(each for each in parts if each)})"


def _render_operation(expression: syntax.Operation, plain: Callable[[syntax.Expression], str | None]) -> str | None:
    operator, operands = expression.operator, expression.operands
    if operator in ("->", "->>", "#>", "#>>") and len(operands) == 2:
        left, path = render(operands[0], plain), _path(operands[1])
        return f"({left} {operator} {path})" if left and path else None
    if operator in ("+", "-", "*", "/", "||") and len(operands) == 2:
        left, right = render(operands[0], plain), render(operands[1], plain)
        return f"({left} {operator} {right})" if left and right else None
    return None


def _path(expression: syntax.Expression) -> str | None:
    """A step into a document, if it looks like a name: that belongs to the schema, not to the data."""
    while isinstance(expression, syntax.Cast):
        expression = expression.operand
    if not isinstance(expression, syntax.Constant) or expression.kind != "string":
        return None
    inner = expression.text.strip("'").strip('"').lstrip("$.").strip('{}"')
    steps = inner.replace(",", ".").replace('"', "").split(".")
    named = all(step.isidentifier() and len(step) <= 40 for step in steps)
    return expression.text if named else None


# -- sort keys


def sort_key(order: syntax.Order, subject: Subject) -> SortKey | None:
    """A sort key if it is a column or an expression of `subject` alone."""
    expression = order.expression
    if not subject.owns(expression) or any(
        subject.owner(each) != subject.alias for each in syntax.columns_of(expression)
    ):
        return None
    column = subject.column(expression)
    text = column.name if column else render(expression, subject.plain_name)
    if text is None:
        return None
    return SortKey(
        subject=text, descending=order.descending, nulls_first=order.nulls_first, is_column=column is not None
    )
