"""PostgreSQL 13 and later: `EXPLAIN (FORMAT JSON, VERBOSE)` with sequential scans, hash and merge joins priced out.

On a small table the cheapest plan never has an index. Here a plan reads a table whole only where no index serves.
What it then shows is doubted once more: by bitmaps, which have to be found through a condition, and by the catalog.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import field
from typing import Any

from pytest_querybudget.plans.postgresql_catalog import FINGERPRINT, Names, read_tables
from pytest_querybudget.plans.postgresql_session import aside, configure
from pytest_querybudget.plans.postgresql_tree import Reading, reconciled, with_advice
from pytest_querybudget.plans.reader import CannotIndex, CannotPlan, Link, Question, Traits
from pytest_querybudget.recording.plans import Advice, Plan, TableInfo
from pytest_querybudget.values import dataclass

_PRICED_OUT = {"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off"}
_BITMAPS_ONLY = {"enable_indexscan": "off", "enable_indexonlyscan": "off"}
_NO_SORT = {"enable_sort": "off", "enable_incremental_sort": "off", "enable_bitmapscan": "off"}
_NO_PRIVILEGE = "42501"
_KEPT = 2000
_HYPOPG = """
SELECT quote_ident(n.nspname) FROM pg_catalog.pg_extension e
JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
JOIN pg_catalog.pg_proc p ON p.pronamespace = n.oid AND p.proname = 'hypopg_create_index'
WHERE e.extname = 'hypopg' AND has_schema_privilege(n.oid, 'USAGE') AND has_function_privilege(p.oid, 'EXECUTE')
"""
_TABLE_NAMES = """
SELECT CASE WHEN pg_catalog.pg_table_is_visible(c.oid) THEN c.relname ELSE n.nspname || '.' || c.relname END
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
"""

#: Tables by schema and name, each with the document that the catalog gave.
Found = dict[tuple[str, str], tuple[TableInfo, dict[str, Any]]]


_TRAITS = Traits(
    dialect="postgresql", partial=True, expressions=True, gin=True, trigram=True, pattern="opclass", nulls_ordered=True
)


@dataclass(slots=True)
class PostgresqlReader:
    """The plan reader of PostgreSQL."""

    dialects: tuple[str, ...] = ("postgresql",)
    has_costs: bool = True
    traits: Traits = _TRAITS
    known: dict[tuple[str, str, str], tuple[TableInfo, dict[str, Any]]] = field(default_factory=dict)

    def fingerprint(self, link: Link) -> str:
        """A digest of the tables, columns and indexes in sight; nobody waits for a lock to get it."""
        with aside(link):
            return str(link.rows(FINGERPRINT)[0][0])

    def place(self, link: Link) -> str:
        """The search path."""
        with aside(link):
            return str(link.rows("SELECT pg_catalog.current_schemas(true)::text")[0][0])

    def explain(self, link: Link, question: Question) -> Plan:
        """Plan inside a savepoint that is rolled back."""
        with aside(link):
            return self.ask(link, question, {})

    def replan(self, link: Link, question: Question, advice: Sequence[Advice]) -> Plan:
        """Plan with hypothetical indexes where hypopg is installed, otherwise with real ones in the savepoint."""
        made: dict[str, str] = {}
        try:
            with aside(link):
                names = self.create(link, advice, made)
                return self.ask(link, question, names, advice)
        finally:
            if made:  # these do not go with the savepoint
                with aside(link):
                    link.rows(
                        "SELECT " + ", ".join(f"{schema}.hypopg_drop_index({oid})" for oid, schema in made.items())
                    )

    def tables(self, link: Link, names: Sequence[str]) -> Sequence[TableInfo]:
        """Columns, indexes and foreign keys."""
        wanted: list[Names] = []
        for name in dict.fromkeys(names):
            schema, _, table = name.rpartition(".")
            wanted.append((schema or None, table))
        with aside(link):
            return [each for each, _ in read_tables(link, wanted).values()]

    def table_names(self, link: Link) -> Sequence[str]:
        """All tables outside the system's schemas."""
        with aside(link):
            return [str(name) for (name,) in link.rows(_TABLE_NAMES)]

    def create(self, link: Link, advice: Sequence[Advice], made: dict[str, str]) -> dict[str, str]:
        """Make the indexes; the answer says what each is called in plans. `made` gets the hypothetical ones."""
        hypothetical = link.rows(_HYPOPG)
        names = {}
        for each in advice:
            ddl = each.ddl or ""
            if hypothetical and each.kind not in ("gin", "gist", "trigram"):
                schema, escaped = hypothetical[0][0], ddl.replace("'", "''")
                sql = f"SELECT indexrelid::bigint, indexname FROM {schema}.hypopg_create_index('{escaped}')"
                oid, name = link.rows(sql)[0]
                made[str(oid)] = str(schema)
                names[str(name)] = each.name or ""
            else:
                _make(link, ddl, each.kind)
                _usable(link, each.name or "")
        return names

    def ask(self, link: Link, question: Question, names: dict[str, str], advice: Sequence[Advice] = ()) -> Plan:
        """Ask several times: as it is, priced out, and where that leaves a doubt by other ways."""
        ordered = " ORDER BY " in question.statement.upper().replace("\n", " ")
        plain = self.json(link, question)
        configure(link, _PRICED_OUT)
        priced = self.json(link, question)
        tables = with_advice(self.catalog(link, [*_relations(plain), *_relations(priced)]), advice)

        def read(raw: dict[str, Any]) -> Plan:
            return Reading(raw, tables, names, ordered).plan(plain.get("Total Cost"))

        plan, others = read(priced), []
        if any(node.reads_everything_in_vain for node in plan.root.walk()):
            configure(link, _BITMAPS_ONLY)
            others.append(read(self.json(link, question)))
            configure(link, dict.fromkeys(_BITMAPS_ONLY, "on"))
        if plan.sorts:
            configure(link, _NO_SORT)
            others.append(read(self.json(link, question)))
        return reconciled(plan, others, read(plain))

    def json(self, link: Link, question: Question) -> dict[str, Any]:
        sql = f"EXPLAIN (FORMAT JSON, VERBOSE) {question.statement}"
        answer = link.rows(sql, question.parameters)[0][0]
        if isinstance(answer, (str, bytes)):
            answer = json.loads(answer)
        plan: dict[str, Any] = answer[0]["Plan"]
        return plan

    def catalog(self, link: Link, names: Sequence[Names]) -> Found:
        """Look tables up, with the parents of partitions, once for each schema."""
        found: Found = {}
        missing = []
        for schema, name in dict.fromkeys(names):
            known = self.known.get((link.fingerprint, schema or "", name))
            if known is None:
                missing.append((schema, name))
            else:
                found[schema or "", name] = known
        found.update(read_tables(link, missing))
        parents = [(each[0], each[1]) for _, raw in list(found.values()) for each in raw["parents"] or ()]
        wanted = [each for each in dict.fromkeys(parents) if each not in found]
        if wanted:
            found.update(read_tables(link, wanted))
        self.keep(link, found)
        return found

    def keep(self, link: Link, found: Found) -> None:
        if len(self.known) > _KEPT:
            self.known.clear()
        for (schema, name), each in found.items():
            self.known[link.fingerprint, schema, name] = each


