"""Where `import pytest` goes: among the imports of other libraries, in their order, as a person would put it."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import libcst as cst

from pytest_querybudget.markers.syntax import dotted

_Body = Sequence[cst.SimpleStatementLine | cst.BaseCompoundStatement]


def with_import(module: cst.Module, name: str = "pytest") -> cst.Module:
    """Add `import NAME` at the top of a file."""
    body = module.body
    start = 1 if body and _is_docstring(body[0]) else 0
    end = start
    while end < len(body) and _imported(body[end]) is not None:
        end += 1
    libraries = [index for index in range(start, end) if _is_library(_imported(body[index]) or "")]
    if libraries:
        return _among(module, _group(body, libraries[0], end), name)
    if end > start or start:
        return _with(module, end, _line(name, [_BLANK]))
    return _first(module, name)


_BLANK = cst.EmptyLine(indent=False, whitespace=cst.SimpleWhitespace(""))


def _line(name: str, leading: Sequence[cst.EmptyLine] = ()) -> cst.SimpleStatementLine:
    plain = cst.Import(names=[cst.ImportAlias(name=cst.Name(name))])
    return cst.SimpleStatementLine(body=[plain], leading_lines=leading)


def _with(module: cst.Module, index: int, line: cst.SimpleStatementLine) -> cst.Module:
    return module.with_changes(body=[*module.body[:index], line, *module.body[index:]])


def _among(module: cst.Module, group: range, name: str) -> cst.Module:
    """Into a group of imports: after those that sort before it, plain imports before `from`."""
    first = module.body[group.start]
    before = [
        index for index in group if _is_plain(module.body[index]) and (_imported(module.body[index]) or "") < name
    ]
    if before:
        return _with(module, before[-1] + 1, _line(name))
    # The blank line and the comments above the group stay above it.
    module = module.with_changes(
        body=[*module.body[: group.start], first.with_changes(leading_lines=[]), *module.body[group.start + 1 :]]
    )
    return _with(module, group.start, _line(name, first.leading_lines))


def _first(module: cst.Module, name: str) -> cst.Module:
    """At the head of a file without imports, two blank lines above what follows."""
    lines = module.body[0].leading_lines if module.body else []
    if module.body and not any(each.comment is None for each in lines):
        first = module.body[0].with_changes(leading_lines=[_BLANK, _BLANK, *lines])
        module = module.with_changes(body=[first, *module.body[1:]])
    return _with(module, 0, _line(name))


def _group(body: _Body, start: int, end: int) -> range:
    """The imports that no blank line parts from that one."""
    while start and _imported(body[start - 1]) is not None and not _has_blank(body[start]):
        start -= 1
    stop = start + 1
    while stop < end and not _has_blank(body[stop]):
        stop += 1
    return range(start, stop)


def _has_blank(line: cst.SimpleStatementLine | cst.BaseCompoundStatement) -> bool:
    return any(each.comment is None for each in line.leading_lines)


def _imported(line: cst.SimpleStatementLine | cst.BaseCompoundStatement) -> str | None:
    """The module that a line imports (relative ones begin with a dot), or None for any other line."""
    each = line.body[0] if isinstance(line, cst.SimpleStatementLine) and line.body else None
    if isinstance(each, cst.Import):
        return each.names[0].evaluated_name
    if isinstance(each, cst.ImportFrom):
        return "." * len(each.relative) + ((dotted(each.module) or "") if each.module else "")
    return None


def _is_library(name: str) -> bool:
    top = name.partition(".")[0]
    return bool(top) and top not in sys.stdlib_module_names and top != "__future__"


def _is_plain(line: cst.SimpleStatementLine | cst.BaseCompoundStatement) -> bool:
    return isinstance(line, cst.SimpleStatementLine) and isinstance(line.body[0], cst.Import)


def _is_docstring(line: cst.SimpleStatementLine | cst.BaseCompoundStatement) -> bool:
    if not isinstance(line, cst.SimpleStatementLine) or not line.body or not isinstance(line.body[0], cst.Expr):
        return False
    return isinstance(line.body[0].value, (cst.SimpleString, cst.ConcatenatedString))
