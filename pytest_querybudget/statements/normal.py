"""The text of a shape: what two executions of one statement have in common, for people to read."""

from __future__ import annotations

from pytest_querybudget.statements.lexer import KEYWORD, LITERAL, NAME, OP, PARAM, Token, tokenize
from pytest_querybudget.statements.words import FUNCTIONS

_NO_SPACE_BEFORE = frozenset((",", ")", "]", ";"))
_NO_SPACE_AFTER = frozenset(("(", "["))
_LIST_WORDS = frozenset(("NULL", "TRUE", "FALSE", "VALUES", "ROW", "INTERVAL"))
_LIST_SIGNS = frozenset((",", "(", ")", "::", "-", "+", "...", "[", "]"))


def normalise(sql: str, dialect: str = "") -> str:
    """Give the text that all executions of one statement share; normalising it again changes nothing.

    Comments and literals are gone, white space and the case of keywords are uniform, a list of values after IN
    is `(...)` whatever its length, and of several rows of VALUES one is left. Linear in the length, never raises.
    """
    return render(tokenize(sql, dialect))


def literals(sql: str, dialect: str = "") -> tuple[str, ...]:
    """Give the literals of a text in their order, as they are written; `normalise` shows each as `?`."""
    return tuple(text for kind, text in tokenize(sql, dialect) if kind == LITERAL)


def matching(tokens: list[Token]) -> dict[int, int]:
    """Map the index of each closed opening parenthesis to that of its closing one."""
    stack: list[int] = []
    pairs: dict[int, int] = {}
    for index, (kind, text) in enumerate(tokens):
        if kind == OP:
            if text == "(":
                stack.append(index)
            elif text == ")" and stack:
                pairs[stack.pop()] = index
    return pairs


def render(tokens: list[Token]) -> str:  # noqa: C901 - the loop of every distinct text: flat for speed
    """Write tokens as the text of a shape."""
    out: list[str] = []
    pairs: dict[int, int] | None = None
    first_rows: set[int] = set()
    before: Token = (OP, "(")
    index, end = 0, len(tokens)
    while end and tokens[end - 1] == (OP, ";"):
        end -= 1
    while index < end:
        token = tokens[index]
        kind, text = token
        if kind == NAME:
            text = _name(text, tokens, index)
        elif kind == LITERAL or (kind == PARAM and text[0] == "_"):
            text = "?"
        if _spaced(before, token):
            out.append(" ")
        out.append(text)
        before = token
        index += 1
        if index == end:
            break
        if kind == KEYWORD:
            if text == "VALUES" and tokens[index] == (OP, "("):
                pairs = matching(tokens) if pairs is None else pairs
                first_rows.add(pairs.get(index, -1))
            elif text in ("IN", "ARRAY") and (after := _end_of_list(tokens, index)) is not None:
                out.append(" (...)" if text == "IN" else "[...]")
                before, index = tokens[after - 1], after
        elif pairs and index - 1 in first_rows and (end_of_rows := _end_of_rows(tokens, index, pairs)) > index:
            out.append(", ...")
            before, index = (OP, "..."), end_of_rows
    return "".join(out)


def _name(text: str, tokens: list[Token], index: int) -> str:
    if "__[SCHEMA_" in text:
        text = text.replace("__[SCHEMA__none].", "").replace("__[SCHEMA_", "").replace("].", ".", 1)
    if index + 1 < len(tokens) and tokens[index + 1] == (OP, "(") and text.lower() in FUNCTIONS:
        return text.lower()
    return text


def _spaced(before: Token, token: Token) -> bool:
    """Whether a space stands between two tokens; never so that they would be read as one."""
    kind, text = token
    left_kind, left = before
    if left_kind == OP:
        if left in _NO_SPACE_AFTER:
            return False
        if left == "::":
            return kind not in (NAME, KEYWORD)
    if kind != OP:
        return True
    if text in _NO_SPACE_BEFORE:
        return False
    if text == "(":
        return left_kind != NAME
    if text == "[":
        return not ((left_kind == NAME and not left.endswith("__")) or left in (")", "]", "ARRAY"))
    if text == "::":
        return left_kind == OP and left not in (")", "]")
    return True


def _end_of_list(tokens: list[Token], index: int) -> int | None:
    """The index after a parenthesised list of nothing but values, or None when it holds anything else."""
    if tokens[index] not in ((OP, "("), (OP, "[")):
        return None
    depth = 0
    for position in range(index, len(tokens)):
        kind, text = tokens[position]
        if kind == OP:
            if text not in _LIST_SIGNS:
                return None
            depth += (text in ("(", "[")) - (text in (")", "]"))
            if not depth:
                return position + 1
        elif kind == NAME:
            # The type of a cast, or of a typed literal: DATE '2020-01-01'.
            if tokens[position - 1] != (OP, "::") and (
                position + 1 >= len(tokens) or tokens[position + 1][0] != LITERAL
            ):
                return None
        elif kind == KEYWORD and text not in _LIST_WORDS:
            return None
    return None


def _end_of_rows(tokens: list[Token], index: int, pairs: dict[int, int]) -> int:
    """The index after the rows that follow the first row of VALUES."""
    while index + 1 < len(tokens) and tokens[index] == (OP, ","):
        if tokens[index + 1] == (OP, "..."):
            index += 2
        elif index + 1 in pairs:
            index = pairs[index + 1] + 1
        else:
            break
    return index
