"""One connection on which a statement is planned, as often as it takes to know what an index could do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pytest_querybudget.plans import syntax
from pytest_querybudget.plans.cursor import NotUnderstood
from pytest_querybudget.plans.joins import qualified, redirected
from pytest_querybudget.plans.mysql_catalog import Catalog, Key, Server, partition_keys, read_catalog, stored_functions
from pytest_querybudget.plans.mysql_documents import Step, read_document
from pytest_querybudget.plans.mysql_judgement import Asked, Judged, blame_partners, judge, served_by
from pytest_querybudget.plans.mysql_rewriting import is_limited, with_hints
from pytest_querybudget.plans.mysql_statements import Reference, Text, quote, read_text, refuse_acting, unknown_calls
from pytest_querybudget.plans.parser import parse_statement
from pytest_querybudget.plans.reader import CannotPlan, Link
from pytest_querybudget.recording.plans import IndexInfo, Node, Plan, TableInfo
from pytest_querybudget.values import dataclass

_LOOKS = 3
_VIEWS = 3
_SERVING = ("eq", "in", "null", "range", "prefix", "not_null")
_FINDING = ("eq", "in", "null", "range", "prefix")
#: A subquery that is kept in a temporary table hides what it is searched by. Where it is filtered itself, it must stay
#: free to be the one that the join begins with.
_UNFOLDED = "optimizer_switch='materialization=off'"
_CORRELATED = "optimizer_switch='materialization=off,semijoin=off'"


@dataclass(frozen=True, slots=True)
class Names:
    """The tables of one statement by the names it has for them, those inside its views included."""

    catalog: Catalog
    references: dict[str, tuple[Key, ...]]
    schema: str

    def table(self, alias: str) -> TableInfo | None:
        """The table behind an alias; the first with an index where views use one name twice."""
        keys = self.references.get(alias.lower(), ((self.schema, alias),))
        return next((self.catalog.tables[key] for key in keys if key in self.catalog.tables), None)

    def parted(self, columns: Mapping[Key, frozenset[str]]) -> Callable[[str], frozenset[str]]:
        """The columns by which the table behind an alias is parted."""

        def of(alias: str) -> frozenset[str]:
            keys = self.references.get(alias.lower(), ((self.schema, alias),))
            return next((columns[key] for key in keys if key in columns), frozenset())

        return of


@dataclass(frozen=True, slots=True)
class Session:
    """One connection and what is known of its server."""

    link: Link
    server: Server

    def plan(self, text: Text, parameters: Any) -> Plan:
        """Look at the statement as it is, then again where a small table or a constant hides what an index could do."""
        names = self.names_of(text)
        self._refuse_functions(text, names)
        first = self._explain(text.sql, parameters)
        asked = _asked(text, names, self.server)
        if any(step.parted for step in first.walk()):
            asked = replace(asked, parted=names.parted(partition_keys(self.link, names.catalog.tables)))
        cost = first.cost if first.cost is not None else self._last_cost()
        judged = judge(first, asked)
        used = {*_used(judged)}
        judged = self._look_again(text, parameters, first, judged, asked, names)
        used.update(_used(judged))
        tables = {id(names.table(step.alias)): names.table(step.alias) for step in first.walk() if step.alias}
        involved = [
            names.catalog.tables[key]
            for keys in names.references.values()
            for key in keys
            if key in names.catalog.tables
        ]
        involved += [each for each in tables.values() if each is not None]
        return Plan(
            dialect="mariadb" if self.server.maria else "mysql",
            root=judged.root,
            cost=cost,
            sorts=judged.sorts,
            indexes_used=tuple(sorted(used)),
            tables=tuple(dict.fromkeys(involved)),
        )

    def names_of(self, text: Text) -> Names:
        """Look up the tables of a statement and of the views it reads."""
        references: dict[str, tuple[Key, ...]] = {}
        catalog, pending = Catalog(), [(text, self.server.schema)]
        for _ in range(_VIEWS):
            keys: set[Key] = set()
            for each, schema in pending:
                for reference in each.references:
                    key = (reference.schema or schema, reference.table)
                    keys.add(key)
                    references[reference.alias.lower()] = tuple(
                        dict.fromkeys((*references.get(reference.alias.lower(), ()), key))
                    )
            found = read_catalog(self.link, self.server, keys - set(catalog.tables))
            catalog = Catalog({**catalog.tables, **found.tables}, {**catalog.views, **found.views})
            pending = [(read_text(definition), key[0]) for key, definition in found.views.items()]
            if not pending:
                break
        return Names(catalog, references, self.server.schema)

    def _refuse_functions(self, text: Text, names: Names) -> None:
        texts = [text, *(read_text(definition) for definition in names.catalog.views.values())]
        for each in texts[1:]:
            refuse_acting(each)
        calls = tuple(dict.fromkeys(name for each in texts for name in unknown_calls(each)))
        stored = stored_functions(self.link, calls) if calls else ()
        if stored:
            raise CannotPlan(f"it calls the stored function {stored[0]}, which EXPLAIN could run")

    def _explain(self, sql: str, parameters: Any, switches: str | None = None) -> Step:
        if self.server.maria:
            settings = ", ".join(filter(None, ("max_error_count=0", switches)))
            sql = f"SET STATEMENT {settings} FOR EXPLAIN FORMAT=JSON {sql}"
        else:
            sql = "EXPLAIN FORMAT=JSON " + _with_settings(sql, switches)
        row = self.link.rows(sql, parameters)[0]
        document = row[0]
        try:
            return read_document(document.decode() if isinstance(document, (bytes, bytearray)) else str(document))
        except ValueError:
            raise CannotPlan("the server's answer is no JSON") from None

    def _last_cost(self) -> float | None:
        """MariaDB before 11 keeps the cost of the last statement out of its plans."""
        rows = self.link.rows("SHOW STATUS LIKE 'Last_query_cost'")
        return float(rows[0][1]) if rows else None

    def _look_again(
        self, text: Text, parameters: Any, first: Step, judged: Judged, asked: Asked, names: Names
    ) -> Judged:
        forced: dict[str, tuple[IndexInfo, ...]] = {}
        hidden = _hides_tables(first)
        if not (hidden or judged.wanted or _hides_conditions(first)):
            return judged
        switches = _switches(first, judged)
        for _ in range(_LOOKS):
            forced.update(judged.wanted)
            looked = self._look(text, parameters, asked, forced, names, hidden=hidden, switches=switches)
            if looked is None:
                break
            judged = looked
            if all(alias in forced and forced[alias] == found for alias, found in judged.wanted.items()):
                break
        return self._settled(text, judged, asked, names, hidden=hidden)

    def _look(
        self,
        text: Text,
        parameters: Any,
        asked: Asked,
        forced: dict[str, tuple[IndexInfo, ...]],
        names: Names,
        *,
        hidden: bool,
        switches: str | None,
    ) -> Judged | None:
        def hint(reference: Reference) -> str | None:
            table = names.table(reference.alias)
            indexes = [each for each in forced.get(reference.alias, ()) if not (hidden and each.unique)]
            if indexes:
                return f"FORCE INDEX ({_listed(indexes)})"
            unique = [each for each in table.indexes if each.unique] if table and hidden else []
            return f"IGNORE INDEX ({_listed(unique)})" if unique else None

        sql, placed = with_hints(text, hint)
        if not placed and (hidden or forced):
            sql = text.sql
        try:
            return judge(self._explain(sql, parameters, switches), asked)
        except Exception:  # noqa: BLE001 - the rewritten text is refused: the plan of the statement itself stands
            return None

    def _settled(self, text: Text, judged: Judged, asked: Asked, names: Names, *, hidden: bool) -> Judged:
        """Believe the columns where the planner could not be asked or could not know.

        Inside a view, behind a constant row, or where a join begins with this table because the other one's filter
        has no index.
        """
        named = {qualified(each): each for each in names.catalog.tables.values()}
        judged = replace(judged, root=redirected(judged.root, named))
        placeable = {each.alias for each in text.references}
        for alias, indexes in judged.wanted.items():
            serving = _serving(judged, alias, indexes)
            if serving is None:
                continue
            joined = any(
                node.purpose == "joined" and node.reads_everything_in_vain and _asks_nothing(node)
                for node in judged.root.walk()
                if (node.alias or node.table) == alias
            )
            if joined:
                judged = served_by(blame_partners(judged, asked, alias), asked, alias, serving)
            elif alias not in placeable or (hidden and serving.unique) or _walks(judged, alias, serving):
                judged = served_by(judged, asked, alias, serving)
        return judged


def _asks_nothing(node: Node) -> bool:
    """Whether a table that comes first has no condition but IS NOT NULL, which a join implies."""
    return all(part.endswith("is not null") for part in (node.filter or "is not null").strip("()").split(" and "))


def _walks(judged: Judged, alias: str, index: IndexInfo) -> bool:
    """Whether the very index that finds the rows is read from end to end: it covers, and a small one is read at once.

    A search that the server cannot make of it, for a conversion or a collation, is no such predicate.
    """
    return any(
        node.access == "full_index"
        and node.index == index.name
        and any(
            each.is_column and each.joins is None and each.operator in _FINDING
            and each.subject.lower() == index.columns[0].lower()
            for each in node.predicates
        )
        for node in judged.root.walk()
        if (node.alias or node.table) == alias
    )  # fmt: skip


def _listed(indexes: Sequence[IndexInfo]) -> str:
    return ", ".join(quote(each.name) for each in indexes).replace("%", "%%")


def _with_settings(sql: str, switches: str | None) -> str:
    """The settings as MySQL's hint, behind the verb; hints of the application stay beside it."""
    text = read_text(sql)
    verb, depth = None, 0
    for token in text.tokens:
        depth += (token.text == "(") - (token.text == ")")
        if token.word in ("SELECT", "UPDATE", "DELETE") and (depth == 0 or text.tokens[0].text == "("):
            verb = token
            break
    if verb is None:
        return sql
    hints = " ".join(f"SET_VAR({each})" for each in ("max_error_count=0", switches) if each)
    end = verb.start + len(verb.text)
    rest = sql[end:]
    if rest.lstrip().startswith("/*+"):
        return f"{sql[:end]} /*+ {hints}{rest.lstrip()[3:]}"
    return f"{sql[:end]} /*+ {hints} */{rest}"


