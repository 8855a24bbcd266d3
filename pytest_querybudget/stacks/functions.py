"""The source of one function, and the names in it."""

from __future__ import annotations

import ast
import linecache
import re
from inspect import getblock
from tokenize import TokenError
from types import CodeType

Function = ast.FunctionDef | ast.AsyncFunctionDef
# What Python has compiled before may have been changed since, or be too deep where a test is deep itself.
UNREADABLE = (SyntaxError, ValueError, TokenError, RecursionError, MemoryError)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
# What calls a function again and again.
MAPS = frozenset("imap imap_unordered map process_map starmap starmap_async thread_map".split())
# How long a function may be.
MOST_LINES = 1_000
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


def parsed(code: CodeType) -> Function | None:
    """Return the source of a function, with the lines that it has in its file.

    Raises one of `UNREADABLE` for a source that Python cannot read.
    """
    first = code.co_firstlineno
    lines = linecache.getlines(code.co_filename)[first - 1 : first + MOST_LINES]
    block = getblock([_ESCAPE.sub(_spelled_out, each) for each in lines])
    if not block or len(block) > MOST_LINES:
        return None
    inside = block[0][:1].isspace()
    tree = ast.parse("".join(["if True:\n", *block] if inside else block))
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == code.co_name:
            ast.increment_lineno(node, first - 2 if inside else first - 1)
            return node
    return None


def _spelled_out(escape: re.Match[str]) -> str:
    """Return an escape sequence that every Python takes without a warning: what a text says does not matter here."""
    return escape[0] if escape[1] in "\r\n\"'\\" else f"\\{escape[0]}"


def name_in(node: ast.expr) -> str:
    """Return the last name of an expression, empty where it is something else than a name."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
