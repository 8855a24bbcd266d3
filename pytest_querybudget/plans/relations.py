"""What a statement asks of each of its tables, read from its text: for plans that do not say what is filtered.

Views, common tables and subqueries are looked into; conditions on what they give are followed to the table behind it
where that is plain (no LIMIT, no grouping, no window in between).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field, replace

from pytest_querybudget.plans import syntax
from pytest_querybudget.plans.joins import SERVABLE
from pytest_querybudget.plans.predicates import Subject, conjuncts, predicates_of, sort_key
from pytest_querybudget.recording.plans import Predicate, SortKey, TableInfo
from pytest_querybudget.values import dataclass

_AGGREGATES = {
    "count",
    "sum",
    "avg",
    "min",
    "max",
    "total",
    "group_concat",
    "string_agg",
    "array_agg",
    "json_group_array",
}
_MAX_DEPTH = 30
_NO_ORDER = syntax.Query(())


@dataclass(frozen=True, slots=True)
class Relation:
    """One table in one FROM. `label` is its name in the statement, `block` numbers the SELECT that it belongs to.

    `restricted` when another table of the same SELECT is limited by a condition that an index could serve, so that
    only some rows of this one are looked for; `optional` on the far side of an outer join.
    """

    label: str
    table: TableInfo
    block: int
    predicates: tuple[Predicate, ...] = ()
    restricted: bool = False
    optional: bool = False
    order: tuple[SortKey, ...] = ()
    limited: bool = False

    @property
    def own(self) -> tuple[Predicate, ...]:
        """The conditions that compare with values, not with another table."""
        return tuple(each for each in self.predicates if each.joins is None)


@dataclass(frozen=True, slots=True)
class Catalog:
    """Tables and views by lower-case name, qualified or not; a view is its query."""

    tables: Mapping[str, TableInfo]
    views: Mapping[str, syntax.Query] = field(default_factory=dict)

    def table(self, source: syntax.Source) -> TableInfo | None:
        return self.tables.get(_key(source))

    def view(self, source: syntax.Source) -> syntax.Query | None:
        return self.views.get(_key(source))


def _key(source: syntax.Source) -> str:
    name = (source.name or "").lower()
    return f"{source.schema.lower()}.{name}" if source.schema else name


def relations_of(
    query: syntax.Query, catalog: Catalog, value: Callable[[syntax.Parameter], object] = lambda _: None
) -> tuple[Relation, ...]:
    """Every table that the query reads, in the order of the text, outer before inner."""
    return tuple(_Walker(catalog, value).query(query, (), {}, 0))


@dataclass(frozen=True, slots=True)
class _Block:
    """The sources of one SELECT with the columns that are known of each."""

    number: int
    sources: tuple[syntax.Source, ...]
    columns: Mapping[str, frozenset[str]]  # by label in lower case

    def owner(self, column: syntax.Column) -> str | None:
        name = column.name.lower()
        if column.qualifier is not None:
            wanted = column.qualifier.lower()
            return next((each.label for each in self.sources if each.label.lower() == wanted), None)
        found = [each.label for each in self.sources if name in self.columns.get(each.label.lower(), ())]
        if not found and len(self.sources) == 1 and name in ("rowid", "oid", "_rowid_"):
            return self.sources[0].label
        return found[0] if len(found) == 1 else None


class _Walker:
    """Goes through nested queries; `outer` are the blocks around, innermost last."""

    def __init__(self, catalog: Catalog, value: Callable[[syntax.Parameter], object]) -> None:
        self.catalog, self.value = catalog, value
        self.blocks = 0

    def query(
        self,
        query: syntax.Query,
        pushed: tuple[syntax.Expression, ...],
        ctes: Mapping[str, syntax.Query],
        depth: int,
    ) -> Iterator[Relation]:
        if depth > _MAX_DEPTH:
            return
        known = {**ctes, **{name.lower(): each for name, each in query.ctes}}
        references = _references(query)
        for name, each in query.ctes:
            if references.get(name.lower(), 0) != 1 or query.recursive:
                inner = {key: value for key, value in known.items() if key != name.lower()}
                yield from self.query(each, (), inner, depth + 1)
        single = {
            name: each
            for name, each in known.items()
            if not (name in dict(query.ctes) and (references.get(name, 0) != 1 or query.recursive))
        }
        alone = len(query.selects) == 1
        for select in query.selects:
            order = query.order_by if alone else ()
            yield from self.select(select, order, query.limited and alone, pushed, single, depth)

    def select(
        self,
        select: syntax.Select,
        order: tuple[syntax.Order, ...],
        limited: bool,
        pushed: tuple[syntax.Expression, ...],
        ctes: Mapping[str, syntax.Query],
        depth: int,
    ) -> Iterator[Relation]:
        self.blocks += 1
        block = _Block(self.blocks, select.sources, {s.label.lower(): self.columns(s, ctes) for s in select.sources})
        conditions = list(_conditions(select, pushed))
        facts = [self.relation(source, block, conditions, select, order, limited) for source in select.sources]
        known = [each for each in facts if each is not None]
        for relation in known:
            others = (each for each in known if each is not relation)
            yield replace(relation, restricted=any(_restricts(each) for each in others))
        through = replace(_NO_ORDER, order_by=order, limited=limited) if _passes(select) else _NO_ORDER
        yield from self.inner(select, block, conditions, ctes, depth, through)

    def columns(self, source: syntax.Source, ctes: Mapping[str, syntax.Query]) -> frozenset[str]:
        table = self.catalog.table(source)
        if table is not None and source.query is None and _key(source) not in ctes:
            return frozenset(each.name.lower() for each in table.columns)
        query = self.derived(source, ctes)
        if query is None or not query.selects:
            return frozenset()
        return frozenset(self.outputs(query.selects[0], ctes))

    def derived(self, source: syntax.Source, ctes: Mapping[str, syntax.Query]) -> syntax.Query | None:
        return source.query or ctes.get(_key(source)) or self.catalog.view(source)

    def outputs(
        self, select: syntax.Select, ctes: Mapping[str, syntax.Query], depth: int = 0
    ) -> dict[str, syntax.Expression]:
        """The columns that a subquery gives, with what they are made of."""
        found: dict[str, syntax.Expression] = {}
        for expression, alias in select.outputs:
            if isinstance(expression, syntax.Star):
                for source in select.sources:
                    if expression.qualifier in (None, source.label) and depth < _MAX_DEPTH:
                        names = self.columns(source, ctes)
                        found.update({name: syntax.Column(name, source.label) for name in names})
            elif alias is not None:
                found[alias.lower()] = expression
            elif isinstance(expression, syntax.Column):
                found[expression.name.lower()] = expression
        return found

    def relation(
        self,
        source: syntax.Source,
        block: _Block,
        conditions: list[tuple[syntax.Expression, syntax.Source | None]],
        select: syntax.Select,
        order: tuple[syntax.Order, ...],
        limited: bool,
    ) -> Relation | None:
        table = self.catalog.table(source)
        if table is None or source.query is not None:
            return None
        columns = {each.name.lower(): each for each in table.columns}
        subject = Subject(source.label, block.owner, columns, self.value)
        mine = [each for each, joined in conditions if _applies(source, joined)]
        return Relation(
            label=source.label,
            table=table,
            block=block.number,
            predicates=predicates_of(mine, subject),
            optional=source.join in ("left", "full"),
            order=_order(select, order, subject),
            limited=limited,
        )

    def inner(
        self,
        select: syntax.Select,
        block: _Block,
        conditions: list[tuple[syntax.Expression, syntax.Source | None]],
        ctes: Mapping[str, syntax.Query],
        depth: int,
        through: syntax.Query,
    ) -> Iterator[Relation]:
        for source in select.sources:
            if self.catalog.table(source) is not None and source.query is None and _key(source) not in ctes:
                continue
            query = self.derived(source, ctes)
            if query is not None:
                inner = {name: each for name, each in ctes.items() if name != _key(source)}
                yield from self.pushed_down(query, source, block, conditions, inner, depth, through)
        expressions = [each for each, _ in conditions] + [each for each, _ in select.outputs]
        expressions += [each for each in (select.having,) if each is not None]
        for expression in expressions:
            for part in syntax.walk(expression):
                if isinstance(part, syntax.Nested):
                    yield from self.query(part.query, (), ctes, depth + 1)

    def pushed_down(
        self,
        query: syntax.Query,
        source: syntax.Source,
        block: _Block,
        conditions: list[tuple[syntax.Expression, syntax.Source | None]],
        ctes: Mapping[str, syntax.Query],
        depth: int,
        through: syntax.Query,
    ) -> Iterator[Relation]:
        if query.limited or query.recursive or query.set_operator not in (None, "UNION ALL", "UNION"):
            yield from self.query(query, (), ctes, depth + 1)
            return
        known = {**ctes, **{name.lower(): each for name, each in query.ctes}}
        for select in query.selects:
            pushed = [] if _folds(select) else list(self.rewritten(select, source, block, conditions, known))
            inner = replace(query, selects=(select,))
            if through.order_by and not query.order_by and len(query.selects) == 1:
                order = self.reordered(select, source, block, through.order_by, known)
                inner = replace(inner, order_by=order, limited=through.limited)
            yield from self.query(inner, tuple(pushed), ctes, depth + 1)

    def reordered(
        self,
        select: syntax.Select,
        source: syntax.Source,
        block: _Block,
        order: tuple[syntax.Order, ...],
        ctes: Mapping[str, syntax.Query],
    ) -> tuple[syntax.Order, ...]:
        """The order that is wanted of a view or subquery in terms of what is inside it, as far as that is known."""
        outputs = self.outputs(select, ctes)
        found = [_substituted(each.expression, source.label, block, outputs) for each in order]
        return (
            tuple(
                replace(each, expression=inside)
                for each, inside in zip(order, found, strict=True)
                if inside is not None
            )
            if None not in found
            else ()
        )

    def rewritten(
        self,
        select: syntax.Select,
        source: syntax.Source,
        block: _Block,
        conditions: Iterable[tuple[syntax.Expression, syntax.Source | None]],
        ctes: Mapping[str, syntax.Query],
    ) -> Iterator[syntax.Expression]:
        """The conditions on a subquery's columns in terms of what is inside it."""
        outputs = self.outputs(select, ctes)
        for expression, joined in conditions:
            owners = {block.owner(each) for each in syntax.columns_of(expression)}
            if source.label in owners and _applies(source, joined):
                inside = _substituted(expression, source.label, block, outputs)
                if inside is not None:
                    yield inside


