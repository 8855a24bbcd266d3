"""Tables, indexes and keys from PostgreSQL's catalog, one JSON document a table, the same for every driver."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from pytest_querybudget.plans.cursor import NotUnderstood
from pytest_querybudget.plans.parser import parse_expression
from pytest_querybudget.plans.predicates import Subject, render
from pytest_querybudget.plans.reader import Link
from pytest_querybudget.recording.plans import ColumnInfo, ForeignKeyInfo, IndexInfo, TableInfo

_TABLES = """
SELECT json_build_object(
  'schema', CASE WHEN n.oid = pg_catalog.pg_my_temp_schema() THEN 'pg_temp' ELSE n.nspname END,
  'name', c.relname, 'shown', pg_catalog.pg_table_is_visible(c.oid),
  'parents', (WITH RECURSIVE up(oid) AS (
      SELECT i.inhparent FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid AND c.relispartition
      UNION ALL SELECT i.inhparent FROM pg_catalog.pg_inherits i JOIN up ON i.inhrelid = up.oid
        JOIN pg_catalog.pg_class u ON u.oid = up.oid AND u.relispartition)
    SELECT json_agg(json_build_array(pn.nspname, p.relname)) FROM up
    JOIN pg_catalog.pg_class p ON p.oid = up.oid JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace),
  'partition_key', (SELECT json_agg(a.attname) FROM pg_catalog.pg_partitioned_table pt
    JOIN pg_catalog.pg_attribute a ON a.attrelid = pt.partrelid AND a.attnum = ANY (pt.partattrs::int2[])
    WHERE pt.partrelid = c.oid),
  'columns', (SELECT json_agg(json_build_array(a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull,
      CASE WHEN k.collname = 'default' THEN (SELECT datcollate FROM pg_catalog.pg_database
        WHERE datname = current_database()) ELSE k.collname END) ORDER BY a.attnum)
    FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_collation k ON k.oid = a.attcollation
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
  'indexes', (SELECT json_agg(json_build_object('name', i.relname, 'unique', x.indisunique, 'primary', x.indisprimary,
      'method', m.amname, 'predicate', pg_catalog.pg_get_expr(x.indpred, x.indrelid),
      'keys', (SELECT json_agg(pg_catalog.pg_get_indexdef(x.indexrelid, k, true) ORDER BY k)
        FROM pg_catalog.generate_series(1, x.indnkeyatts::int) k),
      'classes', (SELECT json_agg(o.opcname ORDER BY u.k) FROM unnest(x.indclass::oid[]) WITH ORDINALITY u(oid, k)
        JOIN pg_catalog.pg_opclass o ON o.oid = u.oid),
      'options', x.indoption::int2[]) ORDER BY i.oid)
    FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
    JOIN pg_catalog.pg_am m ON m.oid = i.relam WHERE x.indrelid = c.oid AND x.indisvalid),
  'keys', (SELECT json_agg(json_build_object('name', f.conname, 'target', t.relname,
      'columns', (SELECT json_agg(a.attname ORDER BY u.k) FROM unnest(f.conkey) WITH ORDINALITY u(n, k)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = u.n),
      'targets', (SELECT json_agg(a.attname ORDER BY u.k) FROM unnest(f.confkey) WITH ORDINALITY u(n, k)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = u.n)) ORDER BY f.conname)
    FROM pg_catalog.pg_constraint f JOIN pg_catalog.pg_class t ON t.oid = f.confrelid
    WHERE f.conrelid = c.oid AND f.contype = 'f')
)::text
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm', 'f') AND ({where})
"""

#: Everything that plans depend on, outside the system's schemas, by content: a schema that is made anew is the same.
FINGERPRINT = """
WITH own AS (
  SELECT c.oid, c.relkind, n.nspname, c.relname FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg_toast%'
    AND c.relkind IN ('r', 'p', 'v', 'm', 'f'))
SELECT md5(concat(current_database(), current_schemas(true)::text,
  (SELECT string_agg(concat(nspname, '.', relname, relkind), ',' ORDER BY nspname, relname) FROM own),
  (SELECT string_agg(concat(own.nspname, '.', own.relname, '.', a.attname, ':', a.atttypid, a.atttypmod), ','
     ORDER BY own.nspname, own.relname, a.attnum)
   FROM own JOIN pg_catalog.pg_attribute a ON a.attrelid = own.oid WHERE a.attnum > 0 AND NOT a.attisdropped),
  (SELECT string_agg(pg_catalog.pg_get_indexdef(x.indexrelid), ',' ORDER BY pg_catalog.pg_get_indexdef(x.indexrelid))
   FROM own JOIN pg_catalog.pg_index x ON x.indrelid = own.oid WHERE x.indisvalid),
  (SELECT string_agg(concat(own.nspname, '.', own.relname, f.conname, f.conkey::text), ','
     ORDER BY own.nspname, own.relname, f.conname)
   FROM own JOIN pg_catalog.pg_constraint f ON f.conrelid = own.oid WHERE f.contype = 'f'),
  (SELECT string_agg(pg_catalog.pg_get_viewdef(own.oid), ',' ORDER BY own.nspname, own.relname)
   FROM own WHERE own.relkind IN ('v', 'm'))))
"""

Names = tuple[str | None, str]


def read_tables(link: Link, names: Iterable[Names]) -> dict[tuple[str, str], tuple[TableInfo, dict[str, Any]]]:
    """The named tables (schema None: whatever the search path finds), by schema and name, with the raw document."""
    where = " OR ".join(_matches(schema, name) for schema, name in names)
    if not where:
        return {}
    found = {}
    for (text,) in link.rows(_TABLES.replace("{where}", where)):
        document = json.loads(text)
        found[document["schema"], document["name"]] = (_table(document), document)
    return found


def _matches(schema: str | None, name: str) -> str:
    place = f"n.nspname = {_string(schema or '')}"
    if schema is None:
        place = "pg_catalog.pg_table_is_visible(c.oid)"
    elif schema == "pg_temp":  # what plans call the schema of this connection's temporary tables
        place = "n.oid = pg_catalog.pg_my_temp_schema()"
    return f"(c.relname = {_string(name)} AND {place})"


def _string(text: str) -> str:
    """A string literal. The names come from the database's own plans, or from its user's declarations."""
    escaped = text.replace("'", "''").replace("\\", "\\\\")
    return f"E'{escaped}'"


def _table(document: dict[str, Any]) -> TableInfo:
    schema = None if document["shown"] else document["schema"]
    columns = tuple(
        ColumnInfo(name=name, type=kind, nullable=not required, collation=collation)
        for name, kind, required, collation in document["columns"] or ()
    )
    by_name = {each.name.lower(): each for each in columns}
    subject = Subject("", lambda _: "", by_name)
    return TableInfo(
        name=document["name"],
        schema=schema,
        columns=columns,
        indexes=tuple(_index(document["name"], each, subject) for each in document["indexes"] or ()),
        foreign_keys=tuple(
            ForeignKeyInfo(
                table=document["name"],
                columns=tuple(each["columns"]),
                target=each["target"],
                target_columns=tuple(each["targets"] or ()),
                name=each["name"],
            )
            for each in document["keys"] or ()
        ),
    )


def _index(table: str, document: dict[str, Any], subject: Subject) -> IndexInfo:
    return IndexInfo(
        name=document["name"],
        table=table,
        columns=tuple(_key(each, subject) for each in document["keys"] or ()),
        unique=document["unique"],
        primary=document["primary"],
        method=document["method"],
        predicate=document["predicate"],
        descending=tuple(bool(each & 1) for each in document["options"] or ()),
        operator_classes=tuple(document["classes"] or ()),
    )


def _key(text: str, subject: Subject) -> str:
    """A column's name, or an expression in the words that `predicates.render` uses."""
    try:
        expression = parse_expression(text)
    except NotUnderstood:
        return text
    column = subject.column(expression)
    return column.name if column else render(expression, subject.plain_name) or text
