"""From what the parser found to the facts of a shape: tables, columns, binds, and whether one row at most is left."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from pytest_querybudget.statements.lexer import NAME, Token
from pytest_querybudget.statements.model import Bind, Shape
from pytest_querybudget.statements.names import ValueNames
from pytest_querybudget.statements.parser import Parser
from pytest_querybudget.statements.scopes import (
    MAX_DEPTH,
    Output,
    Query,
    Source,
    Value,
    constant_behind,
    constant_output,
    resolve,
    split_path,
)
from pytest_querybudget.values import dataclass

# The unique keys of a table, by its name as written: each a set of column names.
Keys = Callable[[str], Iterable[frozenset[str]]]

# Deeper statements are not taken apart: no application writes them.
MAX_NESTING = 400

_WRITES = {"insert": "insert", "update": "update", "delete": "delete", "merge": "update"}


@dataclass(slots=True)
class Analysis:
    """What one statement (up to a semicolon) says, apart from its text."""

    tokens: list[Token]
    names: ValueNames
    keys: Keys | None = None

    def shape(self, sql: str) -> Shape:
        """Read the tokens."""
        parser = Parser(self.tokens, self.names)
        parser.read()
        _compare_constants(parser.queries)
        top = parser.top
        reads, writes, written_by = _tables(parser.queries)
        kind = _WRITES.get(top.kind) or written_by or "select"
        into = _real_target(parser.into)
        if into is not None:
            writes.add(into)
            kind = "ddl"
        leading, limited = _leading(top)
        if top.kind in _WRITES:
            leading = next(iter(sorted(_targets(top))), None)
        return Shape(
            sql=sql,
            kind=kind,
            reads=tuple(sorted(reads)),
            writes=tuple(sorted(writes)),
            columns=tuple(_columns(top)),
            binds=_binds(parser.values),
            unique=self.keys is not None and _is_unique(top, self.keys),
            limited=limited,
            ordered=top.ordered,
            locking=parser.locking,
            volatile=parser.volatile or (kind == "select" and not reads),
            table=leading,
            opaque=into is not None,
            aggregate=_is_aggregate(parser),
        )


def _leading(query: Query) -> tuple[str | None, bool]:
    """The leading table and whether there is a limit, also where a subquery holds both, as the ORM writes it."""
    limited = query.limited
    for _ in range(MAX_DEPTH):
        source = query.sources[0] if query.sources else None
        if source is None or source.derived is None:
            return (source.table if source is not None else None), limited
        limited = limited or (source.derived.limited and not query.compound)
        query = source.derived
    return None, limited


def _real_target(into: str | None) -> str | None:
    """SELECT INTO a variable or a file writes no table."""
    if into is None or into.startswith("@") or into.upper() in ("OUTFILE", "DUMPFILE"):
        return None
    return into


def _targets(query: Query) -> set[str]:
    """The tables that a query writes; `UPDATE a ... FROM t AS a` and `DELETE a FROM t AS a` name an alias."""
    named = [query.target.table] if query.target is not None and query.target.table else []
    if query.kind == "delete":
        named += query.targets
    found = set()
    for name in named:
        source = query.names.get(".".join(split_path(name)).lower())
        found.add(source.table if source is not None and source.table else name)
    return found


def _tables(queries: list[Query]) -> tuple[set[str], set[str], str]:
    """All tables read, all written, and the kind of the first query that writes."""
    reads: set[str] = set()
    writes: set[str] = set()
    kind = ""
    for query in queries:
        targets = _targets(query) if query.kind in _WRITES else set()
        writes |= targets
        kind = kind or (_WRITES[query.kind] if targets else "")
        # MySQL's DELETE t FROM t and SQL Server's UPDATE a FROM t AS a name the target again only to give it a name.
        is_named_again = query.kind == "update" or (query.kind == "delete" and bool(query.targets))
        own = targets if is_named_again else set()
        for source in query.sources:
            if source.table and source.table not in own:
                reads.add(source.table)
    return reads, writes, kind


def _columns(query: Query, depth: int = 0) -> Iterable[str]:
    for output in query.outputs:
        yield from _column(query, output, depth)


def _column(query: Query, output: Output, depth: int) -> Iterable[str]:
    inner = query.sources[0].derived if query.compound and not query.names and query.sources else None
    if output.path is None and output.label != "*":
        yield output.label
    elif output.path is None or output.path.endswith(".*"):
        yield from _star(query, output.path, depth)
    else:
        yield resolve(inner or query, output.path).text or output.label


def _star(query: Query, path: str | None, depth: int) -> Iterable[str]:
    sources = list(query.sources)
    if query.target is not None and not sources:
        sources = [query.target]
    if path is not None:
        named = query.names.get(".".join(split_path(path[:-2])).lower())
        sources = [named] if named is not None else []
    known = depth < 5 and all(_is_known(each) for each in sources) and sources
    if not known:
        yield "*"
        return
    for source in sources:
        if source.table is not None:
            yield f"{source.table}.*"
        elif source.derived is not None:
            yield from _columns(source.derived, depth + 1)


def _is_known(source: Source) -> bool:
    return source.table is not None or (source.derived is not None and bool(source.derived.outputs))


def _compare_constants(queries: list[Query]) -> None:
    """Give a value that a CTE or subquery hands on the role that it has where its column is compared."""
    for query in queries:
        for each in query.comparisons:
            for own, other in ((each.left, each.right), (each.right, each.left)):
                if len(own) == 1 and other:
                    _compare(constant_behind(query, own[0]), query, other[0])
        for paths, inner in query.matched:
            if len(inner.outputs) == len(paths) == 1:
                _compare(constant_output(inner, inner.outputs[0]), query, paths[0])


def _compare(value: Value | None, query: Query, path: str) -> None:
    if value is not None and value.role == "other":
        value.role, value.query, value.path = "equal", query, path


def _binds(values: list[Value]) -> tuple[Bind, ...]:
    found: dict[Bind, None] = {}
    for value in values:
        column = None
        if value.path is not None:
            column = resolve(value.query, value.path).text or value.path.replace('"', "").replace("`", "")
        found[Bind(value.name, column, value.role, value.literal)] = None
    return tuple(found)


def _is_aggregate(parser: Parser) -> bool:
    top = parser.top
    if top.kind != "select" or top.grouped or top.compound or not top.outputs:
        return False
    plain = any(each.path is not None or each.label == "*" for each in top.outputs)
    return not plain and parser.aggregates >= len(top.outputs)


def _is_unique(query: Query, keys: Keys) -> bool:
    """Whether equality on unique keys leaves one row: each source fixed by values, or by a source that is fixed.

    An ON of an outer join fixes only the table that it joins; a right or full join may add rows of its own.
    """
    sources = list(query.sources)
    if query.target is not None:
        sources.insert(0, query.target)
    if query.compound or not sources or any(each.table is None or each.join == "full" for each in sources):
        return False
    fixed: set[int] = set()
    for _ in sources[:MAX_DEPTH]:
        known = len(fixed)
        for source in sources:
            if id(source) not in fixed and _is_fixed(query, source, fixed, keys):
                fixed.add(id(source))
        if len(fixed) == known:
            break
    return len(fixed) == len(sources)


def _is_fixed(query: Query, source: Source, fixed: set[int], keys: Keys) -> bool:
    columns: set[str] = set()
    for each in query.comparisons:
        if not each.certain:
            continue
        joined = query.sources[each.join] if 0 <= each.join < len(query.sources) else None
        if joined is not None and joined.join == "left" and joined is not source:
            continue
        for own, other in ((each.left, each.right), (each.right, each.left)):
            if len(own) == 1 or (each.has_value and not other):
                columns.update(_fixed_columns(query, source, own, other, fixed, each.has_value))
    return any(key <= columns for key in keys(source.table or ""))


def _fixed_columns(
    query: Query, source: Source, own: list[str], other: list[str], fixed: set[int], has_value: bool
) -> Iterable[str]:
    if other and not all(id(resolve(query, path).source) in fixed for path in other):
        return
    if not other and not has_value:
        return
    for path in own:
        column = resolve(query, path)
        if column.source is source:
            yield column.name


def nesting(tokens: list[Token]) -> int:
    """How deep the parentheses of a text go."""
    depth = deepest = 0
    for kind, text in tokens:
        if kind > NAME and text == "(":
            depth += 1
            deepest = max(deepest, depth)
        elif kind > NAME and text == ")":
            depth -= 1
    return deepest


def joined(shapes: list[Shape], sql: str) -> Shape:
    """Several statements in one text: what they read and write together; the first that writes gives the kind."""
    writer = next((each for each in shapes if each.kind not in ("select", "other", "transaction")), shapes[0])
    return replace(
        writer,
        sql=sql,
        reads=tuple(sorted({name for each in shapes for name in each.reads})),
        writes=tuple(sorted({name for each in shapes for name in each.writes})),
        binds=tuple(bind for each in shapes for bind in each.binds),
        unique=False,
        aggregate=False,
        locking=any(each.locking for each in shapes),
        volatile=any(each.volatile for each in shapes),
        opaque=any(each.opaque for each in shapes),
    )
