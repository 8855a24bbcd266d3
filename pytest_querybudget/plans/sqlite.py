"""SQLite: `EXPLAIN QUERY PLAN`, which names tables and indexes, read together with the text of the statement."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from dataclasses import field, replace
from typing import Any

from pytest_querybudget.plans import syntax
from pytest_querybudget.plans.cursor import NotUnderstood
from pytest_querybudget.plans.joins import COULD_SERVE, SERVABLE, qualified, redirected
from pytest_querybudget.plans.parser import parse_statement
from pytest_querybudget.plans.reader import CannotPlan, Link, Question, Traits
from pytest_querybudget.plans.relations import Catalog, Relation, relations_of
from pytest_querybudget.plans.sqlite_schema import SchemaCopies, SchemaCopy
from pytest_querybudget.plans.words import words_for
from pytest_querybudget.recording.plans import Access, Advice, Node, Plan, Purpose, Sort, TableInfo
from pytest_querybudget.values import dataclass

_READ = re.compile(
    r"(?P<verb>SCAN|SEARCH)(?: TABLE)? (?P<label>.+?)(?: AS (?P<alias>\S+))?(?P<rest> USING .*| VIRTUAL TABLE .*)?\Z"
)
_USING = re.compile(
    r" USING (?P<kind>.*?)(?:INDEX (?P<index>.+?)|PRIMARY KEY)?(?: \((?P<condition>.*)\))?\Z", re.DOTALL
)
_SORT = re.compile(r"USE TEMP B-TREE FOR .*ORDER BY")
_NOT_TABLES = re.compile(r"CONSTANT ROW|\(?subquery|\d+-|\d+ CONSTANT", re.IGNORECASE)


_TRAITS = Traits(dialect="sqlite", partial=True, expressions=True, pattern="nocase", index_schema=True)


@dataclass(frozen=True, slots=True)
class _Row:
    """One line of EXPLAIN QUERY PLAN."""

    number: int
    parent: int
    detail: str


@dataclass(slots=True)
class SqliteReader:
    """The plan reader of SQLite."""

    dialects: tuple[str, ...] = ("sqlite",)
    has_costs: bool = False
    traits: Traits = _TRAITS
    copies: SchemaCopies = field(default_factory=SchemaCopies)
    parsed: tuple[str, syntax.Query | None] = ("", None)

    def fingerprint(self, link: Link) -> str:
        """A digest of all definitions, those of temporary and attached databases too."""
        return self.copies.definitions(link).digest

    def place(self, _link: Link) -> str:
        """Names are looked up in all attached databases, in an order that never changes."""
        return ""

    def explain(self, link: Link, question: Question) -> Plan:
        """Ask the application's own connection; where ANALYZE has counted small tables, ask an empty copy instead."""
        copy = self.copies.of(link)
        sql = f"EXPLAIN QUERY PLAN {question.statement}"
        if copy.usable and copy.analyzed:
            try:
                return self.read(copy.rows(sql, question.parameters), question, copy)
            except sqlite3.Error:
                pass  # the copy lacks something that only the application's connection has
        return self.read(link.rows(sql, question.parameters), question, copy)

    def replan(self, link: Link, question: Question, advice: Sequence[Advice]) -> Plan:
        """Create the indexes in the copy of the schema, and take them back."""
        copy = self.copies.of(link)
        if not copy.usable:
            raise CannotPlan(f"the schema could not be copied ({copy.reason})")
        sql = f"EXPLAIN QUERY PLAN {question.statement}"
        rows = copy.rows_with([each.ddl for each in advice if each.ddl], sql, question.parameters)
        return self.read(rows, question, copy.with_indexes(advice))

    def tables(self, link: Link, names: Sequence[str]) -> Sequence[TableInfo]:
        """Columns, indexes and foreign keys."""
        known = self.copies.of(link).tables
        return [known[name.lower()] for name in dict.fromkeys(names) if name.lower() in known]

    def table_names(self, link: Link) -> Sequence[str]:
        """All tables and views."""
        copy = self.copies.of(link)
        names = {f"{each.schema}.{each.name}" if each.schema else each.name for each in copy.tables.values()}
        return sorted(names | set(copy.views))

    def understood(self, statement: str) -> syntax.Query | None:
        """The statement as a tree; the latest is kept, because it is asked for once for each index that is tried."""
        known, query = self.parsed
        if known != statement:
            try:
                query = parse_statement(statement)
            except NotUnderstood:
                query = None
            self.parsed = (statement, query)
        return query

    def read(self, rows: Sequence[tuple[Any, ...]], question: Question, copy: SchemaCopy) -> Plan:
        lines = [_Row(row[0], row[1], _text(row[3])) for row in rows]
        query = self.understood(question.statement)
        relations: tuple[Relation, ...] = ()
        if query is not None:
            relations = relations_of(
                query, Catalog(copy.tables, copy.views), lambda each: _value(each, question.parameters)
            )
        return _Reading(lines, relations, copy.tables).plan()


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _value(parameter: syntax.Parameter, parameters: Any) -> object:
    """What is bound to a placeholder, to look at its first character and forget it."""
    if isinstance(parameters, dict):
        return parameters.get(parameter.text.lstrip(":@$"))
    try:
        number = parameter.text.lstrip("?:$")
        return parameters[int(number) - 1 if number.isdigit() else parameter.position]
    except (IndexError, TypeError, KeyError):
        return None


