"""What MySQL and MariaDB know about tables: columns, indexes, foreign keys, views and stored functions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import field
from typing import Any

from pytest_querybudget.plans.mysql_statements import quote
from pytest_querybudget.plans.reader import Link
from pytest_querybudget.recording.plans import ColumnInfo, ForeignKeyInfo, IndexInfo, TableInfo
from pytest_querybudget.values import dataclass

_PLAIN = re.compile(r"[A-Za-z0-9_$ .-]*\Z")
_QUOTED = re.compile(r"`([^`]+)`")
_DESCENDING_MARIADB = (10, 8)
_EXPRESSIONS_MYSQL = (8, 0, 13)

#: A table by schema and name.
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Server:
    """The server behind a link, as it says itself. `schema` is the default one, empty when there is none."""

    maria: bool
    version: tuple[int, ...]
    schema: str

    @property
    def descending(self) -> bool:
        """Whether an index can be stored in descending order: MariaDB before 10.8 reads DESC and forgets it."""
        return not self.maria or self.version >= _DESCENDING_MARIADB

    @property
    def expressions(self) -> bool:
        """Whether an index can hold an expression: MySQL from 8.0.13."""
        return not self.maria and self.version >= _EXPRESSIONS_MYSQL


@dataclass(frozen=True, slots=True)
class Catalog:
    """The tables of one statement. `views` holds the texts of views by key."""

    tables: dict[Key, TableInfo] = field(default_factory=dict)
    views: dict[Key, str] = field(default_factory=dict)


def read_server(link: Link) -> Server:
    """Ask the server what it is; SQLAlchemy's dialect `mysql` stands for both."""
    version, schema = link.rows("SELECT VERSION(), DATABASE()")[0]
    text = _text(version)
    maria = "mariadb" in text.lower()
    numbers = re.findall(r"\d+", text.removeprefix("5.5.5-") if maria else text)[:3]
    return Server(maria, tuple(map(int, numbers)), _text(schema) if schema is not None else "")


def read_catalog(link: Link, server: Server, keys: Iterable[Key]) -> Catalog:
    """Look tables up; unknown ones are left out, temporary ones are found too."""
    wanted = sorted(set(keys))
    if not wanted:
        return Catalog()
    columns = _columns(link, wanted)
    indexes = _indexes(link, server, wanted)
    for key in wanted:
        if key not in columns:
            _temporary(link, key, columns, indexes)
    foreign = _foreign_keys(link, wanted)
    tables = {
        key: TableInfo(
            name=key[1],
            schema=None if key[0] == server.schema else key[0],
            columns=tuple(found),
            indexes=tuple(indexes.get(key, ())),
            foreign_keys=tuple(foreign.get(key, ())),
        )
        for key, found in columns.items()
    }
    return Catalog(tables, _views(link, wanted))


def partition_keys(link: Link, keys: Iterable[Key]) -> dict[Key, frozenset[str]]:
    """The columns, in lower case, by which tables are parted."""
    wanted = list(keys)
    rows = link.rows(
        "SELECT DISTINCT TABLE_SCHEMA, TABLE_NAME, PARTITION_EXPRESSION FROM information_schema.PARTITIONS"
        f" WHERE PARTITION_EXPRESSION IS NOT NULL AND ({_chosen(wanted)})"
    )
    return {_owner(row, wanted): frozenset(_QUOTED.findall(_text(row[2]).lower())) for row in rows}


def stored_functions(link: Link, names: Sequence[str]) -> tuple[str, ...]:
    """Those of the names that are stored functions of any schema."""
    listed = ", ".join(literal(name) for name in names)
    rows = link.rows(
        "SELECT ROUTINE_NAME FROM information_schema.ROUTINES"
        f" WHERE ROUTINE_TYPE = 'FUNCTION' AND ROUTINE_SCHEMA <> 'sys' AND ROUTINE_NAME IN ({listed})"
    )
    return tuple(dict.fromkeys(_text(row[0]) for row in rows))


def fingerprint(link: Link) -> str:
    """What changes when a table, an index or a view of the default schema does."""
    rows = link.rows(
        "SELECT COUNT(*), BIT_XOR(CRC32(line)), SUM(CRC32(line)) FROM ("
        "SELECT CONCAT_WS('/', TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, COLLATION_NAME) AS line"
        " FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() UNION ALL "
        "SELECT CONCAT_WS('/', TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX, COLUMN_NAME, NON_UNIQUE, COLLATION)"
        " FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE()) AS shape"
    )
    return "-".join(_text(each) for each in rows[0])


def table_names(link: Link, server: Server) -> tuple[str, ...]:
    """Tables and views of all schemas but the server's own; those of the default one are not qualified."""
    rows = link.rows(
        "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES"
        " WHERE TABLE_SCHEMA NOT IN ('information_schema', 'mysql', 'performance_schema', 'sys')"
    )
    return tuple(
        _text(row[1]) if _text(row[0]) == server.schema else f"{_text(row[0])}.{_text(row[1])}" for row in rows
    )


def literal(text: str) -> str:
    """A text as SQL that no driver's formatting and no SQL mode can misread."""
    if _PLAIN.match(text):
        return f"'{text}'"
    return f"CONVERT(0x{text.encode().hex()} USING utf8mb4)"


def _chosen(keys: Sequence[Key], schema: str = "TABLE_SCHEMA", table: str = "TABLE_NAME") -> str:
    return " OR ".join(f"({schema} = {literal(each[0])} AND {table} = {literal(each[1])})" for each in keys)