def _conditions(
    select: syntax.Select, pushed: tuple[syntax.Expression, ...]
) -> Iterator[tuple[syntax.Expression, syntax.Source | None]]:
    """All conjuncts of a SELECT, each with the outer join that it belongs to."""
    for each in conjuncts(select.where):
        yield each, None
    for each in pushed:
        yield each, None
    for position, source in enumerate(select.sources):
        outer = source if source.join in ("left", "right", "full") else None
        for each in conjuncts(source.on):
            yield each, outer
        for name in source.using:
            before = select.sources[position - 1].label
            pair = (syntax.Column(name, source.label), syntax.Column(name, before))
            yield syntax.Operation("=", pair), outer


def _applies(source: syntax.Source, joined: syntax.Source | None) -> bool:
    """A condition of an outer join limits only the far side."""
    return joined is None or joined is source or joined.join == "right"


def _restricts(relation: Relation) -> bool:
    own = (each for each in relation.own if each.operator in SERVABLE)
    return any(not (relation.optional and each.operator == "null") for each in own) and not (
        relation.optional and not relation.own
    )


def _order(select: syntax.Select, order: tuple[syntax.Order, ...], subject: Subject) -> tuple[SortKey, ...]:
    """The wanted order, if it is by this table alone and nothing is grouped before."""
    if not order or _folds(select) or select.distinct:
        return ()
    named = {alias.lower(): each for each, alias in select.outputs if alias}
    keys = []
    for each in order:
        expression = each.expression
        if isinstance(expression, syntax.Column) and expression.qualifier is None:
            expression = named.get(expression.name.lower(), expression)
        elif isinstance(expression, syntax.Constant) and expression.text.isdigit():
            position = int(expression.text) - 1
            expression = select.outputs[position][0] if position < len(select.outputs) else expression
        key = sort_key(replace(each, expression=expression), subject)
        if key is None:
            return ()
        keys.append(key)
    return tuple(keys)