@dataclass(slots=True)
class _Reading:
    """Puts lines and relations together."""

    rows: list[_Row]
    relations: tuple[Relation, ...]
    known: dict[str, TableInfo]
    taken: set[int] = field(default_factory=set)

    def plan(self) -> Plan:
        named = {qualified(each): each for each in self.known.values()}
        root = redirected(Node(operation="QUERY PLAN", children=self.below(0)), named)
        sorts = tuple(dict.fromkeys(each for row in self.rows if _SORT.match(row.detail) for each in self.sorts(row)))
        tables = {each.table.name: each.table for each in self.relations}
        for node in root.walk():
            if node.table and node.table.lower() in self.known:
                tables.setdefault(node.table, self.known[node.table.lower()])
        used = tuple(dict.fromkeys(node.index for node in root.walk() if node.index and self.serves(node)))
        return Plan(dialect="sqlite", root=root, sorts=sorts, indexes_used=used, tables=tuple(tables.values()))

    def serves(self, node: Node) -> bool:
        """An index finds rows, or delivers a wanted order of rows that are all wanted."""
        if node.seeks:
            return True
        if node.access != "full_index" or node.purpose != "whole":
            return False
        sorted_here = any(_SORT.match(row.detail) for row in self.beside(node))
        ordered = any(each.order for each in self.relations if self.names(each, node))
        return ordered and not sorted_here

    def beside(self, node: Node) -> list[_Row]:
        """The lines of the same query."""
        label = (node.alias or (node.table or "").rpartition(".")[2]).lower()
        read = [(row, _READ.match(row.detail)) for row in self.rows]
        parents = {row.parent for row, match in read if match and (match["alias"] or match["label"]).lower() == label}
        return [row for row in self.rows if row.parent in parents] if parents else self.rows

    def names(self, relation: Relation, node: Node) -> bool:
        return relation.label.lower() in ((node.alias or "").lower(), (node.table or "").lower())

    def below(self, parent: int) -> tuple[Node, ...]:
        rows = [row for row in self.rows if row.parent == parent]
        first = next((row.number for row in rows if row.detail.startswith(("SCAN ", "SEARCH "))), None)
        return tuple(self.node(row, first=row.number == first) for row in rows)

    def node(self, row: _Row, *, first: bool) -> Node:
        children = self.below(row.number)
        match = _READ.match(re.sub(r" (?:LEFT|RIGHT|FULL)-JOIN\Z", "", row.detail))
        if match is None or _NOT_TABLES.match(match["label"]):
            return Node(operation=row.detail, children=children)
        found = self.candidates(match["alias"] or match["label"])
        table = found[0].table if found else self.table(match["label"])
        if table is None or "VIRTUAL TABLE" in (match["rest"] or ""):
            return Node(operation=row.detail, children=children)
        label = found[0].label if found else match["label"]
        node = Node(
            operation=match["verb"],
            table=f"{table.schema}.{table.name}" if table.schema else table.name,
            alias=label if label.lower() != table.name.lower() else None,
            children=children,
        )
        return self.judged(_accessed(node, match["rest"] or "", table), found, first=first)

    def candidates(self, label: str) -> list[Relation]:
        name = label.lower()
        exact = [each for each in self.relations if each.label.lower() == name]
        return exact or [each for each in self.relations if each.label.lower() == name.rpartition(".")[2]]

    def table(self, label: str) -> TableInfo | None:
        return self.known.get(label.lower()) or self.known.get(label.lower().rpartition(".")[2])

    def judged(self, node: Node, found: list[Relation], *, first: bool) -> Node:
        """Whether reading everything is what the statement asks for; with a choice, the doubt counts for it."""
        relation = found[0] if found else None
        purpose: Purpose = "whole"
        left = [each for each in found if id(each) not in self.taken]
        if node.access in ("full", "full_index", "automatic") and found:
            free = [each for each in left if _purpose(each, node.access, first=first) == "whole"]
            relation = (free or left or found)[0]
            purpose = _purpose(relation, node.access, first=first) if not free else "whole"
        elif node.seeks and relation is not None:
            relation = next((each for each in left if _fits(node, each)), relation)
            purpose = "filtered" if relation.own else "joined" if relation.predicates else "whole"
        self.taken.add(id(relation))
        if relation is None:
            return replace(node, purpose=purpose)
        if node.access == "full_index" and _each_side_serves(node, relation):
            node = replace(node, access="index", detail=COULD_SERVE)
        columns = tuple(dict.fromkeys(name for each in relation.predicates for name in each.columns))
        served = node.condition or ""
        text = words_for(each for each in relation.predicates if not (node.seeks and each.subject in served))
        return replace(node, purpose=purpose, predicates=relation.predicates, columns=columns, filter=text or None)

    def sorts(self, row: _Row) -> list[Sort]:
        labels = []
        for each in self.rows:
            match = _READ.match(each.detail) if each.parent == row.parent else None
            labels += [(match["alias"] or match["label"]).lower()] if match else []
        return [
            Sort(
                table=each.table.name,
                alias=each.label if each.label.lower() != each.table.name.lower() else None,
                keys=each.order,
                predicates=each.own,
                limited=each.limited,
            )
            for each in self.relations
            if each.order and each.label.lower() in labels
        ][:1]


