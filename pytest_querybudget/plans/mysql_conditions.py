"""Conditions as MySQL and MariaDB print them in plans, read into expressions and facts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from pytest_querybudget.plans import syntax
from pytest_querybudget.plans.cursor import NotUnderstood
from pytest_querybudget.plans.parser import parse_expression, parse_order
from pytest_querybudget.plans.predicates import Subject, conjuncts, predicates_of, sort_key
from pytest_querybudget.plans.tokens import mask as mask_literals
from pytest_querybudget.recording.plans import ColumnInfo, Predicate, SortKey, TableInfo
from pytest_querybudget.values import dataclass

_STRING = re.compile(r"'(?:[^'\\]|\\.|'')*'", re.DOTALL)
_INTRODUCER = re.compile(
    r"(?<![\w`.])_(?:utf8mb4|utf8mb3|utf8|latin1|binary|ascii|ucs2|utf16|utf32)\s*\\?(?=')", re.IGNORECASE
)
#: What the servers write around a condition or value for their own use: `<cache>(p.id)`, `<if>(..., a = 1, true)`.
_MARK = re.compile(r"<(?!=|>|\s)([a-z_ ]+)>", re.IGNORECASE)
_GUARDS = {"trigcond", "trigcond_if", "mark_if"}
_NUMERIC = ("int", "bigint", "smallint", "tinyint", "mediumint", "decimal", "float", "double", "bit", "year", "real")
_TEXTUAL = ("char", "varchar", "text", "tinytext", "mediumtext", "longtext")
_MAX = 100_000


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition of a plan. `guarded` ones belong to an outer join: they drop no row of the tables before it."""

    expression: syntax.Expression
    guarded: bool = False


def plain(text: str) -> str:
    """The text with backslash escapes turned into standard SQL, introducers and the servers' own marks made plain."""
    text = _INTRODUCER.sub("", _STRING.sub(_standard, text[:_MAX]))
    return _MARK.sub(lambda match: f" mark_{match.group(1).replace(' ', '_')}", text.replace("subquery#", "subquery_"))


def _standard(match: re.Match[str]) -> str:
    inner = re.sub(r"\\(.)", lambda each: "''" if each.group(1) == "'" else "x", match.group()[1:-1], flags=re.DOTALL)
    return f"'{inner}'"


def mask(texts: Iterable[str]) -> str | None:
    """Conditions for people, without any literal."""
    shown = " and ".join(mask_literals(_STRING.sub(_standard, text)) for text in texts)
    return shown or None


def read_conditions(texts: Iterable[str]) -> Iterator[Condition]:
    """The conjuncts of printed conditions. What is not understood is left out: there is no advice for it."""
    for text in texts:
        try:
            expression = parse_expression(plain(text))
        except NotUnderstood:
            continue
        yield from _unwrapped(expression, guarded=False)


def _unwrapped(expression: syntax.Expression, *, guarded: bool) -> Iterator[Condition]:
    for each in conjuncts(expression):
        if isinstance(each, syntax.Call) and each.name in _GUARDS and each.arguments:
            inner = each.arguments[1] if each.name == "mark_if" and len(each.arguments) > 1 else each.arguments[-1]
            yield from _unwrapped(inner, guarded=True)
        else:
            yield Condition(_bare(each), guarded)


def _bare(expression: syntax.Expression) -> syntax.Expression:
    """The expression without the marks of the servers, which stand for what is inside them."""
    if isinstance(expression, syntax.Call):
        if expression.name == "mark_in_optimizer":
            # Whether a subquery has a row: asks another table.
            return syntax.Nested(syntax.Query(()), exists=True)
        if expression.name in ("mark_exists", "mark_materialize"):
            return syntax.Nested(syntax.Query(()), exists=True)
        if expression.name.startswith("mark_") and expression.arguments:
            return _bare(expression.arguments[-1])
        return replace(expression, arguments=tuple(map(_bare, expression.arguments)))
    if isinstance(expression, syntax.Operation):
        return _or_null(syntax.Operation(expression.operator, tuple(map(_bare, expression.operands))))
    if isinstance(expression, syntax.Cast):
        return replace(expression, operand=_bare(expression.operand))
    return expression


def _or_null(operation: syntax.Operation) -> syntax.Expression:
    """`a = x OR a IS NULL` is one search in these databases (`ref_or_null`)."""
    if operation.operator != "OR" or len(operation.operands) != 2:
        return operation
    tests = [each for each in operation.operands if isinstance(each, syntax.Operation)]
    nulls = [each.operands[0] for each in tests if each.operator == "IS NULL"]
    equal = next((each for each in tests if each.operator == "="), None)
    return equal if equal is not None and nulls and nulls[0] in equal.operands else operation


# -- facts about one table


