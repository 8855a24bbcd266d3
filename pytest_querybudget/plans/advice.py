"""Which index would mend a plan: from facts about one table to `CREATE INDEX`, model line and migration call.

Equality columns come first, then the order that is wanted, or one range. For each bad read there are alternatives,
best first; `proof.prove` keeps the first that the planner really uses.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

from pytest_querybudget.plans.joins import is_filtered, is_looked_up, label
from pytest_querybudget.plans.names import index_name, qualified, quoted
from pytest_querybudget.plans.reader import Traits
from pytest_querybudget.recording.plans import (
    Advice,
    IndexInfo,
    Node,
    Plan,
    Predicate,
    Sort,
    SortKey,
    TableInfo,
    is_wrapped,
)
from pytest_querybudget.values import dataclass

#: Indexes that only help together (one for each side of an OR).
Group = tuple[Advice, ...]

NO_INDEX = {
    "suffix": "no B-tree serves a pattern that begins with a wildcard: search by prefix, or use a full-text index",
    "unequal": "no B-tree serves an inequality: ask for the wanted values instead (IN), "
    "or give the wanted rows a partial index",
    "other": "no index serves this condition as it is written: compare a plain column with a value",
    "prefix": "no index serves this pattern: bind it as one value, as in column.like(prefix + '%')",
    "or": "no index serves every side of this OR: split it into a UNION of selects that each have an index",
    "cast": "{columns} is converted to {type} before it is compared, so no index on it serves: "
    "pass the value in the column's own type",
    "moment": "{columns} is converted before it is compared, so no index on it serves: ask for a range of {columns}",
    "parameter": "the expression holds a bound parameter, so no index can be made for it: write it as a literal, "
    "or filter by a column (a generated one) instead",
    "rows": "no index serves a list of row values here: compare the columns one by one, with OR between the rows",
    "exists": "{index} begins with the right column and yet cannot serve: "
    "compare in the column's own type and collation",
}


@dataclass(frozen=True, slots=True)
class _Key:
    """One key of an index to create."""

    subject: str
    is_column: bool = True
    descending: bool = False
    suffix: str = ""  # operator class or collation, as written after the key
    ordering: bool = False  # part of the order that is wanted: only there the direction counts


@dataclass(frozen=True, slots=True)
class Problem:
    """One bad read or sort of a table, with the groups of indexes that may mend it, best first."""

    table: str
    alias: str | None
    purpose: Literal["scan", "sort"]
    groups: tuple[Group, ...]
    node: Node | None = None


def problems_of(plan: Plan, traits: Traits) -> tuple[Problem, ...]:
    """What is bad in a plan, each with its alternatives; the last alternative of each has no index but a note."""
    tables = {_name(each): each for each in plan.tables}
    found: dict[tuple[object, ...], Problem] = {}
    for node in plan.root.walk():
        table = tables.get(node.table or "")
        if node.reads_everything_in_vain and table is not None:
            order = next((sort for sort in plan.sorts if (sort.table, sort.alias) == (node.table, node.alias)), None)
            groups = list(_for_scan(node, order, table, traits, _from_few(node, plan)))
            if node.purpose == "joined":
                groups = _turned_around(groups, list(_companions(node, plan, tables, traits)))
            problem = Problem(node.table or "", node.alias, "scan", tuple(groups), node)
            found.setdefault((node.table, node.alias, node.predicates, "scan"), problem)
    for sort in plan.sorts:
        table = tables.get(sort.table)
        if table is not None:
            problem = Problem(sort.table, sort.alias, "sort", tuple(_for_sort(sort, table, traits)))
            found.setdefault((sort.table, sort.alias, sort.keys, "sort"), problem)
    return tuple(found.values())


def _from_few(node: Node, plan: Plan) -> tuple[Predicate, ...]:
    """The conditions that join it to an outer query, or to a table that an index finds by a filter of its own."""
    others = [each for each in plan.root.walk() if each.table and each is not node]
    tables = {_name(each): each for each in plan.tables}
    begun = [each for each in others if each.seeks and is_filtered(each.predicates) and not is_looked_up(each, tables)]
    given = {label(each) for each in others if each in begun or node in each.walk()}
    return tuple(
        each
        for each in node.predicates
        if each.joins is not None and (each.joins in given or each.joins == "outer" or each.joins.startswith("^"))
    )


def in_order(problem: Problem, plan: Plan, traits: Traits) -> Group | None:
    """An index for a bad read that also spares the sort that the plan has once the rows are found.

    A walk along an index hides which order is wanted until another index finds the rows.
    """
    sort = next((each for each in plan.sorts if (each.table, each.alias) == (problem.table, problem.alias)), None)
    table = next((each for each in plan.tables if _name(each) == problem.table), None)
    if problem.node is None or sort is None or table is None:
        return None
    tried = {each.columns for group in problem.groups for each in group}
    groups = (each for each in _for_scan(problem.node, sort, table, traits) if each[0].ddl)
    return next((each for each in groups if each[0].columns not in tried), None)


def _name(table: TableInfo) -> str:
    return f"{table.schema}.{table.name}" if table.schema else table.name


# -- bad reads


def _for_scan(
    node: Node, sort: Sort | None, table: TableInfo, traits: Traits, few: tuple[Predicate, ...] = ()
) -> Iterable[Group]:
    """First by the conditions on this table alone, then with those that join it; the other way round for `few` rows."""
    own = tuple(each for each in node.predicates if each.joins is None)
    build = _Builder(table, traits, "scan", node.alias)
    for predicates in dict.fromkeys(filter(None, ((*few, *own) if few else (), own, node.predicates))):
        yield from _by_conditions(build, predicates, sort)
    yield (build.none(_why_none(node.predicates, table, _equalities(node.predicates, table))),)


def _by_conditions(build: _Builder, predicates: Sequence[Predicate], sort: Sort | None) -> Iterable[Group]:
    if sort is not None and sort.limited and len(predicates) == 1 and _is_next_page(predicates[0], sort):
        nulls = build.traits.nulls_ordered
        yield from build.group([_sort_key(each, nulls_ordered=nulls) for each in sort.keys], ())
    leading = _equalities(predicates, build.table)
    lists = list(dict.fromkeys(_Key(each.subject, each.is_column) for each in _usable(predicates, "in")))
    ranges = _ranges(predicates, build.table, build.traits)
    nulls = build.traits.nulls_ordered
    if sort is not None and (sort.limited or not ranges) and (leading or not lists):
        keys = [_sort_key(each, nulls_ordered=nulls) for each in sort.keys if each.subject not in _subjects(leading)]
        if leading or (keys and keys[0].subject in _first(ranges)):
            yield from build.group([*leading, *keys], predicates)
    for extra in ranges or [[]]:
        if leading or lists or extra:
            yield from build.group([*leading, *lists, *extra], predicates)
    if not leading and not lists and not ranges:
        yield from _special(build, predicates)


def _is_next_page(predicate: Predicate, sort: Sort) -> bool:
    """`a > ? OR a = ? AND b > ?`, ordered by a, b: each side begins with the first key."""
    return predicate.operator == "or" and all(part.subject == sort.keys[0].subject for part in predicate.parts)


def _first(keys: Iterable[Sequence[_Key]]) -> set[str]:
    return {each[0].subject for each in keys if each}


def _turned_around(groups: list[Group], companions: list[Advice]) -> list[Group]:
    """A join runs the other way only when the other table has an index for its own filter."""
    if not companions:
        return groups
    return [found for each in groups for found in ((each, (*each, *companions)) if each[0].ddl else (each,))]


def _companions(node: Node, plan: Plan, tables: dict[str, TableInfo], traits: Traits) -> Iterable[Advice]:
    for other in plan.root.walk():
        table = tables.get(other.table or "")
        own = tuple(each for each in other.predicates if each.joins is None)
        if other is node or table is None or not own or (other.table, other.alias) == (node.table, node.alias):
            continue
        for group in _for_scan(replace(other, predicates=own), None, table, traits):
            if group[0].ddl and not any(each.columns[:1] == group[0].columns[:1] for each in table.indexes):
                yield from group
            break


def _special(build: _Builder, predicates: Sequence[Predicate]) -> Iterable[Group]:
    """What only another kind of index, or more than one, can serve."""
    for each in predicates:
        if each.operator in ("contains", "search") and build.traits.gin:
            yield from build.inverted(each)
        elif each.operator == "suffix" and build.traits.trigram and each.columns:
            yield (build.trigram(each),)
        elif each.operator == "or":
            yield from build.alternatives(each)
    constants = _constants(predicates)
    if constants:
        yield from build.group([_Key(each.subject) for each in constants if each.operator != "not_null"], ())
        yield from build.partial_only(constants)


def _equalities(predicates: Sequence[Predicate], table: TableInfo) -> list[_Key]:
    """Equality keys without the constant ones, in the order of an existing index that has them first."""
    keys = [_Key(each.subject, each.is_column) for each in _usable(predicates, "eq")]
    keys = list(dict.fromkeys(keys))
    for index in table.indexes:
        head = index.columns[: len(keys)]
        wanted = [key.subject for key in keys]
        common = [name for name in head if name in wanted]
        if index.predicate is None and common and common == list(index.columns[: len(common)]):
            return sorted(keys, key=lambda key: common.index(key.subject) if key.subject in common else len(common))
    return keys


def _usable(predicates: Iterable[Predicate], *operators: str) -> list[Predicate]:
    return [each for each in predicates if each.operator in operators and not (each.note or "").startswith("cast:")]


def _ranges(predicates: Sequence[Predicate], table: TableInfo, traits: Traits) -> list[list[_Key]]:
    """Alternatives for the last key: a range first, then a prefix."""
    found = []
    for each in _usable(predicates, "range"):
        names = each.columns if each.is_column else (each.subject,)
        found.append([_Key(name, each.is_column) for name in names])
    prefixes = _usable(predicates, "prefix")
    found += [[_Key(each.subject, each.is_column, suffix=_pattern_suffix(each, table, traits))] for each in prefixes]
    return found


def _pattern_suffix(predicate: Predicate, table: TableInfo, traits: Traits) -> str:
    """What a key needs so that LIKE 'x%' can use it."""
    column = next((each for each in table.columns if each.name == predicate.subject), None)
    if traits.pattern == "opclass":
        if column is not None and column.collation in ("C", "POSIX"):
            return ""
        return "varchar_pattern_ops" if column and column.type.startswith("character varying") else "text_pattern_ops"
    if predicate.note == "GLOB":
        return ""  # it tells upper from lower case, as an index does
    return "COLLATE NOCASE" if traits.pattern == "nocase" and (column is None or column.collation != "NOCASE") else ""


def _constants(predicates: Iterable[Predicate]) -> list[Predicate]:
    return [each for each in predicates if each.operator in ("null", "true", "not_null") and each.is_column]


def _subjects(keys: Iterable[_Key]) -> set[str]:
    return {key.subject for key in keys}


def _why_none(predicates: Sequence[Predicate], table: TableInfo, leading: Sequence[_Key]) -> str:
    for each in predicates:
        if each.note in ("cast:date", "cast:timestamp"):
            return NO_INDEX["moment"].format(columns=", ".join(each.columns))
        if each.note and each.note.startswith("cast:"):
            return NO_INDEX["cast"].format(columns=", ".join(each.columns), type=each.note[5:])
        if each.note in ("parameter", "rows"):
            return NO_INDEX[each.note]
    existing = next((each for each in table.indexes if leading and each.columns[:1] == (leading[0].subject,)), None)
    if existing is not None:
        return NO_INDEX["exists"].format(index=existing.name)
    for kind in ("suffix", "unequal", "or", "prefix"):
        if any(each.operator == kind for each in predicates):
            return NO_INDEX[kind]
    return NO_INDEX["other"]


# -- sorts


def _for_sort(sort: Sort, table: TableInfo, traits: Traits) -> Iterable[Group]:
    build = _Builder(table, traits, "sort", sort.alias)
    leading = _equalities(sort.predicates, table)
    nulls = traits.nulls_ordered
    keys = [_sort_key(each, nulls_ordered=nulls) for each in sort.keys if each.subject not in _subjects(leading)]
    if keys:
        yield from build.group(leading + keys, sort.predicates)


def _sort_key(key: SortKey, *, nulls_ordered: bool) -> _Key:
    suffix = ""
    if nulls_ordered and key.nulls_first is not None and key.nulls_first != key.descending:
        suffix = "NULLS FIRST" if key.nulls_first else "NULLS LAST"
    return _Key(key.subject, key.is_column, key.descending, suffix, ordering=True)


def _one_direction(keys: Sequence[_Key]) -> list[_Key]:
    """An index is read both ways: directions matter only where they differ (and NULLS FIRST or LAST is asked for)."""
    if any(key.suffix.startswith("NULLS") for key in keys):
        return list(keys)
    return [replace(key, descending=False) for key in keys]


# -- words


class _Builder:
    """Words for the indexes of one table."""

    def __init__(self, table: TableInfo, traits: Traits, purpose: Literal["scan", "sort"], alias: str | None) -> None:
        self.table, self.traits, self.purpose, self.alias = table, traits, purpose, alias
        self.name = _name(table)

    def group(self, keys: Sequence[_Key], predicates: Sequence[Predicate]) -> Iterable[Group]:
        """With and without a partial index, where constants of the statement select rows."""
        keys = list(dict.fromkeys(keys))
        if not keys or any(not key.is_column and not self.traits.expressions for key in keys):
            return
        ordered = keys if len({key.descending for key in keys if key.ordering}) > 1 else _one_direction(keys)
        own = {key.subject for key in keys}
        constants = [each for each in _constants(predicates) if each.subject not in own and each.operator != "not_null"]
        if constants and self.traits.partial:
            yield (self.index(ordered, where=constants),)
        first = [_Key(each.subject) for each in constants]
        yield (self.index([*first, *ordered]),)

    def partial_only(self, constants: Sequence[Predicate]) -> Iterable[Group]:
        key = next((each.columns[:1] for each in self.table.indexes if each.primary and each.columns), None)
        if self.traits.partial and key:
            yield (self.index([_Key(key[0])], where=constants),)

    def inverted(self, predicate: Predicate) -> Iterable[Group]:
        """GIN: `jsonb_path_ops` is smaller and faster, and serves `@>` and jsonpath only. Ranges want GiST."""
        column = next((each for each in self.table.columns if each.name == predicate.subject), None)
        if column is not None and "range" in column.type:
            yield (self.index([_Key(predicate.subject)], method="gist"),)
            return
        json = predicate.operator == "contains" and (column is None or column.type == "jsonb")
        if json and predicate.note in ("@>", "@?", "@@"):
            yield (self.index([_Key(predicate.subject, predicate.is_column, suffix="jsonb_path_ops")], method="gin"),)
        yield (self.index([_Key(predicate.subject, predicate.is_column)], method="gin"),)

    def trigram(self, predicate: Predicate) -> Advice:
        note = "needs the extension pg_trgm: CREATE EXTENSION pg_trgm"
        key = _Key(predicate.subject, predicate.is_column, suffix="gin_trgm_ops")
        return replace(self.index([key], method="gin"), kind="trigram", note=note)

    def alternatives(self, predicate: Predicate) -> Iterable[Group]:
        """One index for each side of an OR that has none."""
        if any(part.operator not in ("eq", "in", "null", "true", "range", "prefix") for part in predicate.parts):
            return
        group: list[Advice] = []
        for part in predicate.parts:
            keys = (_ranges([part], self.table, self.traits) or [[_Key(part.subject, part.is_column)]])[0]
            served = any(
                each.columns[:1] == (part.subject,) and each.predicate is None and not keys[0].suffix
                for each in self.table.indexes
            )
            if not served:
                group += [
                    replace(each, note="one index for each side of the OR")
                    for found in self.group(keys, ())
                    for each in found
                ]
        if group:
            yield tuple({each.columns: each for each in group}.values())

    def none(self, note: str) -> Advice:
        return Advice(table=self.name, alias=self.alias, purpose=self.purpose, kind="none", note=note)

    def index(self, keys: Sequence[_Key], *, where: Sequence[Predicate] = (), method: str | None = None) -> Advice:
        name = index_name(self.table.name, [key.subject for key in keys], [each.name for each in self.table.indexes])
        condition = " AND ".join(self.condition(each) for each in where)
        extended = self.extended(keys, where)
        return Advice(
            table=self.name,
            alias=self.alias,
            purpose=self.purpose,
            name=name,
            kind=self.kind(keys, where, method, extended),
            columns=tuple(key.subject for key in keys),
            ddl=self.ddl(name, keys, condition, method),
            sqlalchemy=self.model_line(name, keys, condition, method),
            alembic=self.migration(name, keys, condition, method),
            note=_replaces(extended) if extended else None,
            drop=extended.name if extended else None,
        )

    def ddl(self, name: str, keys: Sequence[_Key], condition: str, method: str | None) -> str:
        quote, schema = self.traits.quote, self.table.schema
        shown = qualified(schema if self.traits.index_schema else None, name, quote)
        target = qualified(None if self.traits.index_schema else schema, self.table.name, quote)
        using = f" USING {method}" if method else ""
        where = f" WHERE {condition}" if condition else ""
        return f"CREATE INDEX {shown} ON {target}{using} ({', '.join(map(self.key, keys))}){where}"

    def model_line(self, name: str, keys: Sequence[_Key], condition: str, method: str | None) -> str:
        parts = [_literal(name), *(self.python(key, "text") for key in keys)]
        return f"Index({', '.join(parts + self.options(keys, condition, method, 'text'))})"

    def migration(self, name: str, keys: Sequence[_Key], condition: str, method: str | None) -> str:
        columns = ", ".join(self.python(key, "sa.text") for key in keys)
        schema = [f"schema={_literal(self.table.schema)}"] if self.table.schema else []
        parts = [_literal(name), _literal(self.table.name), f"[{columns}]", *schema]
        return f"op.create_index({', '.join(parts + self.options(keys, condition, method, 'sa.text'))})"

    def kind(
        self, keys: Sequence[_Key], where: Sequence[Predicate], method: str | None, extended: IndexInfo | None
    ) -> str:
        if method:
            return method
        if where:
            return "partial"
        if any(not key.is_column for key in keys):
            return "expression"
        return "extend" if extended else "btree"

    def extended(self, keys: Sequence[_Key], where: Sequence[Predicate]) -> IndexInfo | None:
        """An existing index that is the beginning of the new one."""
        wanted = tuple(key.subject for key in keys)
        for index in self.table.indexes:
            shorter = 0 < len(index.columns) < len(wanted)
            if shorter and index.method == "btree" and not index.predicate and not where and not index.unique:
                if wanted[: len(index.columns)] == index.columns:
                    return index
        return None

    def key(self, key: _Key) -> str:
        name = quoted(key.subject, self.traits.quote) if key.is_column else self.expression(key.subject)
        nulls = key.suffix if key.suffix.startswith("NULLS") else ""
        operator_class = key.suffix if not nulls else ""
        return " ".join(filter(None, [name, operator_class, "DESC" if key.descending else "", nulls]))

    def expression(self, text: str) -> str:
        """An expression in parentheses, unless it is a single call (which MySQL wants in parentheses, too)."""
        call = text.endswith(")") and text.split("(", maxsplit=1)[0].isidentifier() and self.traits.quote == '"'
        return text if call or is_wrapped(text) else f"({text})"

    def condition(self, predicate: Predicate) -> str:
        name = quoted(predicate.subject, self.traits.quote)
        if predicate.operator in ("null", "not_null"):
            return f"{name} IS {'NULL' if predicate.operator == 'null' else 'NOT NULL'}"
        if (predicate.constant or "").startswith("IS "):
            return f"{name} {predicate.constant}"
        if predicate.constant in ("0", "1"):
            return f"{name} = {predicate.constant}"
        return name if predicate.constant == "TRUE" else f"NOT {name}"

    def python(self, key: _Key, text: str) -> str:
        """A key as an argument of `Index`."""
        operator_class = _is_class(key.suffix)
        if key.is_column and not key.descending and (not key.suffix or operator_class):
            return _literal(key.subject)
        return f"{text}({_literal(self.key(replace(key, suffix='') if operator_class and key.is_column else key))})"

    def options(self, keys: Sequence[_Key], condition: str, method: str | None, text: str) -> list[str]:
        dialect, options = self.traits.dialect, []
        if method:
            options.append(f"{dialect}_using={_literal(method)}")
        classes = [
            f"{_literal(key.subject)}: {_literal(key.suffix)}"
            for key in keys
            if key.is_column and _is_class(key.suffix)
        ]
        if classes:
            options.append(f"{dialect}_ops={{{', '.join(classes)}}}")
        if condition:
            options.append(f"{dialect}_where={text}({_literal(condition)})")
        return options


def _replaces(index: IndexInfo) -> str:
    return f"{index.name} has only {', '.join(index.columns)}; the new index can replace it"


def _is_class(suffix: str) -> bool:
    return suffix.endswith("_ops")


def _literal(text: str) -> str:
    """Python source of a string, in double quotes."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def index_of(advice: Advice, table: str) -> IndexInfo:
    """The index as the catalog would show it."""
    ddl = advice.ddl or ""
    return IndexInfo(
        name=advice.name or "",
        table=table,
        columns=advice.columns,
        method=next((each for each in ("gin", "gist") if f" USING {each} " in ddl), "btree"),
        predicate="?" if " WHERE " in ddl else None,
    )
