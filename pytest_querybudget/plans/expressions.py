"""Read expressions, as statements and plans have them."""

from __future__ import annotations

from abc import ABC, abstractmethod

from pytest_querybudget.plans import syntax
from pytest_querybudget.plans.cursor import END, MAX_DEPTH, NotUnderstood, TokenReader
from pytest_querybudget.plans.tokens import Token

_COMPARISONS = {
    "=", "==", "<", ">", "<=", ">=", "<>", "!=", "<=>", "@>", "<@", "@@", "@?", "?|", "?&", "&&",
    "~~", "~~*", "!~~", "!~~*", "~", "~*", "!~", "!~*",
}  # fmt: skip
_WORD_COMPARISONS = {"LIKE", "ILIKE", "GLOB", "REGEXP", "RLIKE", "MATCH", "IN", "BETWEEN", "SIMILAR", "SOUNDS"}
_TIGHT = {"||", "->", "->>", "#>", "#>>", "&", "|", "<<", ">>", "#", "^"}
# What ends a table with its alias.
END_OF_SOURCE = {
    "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "FETCH", "UNION", "INTERSECT", "EXCEPT", "WINDOW", "FOR",
    "ON", "USING", "JOIN", "LEFT", "RIGHT", "FULL", "INNER", "CROSS", "NATURAL", "STRAIGHT_JOIN", "SET", "RETURNING",
    "INDEXED", "NOT", "TABLESAMPLE", "USE", "FORCE", "IGNORE", "LOCK", "VALUES", "PARTITION",
}  # fmt: skip
END_OF_EXPRESSION = END_OF_SOURCE | {"AS", "FROM", "THEN", "WHEN", "ELSE", "END", "ASC", "DESC", "NULLS", "AND", "OR"}
_TYPE_WORDS = {
    "VARYING", "PRECISION", "WITHOUT", "WITH", "TIME", "ZONE", "UNSIGNED", "SIGNED", "INTEGER", "LOCAL", "CHARACTER",
}  # fmt: skip


class ExpressionReader(TokenReader, ABC):
    """A recursive descent from OR to a single value."""

    @abstractmethod
    def query(self) -> syntax.Query:
        """Read a query, up to the parenthesis that closes it."""

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

    def whole_expression(self) -> syntax.Expression:
        expression = self.expression()
        if self.peek() is not END:
            raise NotUnderstood("something follows the expression")
        return expression

    def expressions(self) -> tuple[syntax.Expression, ...]:
        found = [self.expression()]
        while self.sign(","):
            found.append(self.expression())
        return tuple(found)

    def expression(self) -> syntax.Expression:
        self.depth += 1
        if self.depth > MAX_DEPTH:
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
            if self.depth > MAX_DEPTH:
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
        if word in END_OF_EXPRESSION and self.peek().text not in (".", "("):
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
            if self.peek() is END:
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
            if self.peek() is END:
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
