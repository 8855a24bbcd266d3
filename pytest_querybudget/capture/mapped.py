"""What the mapping says of the columns that a query loads into an entity, as plain values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from weakref import WeakKeyDictionary

from pytest_querybudget.recording.reads import Column

# Types by the name of their class, the largest first.
_KINDS = (
    ("BLOB", frozenset({"LARGEBINARY", "BLOB", "BYTEA", "MEDIUMBLOB", "LONGBLOB", "BINARY", "VARBINARY"})),
    ("JSON", frozenset({"JSON", "JSONB", "HSTORE", "XML"})),
    ("TEXT", frozenset({"TEXT", "UNICODETEXT", "MEDIUMTEXT", "LONGTEXT", "CLOB", "NCLOB", "CITEXT", "TSVECTOR"})),
    ("ARRAY", frozenset({"ARRAY", "VECTOR", "GEOMETRY"})),
)
# A text that may be as long as this is a large one.
_LONG = 4000


class Mapped:
    """Looks at each mapper once."""

    def __init__(self) -> None:
        self.known: WeakKeyDictionary[Any, dict[str, Column]] = WeakKeyDictionary()

    def columns(self, mapper: Any) -> dict[str, Column]:
        """Return the columns of a mapper by attribute."""
        found = self.known.get(mapper)
        if found is None:
            vital = frozenset(_vital(mapper))
            found = self.known[mapper] = {
                each.key: _column(each, vital=each.key in vital) for each in mapper.column_attrs
            }
        return found

    @staticmethod
    def implied(mapper: Any) -> dict[str, tuple[str, ...]]:
        """Return the attributes that each composite of a mapper stands for."""
        return {each.key: tuple(prop.key for prop in each.props) for each in mapper.composites}


def _vital(mapper: Any) -> Iterator[str]:
    """Yield the attributes that the ORM needs whether or not the application reads them."""
    needed = {*mapper.primary_key, mapper.version_id_col, mapper.polymorphic_on}
    for each in mapper.relationships:
        needed |= each.local_columns
    for each in mapper.column_attrs:
        for column in each.columns:
            if column in needed or getattr(column, "primary_key", False) or getattr(column, "foreign_keys", ()):
                yield each.key


def _column(prop: Any, *, vital: bool) -> Column:
    column = prop.columns[0]
    table = getattr(column, "table", None)
    if table is None or not hasattr(table, "name"):
        return Column(prop.key, "", "an expression", 1, vital)
    kind, weight = _kind(column.type)
    return Column(prop.key, f"{getattr(table, 'fullname', table.name)}.{column.name}", kind, weight, vital)


def described(key: str, expression: Any) -> Column:
    """Say what stands in a row under a key; only a column of a table has a name, nothing is known of a text's."""
    if expression is None:
        return Column(key, "", "")
    while getattr(expression, "__visit_name__", "") == "label":
        expression = expression.element
    table: Any = getattr(expression, "table", None)
    while hasattr(table, "element"):
        table = table.element
    if not hasattr(table, "fullname"):
        return Column(key, "", "an expression")
    kind, weight = _kind(expression.type)
    vital = bool(expression.primary_key or expression.foreign_keys)
    return Column(key, f"{table.fullname}.{expression.name}", kind, weight, vital)


def _kind(given: Any) -> tuple[str, int]:
    """Return the name of a type, and how much it usually holds."""
    while hasattr(given, "impl_instance"):
        given = given.impl_instance
    names = {each.__name__.upper() for each in type(given).__mro__}
    for place, (kind, known) in enumerate(_KINDS):
        if names & known:
            return kind, len(_KINDS) + 1 - place
    length = getattr(given, "length", None)
    name = type(given).__name__.upper().replace("STRING", "VARCHAR")
    if length and "ENUM" not in names:
        return f"{name}({length})", int(length >= _LONG)
    return name, 0
