"""PostgreSQL's JSON plans as common trees."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import Any

from pytest_querybudget.plans import syntax
from pytest_querybudget.plans.advice import index_of
from pytest_querybudget.plans.cursor import NotUnderstood
from pytest_querybudget.plans.joins import (
    COULD_SERVE,
    SERVABLE,
    is_filtered,
    is_limited,
    is_looked_up,
    label,
    led_by,
    qualified,
    reached,
    redirected,
    vain,
)
from pytest_querybudget.plans.parser import parse_expression, parse_order
from pytest_querybudget.plans.predicates import Subject, predicates_of, sort_key
from pytest_querybudget.plans.tokens import mask
from pytest_querybudget.recording.plans import (
    Access,
    Advice,
    IndexInfo,
    Node,
    Plan,
    Predicate,
    Purpose,
    Sort,
    SortKey,
    TableInfo,
)
from pytest_querybudget.values import dataclass

Tables = Mapping[tuple[str, str], tuple[TableInfo, dict[str, Any]]]

_CONDITIONS = ("Index Cond", "Recheck Cond", "TID Cond", "Filter", "Join Filter", "Hash Cond", "Merge Cond")
_OUTER = {"Left", "Anti", "Full"}
#: Steps between a sort and the result that keep its order the statement's own.
_TRANSPARENT = {"Limit", "LockRows", "Subquery Scan", "Gather Merge", "Result", "ModifyTable"}
_FOLDING = {"Aggregate", "Group", "Unique", "WindowAgg", "SetOp", "Append", "Merge Append", "Recursive Union"}
_SCANS = {"Seq Scan", "Sample Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan", "Tid Scan", "Tid Range Scan"}


@dataclass(frozen=True, slots=True)
class _Condition:
    """One condition of a plan; `aliases` are all tables in it, `level` is the query that checks it."""

    expression: syntax.Expression
    level: int
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Step:
    """A step with its way from the root: (step, relationship to it) of each one above, outermost first."""

    raw: dict[str, Any]
    above: tuple[tuple[dict[str, Any], str], ...]


@dataclass(slots=True)
class Reading:
    """One JSON plan. `names` translates hypothetical indexes, `ordered` says that the statement asks for an order."""

    raw: dict[str, Any]
    tables: Tables
    names: Mapping[str, str] = field(default_factory=dict)
    ordered: bool = False
    aliases: dict[str, tuple[str, str]] = field(init=False)
    steps: list[_Step] = field(init=False)
    conditions: list[_Condition] = field(init=False)

    def __post_init__(self) -> None:
        self.steps = list(_steps(self.raw, ()))
        self.aliases = {
            each.raw["Alias"]: (each.raw.get("Schema", ""), each.raw["Relation Name"])
            for each in self.steps
            if "Relation Name" in each.raw and "Alias" in each.raw
        }
        self.conditions = list(self._conditions())

    def plan(self, cost: float | None = None) -> Plan:
        root = self.node(self.raw, ())
        sorts = tuple(dict.fromkeys(self.sorts()))
        used = dict.fromkeys(name for node in root.walk() for name in self.used(node, sorts))
        infos = dict.fromkeys(self.info(alias)[0] for alias in self.aliases)
        tables = tuple(each for each in infos if each is not None)
        return Plan(dialect="postgresql", root=root, cost=cost, sorts=sorts, indexes_used=tuple(used), tables=tables)

    def used(self, node: Node, sorts: Sequence[Sort]) -> Sequence[str]:
        walked = node.access == "full_index" and node.purpose == "whole" and self.ordered and not sorts
        return node.index.split(", ") if node.index and (node.seeks or walked) else ()

    # -- catalog

    def info(self, alias: str) -> tuple[TableInfo | None, dict[str, Any]]:
        """The table behind an alias; for a partition, the table that it is part of."""
        key = self.aliases.get(alias)
        table, raw = self.tables.get(key, (None, {})) if key else (None, {})
        for parent in raw.get("parents") or ():
            found = self.tables.get((parent[0], parent[1]))
            if found is not None and found[1].get("partition_key") is not None:
                table = replace(found[0], indexes=found[0].indexes or (table.indexes if table else ()))
                raw = found[1]
        return table, raw

    def own_indexes(self, alias: str) -> tuple[IndexInfo, ...]:
        """The indexes of exactly this table or partition, which plans name."""
        key = self.aliases.get(alias)
        found = self.tables.get(key) if key else None
        return found[0].indexes if found else ()

    def index_named(self, alias: str, name: str) -> tuple[str, IndexInfo | None]:
        """The index that a plan names: by its advised name if it was made to try it."""
        name = self.names.get(name, name)
        own = next((each for each in self.own_indexes(alias) if each.name == name), None)
        table = self.info(alias)[0]
        if own is None and table is not None:
            # the part that a new index of a partitioned table has on this partition
            own = next((each for each in reversed(table.indexes) if _is_part(name, each)), None)
            name = own.name if own else name
        return name, own

    # -- conditions

    def _conditions(self) -> Iterator[_Condition]:
        for step in self.steps:
            for name in _CONDITIONS:
                text = step.raw.get(name)
                if text:
                    try:
                        expression = parse_expression(text)
                    except NotUnderstood:
                        continue
                    names = frozenset(filter(None, map(self.owner, syntax.columns_of(expression))))
                    yield _Condition(expression, _level(step.above), names)

    def owner(self, column: syntax.Column) -> str | None:
        if column.qualifier is not None:
            return column.qualifier
        return next(iter(self.aliases)) if len(self.aliases) == 1 else None

    def subject(self, alias: str) -> Subject:
        table = self.info(alias)[0]
        return Subject(alias, self.owner, {each.name.lower(): each for each in table.columns} if table else {})

    def predicates(self, alias: str) -> tuple[Predicate, ...]:
        level = self.level(alias)
        mine = [each.expression for each in self.conditions if alias in each.names and each.level == level]
        return predicates_of(mine, self.subject(alias))

    # -- steps

    def node(self, raw: dict[str, Any], above: tuple[tuple[dict[str, Any], str], ...]) -> Node:
        children = tuple(
            self.node(each, (*above, (raw, each.get("Parent Relationship", "")))) for each in raw.get("Plans", ())
        )
        kind = raw["Node Type"]
        node = Node(
            operation=_operation(raw),
            condition=_masked(raw, "Index Cond", "Recheck Cond", "Hash Cond", "Merge Cond", "TID Cond"),
            filter=_masked(raw, "Filter", "Join Filter"),
            rows=raw.get("Plan Rows"),
            cost=raw.get("Total Cost"),
            detail=f"by {', '.join(map(mask, raw['Sort Key']))}" if "Sort Key" in raw else None,
            children=children,
        )
        return self.scan(raw, above, node) if kind in _SCANS and "Alias" in raw else node

    def scan(self, raw: dict[str, Any], above: tuple[tuple[dict[str, Any], str], ...], node: Node) -> Node:
        alias = raw["Alias"]
        table, document = self.info(alias)
        predicates = self.predicates(alias)
        access, index = self.access(raw, alias)
        name = raw["Relation Name"] if table is None else f"{table.schema}.{table.name}" if table.schema else table.name
        purpose = self.purpose(alias, above, predicates) if access in ("full", "full_index") else "filtered"
        key = set(document.get("partition_key") or ())
        own = [each for each in predicates if each.joins is None]
        if own and key and all(set(each.columns) <= key for each in own):
            purpose = "whole"  # the partitions themselves are chosen by this condition
        shown = re.sub(r"_\d+\Z", "", alias) if raw["Relation Name"] != (table.name if table else None) else alias
        return replace(
            node,
            table=name,
            alias=shown if table is None or shown != table.name else None,
            access=access,
            purpose=purpose,
            index=index,
            predicates=predicates,
            columns=tuple(dict.fromkeys(column for each in predicates for column in each.columns)),
        )

    def access(self, raw: dict[str, Any], alias: str) -> tuple[Access, str | None]:
        kind = raw["Node Type"]
        if kind in ("Seq Scan", "Sample Scan"):
            return "full", None
        if kind.startswith("Tid"):
            return "unique", None
        if kind == "Bitmap Heap Scan":
            bitmaps = raw.get("Plans", ())
            served = all(self.bitmap(each, alias) for each in bitmaps)
            return ("bitmap" if served else "full_index"), ", ".join(
                dict.fromkeys(self.index_names(raw, alias))
            ) or None
        name, index = self.index_named(alias, raw["Index Name"])
        condition = raw.get("Index Cond")
        if not condition:
            walked = not raw.get("Order By") and (index is None or index.predicate is None)
            return ("full_index" if walked else "index"), name
        walked = bool(raw.get("Filter")) and self.only_not_null(condition, alias)
        if walked or not self.leads(index, condition, alias):
            return "full_index", name
        if index is not None and index.unique and self.pinned(index, condition, alias):
            return "unique", name
        return ("index_only" if kind == "Index Only Scan" else "index"), name

    def bitmap(self, raw: dict[str, Any], alias: str) -> bool:
        kind, inner = raw["Node Type"], raw.get("Plans", ())
        if kind == "BitmapOr":
            return all(self.bitmap(each, alias) for each in inner)
        if kind == "BitmapAnd":
            return any(self.bitmap(each, alias) for each in inner)
        index = self.index_named(alias, raw.get("Index Name", ""))[1]
        condition = raw.get("Index Cond")
        if not condition:
            return index is not None and index.predicate is not None
        return self.leads(index, condition, alias)

    def index_names(self, raw: dict[str, Any], alias: str) -> Iterator[str]:
        for each in raw.get("Plans", ()):
            if "Index Name" in each:
                yield self.index_named(alias, each["Index Name"])[0]
            yield from self.index_names(each, alias)

    def served(self, condition: str, alias: str) -> tuple[Predicate, ...]:
        try:
            return predicates_of([parse_expression(condition)], self.subject(alias))
        except NotUnderstood:
            return ()

    def leads(self, index: IndexInfo | None, condition: str, alias: str) -> bool:
        """Whether the condition limits the first key of the index: otherwise all of it is read."""
        if index is None or index.method != "btree":
            return True
        first = index.columns[0]
        subject = self.subject(alias)
        if first.lower() not in subject.columns:
            return True  # an expression: it would not be in the condition if it did not serve
        predicates = self.served(condition, alias)
        return not predicates or any(first in each.columns for each in predicates)

    def only_not_null(self, condition: str, alias: str) -> bool:
        """max() and min() go along an index from its end until the filter lets a row through."""
        predicates = self.served(condition, alias)
        return bool(predicates) and all(each.operator == "not_null" for each in predicates)

    def pinned(self, index: IndexInfo, condition: str, alias: str) -> bool:
        fixed = {each.subject for each in self.served(condition, alias) if each.operator == "eq"}
        return fixed >= set(index.columns)

    def purpose(
        self, alias: str, above: tuple[tuple[dict[str, Any], str], ...], predicates: Sequence[Predicate]
    ) -> Purpose:
        if any(each.joins is None and each.operator != "not_null" for each in predicates):
            return "filtered"
        predicates = [each for each in predicates if each.joins is not None]
        if not predicates:
            return "whole"  # nearly all rows are not null: to read them all is right
        # looked up for each row of something else: on the inner side of a loop, or in a correlated subquery
        if any(rel == "Inner" and step["Node Type"] == "Nested Loop" for step, rel in above):
            return "joined"
        here = {each for each in self.aliases if self.level(each) == _level(above)}
        if any(not (each.joins or "").startswith("^") and each.joins not in here for each in predicates):
            return "joined"
        if any(step.get("Join Type") in _OUTER and rel == "Outer" for step, rel in above):
            return "whole"
        return "joined" if any(self.restricts(each) for each in here - {alias}) else "whole"

    def restricts(self, alias: str) -> bool:
        own = (each for each in self.predicates(alias) if each.joins is None)
        return any(each.operator in SERVABLE for each in own)

    def level(self, alias: str) -> int:
        step = next(each for each in self.steps if each.raw.get("Alias") == alias)
        return _level(step.above)

    # -- sorts

    def sorts(self) -> Iterator[Sort]:
        for step in self.steps:
            if step.raw["Node Type"] not in ("Sort", "Incremental Sort"):
                continue
            if not _is_wanted(step):
                continue
            if any(each.raw["Node Type"] in _FOLDING for each in _steps(step.raw, ()) if each.raw is not step.raw):
                continue
            found = self.sort(step)
            if found is not None:
                yield found

    def sort(self, step: _Step) -> Sort | None:
        keys: list[SortKey] = []
        alias: str | None = None
        for text in step.raw["Sort Key"]:
            try:
                order = parse_order(text)
            except NotUnderstood:
                return None
            owners = {self.owner(each) for each in syntax.columns_of(order.expression)}
            alias = alias or next(iter(owners), None)
            key = sort_key(order, self.subject(alias)) if alias and owners == {alias} else None
            if key is None:
                return None
            keys.append(key)
        if alias is None or alias not in self.aliases:
            return None
        table = self.info(alias)[0]
        own = tuple(each for each in self.predicates(alias) if each.joins is None)
        limited = any(each["Node Type"] == "Limit" for each, _ in step.above)
        if table is None or not worth_it(limited, own, keys) or _is_one(table, own):
            return None
        name = f"{table.schema}.{table.name}" if table.schema else table.name
        shown = alias if alias != table.name else None
        return Sort(table=name, alias=shown, keys=tuple(keys), predicates=own, limited=limited)


def _is_wanted(step: _Step) -> bool:
    """Whether nothing between the sort and a LIMIT, or the result, makes it a means to something else."""
    for each, rel in reversed(step.above):
        if each["Node Type"] == "Limit":
            return True
        if each["Node Type"] not in _TRANSPARENT or rel == "SubPlan":
            return False
    return True


def _is_one(table: TableInfo, own: Sequence[Predicate]) -> bool:
    """Whether a unique key finds at most one row: there is nothing to sort."""
    fixed = {each.subject for each in own if each.operator == "eq"}
    return any(index.unique and index.predicate is None and fixed >= set(index.columns) for index in table.indexes)


def worth_it(limited: bool, own: Sequence[Predicate], keys: Sequence[SortKey]) -> bool:
    """Whether reading along an index would beat a sort on a large table.

    Not for all rows, nor for those of a range in another order: there a sort is cheaper than as many jumps.
    """
    if limited:
        return True
    ranged = any(each.operator in ("range", "prefix") and each.subject != keys[0].subject for each in own)
    return not ranged and any(each.operator in ("eq", "null", "true") for each in own)


def with_advice(tables: Tables, advice: Sequence[Advice]) -> Tables:
    """The tables as they are once the advised indexes exist."""
    found = dict(tables)
    for key, (table, document) in tables.items():
        name = f"{table.schema}.{table.name}" if table.schema else table.name
        added = tuple(index_of(each, table.name) for each in advice if each.table == name)
        if added:
            found[key] = (replace(table, indexes=table.indexes + added), document)
    return found


def reconciled(plan: Plan, others: Sequence[Plan], natural: Plan) -> Plan:
    """What other ways of asking say about reads and sorts that look bad."""
    used = dict.fromkeys(name for each in (plan, *others, natural) for name in each.indexes_used)
    plan = _begun_rightly(plan, others)
    root = redirected(_excused(plan.root, plan, others), {qualified(each): each for each in plan.tables})
    sorts = tuple(each for each in plan.sorts if not any(_avoids(other, each, plan) for other in others))
    used.update(
        dict.fromkeys(name for node in root.walk() if node.seeks and node.index for name in node.index.split(", "))
    )
    return replace(plan, root=root, sorts=sorts, indexes_used=tuple(used))


def _begun_rightly(plan: Plan, others: Sequence[Plan]) -> Plan:
    """Of two ways to join, each with a bad read, the one that begins with the filter: so a large table is joined."""
    bad = [node for node in plan.root.walk() if node.reads_everything_in_vain]
    if not bad or any(node.purpose != "joined" for node in bad):
        return plan
    for other in others:
        bad = [node for node in other.root.walk() if node.reads_everything_in_vain]
        if bad and all(node.purpose == "filtered" for node in bad) and not vain(other.root) & vain(plan.root):
            return replace(other, sorts=plan.sorts)
    return plan


def _excused(node: Node, plan: Plan, others: Sequence[Plan]) -> Node:
    node = replace(node, children=tuple(_excused(each, plan, others) for each in node.children))
    if not node.reads_everything_in_vain:
        return node
    same = [
        each for other in others for each in other.root.walk() if (each.table, each.alias) == (node.table, node.alias)
    ]
    tables = {qualified(each): each for each in plan.tables}
    seeking = next(
        (
            each
            for other in others
            for each in other.root.walk()
            if each in same and each.seeks and _is_excuse(each, other, tables)
        ),
        None,
    )
    if seeking is not None:
        return replace(seeking, children=node.children)
    if any(each.operation == "Bitmap Heap Scan" for each in same):
        return _by_catalog(node, plan)
    return node


def _is_excuse(node: Node, other: Plan, tables: Mapping[str, TableInfo]) -> bool:
    """Whether an index finds the rows by the filter of the table, or of another one that the join begins with."""
    if not (vain(other.root) and is_limited(node.predicates) and is_looked_up(node, tables)):
        return True
    return any(
        each.seeks and is_filtered(each.predicates) and not is_looked_up(each, tables) for each in other.root.walk()
    )


def _by_catalog(node: Node, plan: Plan) -> Node:
    """On an empty table all indexes cost the same, and the planner may take a worse one than there is.

    An index that joins serves where a join comes from a table that has rows to begin with, or from anywhere where none
    has.
    """
    nodes = [each for each in plan.root.walk() if each.table]
    ways = reached(nodes, label(node))
    somewhere = not any(is_filtered(each.predicates) for each in nodes if each is not node)
    looked_up = node.purpose == "joined"
    wanted = [
        each
        for each in node.predicates
        if each.joins is None
        or each.joins in ways
        or (looked_up and (somewhere or each.joins not in map(label, nodes)))
    ]
    table = next((each for each in plan.tables if qualified(each) == node.table), None)
    index = led_by(table, wanted)
    return replace(node, access="index", index=index, detail=COULD_SERVE) if index else node


def _avoids(other: Plan, sort: Sort, plan: Plan) -> bool:
    """Another plan delivers the order without reading more than this one."""
    still = any((each.table, each.alias) == (sort.table, sort.alias) for each in other.sorts)
    unsorted = not any(each.operation.endswith("Sort") for each in other.root.walk())
    return unsorted and not still and vain(other.root) <= vain(plan.root)


def _steps(raw: dict[str, Any], above: tuple[tuple[dict[str, Any], str], ...]) -> Iterator[_Step]:
    yield _Step(raw, above)
    for each in raw.get("Plans", ()):
        yield from _steps(each, (*above, (raw, each.get("Parent Relationship", ""))))


def _level(above: tuple[tuple[dict[str, Any], str], ...]) -> int:
    """Which query a step belongs to: the innermost subplan that it is part of."""
    return next((id(step) for step, rel in reversed(above) if rel in ("SubPlan", "InitPlan")), 0)


def _is_part(name: str, index: IndexInfo) -> bool:
    """Whether a partition's index has the name that PostgreSQL makes from the partition and the columns."""
    return (
        index.name.startswith("ix_") and re.search(rf"_{re.escape('_'.join(index.columns))}_idx\d*\Z", name) is not None
    )


def _operation(raw: dict[str, Any]) -> str:
    words = [raw["Node Type"]]
    if raw.get("Join Type") not in (None, "Inner"):
        words.append(f"{raw['Join Type']} Join")
    if raw["Node Type"] == "ModifyTable":
        words = [raw.get("Operation", "Modify")]
    return " ".join(words)


def _masked(raw: dict[str, Any], *names: str) -> str | None:
    texts = [mask(raw[name]) for name in names if raw.get(name)]
    return " AND ".join(dict.fromkeys(texts)) or None
