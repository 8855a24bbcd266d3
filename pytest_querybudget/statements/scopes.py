"""What the parser finds: queries, what they select from, and the comparisons in them; and how names are resolved."""

from __future__ import annotations

from dataclasses import field

from pytest_querybudget.values import dataclass

# How far a column is followed through subqueries, and how many bound values are told apart.
MAX_DEPTH = 50
MAX_BINDS = 1_000


@dataclass(slots=True)
class Value:
    """A bound parameter or literal where it stands."""

    name: str
    literal: bool
    query: Query
    role: str = "other"
    path: str | None = None
    # Where it stands among the tokens.
    at: int = -1


@dataclass(slots=True)
class Source:
    """One entry of FROM: a table, a subquery or CTE, or neither (a table function)."""

    table: str | None
    derived: Query | None = None
    join: str = ""
    renamed: list[str] = field(default_factory=list)
    keys: tuple[str, ...] = ()


@dataclass(slots=True)
class Output:
    """One column of a select list: the plain column that it is, its label, and the only value that it is made of."""

    path: str | None
    label: str
    value: Value | None = None


@dataclass(slots=True)
class Comparison:
    """One comparison: the names of columns and the values on either side of an operator.

    `certain` says that every row of the result fulfils it (only ANDs above it), `join` is the number of the
    source whose ON it stands in, or -1 in WHERE.
    """

    role: str
    left: list[str]
    right: list[str]
    has_value: bool
    certain: bool
    join: int


@dataclass(slots=True)
class Query:
    """One SELECT, INSERT, UPDATE, DELETE or VALUES, at any depth."""

    parent: Query | None
    kind: str = ""
    names: dict[str, Source] = field(default_factory=dict)
    sources: list[Source] = field(default_factory=list)
    ctes: dict[str, Query] = field(default_factory=dict)
    outputs: list[Output] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    # Columns that are compared for equality with what a query inside gives.
    matched: list[tuple[list[str], Query]] = field(default_factory=list)
    # Whether several of its rows are made of values alone: a list.
    listed: bool = False
    target: Source | None = None
    targets: list[str] = field(default_factory=list)
    first: Query | None = None
    compound: bool = False
    grouped: bool = False
    limited: bool = False
    ordered: bool = False
    labels: dict[str, Output] | None = None

    def find_cte(self, name: str) -> Query | None:
        """The CTE of this name that can be seen from here."""
        scope: Query | None = self
        while scope is not None:
            if scope.ctes and name in scope.ctes:
                return scope.ctes[name]
            scope = scope.parent
        return None


@dataclass(frozen=True, slots=True)
class Column:
    """A name, resolved: the source it belongs to, its own name, and the table behind it."""

    source: Source | None
    name: str
    table: str | None

    @property
    def text(self) -> str | None:
        """`table.column`, when the table is known."""
        return f"{self.table}.{self.name}" if self.table else None


def split_path(path: str) -> list[str]:
    """Split `"a b".c` into its parts, without quotes."""
    if '"' not in path and "`" not in path and "[" not in path:
        return path.split(".")
    parts: list[str] = []
    position = 0
    while position < len(path):
        quote = path[position]
        if quote in '"`[':
            closing = "]" if quote == "[" else quote
            end = path.find(closing, position + 1)
            while quote != "[" and path[end + 1 : end + 2] == closing:
                end = path.find(closing, end + 2)
            end = len(path) if end < 0 else end
            parts.append(path[position + 1 : end].replace(closing * 2, closing))
            position = end + 2
        else:
            end = path.find(".", position)
            end = len(path) if end < 0 else end
            parts.append(path[position:end])
            position = end + 1
    return parts


def unquote(path: str) -> str:
    """The name of a table as one reads it: `"shop".order`."""
    if path.startswith("__[SCHEMA_") or "__[SCHEMA_" in path:
        path = path.replace("__[SCHEMA__none].", "").replace("__[SCHEMA_", "").replace("].", ".", 1)
    return ".".join(split_path(path))


def resolve(query: Query, path: str, depth: int = 0) -> Column:
    """Follow a name as it is written to its source, and through subqueries to the table's own column."""
    parts = split_path(unquote(path)) if "__[" in path else split_path(path)
    name, prefix = parts[-1], ".".join(parts[:-1]).lower()
    source = _source_of(query, prefix, parts) if prefix else _only_source(query, name)
    if source is None:
        return Column(None, name, None)
    return Column(source, *_base(source, name, depth))


def _source_of(query: Query, prefix: str, parts: list[str]) -> Source | None:
    scope: Query | None = query
    last = parts[-2].lower()
    for _ in range(MAX_DEPTH):
        if scope is None:
            break
        found = scope.names.get(prefix) or (scope.names.get(last) if len(parts) > 2 else None)
        if found is not None:
            return found
        scope = scope.parent
    return None


def _only_source(query: Query, name: str) -> Source | None:
    """The source of an unqualified name: the only one, or the only subquery that has such a column."""
    if query.target is not None:
        return query.target
    if len(query.sources) == 1:
        return query.sources[0]
    if not query.sources and query.parent is not None:
        return _only_source(query.parent, name)
    holders = [each for each in query.sources[:MAX_DEPTH] if each.derived and name.lower() in labels(each.derived)]
    return holders[0] if len(holders) == 1 and all(each.derived for each in query.sources) else None


def labels(query: Query) -> dict[str, Output]:
    """The outputs of a query by their label in lower case."""
    if query.labels is None:
        query.labels = {each.label.lower(): each for each in query.outputs}
    return query.labels


def _base(source: Source, name: str, depth: int) -> tuple[str, str | None]:
    if source.table is not None:
        return name, source.table
    derived = source.derived
    if derived is None or depth > MAX_DEPTH:
        return name, None
    inner = derived.first or derived
    output = _output_of(source, inner, name)
    if output is None:
        only = inner.outputs[0] if len(inner.outputs) == 1 else None
        if only is None or only.label != "*" or len(inner.sources) != 1:
            return name, None
        return _base(inner.sources[0], name, depth + 1)
    if output.path is None:
        return name, None
    found = resolve(inner, output.path, depth + 1)
    return (found.name, found.table) if found.table else (name, None)


def _output_of(source: Source, inner: Query, name: str) -> Output | None:
    """The column of a derived table that a name stands for."""
    if not source.renamed:
        return labels(inner).get(name.lower())
    lowered = [each.lower() for each in source.renamed[: len(inner.outputs)]]
    return inner.outputs[lowered.index(name.lower())] if name.lower() in lowered else None


def constant_behind(query: Query, path: str, depth: int = 0) -> Value | None:
    """The value that a name stands for: that of the one row of a CTE or subquery, `WITH wanted AS (SELECT 5 AS id)`."""
    column = resolve(query, path)
    source = column.source
    if source is None or source.derived is None or depth > MAX_DEPTH:
        return None
    inner = source.derived.first or source.derived
    output = _output_of(source, inner, split_path(path)[-1])
    return None if output is None else constant_output(inner, output, depth + 1)


def constant_output(query: Query, output: Output, depth: int = 0) -> Value | None:
    """The value that a column of a query is made of, when it is not one of a list of values."""
    if query.listed or depth > MAX_DEPTH:
        return None
    if output.value is not None or output.path is not None:
        return output.value or constant_behind(query, output.path or "", depth)
    inner = query.sources[0].derived if output.label == "*" and len(query.sources) == 1 else None
    only = inner.outputs if inner is not None else []
    return constant_output(inner, only[0], depth + 1) if inner is not None and len(only) == 1 else None
