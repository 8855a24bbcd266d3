"""`querybudget compare BASE.json HEAD.json`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pytest_querybudget.cli.console import Console, load_all
from pytest_querybudget.compare import Comparison, Tolerance, compare, parse_tolerance

_DESCRIPTION = """\
Say what changed between two runs: by test, by place and by shape of statement,
what was newly found and what was cured, and the totals in percent.

Only tests that both runs measured are compared, by what they sent while they
were called; fixtures belong to whichever test comes first (--all-phases counts
them too).

A regression, and exit status 1, is
  - a test that sends more than in the base, beyond the tolerance,
  - a finding that the base did not have in any test,
  - a known finding that grew beyond the tolerance.
"""


def add(commands: Any) -> None:
    """Describe the subcommand."""
    parser = commands.add_parser(
        "compare",
        help="say what changed between two runs; exit 1 on a regression",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("base", type=Path, metavar="BASE.json", help="the run before, on the main branch say")
    parser.add_argument("head", type=Path, metavar="HEAD.json", help="the run after")
    parser.add_argument(
        "--tolerance",
        type=_tolerance,
        default=Tolerance(),
        metavar="T",
        help="by how much a test may grow: 5%% (percent), 3 (queries), or 5%%,3 (whichever is larger); default 0",
    )
    parser.add_argument("--format", choices=("table", "markdown", "json"), default="table", help="default: table")
    parser.add_argument("--top", type=_count, default=10, metavar="N", help="rows of each part; 0 for all (default 10)")
    parser.add_argument("--all-phases", action="store_true", help="count setup and teardown too")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Compare two reports and say 1 when there is a regression."""
    base, head = load_all([arguments.base, arguments.head], console)
    comparison = compare(base, head, arguments.tolerance, all_phases=arguments.all_phases)
    _render(comparison, arguments, console)
    return 1 if comparison.regressions else 0


def _render(comparison: Comparison, arguments: argparse.Namespace, console: Console) -> None:
    if arguments.format == "json":
        from pytest_querybudget.cli.comparison_json import as_json

        console.say(as_json(comparison))
    elif arguments.format == "markdown":
        from pytest_querybudget.cli.comparison_markdown import as_markdown

        console.say(as_markdown(comparison, top=arguments.top or None))
    else:
        from pytest_querybudget.cli.comparison_table import as_table

        console.say(as_table(comparison, top=arguments.top or None))


def _tolerance(text: str) -> Tolerance:
    try:
        return parse_tolerance(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a number from 0, got {text!r}")
    return int(text)
