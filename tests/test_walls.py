"""The walls between the rooms, kept by walking every import of the package, also those inside functions."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import pytest_querybudget

PACKAGE = Path(pytest_querybudget.__file__).parent
NAME = PACKAGE.name

#: Rooms that hold plain values: every room may import them.
VALUES = {"findings", "recording", "errors", "values"}

#: What each room may import besides: the way of the data, in one direction. `run` and those who wire for it are not here.
MAY: dict[str, set[str]] = {
    "errors": set(),
    "values": set(),
    "files": set(),
    "statements": set(),
    "recording": {"findings"},
    "findings": {"recording"},
    "stacks": set(),
    "capture": {"stacks", "statements"},
    "plans": set(),
    "rules": set(),
    "budgets": {"rules"},
    "verdicts": {"budgets", "rules"},
    "reports": {"files"},
    "settings": {"reports"},
    "lock": {"files", "reports"},
    "markers": {"files", "reports"},
    "compare": {"lock", "reports"},
    "merge": {"reports"},
    "cli": {"compare", "lock", "merge", "reports", "rules"},
}

#: Libraries, and the rooms that may import them.
LIBRARIES: dict[str, set[str]] = {
    "sqlalchemy": {"capture", "plans", "stacks", "statements"},
    "greenlet": {"stacks"},
    "sqlparse": {"reports"},
    "libcst": {"markers"},
    "coverage": {"reports"},
    "pytest": {
        "adoption",
        "checks",
        "current",
        "ending",
        "hookspecs",
        "outcomes",
        "plugin",
        "rerun",
        "run",
        "settings",
        "start",
    },
    "_pytest": set(),
}


def modules() -> list[Path]:
    """Every module of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    """The folder, or the module itself when it stands in none."""
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Each module that is imported, absolute, with its line."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, each.name) for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path.name}:{node.lineno}: relative imports hide the wall that they cross"
            if node.module == NAME:
                yield from ((node.lineno, f"{NAME}.{each.name}") for each in node.names)
            else:
                yield node.lineno, node.module or ""


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_keep_the_walls(path: Path) -> None:
    """A room imports plain values, itself, what its row allows, and no library of another room."""
    here = room(path)
    for line, name in imports(path):
        first, _, rest = name.partition(".")
        where = f"{path.relative_to(PACKAGE)}:{line} imports {name}"
        if first == NAME and here in MAY:
            target = rest.partition(".")[0]
            assert target in {here} | VALUES | MAY[here], where
        assert first not in LIBRARIES or here in LIBRARIES[first], where


def test_rows_are_of_rooms_that_exist() -> None:
    """A wall around nothing guards nothing."""
    there = {room(path) for path in modules()}
    named = {*MAY, *VALUES, *(each for rooms in LIBRARIES.values() for each in rooms)}
    assert named <= there
