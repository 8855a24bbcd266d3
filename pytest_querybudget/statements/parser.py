"""One pass over the tokens of a text: which queries it holds and what they compare. Linear, and never recursive.

It knows the clauses of SQL and not the grammar of any dialect: what it does not understand it steps over.
"""

from __future__ import annotations

from pytest_querybudget.statements.elements import ElementReader
from pytest_querybudget.statements.frames import Frame
from pytest_querybudget.statements.lexer import KEYWORD, LITERAL, NAME, OP
from pytest_querybudget.statements.scopes import Output, Query, Source
from pytest_querybudget.statements.words import ROLES, VOLATILE_WORDS

_QUERY_WORDS = frozenset(("SELECT", "WITH", "VALUES", "INSERT", "UPDATE", "DELETE", "TABLE", "MERGE", "REPLACE"))
_JOINS = frozenset(("JOIN", "STRAIGHT_JOIN"))
_OUTER = {"LEFT": "left", "RIGHT": "full", "FULL": "full"}
_BREAKS = frozenset(("CASE", "WHEN", "THEN", "ELSE", "END", "ESCAPE"))
_CALLED = frozenset(("CAST", "LEFT", "RIGHT", "REPLACE", "IF", "ANY", "SOME", "ALL", "EXISTS", "FILTER", "OVER"))
_PLAIN_SIGNS = frozenset((".", "::", "[", "]", ";"))


