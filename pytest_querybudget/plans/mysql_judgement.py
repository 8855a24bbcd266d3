"""From what MySQL or MariaDB prints to the common plan: what tables are read for, and which sorts could be spared."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from pytest_querybudget.plans import syntax
from pytest_querybudget.plans.joins import COULD_SERVE
from pytest_querybudget.plans.mysql_conditions import Condition, facts, mask, read_conditions, read_sort_keys
from pytest_querybudget.plans.mysql_documents import Step
from pytest_querybudget.recording.plans import (
    READS_EVERYTHING,
    Access,
    IndexInfo,
    Node,
    Predicate,
    Purpose,
    Sort,
    SortKey,
    TableInfo,
)
from pytest_querybudget.values import dataclass

_COLUMN = re.compile(r"(?:`[^`]+`|[^\W\d][\w$<>]*)(?:\.(?:`[^`]+`|[^\W\d][\w$ ]*))+\Z")
_LEADS = ("eq", "in", "null", "range", "prefix", "not_null", "true", "unequal")
_SERVERS_OWN = {"information_schema", "mysql", "performance_schema", "sys"}
_FIXES = ("eq", "null", "true")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the statement says that its plan does not.

    `table` finds the catalog entry behind an alias. `limited` is whether the outermost query has a LIMIT,
    `says_not_null` whether the statement itself says IS NOT NULL (else the optimizer added it), `order` and `group` the
    keys of the outermost query as text, for plans that do not print them, and `narrow(alias, columns)` whether the
    statement reads nothing but these columns of the table; `parted(alias)` are the columns by which it is parted.
    """

    table: Callable[[str], TableInfo | None]
    limited: bool = False
    says_not_null: bool = False
    order: str | None = None
    group: str | None = None
    descending: bool = True
    parted: Callable[[str], frozenset[str]] = lambda _alias: frozenset()
    narrow: Callable[[str, frozenset[str]], bool] = lambda _alias, _columns: False


@dataclass(frozen=True, slots=True)
class Judged:
    """The plan in the common form. `wanted` are the indexes that begin rightly, for each alias that is read in vain."""

    root: Node
    sorts: tuple[Sort, ...]
    wanted: dict[str, tuple[IndexInfo, ...]]


def judge(root: Step, asked: Asked) -> Judged:
    """Turn the steps of one statement into nodes and sorts."""
    facts_of: dict[int, tuple[tuple[Predicate, ...], Purpose]] = {}
    sorts: list[Sort] = []
    wanted: dict[str, tuple[IndexInfo, ...]] = {}
    for block in _blocks(root):
        _judge_block(block, asked, facts_of)
        sorts += _sorts(block, asked, facts_of, wanted, outermost=block is root or block in root.steps)
    for step in root.walk():
        predicates, purpose = facts_of.get(id(step), ((), "whole"))
        if step.alias and step.access in READS_EVERYTHING and purpose != "whole":
            found = tuple(_beginning(asked.table(step.alias), predicates))
            if found:
                wanted[step.alias] = found
    return Judged(_node(root, asked, facts_of), tuple(dict.fromkeys(sorts)), wanted)


def _blocks(root: Step) -> Iterator[Step]:
    yield root
    for step in root.walk():
        if step.block and step is not root:
            yield step


def _only_unequal(step: Step, asked: Asked) -> bool:
    """Whether the index serves nothing but inequalities: on a large table that is nearly all of it."""
    served = facts(read_conditions(step.served), str(step.alias), asked.table)
    return bool(served) and all(each.operator == "unequal" for each in served)


def _tables(block: Step) -> Iterator[Step]:
    """The tables that a block reads itself, in the order of the join."""
    for step in block.steps:
        if step.alias is not None:
            yield step
        if not step.block and not step.operation.startswith("material"):
            yield from _tables(step)


# -- what a table is read for


def _judge_block(block: Step, asked: Asked, facts_of: dict[int, tuple[tuple[Predicate, ...], Purpose]]) -> None:
    steps = [step for step in _tables(block) if id(step) not in facts_of]
    if block.alias is not None:
        steps.insert(0, block)
    above = [each for step in _inner(block) if step.alias is None for each in read_conditions(step.conditions)]
    own = {
        id(step): [*_own(step), *(each for each in above if _mentions(each.expression, step.alias))] for step in steps
    }
    needed = {column for step in steps for column in _columns_of_refs(step)}
    for step in steps:
        alias = str(step.alias)
        predicates = _without_added(facts(own[id(step)], alias, asked.table), alias, needed, asked)
        if _is_of_server(asked.table(alias)):
            predicates = ()
        elif step.access in READS_EVERYTHING and all(each.joins for each in predicates):
            joins = _from_partners(step, steps, own, asked) or (() if predicates else _from_derived(step, block, asked))
            predicates = tuple(dict.fromkeys((*predicates, *joins)))
        predicates = tuple(_of_outer(each, steps, block) for each in predicates)
        chosen = step.parted and _chooses_partitions(predicates, asked.parted(alias))
        facts_of[id(step)] = (predicates, "whole" if chosen else _purpose(predicates))


