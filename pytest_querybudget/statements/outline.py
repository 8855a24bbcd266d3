"""How a SELECT is put together, read from its text when a rule asks: queries, relations, conditions.

It knows the clauses and not the grammar of any dialect. What it does not understand gives fewer conditions, or a name
whose table is unknown: whoever judges takes that for the better case.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field, replace
from functools import partial

from pytest_querybudget.recording.structure import (
    OUTER,
    UNKNOWN,
    ColumnUse,
    Condition,
    Factor,
    Query,
    Schema,
    Structure,
)
from pytest_querybudget.statements.analysis import nesting
from pytest_querybudget.statements.groups import (
    SET_OPERATORS,
    Group,
    Item,
    at,
    by_commas,
    clauses,
    flat,
    is_name,
    is_query,
    is_sign,
    is_word,
    split,
    tree,
)
from pytest_querybudget.statements.lexer import LITERAL, NAME, OP, tokenize
from pytest_querybudget.statements.operands import Reader, function_name
from pytest_querybudget.statements.relations import Found, read_from
from pytest_querybudget.statements.scopes import split_path, unquote
from pytest_querybudget.statements.words import AGGREGATES
from pytest_querybudget.values import dataclass

# Queries that lie deeper, and longer texts, are not taken apart: nobody wrote them by hand.
_DEEPEST = 40
_LONGEST = 20_000
_COMPARING = frozenset(("=", "==", "<=>", "<", ">", "<=", ">=", "<>", "!=", "~~", "~~*", "!~~", "!~~*", "~", "~*"))
_WORDS = ("IN", "LIKE", "ILIKE", "GLOB", "REGEXP", "RLIKE", "SIMILAR", "BETWEEN", "IS")
_PLACES = frozenset(("row_number", "rank", "dense_rank"))
_RANDOM = frozenset(("random", "rand", "newid", "gen_random_uuid", "uuid_generate_v4", "uuid", "randomblob"))


def structure_of(sql: str, dialect: str = "", schema: Schema | None = None) -> Structure:
    """Say how a SELECT is put together. Never raises; what is no SELECT, or too deep, has no top."""
    tokens = tokenize(sql, dialect)
    while tokens and tokens[-1] == (OP, ";"):
        tokens.pop()
    if len(tokens) > _LONGEST or (OP, ";") in tokens or nesting(tokens) > _DEEPEST:
        return Structure()
    items = tree(tokens)
    if not (is_word(at(items, 0), "SELECT", "WITH") or is_query(at(items, 0))):
        return Structure()
    outline = _Outline()
    number = outline.query(items, None, "top")
    queries = tuple(each for each in outline.queries if each is not None)
    if len(queries) != len(outline.queries):
        return Structure()
    top = queries[number]
    return Structure(queries, top if top.outputs or top.parts else None, schema or Schema())


@dataclass(slots=True)
class _Scope:
    """The names that can be seen in one query; `free` are those that it took from around it."""

    outer: _Scope | None
    relations: list[Found] = field(default_factory=list)
    ctes: dict[str, int] = field(default_factory=dict)
    free: list[str] = field(default_factory=list)
    mentioned: set[int] = field(default_factory=set)
    labels: dict[str, int] = field(default_factory=dict)

    def cte(self, name: str) -> int | None:
        scope: _Scope | None = self
        while scope is not None:
            if name in scope.ctes:
                return scope.ctes[name]
            scope = scope.outer
        return None

    def number(self, path: str) -> int:
        """The relation that a name belongs to."""
        parts = split_path(unquote(path))
        if len(parts) > 1:
            full, last = ".".join(parts[:-1]).lower(), parts[-2].lower()
            found = self.labels.get(full, self.labels.get(last))
            if found is None:
                self.free.append(path)
                return OUTER if self.outer is not None else UNKNOWN
            return found
        if len(self.relations) == 1 and self.outer is None:
            return 0
        if self.outer is not None:
            # It may be a column of a query around this one.
            self.free.append(path)
        return 0 if len(self.relations) == 1 else UNKNOWN

    def column(self, path: str) -> ColumnUse:
        number = self.number(path)
        self.mentioned.add(number)
        return ColumnUse(number, split_path(unquote(path))[-1].lower())


@dataclass(slots=True)
class _Outline:
    """The queries read so far; a number is given to a query before it is read."""

    queries: list[Query | None] = field(default_factory=list)

    def query(self, items: list[Item], outer: _Scope | None, role: str) -> int:
        """Read one query with its CTEs and set operations; return its number."""
        while len(items) == 1 and isinstance(items[0], Group):
            items = items[0].items
        number = len(self.queries)
        self.queries.append(None)
        scope = _Scope(outer)
        recursive = False
        if is_word(at(items, 0), "WITH"):
            recursive = is_word(at(items, 1), "RECURSIVE")
            items = self._ctes(items, scope, recursive=recursive)
        parts, ending = _parts(items)
        if len(parts) > 1:
            numbers = tuple(self.query(each, scope, "part") for each in parts)
            query = _ended(Query(number, role, parts=numbers, outputs=1), ending)
        else:
            if len(parts[0]) == 1 and isinstance(parts[0][0], Group):
                parts[0] = parts[0][0].items
            query = self._select(Query(number, role), parts[0], scope)
        self.queries[number] = replace(query, recursive=query.recursive or recursive)
        if outer is not None:
            self._pass_on(scope, outer)
        return number

    @staticmethod
    def _pass_on(scope: _Scope, outer: _Scope) -> None:
        """What a query inside takes from around it counts as named where the query stands."""
        for path in dict.fromkeys(scope.free):
            outer.mentioned.add(outer.number(path))

    def _ctes(self, items: list[Item], scope: _Scope, *, recursive: bool) -> list[Item]:
        index = 2 if recursive else 1
        while is_name(at(items, index)):
            name = items[index]
            assert isinstance(name, tuple)  # noqa: S101 - it is a name
            body = next((each for each in range(index + 1, len(items)) if is_query(items[each])), None)
            if body is None:
                break
            group = items[body]
            assert isinstance(group, Group)  # noqa: S101 - that makes it a query
            if recursive:
                scope.ctes[unquote(name[1]).lower()] = UNKNOWN
            scope.ctes[unquote(name[1]).lower()] = self.query(group.items, scope, "cte")
            index = body + 1
            if not is_sign(at(items, index), ","):
                break
            index += 1
        return items[index:]

    def _select(self, query: Query, items: list[Item], scope: _Scope) -> Query:
        if is_word(at(items, 0), "VALUES"):
            return replace(query, values=True, outputs=1)
        found = clauses(items)
        scope.relations, deferred = read_from(found.get("FROM", []), partial(self._inner, scope), scope.cte)
        for index, each in enumerate(scope.relations):
            for label in each.labels:
                scope.labels.setdefault(label, index)
        conditions: list[Condition] = []
        factors: list[Factor] = []
        choices: list[tuple[tuple[Condition, ...], ...]] = []
        for clause, relation, expression in (*deferred, ("where", -1, found.get("WHERE", []))):
            _Conditions(self, scope, clause, relation).read(expression, conditions, factors, choices)
        query = self._outputs(query, found.get("SELECT", []), scope)
        reader = self.reader(scope)
        for name in ("HAVING", "GROUP", "ORDER", "QUALIFY"):
            for _ in reader.columns(found.get(name, [])):
                pass
        query = replace(
            query,
            relations=tuple(each.relation for each in scope.relations),
            conditions=tuple(conditions),
            choices=tuple(choices),
            factors=tuple(factors),
            filtered=bool(found.get("WHERE")),
            grouped="GROUP" in found,
        )
        return _ended(query, found)

    def reader(self, scope: _Scope) -> Reader:
        """What reads the expressions of a query."""
        return Reader(scope.column, partial(self._inner, scope))

    def _inner(self, scope: _Scope, group: Group, role: str) -> int:
        return self.query(group.items, scope, role)

    def _outputs(self, query: Query, items: list[Item], scope: _Scope) -> Query:
        distinct = is_word(at(items, 0), "DISTINCT")
        top = is_word(at(items, 0), "TOP")
        if distinct or is_word(at(items, 0), "ALL"):
            items = items[3:] if is_word(at(items, 1), "ON") else items[1:]
        elif top:
            items = items[2:]
        reader = self.reader(scope)
        stars: list[int] = []
        aggregates: list[str] = []
        columns: list[ColumnUse] = []
        plain = 0
        outputs = by_commas(items)
        for each in outputs:
            star = _star(each, scope)
            found = list(_aggregates(each))
            aggregates += found
            plain += not found and not _is_constant(each)
            if star is not None:
                stars.append(star)
            else:
                columns += reader.columns(each)
        return replace(
            query,
            outputs=len(outputs),
            stars=tuple(stars),
            aggregates=tuple(aggregates),
            plain=plain,
            distinct=distinct,
            limited=top,
            columns=tuple(columns),
            places=frozenset(name for each in outputs if (name := _place(each))),
        )


def _parts(items: list[Item]) -> tuple[list[list[Item]], dict[str, list[Item]]]:
    """The SELECTs that set operators connect, and the ORDER BY and LIMIT that end them all."""
    parts: list[list[Item]] = [[]]
    for item in items:
        if is_word(item, *SET_OPERATORS):
            parts.append([])
        elif not (is_word(item, "ALL", "DISTINCT") and not parts[-1]):
            parts[-1].append(item)
    if len(parts) == 1:
        return parts, {}
    ending = clauses(parts[-1])
    words = ("ORDER", "LIMIT", "OFFSET", "FETCH", "FOR")
    end = next((index for index, each in enumerate(parts[-1]) if is_word(each, *words)), None)
    if end is not None:
        parts[-1] = parts[-1][:end]
    return parts, {word: ending[word] for word in words if word in ending}


def _ended(query: Query, found: dict[str, list[Item]]) -> Query:
    """Add ORDER BY, LIMIT and OFFSET."""
    limit, offset = found.get("LIMIT", found.get("FETCH")), found.get("OFFSET")
    if limit is not None and any(is_sign(each, ",") for each in limit):
        # MySQL: LIMIT offset, rows
        offset, limit = by_commas(limit)[:2]
    if limit is not None and (is_word(at(limit, 0), "ALL") or is_word(at(limit, 0), "NULL")):
        limit = None
    order = found.get("ORDER", [])
    shuffled = _is_shuffled(order)
    return replace(
        query,
        ordered=query.ordered or "ORDER" in found,
        shuffled=shuffled,
        limited=query.limited or limit is not None,
        limit=_number(limit or []),
        skips=offset is not None,
        offset=_number(offset or []),
        locking="FOR" in found,
    )


def _is_shuffled(order: list[Item]) -> bool:
    """Whether rows are ordered by chance, also by what a function makes of it: `md5(random()::text)`."""
    for index, item in enumerate(order):
        if (function_name(order[index:]) or "") in _RANDOM:
            return True
        if isinstance(item, Group) and not is_query(item) and _is_shuffled(item.items):
            return True
    return False


def _number(items: list[Item]) -> int | None:
    """The number that a LIMIT or OFFSET is written with."""
    for item in items:
        if isinstance(item, tuple) and item[0] == LITERAL:
            return int(item[1]) if item[1].isdecimal() and len(item[1]) < 16 else None
    return None


def _star(items: list[Item], scope: _Scope) -> int | None:
    """The relation whose columns an output stands for, `UNKNOWN` for all of them, None when it is no star."""
    last = at(items, len(items) - 1)
    if len(items) == 1 and is_sign(last, "*"):
        return UNKNOWN
    if isinstance(last, tuple) and len(items) == 1 and last[0] == NAME and last[1].endswith(".*"):
        return scope.number(last[1])
    return None


def _aggregates(items: list[Item]) -> Iterable[str]:
    """The aggregate functions of an output, also in an expression; a window function is none."""
    for index, item in enumerate(items):
        if isinstance(item, Group):
            if not is_query(item):
                yield from _aggregates(item.items)
            continue
        name = function_name(items[index : index + 2])
        if name in AGGREGATES and not any(is_word(each, "OVER") for each in items[index + 2 : index + 5]):
            yield name


def _place(items: list[Item]) -> str | None:
    """The name of an output that is the number of its row."""
    label = at(items, len(items) - 1)
    if function_name(items) not in _PLACES or not is_word(at(items, 2), "OVER") or not is_name(label):
        return None
    assert isinstance(label, tuple)  # noqa: S101 - it is a name
    return unquote(label[1]).lower()


def _is_constant(items: list[Item]) -> bool:
    return all(token[0] != NAME and token != (OP, "*") for token in flat(items)) and not any(
        is_query(each) for each in items
    )


@dataclass(slots=True)
class _Conditions:
    """The conditions of one WHERE or ON."""

    outline: _Outline
    scope: _Scope
    clause: str
    relation: int

    def read(
        self,
        items: list[Item],
        conditions: list[Condition],
        factors: list[Factor],
        choices: list[tuple[tuple[Condition, ...], ...]],
    ) -> None:
        """Read what AND connects, one by one."""
        for part in _factors(items):
            self.scope.mentioned = set()
            alternatives = [tuple(self._conjunction(each, certain=True, negated=False)) for each in split(part, "OR")]
            if len(alternatives) > 1:
                choices.append(tuple(alternatives))
                conditions += [replace(each, certain=False) for found in alternatives for each in found]
            else:
                conditions += alternatives[0]
            factors.append(Factor(self.clause, self.relation, frozenset(self.scope.mentioned)))

    def _comparisons(self, items: list[Item], *, certain: bool, negated: bool) -> Iterable[Condition]:
        alternatives = list(split(items, "OR"))
        if len(alternatives) > 1:
            for each in alternatives:
                yield from self._conjunction(each, certain=False, negated=negated)
        else:
            yield from self._conjunction(items, certain=certain, negated=negated)

    def _conjunction(self, items: list[Item], *, certain: bool, negated: bool) -> Iterable[Condition]:
        for part in split(items, "AND"):
            while is_word(at(part, 0), "NOT"):
                part = part[1:]  # noqa: PLW2901 - the word is read
                negated, certain = not negated, False
            first = at(part, 0)
            if len(part) == 1 and isinstance(first, Group) and not is_query(first):
                yield from self._comparisons(first.items, certain=certain, negated=negated)
            else:
                yield from self._comparison(part, certain=certain, negated=negated)

    def _comparison(self, items: list[Item], *, certain: bool, negated: bool) -> Iterable[Condition]:
        reader = self.outline.reader(self.scope)
        index = _operator(items)
        if index is None:
            for _ in reader.columns(items):
                pass
            return
        item = items[index]
        assert isinstance(item, tuple)  # noqa: S101 - it is an operator
        operator, left, right = item[1], items[:index], items[index + 1 :]
        if is_word(at(left, len(left) - 1), "NOT"):
            left, negated = left[:-1], not negated
        while is_word(at(right, 0), "ALL", "ANY", "SOME", "NOT", "DISTINCT", "FROM", "TO", "SYMMETRIC"):
            operator = f"{operator} {right[0][1]}"  # type: ignore[index]
            right = right[1:]
        if operator == "SIMILAR":
            operator, right = "SIMILAR TO", right[1:]
        right = before(right, "ESCAPE", "COLLATE")
        is_list = operator.endswith(("IN", "ALL", "ANY", "SOME"))
        yield Condition(
            self.clause,
            self.relation,
            operator,
            negated,
            certain,
            reader.operand(before(left, "COLLATE")),
            reader.operand(right, "in" if is_list else "value"),
        )


def before(items: list[Item], *words: str) -> list[Item]:
    """What stands before the first of some words."""
    end = next((index for index, each in enumerate(items) if is_word(each, *words)), len(items))
    return items[:end]


def _factors(items: list[Item]) -> Iterable[list[Item]]:
    """What AND connects, also inside parentheses around all of it."""
    if not items:
        return
    if len(list(split(items, "OR"))) > 1:
        yield items
        return
    for part in split(items, "AND"):
        first = at(part, 0)
        if len(part) == 1 and isinstance(first, Group) and not is_query(first):
            yield from _factors(first.items)
        elif part:
            yield part


def _operator(items: list[Item]) -> int | None:
    """Where the comparison of an expression stands."""
    cases = 0
    for index, item in enumerate(items):
        cases += is_word(item, "CASE") - is_word(item, "END")
        if cases or not isinstance(item, tuple):
            continue
        if (item[0] == OP and item[1] in _COMPARING) or is_word(item, *_WORDS):
            return index
    return None
