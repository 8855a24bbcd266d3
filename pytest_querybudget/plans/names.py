"""Names in SQL: when they need quotes, and how a new index is called."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*\Z")
_MAX_LENGTH = 60
_RESERVED = frozenset(
    """
    add all alter analyse analyze and any array as asc asymmetric authorization between binary both by case cast change
    check collate column condition constraint create cross current_date current_role current_time current_timestamp
    current_user cursor database default deferrable delete desc describe distinct div do drop else end escape except exists
    explain fetch for force foreign freeze from full fulltext function glob grant group grouping groups having if ignore ilike
    in index initially inner insert intersect interval into is isnull join key keys kill lateral leading left like limit lines
    load localtime localtimestamp lock match natural not notnull null of offset on only option or order outer over overlaps
    partition placing plan pragma primary procedure query range rank read recursive references regexp reindex release rename
    replace returning right rlike row rows schema select session_user set show similar some sql symmetric system table tables
    tablesample temp temporary then to trailing transaction trigger true false union unique update usage use user using
    values variadic vacuum verbose view virtual when where window with write xor
    """.split()
)


def quoted(name: str, quote: str = '"') -> str:
    """The name as it must be written, with quotes only where needed."""
    if _PLAIN.match(name) and name not in _RESERVED:
        return name
    return f"{quote}{name.replace(quote, quote * 2)}{quote}"


def qualified(schema: str | None, table: str, quote: str = '"') -> str:
    """A table name with its schema where that is given."""
    return f"{quoted(schema, quote)}.{quoted(table, quote)}" if schema else quoted(table, quote)


def index_name(table: str, parts: Collection[str], taken: Collection[str]) -> str:
    """A name for a new index, as SQLAlchemy's naming convention has it: `ix_orders_customer_id_created_at`."""
    words = [re.sub(r"\W+", "_", part).strip("_").lower() for part in parts]
    name = re.sub(r"_+", "_", "_".join(["ix", re.sub(r"\W+", "_", table), *filter(None, words)])).lower()
    if len(name.encode()) > _MAX_LENGTH:
        name = f"{name.encode()[: _MAX_LENGTH - 9].decode(errors='ignore')}_{hashlib.blake2b(name.encode(), digest_size=4).hexdigest()}"
    used = {each.lower() for each in taken}
    candidate, number = name, 2
    while candidate in used:
        candidate, number = f"{name}_{number}", number + 1
    return candidate