def _of_outer(predicate: Predicate, steps: Sequence[Step], block: Step) -> Predicate:
    """A condition marked as one that an outer query gives the value for, if it does."""
    here = {str(step.alias) for step in [*steps, *_inner_and_kept(block)]}
    if predicate.joins is None or predicate.joins in here or predicate.joins in ("subquery", "outer"):
        return predicate
    return replace(predicate, joins=f"^{predicate.joins}")


def _chooses_partitions(predicates: Sequence[Predicate], columns: frozenset[str]) -> bool:
    """Whether nothing is asked but a range of what chooses the partitions; of one value an index finds less."""
    return bool(predicates) and all(
        each.joins is None and each.operator == "range" and {name.lower() for name in each.columns} <= columns
        for each in predicates
    )


def _is_of_server(table: TableInfo | None) -> bool:
    """A table of the server's own, to which nobody adds an index."""
    return table is not None and (table.schema or "").lower() in _SERVERS_OWN


def _purpose(predicates: Sequence[Predicate]) -> Purpose:
    if not predicates:
        return "whole"
    return "joined" if all(each.joins for each in predicates) else "filtered"


def _own(step: Step) -> list[Condition]:
    """What is asked of a table when its turn comes: what the index serves, and what is checked afterwards."""
    searched = [Condition(_equality(step, part, other)) for part, other in zip(step.parts, step.refs, strict=False)]
    return [*searched, *read_conditions(step.served), *read_conditions(step.conditions)]


def _equality(step: Step, part: str, other: str) -> syntax.Expression:
    names = other.replace("`", "").split(".")
    right: syntax.Expression = (
        syntax.Column(names[-1], names[-2]) if _COLUMN.match(other) else syntax.Constant("?", "string")
    )
    return syntax.Operation("=", (syntax.Column(part.strip("`"), step.alias), right))


def _columns_of_refs(step: Step) -> Iterator[tuple[str, str]]:
    """Columns of other tables by which this one is searched: the optimizer adds IS NOT NULL to them."""
    for other in step.refs:
        names = other.replace("`", "").split(".")
        if _COLUMN.match(other):
            yield names[-2], names[-1]


def _without_added(
    predicates: tuple[Predicate, ...], alias: str, needed: set[tuple[str, str]], asked: Asked
) -> tuple[Predicate, ...]:
    if asked.says_not_null:
        return tuple(each for each in predicates if each.operator != "not_null" or (alias, each.subject) not in needed)
    return tuple(each for each in predicates if each.operator != "not_null")


def _from_partners(
    step: Step, steps: Sequence[Step], own: dict[int, list[Condition]], asked: Asked
) -> tuple[Predicate, ...]:
    """Join conditions of a table that comes first although another one is filtered.

    On a small table the planner may begin anywhere. On a large one it would begin with the filter, if this table
    could then be searched by the columns that join it.
    """
    others = {str(each.alias): own[id(each)] for each in steps if each is not step and each.alias}
    free = {alias: [each for each in found if not each.guarded] for alias, found in others.items()}
    begun = {
        alias
        for alias, conditions in free.items()
        if any(each.joins is None and each.operator != "not_null" for each in facts(conditions, alias, asked.table))
    }
    for _ in others:  # and from there along the joins
        begun |= {
            alias
            for alias, conditions in free.items()
            for each in conditions
            if any(_mentions(each.expression, other) for other in begun)
        }
        begun |= {
            other for alias in begun for each in free[alias] for other in free if _mentions(each.expression, other)
        }
    joins = [each for alias in begun for each in free[alias] if _mentions(each.expression, step.alias)]
    return tuple(each for each in facts(joins, str(step.alias), asked.table) if each.joins)


def _from_derived(step: Step, block: Step, asked: Asked) -> tuple[Predicate, ...]:
    """The same where the other side is a filtered subquery, or what a recursive query has found so far."""
    joins = [
        Condition(_equality(replace(each, alias="subquery"), part, other))
        for each in _inner_and_kept(block)
        if each.operation == "materialized"
        and (not each.steps or any(inner.conditions or inner.refs for inner in each.walk() if inner.alias))
        for part, other in zip(each.parts, each.refs, strict=False)
    ]
    return tuple(each for each in facts(joins, str(step.alias), asked.table) if each.joins)