def _hides_tables(root: Step) -> bool:
    """Whether rows were looked up while planning, and what is joined to them is not shown."""
    return any(
        "const table" in (step.message or "") or (step.message or "").startswith("Rows fetched before")
        for step in root.walk()
    )


def _hides_conditions(root: Step) -> bool:
    return any(step.operation in ("materialized subquery", "materialization") for step in root.walk())


def _switches(first: Step, judged: Judged) -> str | None:
    if not _hides_conditions(first):
        return None
    kept = [node for node in judged.root.walk() if node.operation in ("materialized subquery", "materialization")]
    filtered = any(inner.predicates for node in kept for inner in node.walk())
    return _UNFOLDED if filtered else _CORRELATED


def _serving(judged: Judged, alias: str, indexes: Sequence[IndexInfo]) -> IndexInfo | None:
    """An index whose first column is searched by; a unique one whose columns all are comes first."""
    searched: set[str] = set()
    equal: set[str] = set()
    for node in judged.root.walk():
        if (node.alias or node.table) == alias:
            searched |= {each.subject.lower() for each in node.predicates if each.operator in _SERVING}
            equal |= {each.subject.lower() for each in node.predicates if each.operator == "eq"}
    whole = [each for each in indexes if each.unique and {name.lower() for name in each.columns} <= equal]
    return next(iter(whole), None) or next((each for each in indexes if each.columns[0].lower() in searched), None)


