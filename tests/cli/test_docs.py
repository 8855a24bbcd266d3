"""The pages of the lock file and of the command line say what there is."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

from pytest_querybudget.cli import parser
from pytest_querybudget.lock.format import dumps
from pytest_querybudget.lock.parse import loads

DOCS = Path(__file__).parents[2] / "docs"


def options(of: argparse.ArgumentParser, path: str = "") -> Iterator[tuple[str, str]]:
    """Each subcommand with each of its long options."""
    for action in of._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, each in action.choices.items():
                yield from options(each, f"{path} {name}".strip())
        for option in action.option_strings:
            if option.startswith("--") and option != "--help":
                yield path, option


def test_every_command_and_option_is_documented() -> None:
    """In the section of its command."""
    sections = re.split(r"^## ", (DOCS / "cli.md").read_text("utf-8"), flags=re.MULTILINE)
    texts = {"": sections[0], **{section.split()[1]: section for section in sections[1:]}}
    found = list(options(parser()))
    assert len(found) > 10
    for command, option in found:
        first, _, action = command.partition(" ")
        assert option in texts[first], f"{command} {option}"
        assert f"`{action}" in texts[first] or not action


def test_the_lock_file_of_the_page_is_one() -> None:
    """It is read, and written as it stands there."""
    (example,) = re.findall(r"^```toml\n(.*?)^```$", (DOCS / "lock.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    written = "".join(line for line in dumps(loads(example)).splitlines(keepends=True) if not line.startswith("#"))
    assert written == example
