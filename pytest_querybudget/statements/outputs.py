"""The columns of a select list."""

from __future__ import annotations

from pytest_querybudget.statements.lexer import KEYWORD, NAME, OP, Token
from pytest_querybudget.statements.normal import render
from pytest_querybudget.statements.scopes import Output, split_path


def read_output(tokens: list[Token], start: int, end: int) -> Output:
    """Read one column of a select list: the tokens from `start` up to `end`."""
    start = _after_distinct_on(tokens, start, end)
    kind, text = tokens[start]
    label = ""
    if end - start > 1 and tokens[end - 1][0] == NAME:
        if tokens[end - 2] == (KEYWORD, "AS") or tokens[end - 2][0] != OP or tokens[end - 2][1] == ")":
            label = split_path(tokens[end - 1][1])[-1]
            end -= 2 if tokens[end - 2] == (KEYWORD, "AS") else 1
    if kind == NAME and end - start == 1:
        return Output(text, label or split_path(text)[-1])
    if end - start == 1 and text == "*":
        return Output(None, "*")
    return Output(None, label or _expression(tokens, start, end))


def _after_distinct_on(tokens: list[Token], start: int, end: int) -> int:
    """PostgreSQL's DISTINCT ON (...) stands before the first column."""
    if tokens[start] != (KEYWORD, "ON"):
        return start
    depth = 0
    for index in range(start + 1, end - 1):
        depth += (tokens[index] == (OP, "(")) - (tokens[index] == (OP, ")"))
        if not depth:
            return index + 1
    return start


def _expression(tokens: list[Token], start: int, end: int) -> str:
    return render(tokens[start:end]) if end - start < 40 else "?"