def _make(link: Link, ddl: str, kind: str) -> None:
    """Create an index. Raises `CannotIndex` where PostgreSQL has no such thing; a missing extension can be had."""
    try:
        link.rows(ddl)
    except Exception as error:
        origin = getattr(error, "orig", None) or error
        state = str(getattr(origin, "sqlstate", None) or getattr(origin, "pgcode", None) or "")
        if state.startswith("42") and state != _NO_PRIVILEGE and kind != "trigram":
            raise CannotIndex(f"PostgreSQL refuses this index ({state})") from None
        raise


def _usable(link: Link, index: str) -> None:
    """Raise `CannotPlan` for an index that this transaction may not use, because it has changed rows of the table."""
    escaped = index.replace("'", "''")
    hidden = link.rows(
        "SELECT 1 FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class c ON c.oid = x.indexrelid "
        f"WHERE c.relname = '{escaped}' AND x.indcheckxmin"
    )
    if hidden:
        raise CannotPlan("the transaction has changed rows of the table, and may not use an index made after that")


def _relations(plan: dict[str, Any]) -> list[Names]:
    found: list[Names] = [(plan.get("Schema"), plan["Relation Name"])] if "Relation Name" in plan else []
    for child in plan.get("Plans", ()):
        found += _relations(child)
    return found