def facts(
    conditions: Iterable[Condition], alias: str, tables: Callable[[str], TableInfo | None]
) -> tuple[Predicate, ...]:
    """What the conditions ask of the table `alias`, with comparisons that no index serves named as such."""
    table = tables(alias)
    columns = {each.name.lower(): each for each in table.columns} if table else {}
    subject = Subject(alias, lambda column: column.qualifier, columns)
    found: list[Predicate] = []
    for condition in conditions:
        for each in _pairs(condition.expression):
            if _is_constant(each):
                continue
            for predicate in predicates_of([each], subject):
                checked = _checked(predicate, each, subject, tables)
                if checked not in found:
                    found.append(checked)
    return tuple(found)


def _is_constant(expression: syntax.Expression) -> bool:
    return not syntax.columns_of(expression)


def _pairs(expression: syntax.Expression) -> Iterator[syntax.Expression]:
    """`(a, b) IN ((1, 2), ...)` searches by both columns; these databases can use an index on (a, b) for it."""
    if isinstance(expression, syntax.Operation) and expression.operator in ("IN", "="):
        left, *rest = expression.operands
        if isinstance(left, syntax.Operation) and left.operator == "ROW":
            rows = [
                each.operands if isinstance(each, syntax.Operation) and each.operator == "ROW" else () for each in rest
            ]
            if all(len(row) == len(left.operands) for row in rows):
                for index, part in enumerate(left.operands):
                    yield syntax.Operation("IN" if len(rows) > 1 else "=", (part, *(row[index] for row in rows)))
                return
    yield expression


def _checked(
    predicate: Predicate,
    expression: syntax.Expression,
    subject: Subject,
    tables: Callable[[str], TableInfo | None],
) -> Predicate:
    if not predicate.is_column or predicate.operator not in ("eq", "in", "range", "prefix", "true"):
        return predicate
    column = subject.columns.get(predicate.subject.lower())
    if column is None or not isinstance(expression, syntax.Operation):
        return predicate
    if expression.operator in ("IS TRUE", "IS FALSE"):
        return _unserved(predicate, "cast:boolean")
    if predicate.operator == "prefix" and not _is_text(column):
        return _unserved(predicate, "cast:char")
    others = [each for each in expression.operands if not subject.owns(each)]
    if _is_text(column) and any(_is_number(each, tables) for each in others):
        # Each text is turned into a number to be compared: '1', '01' and '1.0' are all 1.
        return _unserved(predicate, "cast:double")
    if any(_other_collation(each, column, tables) for each in others):
        return _unserved(predicate, "cast:another collation")
    return predicate


def _unserved(predicate: Predicate, note: str) -> Predicate:
    return Predicate(
        operator="other", subject=predicate.subject, columns=predicate.columns, joins=predicate.joins, note=note
    )


def _is_text(column: ColumnInfo) -> bool:
    return column.type.startswith(_TEXTUAL)


def _is_number(expression: syntax.Expression, tables: Callable[[str], TableInfo | None]) -> bool:
    if isinstance(expression, syntax.Constant):
        return expression.kind == "number" and not expression.text.lower().startswith("0x")
    column = _column(expression, tables)
    return column is not None and column.type.startswith(_NUMERIC)


def _other_collation(
    expression: syntax.Expression, mine: ColumnInfo, tables: Callable[[str], TableInfo | None]
) -> bool:
    column = _column(expression, tables)
    return bool(column and column.collation and mine.collation and column.collation != mine.collation) and (
        isinstance(expression, syntax.Column)
    )


def _column(expression: syntax.Expression, tables: Callable[[str], TableInfo | None]) -> ColumnInfo | None:
    if not isinstance(expression, syntax.Column) or not expression.qualifier:
        return None
    table = tables(expression.qualifier)
    name = expression.name.lower()
    return next((each for each in table.columns if each.name.lower() == name), None) if table else None


# -- sort keys


def read_sort_keys(
    text: str, aliases: Iterable[str], tables: Callable[[str], TableInfo | None]
) -> tuple[str, tuple[SortKey, ...]] | None:
    """The one table that all keys belong to, with the keys; None when they are no plain keys of one table."""
    names = list(aliases)
    only = names[0] if len(names) == 1 else None
    keys: list[SortKey] = []
    owners: set[str | None] = set()
    for part in _split(plain(text)):
        try:
            order = parse_order(part)
        except NotUnderstood:
            return None
        owner = getattr(order.expression, "qualifier", None) or only
        table = tables(owner) if owner in names else None
        if owner is None or table is None:
            return None
        columns = {each.name.lower(): each for each in table.columns}
        key = sort_key(order, Subject(owner, lambda column, own=only: column.qualifier or own, columns))  # type: ignore[misc]
        if key is None or (key.is_column and key.subject.lower() not in columns):
            return None
        owners.add(owner)
        keys.append(key)
    if len(owners) != 1 or not keys:
        return None
    return str(owners.pop()), tuple(keys)


def _split(text: str) -> Iterator[str]:
    """The parts between commas outside parentheses."""
    depth, start, quoted = 0, 0, ""
    for index, character in enumerate(text):
        if quoted:
            quoted = "" if character == quoted else quoted
        elif character in "'`\"":
            quoted = character
        elif character in "()":
            depth += 1 if character == "(" else -1
        elif character == "," and depth == 0:
            yield text[start:index].strip()
            start = index + 1
    yield text[start:].strip()
