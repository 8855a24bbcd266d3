"""What there is, is documented; what is documented, is there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_querybudget.budgets import ALLOW, GROUP
from pytest_querybudget.rules.registry import all_rules
from pytest_querybudget.settings import INI
from tests.docs.generator import ROOT

PACKAGE = ROOT / "pytest_querybudget"
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])
README = (ROOT / "README.md").read_text("utf-8")
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)\s#]+)(?:#([^)\s]+))?\)")


def options() -> Iterator[str]:
    """Every command-line option that the settings declare."""
    for node in ast.walk(ast.parse((PACKAGE / "settings.py").read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "add":
            yield str(ast.literal_eval(node.args[0]))


def slugs() -> Iterator[str]:
    """The name of every kind of problem that the package tells."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Problem":
                values = [each.value for each in node.keywords if each.arg == "slug"]
                yield from (str(each.value) for each in values if isinstance(each, ast.Constant))


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


def test_every_option_is_in_the_readme() -> None:
    """Of the command line and of the ini file."""
    missing = {each for each in [*options(), *(name for name, *_ in INI)] if f"`{each}" not in README}
    assert not missing


def test_every_rule_and_marker_is_in_the_readme() -> None:
    """By its name."""
    assert [each for each in [*(rule.name for rule in all_rules()), ALLOW, GROUP] if f"`{each}" not in README] == []


def test_every_problem_has_a_section() -> None:
    """The summary names it, and the page says what to do."""
    found = set(slugs())
    assert found
    assert found <= anchors(ROOT / "docs" / "problems.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    """Each relative link is a file, and each anchor a heading of it."""
    for target, anchor in LINK.findall(page.read_text("utf-8")):
        path = page.parent / target
        assert path.exists(), target
        assert not anchor or path.suffix != ".md" or anchor in anchors(path), f"{target}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_python_blocks_are_python(page: Path) -> None:
    """What is meant to be copied can be parsed."""
    for block in re.findall(r"^```python\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL):
        ast.parse(block)


def test_every_file_that_the_architecture_names_exists() -> None:
    """The map is of this house."""
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    files = re.findall(r"`([\w/]+\.(?:py|md|json|toml|ini))`", text)
    assert files
    assert [each for each in files if not (PACKAGE / each).exists() and not (ROOT / each).exists()] == []
