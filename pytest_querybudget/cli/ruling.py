"""`querybudget rules [NAME]`."""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any, Protocol

from pytest_querybudget.cli.console import Console, UsageError

_ITEM = re.compile(r" *(?:[-*]|\d+\.) +")


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


def page(rules: Iterable[Rule], name: str, *, width: int = 80) -> str:
    """The documentation of one rule. Raises `UsageError` with what it may have been meant for."""
    by_name = {rule.name: rule for rule in rules}
    rule = by_name.get(name) or by_name.get(name.replace("-", "_"))
    if rule is None:
        near = get_close_matches(name.replace("-", "_"), by_name, n=3, cutoff=0.75)
        hint = f"did you mean {' or '.join(near)}?" if near else "`querybudget rules` lists them"
        raise UsageError(f"there is no rule {name!r}: {hint}")
    return f"{rule.name}\n{'=' * len(rule.name)}\n\n{folded(rule.documentation.strip(), width)}"


def folded(text: str, width: int) -> str:
    """Fold the paragraphs and lists of Markdown to a width; headings, tables and code stay as they are."""
    lines: list[str] = []
    paragraph: list[str] = []

    def flush() -> None:
        if paragraph:
            indent = _ITEM.match(paragraph[0])
            lines.extend(
                textwrap.wrap(
                    " ".join([paragraph[0], *map(str.strip, paragraph[1:])]), width,
                    subsequent_indent=" " * len(indent[0] if indent else ""),
                    break_long_words=False, break_on_hyphens=False,
                )
            )  # fmt: skip
            paragraph.clear()

    code = False
    for line in text.splitlines():
        fence = line.lstrip().startswith("```")
        if code or fence or not line.strip() or line.startswith(("#", "|")):
            flush()
            lines.append(line)
        else:
            if _ITEM.match(line):
                flush()
            paragraph.append(line)
        code = code != fence
    flush()
    return "\n".join(lines)
