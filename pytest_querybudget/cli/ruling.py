"""`querybudget rules [NAME]`."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any, Protocol

from pytest_querybudget.cli.console import Console, UsageError


class Rule(Protocol):
    """What the catalogue needs to know of a rule."""

    @property
    def name(self) -> str:
        """The word that is marker, keyword and ini option."""

    @property
    def summary(self) -> str:
        """One line."""

    @property
    def documentation(self) -> str:
        """The whole page, as Markdown."""


def add(commands: Any) -> None:
    """Describe the subcommand."""
    parser = commands.add_parser(
        "rules",
        help="list the rules, or explain one",
        description="List the rules, one line each, or explain one in full.",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="such as no_n_plus_one")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Print the catalogue or one page of it."""
    from pytest_querybudget.rules.registry import all_rules

    rules = all_rules()
    console.say(catalogue(rules) if arguments.name is None else page(rules, arguments.name))
    return 0


def catalogue(rules: Iterable[Rule], *, width: int = 80) -> Iterator[str]:
    """One paragraph a rule, its name in a column of its own."""
    rules = tuple(rules)
    column = max((len(rule.name) for rule in rules), default=0) + 2
    for rule in rules:
        text = " ".join(rule.summary.split())
        yield from textwrap.wrap(
            text, width, initial_indent=f"{rule.name:<{column}}", subsequent_indent=" " * column, break_on_hyphens=False
        ) or [rule.name]


def page(rules: Iterable[Rule], name: str) -> str:
    """The documentation of one rule. Raises `UsageError` with what it may have been meant for."""
    by_name = {rule.name: rule for rule in rules}
    rule = by_name.get(name) or by_name.get(name.replace("-", "_"))
    if rule is None:
        near = get_close_matches(name.replace("-", "_"), by_name, n=3, cutoff=0.75)
        hint = f"did you mean {' or '.join(near)}?" if near else "`querybudget rules` lists them"
        raise UsageError(f"there is no rule {name!r}: {hint}")
    return f"{rule.name}\n{'=' * len(rule.name)}\n\n{rule.documentation.strip()}"
