"""Which way a join of large tables goes: from the tables that are filtered, along the conditions that join."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from pytest_querybudget.recording.plans import Node, Predicate, TableInfo

#: What finds rows by an index, if there is one.
SERVABLE = frozenset({"eq", "in", "null", "true", "range", "prefix", "contains", "search"})
#: What a step says whose index is believed from the catalog: the planner of a small table did not take it.
COULD_SERVE = "an index could serve"
_SEARCHED = ("eq", "in", "range", "null")


def label(node: Node) -> str:
    """The name of a table in the statement."""
    return node.alias or (node.table or "").rpartition(".")[2]


def qualified(table: TableInfo) -> str:
    """The name of a table as in `Node.table`."""
    return f"{table.schema}.{table.name}" if table.schema else table.name


def vain(root: Node) -> set[tuple[str | None, str | None]]:
    """The tables that a plan reads whole though only some of their rows are wanted."""
    return {(node.table, node.alias) for node in root.walk() if node.reads_everything_in_vain}


def is_filtered(predicates: Iterable[Predicate]) -> bool:
    """Whether rows are found by a condition on the table itself."""
    return any(each.joins is None and each.operator in SERVABLE for each in predicates)


def is_limited(predicates: Iterable[Predicate]) -> bool:
    """Whether the table has a condition of its own, even one that no index serves."""
    return any(each.joins is None and each.operator != "not_null" for each in predicates)


def reached(nodes: Collection[Node], without: str = "") -> set[str]:
    """The tables that a join comes to from the filtered ones, if it does not go through `without`."""
    found = {label(node) for node in nodes if is_filtered(node.predicates)} - {without}
    for _ in nodes:
        further = {label(node) for node in nodes if found & partners(node)} - found - {without}
        further |= {each for node in nodes if label(node) in found for each in partners(node)} - found - {without}
        if not further:
            break
        found |= further
    return found


def partners(node: Node) -> set[str]:
    """The tables that a table is joined with."""
    return {each.joins for each in node.predicates if each.joins}


def led_by(table: TableInfo | None, predicates: Iterable[Predicate]) -> str | None:
    """The index that begins with a column that these conditions search by."""
    wanted = {each.subject for each in predicates if each.is_column and each.operator in _SEARCHED}
    for index in table.indexes if table else ():
        if index.method == "btree" and index.predicate is None and index.columns[0] in wanted:
            return index.name
    return None


def redirected(root: Node, tables: Mapping[str, TableInfo]) -> Node:
    """Blame the table that a join stops at, or none if indexes lead all the way.

    A small table may be read whole although an index joins it, because another table, on the way from the filter to
    it, has no index for that way. `tables` are by their names as in `Node.table`.
    """
    nodes = [node for node in root.walk() if node.table]
    if len({label(node) for node in nodes}) < len(nodes):
        return root
    for node in nodes:
        if not node.reads_everything_in_vain or node.purpose != "joined":
            continue
        ways = reached(nodes, label(node))
        coming = _coming(node, ways)
        if not coming.predicates:
            continue
        index = led_by(tables.get(node.table or ""), coming.predicates)
        if index is None:
            return _mapped(root, {label(node): coming})
        stop = next(_stops(nodes, ways, tables), None)
        if stop is not None:
            return _mapped(root, {label(node): replace(node, purpose="whole"), label(stop): stop})
        if any(_begins(each, tables) for each in nodes if label(each) in ways):
            led = replace(coming, access="index", index=index, detail=COULD_SERVE)
            return redirected(_mapped(root, {label(node): led}), tables)
        begun = next((each for each in nodes if each is not node and label(each) in ways and _is_sought(each)), None)
        if begun is not None:
            led = replace(coming, access="index", index=index, detail=COULD_SERVE)
            return redirected(_mapped(root, {label(node): led, label(begun): _read_whole(begun)}), tables)
    return root


def is_looked_up(node: Node, tables: Mapping[str, TableInfo]) -> bool:
    """Whether the index that finds the rows begins with what joins them to another table, and not with a filter."""
    table = tables.get(node.table or "")
    used = (node.index or "").split(", ")
    firsts = {index.columns[0] for index in table.indexes if index.name in used} if table else set()
    own = {each.subject for each in node.predicates if not _is_join(each)}
    return bool(firsts) and firsts <= {each.subject for each in node.predicates if _is_join(each)} - own


def _is_join(predicate: Predicate) -> bool:
    """Whether another table of the same query gives the value: that of an outer query is known when this one runs."""
    return predicate.joins is not None and not predicate.joins.startswith("^")


def _is_sought(node: Node) -> bool:
    """Whether rows that a filter of their own would drop are looked up for those of another table."""
    return node.seeks and bool(partners(node)) and is_filtered(node.predicates)


def _read_whole(node: Node) -> Node:
    """A filtered table that a join of large tables begins with, though no index finds its rows."""
    own = tuple(each for each in node.predicates if each.joins is None)
    return replace(
        node,
        access="full",
        purpose="filtered",
        predicates=own,
        columns=tuple(dict.fromkeys(name for each in own for name in each.columns)),
        detail="a join of large tables would begin here, where no index finds the rows",
    )


def _begins(node: Node, tables: Mapping[str, TableInfo]) -> bool:
    """Whether an index finds the rows of a table by its own condition, so that a join can begin there."""
    own = [each for each in node.predicates if each.joins is None]
    return led_by(tables.get(node.table or ""), own) is not None


def _coming(node: Node, ways: Collection[str]) -> Node:
    """The table with what a join from there searches it by."""
    joins = tuple(each for each in node.predicates if each.joins in ways)
    return replace(
        node, predicates=joins, columns=tuple(dict.fromkeys(name for each in joins for name in each.columns))
    )


def _stops(nodes: Collection[Node], ways: set[str], tables: Mapping[str, TableInfo]) -> Iterator[Node]:
    """Tables that are not filtered, and that no index finds from where the join comes."""
    for node in nodes:
        coming = _coming(node, ways)
        if label(node) not in ways or is_filtered(node.predicates) or not coming.predicates:
            continue
        if led_by(tables.get(node.table or ""), coming.predicates) is None:
            yield replace(coming, access="full", purpose="joined", detail="a join of large tables would read all of it")


def _mapped(node: Node, changed: Mapping[str, Node]) -> Node:
    children = tuple(_mapped(each, changed) for each in node.children)
    return replace(changed.get(label(node), node) if node.table else node, children=children)