def _accessed(node: Node, rest: str, table: TableInfo) -> Node:
    using = _USING.match(rest)
    if using is None:
        return replace(node, access="full")
    name, condition, kind = using["index"], using["condition"], using["kind"]
    if "AUTOMATIC" in kind:
        return replace(node, access="automatic", condition=condition, detail="with an index built for this statement")
    index = next((each for each in table.indexes if each.name == name), None)
    return replace(node, access=_access(node, kind, condition, index), index=name or "PRIMARY KEY", condition=condition)


def _access(node: Node, kind: str, condition: str | None, index: Any) -> Access:
    partial = index is not None and index.predicate is not None
    if node.operation == "SCAN":
        return "index" if partial else "full_index"
    if (condition is None and index is not None) or (condition or "").startswith("ANY("):
        return "full_index"  # max() and min() go along an index until the filter lets a row through
    equalities = condition.count("=?") - condition.count(">=?") - condition.count("<=?") if condition else 0
    if (index is None and equalities and ">" not in (condition or "")) or (
        index is not None and index.unique and not partial and equalities == len(index.columns)
    ):
        return "unique"
    return "index_only" if "COVERING" in kind else "index"


def _fits(node: Node, relation: Relation) -> bool:
    """Whether this relation asks for what the index serves."""
    first = re.split(r"[=<>]", node.condition or "")[0].strip()
    return first == "rowid" or any(first in each.columns for each in relation.predicates)


def _each_side_serves(node: Node, relation: Relation) -> bool:
    """Whether the index that is walked for its order could be searched for every side of an OR (the next page)."""
    index = next((each for each in relation.table.indexes if each.name == node.index), None)
    first = index.columns[0] if index is not None and index.predicate is None else None
    return any(
        each.operator == "or" and all(part.operator in SERVABLE and part.subject == first for part in each.parts)
        for each in relation.predicates
    )


def _purpose(relation: Relation, access: Access, *, first: bool) -> Purpose:
    if any(each.operator != "not_null" for each in relation.own):
        return "filtered"  # nearly all rows are not null: to read them all is right
    joins = [each for each in relation.predicates if each.joins not in (None, "subquery")]
    if not joins:
        return "whole"
    correlated = any(each.joins == "outer" or (each.joins or "").startswith("^") for each in joins)
    wanted_by_few = relation.restricted or relation.optional or correlated or not first
    return "joined" if wanted_by_few or access == "automatic" else "whole"
