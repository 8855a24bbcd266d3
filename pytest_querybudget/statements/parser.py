"""One pass over the tokens of a text: which queries it holds and what they compare. Linear, and never recursive.

It knows the clauses of SQL and not the grammar of any dialect: what it does not understand it steps over.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import takewhile

from pytest_querybudget.statements.frames import Frame
from pytest_querybudget.statements.lexer import KEYWORD, LITERAL, NAME, OP, Token
from pytest_querybudget.statements.names import ValueNames
from pytest_querybudget.statements.outputs import read_output
from pytest_querybudget.statements.scopes import (
    MAX_BINDS,
    Output,
    Query,
    Source,
    Value,
    split_path,
    unquote,
)
from pytest_querybudget.statements.words import AGGREGATES, ROLES, VOLATILE, VOLATILE_WORDS

_QUERY_WORDS = frozenset(("SELECT", "WITH", "VALUES", "INSERT", "UPDATE", "DELETE", "TABLE", "MERGE", "REPLACE"))
_JOINS = frozenset(("JOIN", "STRAIGHT_JOIN"))
_OUTER = {"LEFT": "left", "RIGHT": "full", "FULL": "full"}
_COMPARING = frozenset(("where", "on", "having"))
_BREAKS = frozenset(("CASE", "WHEN", "THEN", "ELSE", "END", "ESCAPE"))
_CALLED = frozenset(("CAST", "LEFT", "RIGHT", "REPLACE", "IF", "ANY", "SOME", "ALL", "EXISTS", "FILTER", "OVER"))
_PLAIN_SIGNS = frozenset((".", "::", "[", "]", ";"))
# A name after one of these is a type, a label or a collation.
_BEFORE_NO_COLUMN = frozenset(((OP, "::"), (KEYWORD, "AS"), (KEYWORD, "COLLATE")))


@dataclass(slots=True)
class Parser:
    """The state of reading one statement (up to a semicolon)."""

    tokens: list[Token]
    names: ValueNames
    frames: list[Frame] = field(default_factory=list)
    queries: list[Query] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    top: Query = field(default_factory=lambda: Query(None))
    locking: bool = False
    volatile: bool = False
    into: str | None = None
    # What the next name is: "table", "target", "alias", "cte", "delete", "label" or nothing special.
    expect: str = ""
    item: int = -1
    join: str = ""
    last: Source | None = None
    cte: str = ""
    recursive: bool = False
    aggregates: int = 0
    # A table function was named: the next parenthesis holds its arguments.
    is_call: bool = False
    # What was being read when a subquery began.
    saved: list[tuple[int, Source | None, str, str, str]] = field(default_factory=list)

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

    # Words -------------------------------------------------------------------------------------------------------

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

    def _child(self, parent: Query) -> Query:
        child = Query(parent)
        self.queries.append(child)
        return child

    def _enter(self, frame: Frame, index: int, clause: str) -> None:
        if frame.clause == "select":
            self._end_item(frame, index)
        frame.finish()
        frame.clause, self.expect = clause, ""

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

    # Names -------------------------------------------------------------------------------------------------------

    def _name(self, index: int, path: str) -> None:
        frame = self.frames[-1]
        is_function = self._text(index + 1) == "("
        if self.expect and self._expected(frame, index, path, is_function):
            return
        if frame.purpose == "names":
            frame.names.append(split_path(path)[-1])
            return
        if is_function:
            self._function(frame, path)
            return
        before = self.tokens[index - 1] if index else (OP, "")
        if before in _BEFORE_NO_COLUMN:
            return
        if frame.clause == "set" and frame.purpose == "query":
            frame.names.append(path)
            return
        if frame.clause in ("from", "hint"):
            if frame.clause == "from" and self.last is not None and frame.purpose != "group":
                self._alias(frame, path)
            return
        if index + 1 < len(self.tokens) and self.tokens[index + 1][0] == LITERAL:
            return
        (frame.right if frame.operator else frame.left).append(path)

    def _expected(self, frame: Frame, index: int, path: str, is_function: bool) -> bool:
        expect, query = self.expect, frame.query
        if expect == "cte":
            self.cte, self.expect = unquote(path).lower(), ""
            if self.recursive:
                query.ctes[self.cte] = Query(query)
        elif expect == "alias":
            self._alias(frame, path)
        elif expect == "delete":
            query.targets.append(path.removesuffix(".*"))
        elif expect == "target" and query.target is None:
            if self._is_noise(index):
                return True
            self._target(frame, path)
        elif expect == "into":
            self.into, self.expect = unquote(path), ""
        elif is_function:
            self.last, self.expect, self.is_call = self._add(frame, Source(None), split_path(path)[-1]), "", True
            frame.clause = "from"
            self._function(frame, path)
        else:
            self._table(frame, path)
        return True

    def _is_noise(self, index: int) -> bool:
        """`LOW_PRIORITY`, `DELAYED`, `QUICK`: a name that another name or INTO follows, before the table."""
        following = self._word(index + 1)
        word = self.tokens[index][1].upper()
        return word in ("LOW_PRIORITY", "HIGH_PRIORITY", "DELAYED", "QUICK", "OVERWRITE", "ABORT", "FAIL") or (
            following == "INTO"
        )

    def _target(self, frame: Frame, path: str) -> None:
        source = Source(unquote(path))
        frame.query.target = source
        self.last, self.expect, frame.clause = source, "", "from"
        self._register(frame.query, source, path)

    def _table(self, frame: Frame, path: str) -> None:
        name = unquote(path)
        derived = frame.query.find_cte(name.lower())
        source = Source(None, derived) if derived is not None else Source(name)
        self.last, self.expect = self._add(frame, source, path), ""
        frame.clause = "from"

    def _add(self, frame: Frame, source: Source, path: str) -> Source:
        source.join = self.join
        frame.query.sources.append(source)
        self._register(frame.query, source, path)
        return source

    def _register(self, query: Query, source: Source, path: str) -> None:
        parts = split_path(unquote(path))
        source.keys = (".".join(parts).lower(), parts[-1].lower())
        for key in source.keys:
            query.names.setdefault(key, source)

    def _alias(self, frame: Frame, path: str) -> None:
        """The alias hides the table's own name: in a self-join that name may be another's."""
        source, self.expect = self.last, ""
        if source is None:
            return
        names = frame.query.names
        for key in source.keys:
            if names.get(key) is source:
                del names[key]
        source.keys = (split_path(path)[-1].lower(),)
        names[source.keys[0]] = source

    def _function(self, frame: Frame, path: str) -> None:
        name = split_path(path)[-1].lower()
        if name in VOLATILE:
            self.volatile = True
        if name in AGGREGATES and frame.query is self.top and frame.clause == "select":
            self.aggregates += 1

    # Signs -------------------------------------------------------------------------------------------------------

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

    # Values and comparisons --------------------------------------------------------------------------------------

    def _value(self, index: int, text: str, literal: bool) -> None:
        frame = self.frames[-1]
        name = self.names.literal() if literal else self.names.parameter(text)
        if literal and text[1:4].lower() == "now" and len(text) == 5:
            self.volatile = True
        if name is None or len(self.values) >= MAX_BINDS:
            return
        value = Value(name, literal, frame.query, at=index)
        self.values.append(value)
        clause = frame.clause
        if clause in ("limit", "offset"):
            value.role = clause
            if self._is_top(index):
                frame.clause, self.item = "select", index + 1
        elif clause == "set":
            self._assign(value)
        elif clause == "values":
            row = next((each for each in reversed(self.frames) if each.purpose in ("row", "query")), frame)
            if frame.query.kind not in ("insert", "merge"):
                self._value_of_row(frame.query, row.index, value)
                return
            value.role = "value"
            value.path = frame.query.targets[row.index] if row.index < len(frame.query.targets) else None
        elif clause in _COMPARING:
            (frame.right_values if frame.operator else frame.left_values).append(value)

    def _value_of_row(self, query: Query, place: int, value: Value) -> None:
        """Take a value in VALUES for a column, as long as there is one row."""
        if query is self.top:
            return
        if place == len(query.outputs):
            query.outputs.append(Output(None, f"column{place + 1}", value))
        else:
            query.listed = True

    def _is_top(self, index: int) -> bool:
        return self._word(index - 1) == "TOP" or (self._text(index - 1) == "(" and self._word(index - 2) == "TOP")

    def _assign(self, value: Value) -> None:
        value.role = "value"
        base = next((each for each in reversed(self.frames) if each.purpose == "query"), self.frames[-1])
        if base.names:
            value.path = base.names[min(base.index, len(base.names) - 1)] if base.index else base.names[0]
            if len(self.frames) and self.frames[-1] is not base and not self.frames[-1].is_function:
                base.index += 1

    def _end_item(self, frame: Frame, end: int) -> None:
        """One column of a select list has been read: tokens from `item` up to `end`."""
        start, query = self.item, frame.query
        if not 0 <= start < end:
            return
        self.item = -1
        output = read_output(self.tokens, start, end)
        made_of = list(takewhile(lambda each: each.at >= start, reversed(self.values)))
        is_constant = len(made_of) == 1 and not frame.has_query and set(frame.left) <= {output.label}
        if query.first is None:
            output.value = made_of[0] if is_constant else None
            query.outputs.append(output)
        elif is_constant:
            query.first.listed = True

    # Looking around ----------------------------------------------------------------------------------------------

    def _word(self, index: int) -> str:
        if 0 <= index < len(self.tokens) and self.tokens[index][0] == KEYWORD:
            return self.tokens[index][1]
        return ""

    def _text(self, index: int) -> str:
        return self.tokens[index][1] if 0 <= index < len(self.tokens) else ""
