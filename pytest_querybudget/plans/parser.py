"""Read statements and plan expressions into `syntax` trees.

It knows what SQLite, PostgreSQL, MySQL and MariaDB have in common. What it does not know raises `NotUnderstood`,
and then there is a verdict from the plan but no advice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pytest_querybudget.plans import syntax
from pytest_querybudget.plans.tokens import Token, tokenize

T = TypeVar("T")

_MAX_DEPTH = 120
_MAX_LENGTH = 200_000

_COMPARISONS = {
    "=", "==", "<", ">", "<=", ">=", "<>", "!=", "<=>", "@>", "<@", "@@", "@?", "?|", "?&", "&&",
    "~~", "~~*", "!~~", "!~~*", "~", "~*", "!~", "!~*",
}  # fmt: skip
_WORD_COMPARISONS = {"LIKE", "ILIKE", "GLOB", "REGEXP", "RLIKE", "MATCH", "IN", "BETWEEN", "SIMILAR", "SOUNDS"}
_TIGHT = {"||", "->", "->>", "#>", "#>>", "&", "|", "<<", ">>", "#", "^"}
_END_OF_SOURCE = {
    "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "FETCH", "UNION", "INTERSECT", "EXCEPT", "WINDOW", "FOR",
    "ON", "USING", "JOIN", "LEFT", "RIGHT", "FULL", "INNER", "CROSS", "NATURAL", "STRAIGHT_JOIN", "SET", "RETURNING",
    "INDEXED", "NOT", "TABLESAMPLE", "USE", "FORCE", "IGNORE", "LOCK", "VALUES", "PARTITION",
}  # fmt: skip
_END_OF_EXPRESSION = _END_OF_SOURCE | {"AS", "FROM", "THEN", "WHEN", "ELSE", "END", "ASC", "DESC", "NULLS", "AND", "OR"}
_TYPE_WORDS = {
    "VARYING", "PRECISION", "WITHOUT", "WITH", "TIME", "ZONE", "UNSIGNED", "SIGNED", "INTEGER", "LOCAL", "CHARACTER",
}  # fmt: skip


class NotUnderstood(ValueError):  # noqa: N818 - it is an answer, not an error
    """This is not SQL, or more of it than the parser knows."""


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


class _Parser:
    """A recursive descent over one token list."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.depth = 0
        parameters = (each for each in tokens if each.kind == "param" or each.text == "?")
        self.positions = {each.start: position for position, each in enumerate(parameters)}

    # -- tokens

    def peek(self, ahead: int = 0) -> Token:
        index = self.at + ahead
        return self.tokens[index] if index < len(self.tokens) else _END

    def next(self) -> Token:
        token = self.peek()
        self.at += 1
        return token

    def word(self, *words: str) -> bool:
        """Step over these words if they come next."""
        if all(self.peek(index).word == each for index, each in enumerate(words)):
            self.at += len(words)
            return True
        return False

    def sign(self, text: str) -> bool:
        token = self.peek()
        if token.text == text and token.kind in ("op", "punct"):
            self.at += 1
            return True
        return False

    def expect(self, text: str) -> None:
        if not (self.sign(text) or self.word(text)):
            raise NotUnderstood(f"expected {text}")

    def name(self) -> str:
        token = self.next()
        if token.kind not in ("name", "quoted"):
            raise NotUnderstood("expected a name")
        return token.identifier

    # -- statements

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
        if self.depth > _MAX_DEPTH:
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

    def skip_until(self, words: set[str]) -> None:
        first = True
        while self.peek() is not _END and self.peek().text not in (")", ";"):
            if self.peek().word in words and not first:
                return
            if self.sign("("):
                self.skip_group()
            else:
                self.next()
            first = False

    def skip_group(self) -> None:
        """Step over everything to the closing parenthesis; the opening one is behind."""
        depth = 1
        while depth:
            token = self.next()
            if token is _END:
                raise NotUnderstood("unbalanced parentheses")
            if token.kind == "punct":
                depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(token.text, 0)

    def order_keys(self) -> tuple[syntax.Order, ...]:
        keys = [self.order_key()]
        while self.sign(","):
            keys.append(self.order_key())
        return tuple(keys)

    def order_key(self) -> syntax.Order:
        expression = self.expression()
        descending = False
        if self.word("DESC"):
            descending = True
        elif not self.word("ASC") and self.word("USING"):
            descending = self.next().text == ">"
        nulls_first = None
        if self.word("NULLS"):
            nulls_first = self.next().word == "FIRST"
        return syntax.Order(expression, descending, nulls_first)

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
        while self.peek().word not in ("FROM", "WHERE", "UNION", "INTO") and self.peek() is not _END:
            expression = self.expression()
            alias = None
            if self.word("AS") or (
                self.peek().kind in ("name", "quoted") and self.peek().word not in _END_OF_EXPRESSION
            ):
                token = self.next()
                alias = token.identifier
            outputs.append((expression, alias))
            if not self.sign(","):
                break
        return tuple(outputs)

    # -- FROM

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

    def is_subquery(self) -> bool:
        ahead = 0
        while self.peek(ahead).text == "(":
            ahead += 1
        return self.peek(ahead).word in ("SELECT", "WITH", "VALUES")

    def alias(self) -> str | None:
        self.sign("*")
        if self.word("AS") or (self.peek().kind in ("name", "quoted") and self.peek().word not in _END_OF_SOURCE):
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
        while self.peek().text != "(" and self.peek() is not _END:
            self.next()
        self.expect("(")
        self.skip_group()

    # -- UPDATE, DELETE, INSERT

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
            if self.next() is _END:
                raise NotUnderstood("INSERT without rows")
            if self.peek().text == "(" and self.peek(1).word not in ("SELECT", "WITH"):
                self.next()
                self.skip_group()
            elif self.peek().text == "(":
                self.next()
        if self.word("DEFAULT"):
            return syntax.Query(())
        return self.query(ctes, recursive)

    # -- expressions

    def whole_expression(self) -> syntax.Expression:
        expression = self.expression()
        if self.peek() is not _END:
            raise NotUnderstood("something follows the expression")
        return expression

    def expressions(self) -> tuple[syntax.Expression, ...]:
        found = [self.expression()]
        while self.sign(","):
            found.append(self.expression())
        return tuple(found)

    def expression(self) -> syntax.Expression:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise NotUnderstood("nested too deep")
        operands = [self.conjunction()]
        while self.word("OR") or self.word("XOR"):
            operands.append(self.conjunction())
        self.depth -= 1
        return operands[0] if len(operands) == 1 else syntax.Operation("OR", tuple(operands))

    def conjunction(self) -> syntax.Expression:
        operands = [self.negation()]
        while self.word("AND"):
            operands.append(self.negation())
        return operands[0] if len(operands) == 1 else syntax.Operation("AND", tuple(operands))

    def negation(self) -> syntax.Expression:
        if self.peek().word == "NOT" or (self.peek().text == "!" and self.peek().kind == "op"):
            self.next()
            self.depth += 1
            if self.depth > _MAX_DEPTH:
                raise NotUnderstood("nested too deep")
            operand = self.negation()
            self.depth -= 1
            return syntax.Operation("NOT", (operand,))
        return self.comparison()

    def comparison(self) -> syntax.Expression:
        left = self.sum()
        while True:
            token = self.peek()
            if token.kind == "op" and (token.text in _COMPARISONS or token.text == "?"):
                left = self.compared(left)
            elif token.word == "IS":
                left = self.is_test(left)
            elif token.word in _WORD_COMPARISONS or (token.word == "NOT" and self.peek(1).word in _WORD_COMPARISONS):
                left = self.word_comparison(left)
            elif token.word in ("ISNULL", "NOTNULL"):
                self.next()
                left = syntax.Operation("IS NULL" if token.word == "ISNULL" else "IS NOT NULL", (left,))
            else:
                return left

    def compared(self, left: syntax.Expression) -> syntax.Expression:
        operator = {"==": "=", "!=": "<>"}.get(self.peek().text, self.next().text)
        if self.peek().word in ("ANY", "SOME", "ALL") and self.peek(1).text == "(":
            quantifier = self.next().word
            self.expect("(")
            right = self.subquery_or_expression()
            return syntax.Operation(f"{operator} {'ALL' if quantifier == 'ALL' else 'ANY'}", (left, right))
        return syntax.Operation(operator, (left, self.sum()))

    def subquery_or_expression(self) -> syntax.Expression:
        if self.peek().word in ("SELECT", "WITH", "VALUES"):
            inner: syntax.Expression = syntax.Nested(self.query())
        else:
            inner = self.expression()
        self.expect(")")
        return inner

    def is_test(self, left: syntax.Expression) -> syntax.Expression:
        self.next()
        negated = "NOT " if self.word("NOT") else ""
        if self.word("DISTINCT", "FROM"):
            right = self.sum()
            null = isinstance(right, syntax.Constant) and right.kind == "null"
            if null:
                return syntax.Operation("IS NULL" if negated else "IS NOT NULL", (left,))
            return syntax.Operation("=" if negated else "IS DISTINCT FROM", (left, right))
        if self.word("NULL"):
            return syntax.Operation(f"IS {negated}NULL", (left,))
        if self.peek().word in ("TRUE", "FALSE", "UNKNOWN"):
            return syntax.Operation(f"IS {negated}{self.next().word}", (left,))
        if self.word("JSON") or self.word("DOCUMENT"):
            return syntax.Operation("IS JSON", (left,))
        # SQLite: `a IS b` is an equality that knows NULL.
        return syntax.Operation("<>" if negated else "=", (left, self.sum()))

    def word_comparison(self, left: syntax.Expression) -> syntax.Expression:
        negated = "NOT " if self.word("NOT") else ""
        operator = self.next().word
        if operator == "BETWEEN":
            self.word("SYMMETRIC")
            low = self.sum()
            self.expect("AND")
            return syntax.Operation(f"{negated}BETWEEN", (left, low, self.sum()))
        if operator == "IN":
            return syntax.Operation(f"{negated}IN", (left, *self.in_list()))
        if operator == "SIMILAR":
            self.expect("TO")
        if operator == "SOUNDS":
            self.expect("LIKE")
        right = self.sum()
        if self.word("ESCAPE"):
            self.sum()
        return syntax.Operation(f"{negated}{operator}", (left, right))

    def in_list(self) -> tuple[syntax.Expression, ...]:
        if not self.sign("("):
            return (self.sum(),)
        if self.sign(")"):
            return ()
        if self.peek().word in ("SELECT", "WITH", "VALUES") or (self.peek().text == "(" and self.is_subquery()):
            query = self.query()
            self.expect(")")
            return (syntax.Nested(query),)
        items = self.expressions()
        self.expect(")")
        return items

    def sum(self) -> syntax.Expression:
        left = self.product()
        while self.peek().kind == "op" and self.peek().text in ("+", "-"):
            operator = self.next().text
            left = syntax.Operation(operator, (left, self.product()))
        return left

    def product(self) -> syntax.Expression:
        left = self.tight()
        while (self.peek().kind == "op" and self.peek().text in ("*", "/", "%", "%%")) or self.peek().word in (
            "DIV",
            "MOD",
        ):
            operator = self.next().text
            left = syntax.Operation(operator, (left, self.tight()))
        return left

    def tight(self) -> syntax.Expression:
        left = self.unary()
        while self.peek().kind == "op" and self.peek().text in _TIGHT:
            operator = self.next().text
            left = syntax.Operation(operator, (left, self.unary()))
        return left

    def unary(self) -> syntax.Expression:
        if self.peek().kind == "op" and self.peek().text in ("-", "+", "~", "@"):
            operator = self.next().text
            operand = self.unary()
            if isinstance(operand, syntax.Constant):
                return operand
            return syntax.Operation(operator, (operand,))
        return self.postfix(self.primary())

    def postfix(self, operand: syntax.Expression) -> syntax.Expression:
        while True:
            if self.sign("::"):
                operand = syntax.Cast(operand, self.type_name())
            elif self.word("COLLATE"):
                operand = syntax.Collated(operand, self.qualified_name())
            elif self.sign("["):
                self.skip_group()
                operand = syntax.Operation("[]", (operand,))
            elif self.peek().word == "AT" and self.peek(1).word == "TIME":
                self.at += 3
                operand = syntax.Call("timezone", (self.primary(), operand))
            elif self.peek().text == "." and self.peek(1).kind in ("name", "quoted"):
                # (InitPlan 1).col1, (composite).field
                self.at += 2
                operand = operand if isinstance(operand, syntax.Parameter) else syntax.Operation(".", (operand,))
            else:
                return operand

    def qualified_name(self) -> str:
        name = self.name()
        while self.sign("."):
            name = self.name()
        return name

    def type_name(self) -> str:
        words = [self.qualified_name()]
        while self.peek().word in _TYPE_WORDS:
            words.append(self.next().text)
        if self.sign("("):
            self.skip_group()
        while self.peek().word in _TYPE_WORDS:
            words.append(self.next().text)
        while self.peek().text == "[" and self.peek(1).text == "]":
            self.at += 2
            words[-1] += "[]"
        return " ".join(words).lower()

    def primary(self) -> syntax.Expression:
        token = self.next()
        if token.kind == "string":
            while self.peek().kind == "string":
                self.next()
            return syntax.Constant(token.text, "string")
        if token.kind == "number":
            return syntax.Constant(token.text, "number")
        if token.kind == "param" or (token.kind == "op" and token.text == "?"):
            return syntax.Parameter(token.text, self.positions.get(token.start, -1))
        if token.text == "*" and token.kind == "op":
            return syntax.Star()
        if token.text == "(":
            return self.parenthesised()
        if token.kind == "quoted":
            return self.named(token)
        if token.kind == "name":
            return self.worded(token)
        raise NotUnderstood("expected an expression")

    def parenthesised(self) -> syntax.Expression:
        if self.peek().word in ("SELECT", "WITH", "VALUES"):
            query = self.query()
            self.expect(")")
            return syntax.Nested(query)
        if self.peek().word in ("HASHED", "SUBPLAN", "INITPLAN", "ALTERNATIVES", "NULL_CHECK", "RESCAN"):
            if self.peek().word != "NULL_CHECK" and self.peek(1).text != "=":
                once = self.peek().word == "INITPLAN"  # a value that is looked up before the rows are
                self.skip_group()
                return syntax.Parameter("?", -1) if once else syntax.Unknown("subplan")
        items = self.expressions()
        self.expect(")")
        return items[0] if len(items) == 1 else syntax.Operation("ROW", items)

    def worded(self, token: Token) -> syntax.Expression:  # noqa: C901 - one branch a word
        word = token.word
        if word == "NULL":
            return syntax.Constant("NULL", "null")
        if word in ("TRUE", "FALSE"):
            return syntax.Constant(word, "boolean")
        if word == "CASE":
            return self.case()
        if word == "EXISTS" and self.peek().text == "(":
            self.next()
            inner = self.subquery_or_expression()
            return syntax.Nested(inner.query, exists=True) if isinstance(inner, syntax.Nested) else inner
        if word in ("CAST", "TRY_CAST") and self.peek().text == "(":
            return self.cast()
        if word == "INTERVAL":
            self.interval()
            return syntax.Constant("interval", "string")
        if word == "ARRAY" and self.sign("["):
            self.skip_group()
            return syntax.Constant("ARRAY[]", "string")
        if word in ("SUBPLAN", "INITPLAN") and self.peek().kind == "number":
            self.next()
            return syntax.Unknown("subplan")
        if word in ("DATE", "TIME", "TIMESTAMP") and self.peek().kind == "string":
            return syntax.Constant(self.next().text, "string")
        if word in ("CURRENT_TIMESTAMP", "CURRENT_DATE", "CURRENT_TIME", "LOCALTIMESTAMP", "CURRENT_USER"):
            if self.sign("("):
                self.skip_group()
            return syntax.Call(token.text.lower())
        if word in _END_OF_EXPRESSION and self.peek().text not in (".", "("):
            raise NotUnderstood(f"unexpected {word}")
        return self.named(token)

    def named(self, token: Token) -> syntax.Expression:
        names = [token.identifier]
        while self.sign("."):
            if self.sign("*"):
                return syntax.Star(names[-1])
            names.append(self.name())
        if self.peek().text == "(" and self.peek().kind == "punct":
            self.next()
            return self.call(names[-1])
        return syntax.Column(names[-1], names[-2] if len(names) > 1 else None)

    def call(self, name: str) -> syntax.Expression:
        arguments: list[syntax.Expression] = []
        while not self.sign(")"):
            if self.peek() is _END:
                raise NotUnderstood("unbalanced parentheses")
            if self.peek().word in ("DISTINCT", "ALL", "FROM", "FOR", "BOTH", "LEADING", "TRAILING", "SEPARATOR", "AS"):
                self.next()
            elif self.word("ORDER", "BY"):
                self.order_keys()
            elif self.peek().word in ("SELECT", "WITH"):
                arguments.append(syntax.Nested(self.query()))
            elif not self.sign(","):
                arguments.append(self.expression())
        if self.word("WITHIN", "GROUP"):
            self.expect("(")
            self.skip_group()
        if self.word("FILTER"):
            self.expect("(")
            self.skip_group()
        if self.word("OVER"):
            return syntax.Call(name.lower(), tuple(arguments), True, self.window())
        return syntax.Call(name.lower(), tuple(arguments))

    def window(self) -> tuple[syntax.Order, ...]:
        """PARTITION BY and ORDER BY of a window, as the order that would serve both."""
        if not self.sign("("):
            self.name()
            return ()
        keys: list[syntax.Order] = []
        if self.word("PARTITION", "BY"):
            keys += [syntax.Order(each) for each in self.expressions()]
        if self.word("ORDER", "BY"):
            keys += self.order_keys()
        self.skip_group()
        return tuple(keys)

    def case(self) -> syntax.Expression:
        parts: list[syntax.Expression] = []
        while not self.word("END"):
            if self.peek() is _END:
                raise NotUnderstood("CASE without END")
            if self.peek().word in ("WHEN", "THEN", "ELSE"):
                self.next()
            else:
                parts.append(self.expression())
        return syntax.Operation("CASE", tuple(parts))

    def cast(self) -> syntax.Expression:
        self.expect("(")
        operand = self.expression()
        self.expect("AS")
        kind = self.type_name()
        if not self.sign(")"):
            self.skip_group()
        return syntax.Cast(operand, kind)

    def interval(self) -> None:
        self.primary()
        if self.peek().word in ("DAY", "HOUR", "MINUTE", "SECOND", "MONTH", "YEAR", "WEEK"):
            self.next()


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


_END = Token("end", "", -1)