def _folds(select: syntax.Select) -> bool:
    """Whether rows are grouped, or numbered by a window."""
    calls = [
        part for expression, _ in select.outputs for part in syntax.walk(expression) if isinstance(part, syntax.Call)
    ]
    return bool(select.group_by) or any(each.windowed or each.name in _AGGREGATES for each in calls)


def _passes(select: syntax.Select) -> bool:
    """Whether an order that is wanted of it is wanted of its one source."""
    return len(select.sources) == 1 and not select.distinct and not _folds(select)


def _references(query: syntax.Query) -> dict[str, int]:
    """How often each name stands in a FROM anywhere in the query."""
    counts: dict[str, int] = {}
    pending = [query]
    while pending:
        current = pending.pop()
        pending += [each for _, each in current.ctes]
        for select in current.selects:
            for source in select.sources:
                counts[_key(source)] = counts.get(_key(source), 0) + 1
                pending += [source.query] if source.query else []
            pending += _nested(select)
    return counts


def _nested(select: syntax.Select) -> list[syntax.Query]:
    parts = [select.where, select.having, *(each.on for each in select.sources), *(each for each, _ in select.outputs)]
    return [
        part.query
        for expression in parts
        if expression is not None
        for part in syntax.walk(expression)
        if isinstance(part, syntax.Nested)
    ]


def _substituted(
    expression: syntax.Expression, label: str, block: _Block, outputs: Mapping[str, syntax.Expression]
) -> syntax.Expression | None:
    """The expression with the subquery's columns replaced, or None if one of them is not known."""
    if isinstance(expression, syntax.Column):
        if block.owner(expression) == label:
            return outputs.get(expression.name.lower())
        return syntax.Column(expression.name, f"^{expression.qualifier or ''}")
    if isinstance(expression, syntax.Operation):
        parts = [_substituted(each, label, block, outputs) for each in expression.operands]
        known = tuple(each for each in parts if each is not None)
        return replace(expression, operands=known) if len(known) == len(parts) else None
    if isinstance(expression, syntax.Call):
        parts = [_substituted(each, label, block, outputs) for each in expression.arguments]
        known = tuple(each for each in parts if each is not None)
        return replace(expression, arguments=known) if len(known) == len(parts) else None
    if isinstance(expression, (syntax.Cast, syntax.Collated)):
        operand = _substituted(expression.operand, label, block, outputs)
        return replace(expression, operand=operand) if operand is not None else None
    return None if isinstance(expression, (syntax.Nested, syntax.Unknown)) else expression
