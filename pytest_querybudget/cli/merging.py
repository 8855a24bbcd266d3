"""`querybudget merge A.json B.json …`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pytest_querybudget.cli.console import Console, load_all
from pytest_querybudget.cli.locking import DEFAULT, hold_as_asked
from pytest_querybudget.cli.overview import overview
from pytest_querybudget.cli.reporting import add_rootdir, render
from pytest_querybudget.merge import merge

_DESCRIPTION = """\
Make one report of the shards of a CI matrix: one report, one summary, one lock
check, each test counted once (by its worst run when it stands in several).
"""


def add(commands: Any) -> None:
    """Describe the subcommand."""
    parser = commands.add_parser(
        "merge",
        help="make one report of several shards",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("reports", nargs="+", type=Path, metavar="SHARD.json")
    parser.add_argument("-o", "--output", type=Path, metavar="PATH", help="write the merged JSON report")
    parser.add_argument(
        "--report", action="append", default=[], metavar="FORMAT:PATH", help="write another format too; repeatable"
    )
    parser.add_argument(
        "--lock",
        nargs="?",
        type=Path,
        const=DEFAULT,
        metavar="PATH",
        help=f"hold it to a lock file (default {DEFAULT})",
    )
    parser.add_argument("--full", action="store_true", help="the shards are the whole suite: name stale entries")
    parser.add_argument("--strict-stale", action="store_true", help="stale entries fail (implies --full)")
    add_rootdir(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Merge, write, sum up, and say 1 when the lock is exceeded."""
    report = merge(list(load_all(arguments.reports, console)))
    targets = [*([f"json:{arguments.output}"] if arguments.output else []), *arguments.report]
    render(report, targets, arguments.rootdir, console)
    console.say(overview(report, shards=len(arguments.reports)))
    if arguments.lock is None:
        return 0
    return hold_as_asked(report, arguments, console)
