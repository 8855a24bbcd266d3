"""Read statements and plan expressions into `syntax` trees.

It knows what SQLite, PostgreSQL, MySQL and MariaDB have in common. What it does not know raises `NotUnderstood`,
and then there is a verdict from the plan but no advice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pytest_querybudget.plans import syntax
from pytest_querybudget.plans.cursor import END, MAX_DEPTH, NotUnderstood
from pytest_querybudget.plans.expressions import END_OF_EXPRESSION, END_OF_SOURCE, ExpressionReader
from pytest_querybudget.plans.tokens import tokenize

T = TypeVar("T")

_MAX_LENGTH = 200_000


def parse_statement(sql: str) -> syntax.Query:
    """Parse SELECT, INSERT ... SELECT, UPDATE or DELETE into what it reads.

    The first source of an UPDATE or DELETE is the table that it changes. Raises `NotUnderstood`.
    """
    return _run(sql, _Parser.statement)


def parse_expression(text: str) -> syntax.Expression:
    """Parse one expression, as plans print them. Raises `NotUnderstood`."""
    return _run(text, _Parser.whole_expression)


def parse_order(text: str) -> syntax.Order:
    """Parse one sort key, as plans print them: `a.total DESC NULLS LAST`. Raises `NotUnderstood`."""
    return _run(text, _Parser.order_key)


def _run(text: str, use: Callable[[_Parser], T]) -> T:
    if len(text) > _MAX_LENGTH:
        raise NotUnderstood("too long")
    try:
        return use(_Parser(tokenize(text)))
    except RecursionError:
        raise NotUnderstood("nested too deep") from None


class _Parser(ExpressionReader):
    """A recursive descent over a statement."""

    def statement(self) -> syntax.Query:
        ctes, recursive = self.common_tables()
        token = self.peek().word
        if token in ("SELECT", "VALUES") or self.peek().text == "(":
            query = self.query(ctes, recursive)
        elif token == "UPDATE":
            query = self.update(ctes)
        elif token == "DELETE":
            query = self.delete(ctes)
        elif token in ("INSERT", "REPLACE"):
            query = self.insert(ctes, recursive)
        else:
            raise NotUnderstood("not a statement to plan")
        return query

    def common_tables(self) -> tuple[tuple[tuple[str, syntax.Query], ...], bool]:
        ctes: list[tuple[str, syntax.Query]] = []
        if not self.word("WITH"):
            return (), False
        recursive = self.word("RECURSIVE")
        while True:
            name = self.name()
            if self.sign("("):
                self.skip_group()
            self.expect("AS")
            self.word("NOT")
            self.word("MATERIALIZED")
            self.expect("(")
            ctes.append((name, self.statement()))
            self.expect(")")
            if not self.sign(","):
                return tuple(ctes), recursive

    def query(self, ctes: tuple[tuple[str, syntax.Query], ...] = (), recursive: bool = False) -> syntax.Query:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise NotUnderstood("nested too deep")
        if not ctes:
            ctes, recursive = self.common_tables()
        selects: list[syntax.Select] = []
        operator: str | None = None
        inner_order: tuple[syntax.Order, ...] = ()
        inner_limit = False
        while True:
            if self.sign("("):
                inner = self.query()
                self.expect(")")
                selects.extend(inner.selects)
                ctes = ctes + inner.ctes
                inner_order, inner_limit = inner.order_by, inner.limited
            else:
                selects.append(self.select())
                inner_order, inner_limit = (), False
            word = self.peek().word
            if word not in ("UNION", "INTERSECT", "EXCEPT", "MINUS"):
                break
            self.next()
            operator = word + (" ALL" if self.word("ALL") else "")
            self.word("DISTINCT")
        order, limited = self.order_and_limit()
        self.depth -= 1
        only = len(selects) == 1
        return syntax.Query(
            tuple(selects), ctes, order or (inner_order if only else ()), limited or inner_limit, operator, recursive
        )

    def order_and_limit(self) -> tuple[tuple[syntax.Order, ...], bool]:
        order: tuple[syntax.Order, ...] = ()
        limited = False
        while True:
            word = self.peek().word
            if self.word("ORDER", "BY"):
                order = self.order_keys()
            elif word in ("LIMIT", "FETCH"):
                self.next()
                limited = not self.word("ALL")
                self.skip_limit()
            elif word == "OFFSET":
                self.next()
                self.skip_limit()
            elif word == "FOR" or (word == "LOCK" and self.peek(1).word == "IN"):
                self.skip_until({"LIMIT", "OFFSET", "FETCH", "ORDER"})
            elif word == "WINDOW":
                self.skip_until({"LIMIT", "OFFSET", "FETCH", "ORDER", "UNION"})
            else:
                return order, limited

    def skip_limit(self) -> None:
        self.skip_until({"LIMIT", "OFFSET", "FETCH", "FOR", "LOCK", "UNION", "INTERSECT", "EXCEPT", "RETURNING"})

    def select(self) -> syntax.Select:
        if self.word("VALUES"):
            return self.values()
        self.expect("SELECT")
        distinct = self.word("DISTINCT")
        if distinct and self.word("ON"):
            self.expect("(")
            self.skip_group()
        self.word("ALL")
        while self.peek().word in ("STRAIGHT_JOIN", "SQL_NO_CACHE", "SQL_CALC_FOUND_ROWS", "HIGH_PRIORITY"):
            self.next()
        outputs = self.outputs()
        if self.word("INTO"):
            self.name()
        sources = self.sources() if self.word("FROM") else ()
        where = self.expression() if self.word("WHERE") else None
        group_by: tuple[syntax.Expression, ...] = ()
        if self.word("GROUP", "BY"):
            group_by = self.expressions()
            self.word("WITH", "ROLLUP")
        having = self.expression() if self.word("HAVING") else None
        return syntax.Select(outputs, sources, where, group_by, having, distinct)

    def values(self) -> syntax.Select:
        while True:
            self.word("ROW")
            self.expect("(")
            self.skip_group()
            if not self.sign(","):
                return syntax.Select()

    def outputs(self) -> tuple[tuple[syntax.Expression, str | None], ...]:
        outputs: list[tuple[syntax.Expression, str | None]] = []
        while self.peek().word not in ("FROM", "WHERE", "UNION", "INTO") and self.peek() is not END:
            expression = self.expression()
            alias = None
            if self.word("AS") or (
                self.peek().kind in ("name", "quoted") and self.peek().word not in END_OF_EXPRESSION
            ):
                token = self.next()
                alias = token.identifier
            outputs.append((expression, alias))
            if not self.sign(","):
                break
        return tuple(outputs)

    def sources(self) -> tuple[syntax.Source, ...]:
        found = list(self.source("inner"))
        while True:
            join = self.join_kind()
            if join is None:
                return tuple(found)
            added = self.source(join)
            if self.word("ON"):
                added = (*added[:-1], _with_condition(added[-1], on=self.expression()))
            elif self.word("USING"):
                self.expect("(")
                names = [self.name()]
                while self.sign(","):
                    names.append(self.name())
                self.expect(")")
                added = (*added[:-1], _with_condition(added[-1], using=tuple(names)))
            found.extend(added)

    def join_kind(self) -> str | None:
        if self.sign(","):
            return "inner"
        self.word("NATURAL")
        for kind in ("LEFT", "RIGHT", "FULL"):
            if self.peek().word == kind:
                self.next()
                self.word("OUTER")
                self.expect("JOIN")
                return kind.lower()
        if self.word("INNER", "JOIN") or self.word("JOIN") or self.word("STRAIGHT_JOIN"):
            return "inner"
        return "inner" if self.word("CROSS", "JOIN") else None

    def source(self, join: str) -> tuple[syntax.Source, ...]:
        lateral = self.word("LATERAL")
        self.word("ONLY")
        if self.sign("("):
            if self.peek().word in ("SELECT", "WITH", "VALUES") or (self.peek().text == "(" and self.is_subquery()):
                query = self.query()
                self.expect(")")
                return (syntax.Source(None, None, self.alias(), query, join),)
            inner = self.sources()
            self.expect(")")
            self.alias()
            return (_with_condition(inner[0], join=join), *inner[1:])
        name, schema = self.name(), None
        while self.sign("."):
            schema, name = name, self.name()
        if self.sign("("):
            self.skip_group()
            self.word("WITH", "ORDINALITY")
            return (syntax.Source(None, None, self.alias() or name, syntax.Query(()), join),)
        del lateral
        source = syntax.Source(name, schema, self.alias(), None, join)
        self.index_hints()
        return (source,)

    def alias(self) -> str | None:
        self.sign("*")
        if self.word("AS") or (self.peek().kind in ("name", "quoted") and self.peek().word not in END_OF_SOURCE):
            alias = self.name()
            if self.sign("("):
                self.skip_group()
            return alias
        return None

    def index_hints(self) -> None:
        if self.word("INDEXED", "BY"):
            self.name()
        elif self.peek().word == "NOT" and self.peek(1).word == "INDEXED":
            self.at += 2
        while self.peek().word in ("USE", "FORCE", "IGNORE") and self.peek(1).word in ("INDEX", "KEY"):
            self.at += 2
            self.skip_hint()

    def skip_hint(self) -> None:
        while self.peek().text != "(" and self.peek() is not END:
            self.next()
        self.expect("(")
        self.skip_group()

    def update(self, ctes: tuple[tuple[str, syntax.Query], ...]) -> syntax.Query:
        self.next()
        if self.word("OR"):
            self.next()
        self.word("LOW_PRIORITY")
        self.word("IGNORE")
        sources = self.sources()
        self.expect("SET")
        outputs: list[tuple[syntax.Expression, str | None]] = []
        while True:
            outputs.append((self.expression(), None))
            if not self.sign(","):
                break
        if self.word("FROM"):
            sources += self.sources()
        return self.changed(ctes, sources, tuple(outputs))

    def delete(self, ctes: tuple[tuple[str, syntax.Query], ...]) -> syntax.Query:
        self.next()
        if not self.word("FROM"):
            # MySQL's DELETE t FROM t JOIN ...
            self.skip_until({"FROM"})
            self.expect("FROM")
        sources = self.sources()
        if self.word("USING"):
            sources += self.sources()
        return self.changed(ctes, sources, ())

    def changed(
        self,
        ctes: tuple[tuple[str, syntax.Query], ...],
        sources: tuple[syntax.Source, ...],
        outputs: tuple[tuple[syntax.Expression, str | None], ...],
    ) -> syntax.Query:
        where = self.expression() if self.word("WHERE") else None
        order, limited = self.order_and_limit()
        return syntax.Query((syntax.Select(outputs, sources, where),), ctes, order, limited)

    def insert(self, ctes: tuple[tuple[str, syntax.Query], ...], recursive: bool) -> syntax.Query:
        while self.peek().word not in ("SELECT", "WITH", "VALUES", "DEFAULT"):
            if self.next() is END:
                raise NotUnderstood("INSERT without rows")
            if self.peek().text == "(" and self.peek(1).word not in ("SELECT", "WITH"):
                self.next()
                self.skip_group()
            elif self.peek().text == "(":
                self.next()
        if self.word("DEFAULT"):
            return syntax.Query(())
        return self.query(ctes, recursive)


def _with_condition(
    source: syntax.Source,
    *,
    on: syntax.Expression | None = None,
    using: tuple[str, ...] = (),
    join: str | None = None,
) -> syntax.Source:
    return syntax.Source(
        source.name,
        source.schema,
        source.alias,
        source.query,
        join or source.join,
        on or source.on,
        using or source.using,
    )