def _owner(row: Sequence[Any], keys: Sequence[Key]) -> Key:
    """The key as it was asked for: a server on a case-insensitive file system answers in its own case."""
    found = (_text(row[0]), _text(row[1]))
    if found in keys:
        return found
    folded = (found[0].lower(), found[1].lower())
    return next((each for each in keys if (each[0].lower(), each[1].lower()) == folded), found)


def _columns(link: Link, keys: Sequence[Key]) -> dict[Key, list[ColumnInfo]]:
    rows = link.rows(
        "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, COLLATION_NAME"
        f" FROM information_schema.COLUMNS WHERE {_chosen(keys)} ORDER BY ORDINAL_POSITION"
    )
    found: dict[Key, list[ColumnInfo]] = {}
    for row in rows:
        collation = _text(row[5]) if row[5] is not None else None
        column = ColumnInfo(
            name=_text(row[2]), type=_text(row[3]).lower(), nullable=_text(row[4]) == "YES", collation=collation
        )
        found.setdefault(_owner(row, keys), []).append(column)
    return found


def _indexes(link: Link, server: Server, keys: Sequence[Key]) -> dict[Key, list[IndexInfo]]:
    expression = "EXPRESSION" if server.expressions else "NULL"
    visible = "IS_VISIBLE = 'YES'" if not server.maria else "IGNORED = 'NO'"
    rows = link.rows(
        "SELECT TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, NON_UNIQUE, COLUMN_NAME, COLLATION, SUB_PART, INDEX_TYPE,"
        f" {expression} FROM information_schema.STATISTICS WHERE ({_chosen(keys)}) AND {visible}"
        " ORDER BY TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX"
    )
    grouped: dict[tuple[Key, str], list[Sequence[Any]]] = {}
    for row in rows:
        grouped.setdefault((_owner(row, keys), _text(row[2])), []).append(row)
    found: dict[Key, list[IndexInfo]] = {}
    for (key, name), parts in grouped.items():
        found.setdefault(key, []).append(_index(key[1], name, [part[3:] for part in parts]))
    return found


def _index(table: str, name: str, parts: Sequence[Sequence[Any]]) -> IndexInfo:
    """An index from its parts: not unique, column, direction, prefix length, type, expression.

    An operator class `prefix` marks a part that holds only the beginning of its column.
    """
    return IndexInfo(
        name=name,
        table=table,
        columns=tuple(_text(part[1] if part[1] is not None else part[5]) for part in parts),
        unique=not int(parts[0][0]),
        primary=name == "PRIMARY",
        method={"rtree": "spatial"}.get(_text(parts[0][4]).lower(), _text(parts[0][4]).lower()),
        descending=tuple(part[2] is not None and _text(part[2]) == "D" for part in parts),
        operator_classes=tuple("prefix" if part[3] is not None else None for part in parts),
    )


def _temporary(link: Link, key: Key, columns: dict[Key, list[ColumnInfo]], indexes: dict[Key, list[IndexInfo]]) -> None:
    """A temporary table is in no information schema; SHOW knows it."""
    name = f"{quote(key[0])}.{quote(key[1])}".replace("%", "%%") if key[0] else quote(key[1])
    try:
        described = link.rows(f"SHOW FULL COLUMNS FROM {name}")
        parts = link.rows(f"SHOW INDEX FROM {name}")
    except Exception:  # noqa: BLE001 - whatever the driver calls it: there is no such table, a CTE for one
        return
    columns[key] = [
        ColumnInfo(
            name=_text(row[0]), type=_text(row[1]).lower(), nullable=_text(row[3]) == "YES",
            collation=_text(row[2]) if row[2] is not None else None,
        )
        for row in described
    ]  # fmt: skip
    grouped: dict[str, list[Sequence[Any]]] = {}
    for row in parts:
        grouped.setdefault(_text(row[2]), []).append((row[1], row[4], row[5], row[7], row[10], None))
    indexes[key] = [_index(key[1], name, rows) for name, rows in grouped.items()]


def _foreign_keys(link: Link, keys: Sequence[Key]) -> dict[Key, list[ForeignKeyInfo]]:
    rows = link.rows(
        "SELECT TABLE_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, COLUMN_NAME, REFERENCED_TABLE_SCHEMA,"
        " REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME FROM information_schema.KEY_COLUMN_USAGE"
        f" WHERE REFERENCED_TABLE_NAME IS NOT NULL AND ({_chosen(keys)}) ORDER BY ORDINAL_POSITION"
    )
    grouped: dict[tuple[Key, str], list[Sequence[Any]]] = {}
    for row in rows:
        grouped.setdefault((_owner(row, keys), _text(row[2])), []).append(row)
    found: dict[Key, list[ForeignKeyInfo]] = {}
    for (key, name), parts in grouped.items():
        schema, target = _text(parts[0][4]), _text(parts[0][5])
        found.setdefault(key, []).append(
            ForeignKeyInfo(
                table=key[1],
                columns=tuple(_text(part[3]) for part in parts),
                target=target if schema == key[0] else f"{schema}.{target}",
                target_columns=tuple(_text(part[6]) for part in parts),
                name=name,
            )
        )
    return found


def _views(link: Link, keys: Sequence[Key]) -> dict[Key, str]:
    rows = link.rows(
        f"SELECT TABLE_SCHEMA, TABLE_NAME, VIEW_DEFINITION FROM information_schema.VIEWS WHERE {_chosen(keys)}"
    )
    return {_owner(row, keys): _text(row[2]) for row in rows}


def _text(value: Any) -> str:
    """Drivers hand names over as bytes where the column is binary."""
    return value.decode("utf-8", "replace") if isinstance(value, (bytes, bytearray)) else str(value)