class Parser(ElementReader):
    """Goes through the words and signs of one statement."""

    __slots__ = ()

    def read(self) -> None:
        """Read all tokens."""
        self.queries.append(self.top)
        self.frames.append(Frame(self.top, "query", ""))
        for index, (kind, text) in enumerate(self.tokens):
            if kind == KEYWORD:
                self._keyword(index, text)
            elif kind == NAME:
                self._name(index, text)
            elif kind == OP:
                self._sign(index, text)
            else:
                self._value(index, text, kind == LITERAL)
        while self.frames:
            self._close(len(self.tokens))

    def _keyword(self, index: int, word: str) -> None:
        frame = self.frames[-1]
        if word in ROLES:
            self._operator(frame, word, index)
        elif word in ("AND", "OR"):
            self._connective(frame, word)
        elif word == "NOT":
            frame.negated = True
        elif word in _BREAKS:
            frame.flush()
            frame.cases += (word == "CASE") - (word == "END")
        elif word in VOLATILE_WORDS:
            self.volatile = True
        elif frame.purpose == "query":
            self._clause(frame, index, word)
        elif frame.purpose == "tables":
            self._from_word(frame, index, word)
        elif word == "FROM" and self._text(index - 3).lower() == "extract":
            frame.left.clear()

    def _clause(self, frame: Frame, index: int, word: str) -> None:  # noqa: C901, PLR0912, PLR0915 - one branch a clause, flat
        query = frame.query
        before = self._word(index - 1)
        if word == "FROM":
            if before == "DISTINCT" and self._word(index - 2) in ("IS", "NOT"):
                return
            self._start_from(frame, index)
        elif word == "SELECT":
            self._select(frame, index)
        elif word in ("DISTINCT", "ALL", "TOP") and frame.clause == "select" and self.item == index:
            self.item = index + 1
            if word == "TOP":
                query.limited = True
                frame.clause = "limit"
        elif word in ("WHERE", "HAVING", "QUALIFY"):
            self._enter(frame, index, "having" if word != "WHERE" else "where")
        elif word in ("ORDER", "GROUP", "WINDOW", "PARTITION"):
            if frame.clause == "from" and word == "PARTITION":
                return
            self._enter(frame, index, "by")
            head = query.first or query
            head.ordered = head.ordered or word == "ORDER"
            query.grouped = query.grouped or word == "GROUP"
        elif word in ("LIMIT", "FETCH", "OFFSET"):
            self._enter(frame, index, "offset" if word == "OFFSET" else "limit")
            if word != "OFFSET" and self._word(index + 1) not in ("ALL", "NULL"):
                (query.first or query).limited = True
        elif word in ("UNION", "INTERSECT", "EXCEPT", "MINUS"):
            self._compound(frame, index)
        elif word == "WITH":
            if not query.kind and frame.clause in ("", "ctes"):
                self._enter(frame, index, "ctes")
                self.expect = "cte"
        elif word == "RECURSIVE":
            self.recursive = True
        elif word == "FOR":
            self._for(frame, index)
        elif word == "RETURNING":
            self._back_to_write(frame)
            self._enter(frame, index, "select")
            self.item = index + 1
        elif word in ("INSERT", "REPLACE", "UPSERT", "UPDATE", "DELETE", "MERGE"):
            self._write(frame, index, word, before)
        elif word == "INTO":
            self._into(frame, index)
        elif word == "SET":
            self._enter(frame, index, "set")
            frame.names, frame.index = [], 0
        elif word == "VALUES":
            self._enter(frame, index, "values")
            if not query.kind:
                query.kind = "values"
        elif word == "ON" and self._word(index + 1) in ("CONFLICT", "DUPLICATE"):
            self._back_to_write(frame)
            self._enter(frame, index, "conflict")
        else:
            self._from_word(frame, index, word)

    def _from_word(self, frame: Frame, index: int, word: str) -> None:
        if word in _JOINS:
            frame.finish()
            frame.clause, self.expect = "from", "table"
            before = (self._word(index - 1), self._word(index - 2))
            self.join = next((_OUTER[each] for each in before if each in _OUTER), "inner")
        elif word == "ON" and frame.clause in ("from", "on"):
            frame.flush()
            frame.clause, self.expect = "on", ""
        elif word == "USING":
            frame.flush()
            is_merge = frame.query.kind in ("delete", "merge") and self._text(index + 1) != "("
            frame.clause, self.expect = ("from", "table") if is_merge or frame.clause == "" else ("using", "")
            self.join = "inner"
        elif word == "AS":
            if frame.clause in ("from", "using") and self.last is not None:
                self.expect = "alias"
        elif word == "TABLE" and frame.purpose == "query" and not frame.query.kind and index == 0:
            frame.query.kind = "select"
            frame.query.outputs.append(Output(None, "*"))
            self._start_from(frame, index)
        elif word in ("USE", "FORCE", "IGNORE", "WITH", "TABLESAMPLE", "PARTITION") and frame.clause == "from":
            frame.clause = "hint"
        elif word not in ("LATERAL", "ONLY", "AS", "OUTER", "INNER", "LEFT", "RIGHT", "FULL", "CROSS", "NATURAL"):
            if self.expect in ("table", "alias"):
                self.expect = ""

    def _select(self, frame: Frame, index: int) -> None:
        query = frame.query
        if query.kind in ("insert", "merge"):
            query = self._child(query)
            frame.query = query
        query.kind = "select"
        self._enter(frame, index, "select")
        self.item = index + 1

    def _start_from(self, frame: Frame, index: int) -> None:
        query = frame.query
        self._enter(frame, index, "from")
        self.join = ""
        self.expect = "target" if query.kind == "delete" and query.target is None and not query.targets else "table"

    def _compound(self, frame: Frame, index: int) -> None:
        head = frame.query.first or frame.query
        self._enter(frame, index, "")
        head.compound = True
        frame.query = self._child(head)
        frame.query.first = head

    def _for(self, frame: Frame, index: int) -> None:
        following = [self._text(index + each).upper() for each in (1, 2, 3, 4)]
        if "UPDATE" in following[:4] or "SHARE" in following[:3]:
            self.locking = True
            self._enter(frame, index, "lock")

    def _write(self, frame: Frame, index: int, word: str, before: str) -> None:
        query = frame.query
        if frame.clause == "lock" or before == "ON":
            return
        if word == "UPDATE" and (before in ("DO", "THEN") or self._text(index - 1).upper() == "KEY"):
            self._enter(frame, index, "set")
            frame.names, frame.index = [], 0
        elif word == "INSERT" and before == "THEN":
            self._enter(frame, index, "insert")
        elif not query.kind:
            self._enter(frame, index, "")
            query.kind = {"REPLACE": "insert", "UPSERT": "insert"}.get(word, word.lower())
            self.expect = {"UPDATE": "target", "DELETE": "delete", "MERGE": "target"}.get(word, "target")

    def _into(self, frame: Frame, index: int) -> None:
        if frame.query.kind in ("insert", "merge"):
            self.expect = "target"
        elif frame.query.kind == "select":
            self._enter(frame, index, "into")
            self.expect = "into"

    def _back_to_write(self, frame: Frame) -> None:
        """After INSERT ... SELECT the words that follow belong to the INSERT again."""
        frame.finish()
        query = frame.query
        while query.kind == "select" and query.parent is not None and query.parent.kind != "":
            query = query.parent
            if query.kind in ("insert", "merge"):
                frame.query = query
                return

    def _sign(self, index: int, text: str) -> None:
        frame = self.frames[-1]
        if text == "(":
            self._open(frame, index)
        elif text == ")":
            if len(self.frames) > 1:
                self._close(index)
        elif text == ",":
            self._comma(frame, index)
        elif text in ROLES:
            self._operator(frame, text, index)
        elif text not in _PLAIN_SIGNS:
            frame.is_complex = True

    def _open(self, frame: Frame, index: int) -> None:
        following, before = self._word(index + 1), self._word(index - 1)
        if following in _QUERY_WORDS and (before or following not in ("REPLACE", "INSERT", "VALUES")):
            self._open_query(frame)
            return
        opened = Frame(frame.query, self._purpose(frame, index, before), frame.clause)
        opened.is_function = index > 0 and (self.tokens[index - 1][0] == NAME or before in _CALLED)
        self.is_call = False
        self.frames.append(opened)

    def _purpose(self, frame: Frame, index: int, before: str) -> str:
        """What a parenthesis that holds no query is for."""
        clause = frame.clause
        if frame.purpose not in ("query", "tables"):
            return "group"
        if clause in ("ctes", "insert", "using", "conflict"):
            return "names"
        if clause == "from":
            if self.expect in ("table", "alias"):
                return "tables"
            return "group" if self.is_call or self.last is None else "names"
        if clause == "values":
            return "row"
        if clause == "set" and (before == "SET" or self._text(index - 1) == ","):
            return "names"
        return "group"

    def _open_query(self, frame: Frame) -> None:
        child = self._child(frame.query)
        if frame.clause == "ctes" and self.cte in frame.query.ctes:
            child = frame.query.ctes[self.cte]
            self.queries[-1] = child
        elif self.expect == "table" and frame.clause == "from":
            self.last = Source(None, child, self.join)
            frame.query.sources.append(self.last)
        self.frames.append(Frame(child, "query", ""))
        self.saved.append((self.item, self.last, self.expect, self.join, self.cte))
        self.expect, self.last = "", None

    def _close(self, index: int) -> None:
        frame = self.frames[-1]
        if frame.purpose == "query":
            self._enter(frame, index, "")
        elif frame.operator or frame.purpose != "group":
            frame.finish()
        self.frames.pop()
        if not self.frames:
            return
        outer = self.frames[-1]
        if frame.purpose == "query":
            self._close_query(outer, frame.query.first or frame.query)
        elif frame.purpose == "names":
            self._close_names(outer, frame)
        elif frame.purpose == "tables":
            outer.clause = "from"
            self.expect = ""
        else:
            outer.merge(frame)

    def _close_query(self, outer: Frame, query: Query) -> None:
        self.item, self.last, _, self.join, self.cte = self.saved.pop()
        self.expect = ""
        outer.has_query = True
        if outer.operator:
            outer.queries.append(query)
        if outer.clause == "ctes":
            for output, name in zip(query.outputs, outer.names):  # noqa: B905 - fewer names than columns are legal
                output.label = name
            outer.query.ctes[self.cte] = query
            outer.names = []
        elif not outer.query.kind and outer.clause == "":
            # (SELECT ...) UNION ...: what is in the parentheses is the statement.
            outer.query.kind, outer.query.outputs, outer.query.compound = query.kind, query.outputs, True
            outer.query.sources.append(Source(None, query))

    def _close_names(self, outer: Frame, frame: Frame) -> None:
        query = outer.query
        if outer.clause in ("set", "ctes"):
            outer.names = frame.names
        elif query.kind in ("insert", "merge") and outer.clause in ("from", "insert"):
            query.targets = frame.names
        elif outer.clause == "from" and self.last is not None:
            self.last.renamed = frame.names

    def _comma(self, frame: Frame, index: int) -> None:
        if frame.purpose == "row":
            frame.index += 1
        elif frame.purpose in ("query", "tables"):
            clause = frame.clause
            if clause == "select":
                self._end_item(frame, index)
                frame.flush()
                self.item = index + 1
            elif clause in ("from", "on", "using", "hint"):
                frame.finish()
                frame.clause, self.expect, self.join = "from", "table", "cross"
            elif clause == "set":
                frame.flush()
                frame.names = []
                frame.index = 0
            elif clause == "ctes":
                self.expect = "cte"
            elif clause == "limit" and self.values and self.values[-1].role == "limit":
                self.values[-1].role = "offset"
            else:
                frame.flush()
        else:
            frame.index += 1
            if frame.operator:
                frame.flush()

    def _operator(self, frame: Frame, text: str, index: int) -> None:
        if frame.purpose == "names" or (frame.clause == "set" and frame.purpose == "query"):
            return
        if frame.operator:
            frame.flush()
        role, following = ROLES[text], self._text(index + 1).upper()
        if role == "equal" and following in ("ANY", "SOME"):
            role = "in"
        elif (
            text == "IS" and (following == "DISTINCT" or (following == "NOT" and self._word(index + 2) != "DISTINCT"))
        ) or (frame.negated and role == "equal"):
            role = "other"
        frame.operator, frame.role = text, role

    def _connective(self, frame: Frame, word: str) -> None:
        if word == "AND" and frame.operator == "BETWEEN":
            frame.operator = "BETWEEN ... AND"
            return
        if word == "OR":
            frame.has_or = True
        frame.flush()