def _inner_and_kept(block: Step) -> Iterator[Step]:
    """The steps of a block with its temporary tables, but not what is inside of those."""
    for step in block.steps:
        if not step.block:
            yield step
            if not step.operation.startswith("material"):
                yield from _inner_and_kept(step)


def _mentions(expression: syntax.Expression, alias: str | None) -> bool:
    return any(column.qualifier == alias for column in syntax.columns_of(expression))


def _beginning(table: TableInfo | None, predicates: Sequence[Predicate]) -> Iterator[IndexInfo]:
    """Indexes whose first column is asked for, whether or not the planner can use them for it."""
    subjects = {
        name.lower()
        for each in _alternatives(predicates)
        if each.operator in _LEADS or (each.operator == "other" and each.is_column)
        for name in (each.subject, *each.columns)
    }
    for index in table.indexes if table else ():
        if index.method == "btree" and (index.columns[0].lower() in subjects or "(" in index.columns[0]):
            yield index


def _alternatives(predicates: Sequence[Predicate]) -> Iterator[Predicate]:
    for each in predicates:
        yield each
        yield from _alternatives(each.parts)


# -- sorts


def _sorts(
    block: Step,
    asked: Asked,
    facts_of: dict[int, tuple[tuple[Predicate, ...], Purpose]],
    wanted: dict[str, tuple[IndexInfo, ...]],
    *,
    outermost: bool,
) -> Iterator[Sort]:
    """Sorts that an index could spare. An index that could already, on a larger table, is put among the `wanted`."""
    steps = list(_tables(block))
    if block.alias is not None or not steps or _groups(block):
        return
    for sort in _sorting(block):
        text = sort.sort_keys or (_keys_of_statement(sort, asked) if outermost else None)
        found = read_sort_keys(text, [str(step.alias) for step in steps], asked.table) if text else None
        if found is None:
            continue
        alias, keys = found
        first = next((step for step in steps if not _is_constant(step)), None)
        table = asked.table(alias)
        if first is None or first.alias != alias or table is None:
            continue
        predicates = facts_of.get(id(first), ((), "whole"))[0]
        limited = asked.limited and outermost
        ready = _ready(table, keys, predicates)
        fixed = _fixed(predicates)
        begun = tuple(each for each in ready if each.columns[0].lower() in fixed)
        if limited and first.access == "full" and not predicates:
            wanted.update({alias: ready} if ready else {})
        elif limited and begun and first.access not in READS_EVERYTHING:
            wanted[alias] = begun  # of two indexes that find the rows, a small table is not the one to choose
        if _could_spare(table, keys, predicates, asked, limited=limited, alias=alias):
            yield Sort(
                table=_label(table),
                alias=None if alias == table.name else alias,
                keys=keys,
                predicates=predicates,
                limited=limited,
            )  # fmt: skip


def _sorting(block: Step) -> Iterator[Step]:
    """Sorts of a block itself, without those of its windows, which no index spares in these databases."""
    for step in block.steps:
        if step.block or step.operation.startswith("window"):
            continue
        if step.sorted:
            yield step
        if not step.operation.startswith("material"):
            yield from _sorting(step)


def _groups(block: Step) -> bool:
    return any(
        "group" in step.operation or "temporary" in step.operation or "aggregate" in step.operation
        for step in _inner(block)
    )


def _inner(block: Step) -> Iterator[Step]:
    for step in block.steps:
        if not step.block and not step.operation.startswith("material"):
            yield step
            yield from _inner(step)


def _keys_of_statement(sort: Step, asked: Asked) -> str | None:
    return asked.group if "group" in sort.operation else asked.order


def _is_constant(step: Step) -> bool:
    """At most one row, found before the join begins."""
    return step.access == "unique" and not any(_COLUMN.match(each) for each in step.refs)


def _could_spare(
    table: TableInfo,
    keys: Sequence[SortKey],
    predicates: Sequence[Predicate],
    asked: Asked,
    *,
    limited: bool,
    alias: str,
) -> bool:
    """Whether an index that does not exist would deliver this order, and the planner of a large table would take it."""
    fixed = _fixed(predicates)
    wanted = [key for key in keys if key.subject.lower() not in fixed]
    if not wanted or (not asked.descending and len({key.descending for key in wanted}) > 1):
        return False
    if any(not key.is_column for key in wanted):
        return False
    others = [each for each in predicates if each.subject.lower() not in fixed and not each.joins]
    ranged = [each for each in others if each.operator == "range" and each.subject.lower() == wanted[0].subject.lower()]
    ready = (index.columns[0].lower() in fixed or not fixed for index in _ready(table, keys, predicates))
    if limited and fixed:
        others = [each for each in others if each.operator != "in"]  # a list is no range that narrows the walk
    if len(ranged) < len(others) or any(ready):
        return False
    if fixed or limited or ranged:
        return True
    return asked.narrow(alias, frozenset(fixed | {key.subject.lower() for key in wanted}))


