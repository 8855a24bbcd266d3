"""What stands between the words and signs of a statement: names of tables, columns and functions, and values."""

from __future__ import annotations

from dataclasses import field
from itertools import takewhile

from pytest_querybudget.statements.frames import Frame
from pytest_querybudget.statements.lexer import KEYWORD, LITERAL, OP, Token
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
from pytest_querybudget.statements.words import AGGREGATES, VOLATILE
from pytest_querybudget.values import dataclass

_COMPARING = frozenset(("where", "on", "having"))
# A name after one of these is a type, a label or a collation.
_BEFORE_NO_COLUMN = frozenset(((OP, "::"), (KEYWORD, "AS"), (KEYWORD, "COLLATE")))


@dataclass(slots=True)
class ElementReader:
    """The state of reading one statement (up to a semicolon), and what its names and values mean there."""

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

    def _enter(self, frame: Frame, index: int, clause: str) -> None:
        if frame.clause == "select":
            self._end_item(frame, index)
        frame.finish()
        frame.clause, self.expect = clause, ""

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

    def _child(self, parent: Query) -> Query:
        child = Query(parent)
        self.queries.append(child)
        return child

    def _word(self, index: int) -> str:
        if 0 <= index < len(self.tokens) and self.tokens[index][0] == KEYWORD:
            return self.tokens[index][1]
        return ""

    def _text(self, index: int) -> str:
        return self.tokens[index][1] if 0 <= index < len(self.tokens) else ""