def _used(judged: Judged) -> Iterator[str]:
    """Indexes that find rows, or that are walked where every row is needed anyway: for their order, or to read less."""
    for node in judged.root.walk():
        if node.index and (node.seeks or (node.access == "full_index" and node.purpose == "whole")):
            yield from node.index.split(", ")


def _asked(text: Text, names: Names, server: Server) -> Asked:
    words = list(text.words())
    says_not_null = any(words[at : at + 3] == ["IS", "NOT", "NULL"] for at in range(len(words)))
    order, group, narrow = _outermost(text)
    return Asked(
        table=names.table,
        limited=is_limited(text),
        says_not_null=says_not_null,
        order=order,
        group=group,
        descending=server.descending,
        narrow=lambda _alias, columns: narrow is not None and narrow <= columns,
    )


def _outermost(text: Text) -> tuple[str | None, str | None, frozenset[str] | None]:
    """ORDER BY and GROUP BY of the outermost query as text, and all columns it reads when it reads one table."""
    try:
        query = parse_statement(_blanked(text))
    except NotUnderstood:
        return None, None, None
    if len(query.selects) != 1:
        return None, None, None
    select = query.selects[0]
    order = _rendered([(each.expression, each.descending) for each in query.order_by])
    group = _rendered([(each, False) for each in select.group_by])
    return order, group, _columns_read(query, select)


def _columns_read(query: syntax.Query, select: syntax.Select) -> frozenset[str] | None:
    if len(select.sources) != 1 or query.ctes:
        return None
    outputs = [expression for expression, _ in select.outputs]
    if any(isinstance(each, syntax.Star) for each in outputs):
        return None
    parts = [*outputs, *select.group_by, *(each.expression for each in query.order_by)]
    parts += [each for each in (select.where, select.having) if each is not None]
    if any(isinstance(part, syntax.Nested) for each in parts for part in syntax.walk(each)):
        return None
    return frozenset(column.name.lower() for each in parts for column in syntax.columns_of(each))


def _rendered(keys: Sequence[tuple[syntax.Expression, bool]]) -> str | None:
    parts = []
    for expression, descending in keys:
        if not isinstance(expression, syntax.Column):
            return None
        names = [expression.qualifier, expression.name] if expression.qualifier else [expression.name]
        parts.append(".".join(map(quote, names)) + (" DESC" if descending else ""))
    return ", ".join(parts) or None


def _blanked(text: Text) -> str:
    """The statement with its literals blanked: the common parser knows no backslash escapes."""
    return " ".join(token.text for token in text.tokens)