def _ready(table: TableInfo, keys: Sequence[SortKey], predicates: Sequence[Predicate]) -> tuple[IndexInfo, ...]:
    """Existing indexes that deliver the order."""
    fixed = _fixed(predicates)
    pending = [key for key in keys if key.subject.lower() not in fixed]
    return tuple(index for index in table.indexes if pending and _delivers(index, fixed, pending, table))


def _fixed(predicates: Sequence[Predicate]) -> set[str]:
    """Columns that have one value in all rows that are wanted."""
    return {
        each.subject.lower() for each in predicates if each.operator in _FIXES and each.is_column and not each.joins
    }


def _delivers(index: IndexInfo, fixed: set[str], wanted: Sequence[SortKey], table: TableInfo) -> bool:
    """Whether an index has the order already: fixed columns anywhere before, then the keys, then the primary key."""
    primary = next((each for each in table.indexes if each.primary), None)
    columns = [*index.columns, *(primary.columns if primary else ())]
    directions = [*index.descending, *[False] * len(columns)]
    pending, turned = list(wanted), set()
    for column, descending in zip(columns, directions, strict=False):
        if pending and column.lower() == pending[0].subject.lower():
            turned.add(pending.pop(0).descending != descending)
        elif column.lower() not in fixed:
            break
    return index.method == "btree" and not any(index.operator_classes) and not pending and len(turned) == 1


# -- the common tree


def _node(step: Step, asked: Asked, facts_of: dict[int, tuple[tuple[Predicate, ...], Purpose]]) -> Node:
    children = tuple(_node(each, asked, facts_of) for each in step.steps)
    if step.alias is None:
        keys = mask([step.sort_keys]) if step.sort_keys else None
        return Node(
            operation=step.operation, rows=step.rows, cost=step.cost, children=children,
            detail=step.message or (f"by {keys}" if keys else None),
        )  # fmt: skip
    table = asked.table(step.alias)
    predicates, purpose = facts_of.get(id(step), ((), "whole"))
    label = _label(table) if table else step.alias
    access: Access = "full_index" if step.access == "index" and _only_unequal(step, asked) else step.access
    return Node(
        operation=step.operation,
        table=label,
        alias=step.alias if table is None or step.alias != table.name else None,
        access=access,
        purpose=purpose,
        index=step.index,
        condition=_served(step),
        filter=mask(step.conditions),
        columns=tuple(dict.fromkeys(name for each in predicates for name in each.columns)),
        predicates=predicates,
        rows=step.rows,
        cost=step.cost,
        children=children,
    )


def _label(table: TableInfo) -> str:
    return table.name if table.schema is None else f"{table.schema}.{table.name}"


def _served(step: Step) -> str | None:
    pairs = [
        f"{part} = {other if _COLUMN.match(other) else '?'}" for part, other in zip(step.parts, step.refs, strict=False)
    ]
    texts = [mask([text]) or "" for text in step.served]
    if not pairs and not texts and step.parts:
        texts = [", ".join(step.parts)]
    return " and ".join(dict.fromkeys([*pairs, *texts])) or None


def served_by(judged: Judged, asked: Asked, alias: str, index: IndexInfo) -> Judged:
    """The plan with the reads of `alias` turned into searches of `index`, which could serve them."""
    table = asked.table(alias)

    def turned(node: Node) -> Node:
        children = tuple(turned(each) for each in node.children)
        mine = (node.alias or node.table) == alias or (node.alias is None and table and node.table == _label(table))
        if mine and node.reads_everything_in_vain:
            access: Access = "unique" if index.unique else "index"
            return replace(node, access=access, index=index.name, children=children, detail=COULD_SERVE)
        return replace(node, children=children)

    return replace(judged, root=turned(judged.root))


def blame_partners(judged: Judged, asked: Asked, alias: str) -> Judged:
    """Where a join reads `alias` whole although an index joins it: the filter of the other table has none.

    On a large table the join begins with the filtered table, so that is the one that is read whole.
    """
    partners = {
        each.joins for node in judged.root.walk() if (node.alias or node.table) == alias for each in node.predicates
    }

    def turned(node: Node) -> Node:
        children = tuple(turned(each) for each in node.children)
        name = node.alias or node.table
        filters = tuple(each for each in node.predicates if each.joins is None and each.operator != "not_null")
        if name in partners and node.seeks and filters and not list(_beginning(asked.table(str(name)), filters)):
            detail = "a join of large tables would begin here, where no index finds the rows"
            return replace(
                node, access="full", purpose="filtered", predicates=filters, children=children, detail=detail
            )
        return replace(node, children=children)

    return replace(judged, root=turned(judged.root))
