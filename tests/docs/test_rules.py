"""Each rule has a page, made from its docstring, and what is registered is what there is."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator

import pytest

from pytest_querybudget import rules as room
from pytest_querybudget.rules.base import Rule
from pytest_querybudget.rules.registry import all_rules
from tests.docs.generator import ROOT, load

BUILD = load()
#: Rules that are planned: their files may be there before a run can use them, and until then no user hears of them.
NOT_YET = {
    "no_unused_columns",
    "no_unused_loads",
}
HEADINGS = ("What it does", "Why is this bad", "Example", "Use instead", "Options", "When to allow it")


def defined(base: type[Rule] = Rule) -> Iterator[type[Rule]]:
    """Every class that is a rule with a name."""
    for module in pkgutil.iter_modules(room.__path__):
        importlib.import_module(f"{room.__name__}.{module.name}")
    for each in base.__subclasses__():
        if "name" in vars(each) and each.__module__.startswith(room.__name__):
            yield each
        yield from defined(each)


def test_every_rule_is_registered_once() -> None:
    """A rule that nobody can use is none."""
    names = [rule.name for rule in all_rules()]
    assert len(names) == len(set(names))
    assert {rule.name for rule in defined()} - set(names) <= NOT_YET


def test_pages_are_those_of_the_registered_rules() -> None:
    """No page is missing, and none is left over."""
    assert {path.name for path in BUILD.PAGES.glob("*.md")} == {path.name for path in BUILD.pages(all_rules())}


def test_pages_and_readme_are_what_the_code_says() -> None:
    """`tox run -e docs` writes them anew."""
    assert [path.relative_to(ROOT).as_posix() for path, _ in BUILD.outdated()] == []


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.name)
def test_docstring_has_all_headings(rule: Rule) -> None:
    """In the same order for all rules."""
    found = re.findall(r"^## (.+)$", rule.documentation, re.MULTILINE)
    assert tuple(found[: len(HEADINGS)]) == HEADINGS


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.name)
def test_every_option_is_explained(rule: Rule) -> None:
    """Each keyword that a rule takes stands in its section of options."""
    options = rule.documentation.partition("## Options")[2].partition("## ")[0]
    for keyword in re.findall(r"(\w+)=", rule.takes):
        assert f"`{keyword}" in options, keyword


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.name)
def test_examples_are_python(rule: Rule) -> None:
    """What is meant to be copied can be parsed."""
    blocks = re.findall(r"^```python\n(.*?)^```$", rule.documentation, re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        ast.parse(block)
