"""The `querybudget` command: compare two runs, render a report, show the rules, keep the lock file, merge shards."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import date, datetime
from importlib.metadata import PackageNotFoundError, version

from pytest_querybudget.cli import comparing, locking, merging, reporting, ruling
from pytest_querybudget.cli.console import Console, UsageError
from pytest_querybudget.lock.model import LockError
from pytest_querybudget.reports.format import ReportError

_DESCRIPTION = """\
Read what `pytest --querybudget-report=json:PATH` wrote: compare two runs, merge
the shards of a matrix, render any format, keep the lock file, look up a rule.
"""
_EPILOG = """\
exit status:
  0  nothing to complain about
  1  a regression, a test above its lock, an overdue debt
  2  a wrong option, or a file that cannot be read or written

examples:
  querybudget compare main.json branch.json --tolerance 5%
  querybudget report branch.json html:queries.html sarif:queries.sarif
  querybudget merge shard-*.json --output all.json --lock querybudget.lock
  querybudget lock debts
  querybudget rules no_n_plus_one

`querybudget COMMAND --help` says more.
"""


def main(argv: Sequence[str] | None = None, *, today: date | None = None) -> int:
    """Run the command and return its exit status: 0, 1 for a regression, 2 for an error of use or of a file.

    `today` is the day that end dates are compared with, by default the machine's.
    """
    _tolerate_encodings()
    arguments = parser().parse_args(argv)
    arguments.today = today or datetime.now().astimezone().date()
    console = Console(sys.stdout, sys.stderr)
    try:
        status: int = arguments.run(arguments, console)
        sys.stdout.flush()
    except (UsageError, ReportError, LockError) as error:
        console.complain(f"querybudget: error: {error}")
        return 2
    except BrokenPipeError:
        # The reader, `head` say, has seen enough; the interpreter must not complain about it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        console.complain("querybudget: interrupted")
        return 130
    return status


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    top = argparse.ArgumentParser(
        prog="querybudget",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"%(prog)s {_version()}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (comparing, reporting, merging, locking, ruling):
        command.add(commands)
    return top


def _version() -> str:
    try:
        return version("pytest-querybudget")
    except PackageNotFoundError:
        return "(not installed)"


def _tolerate_encodings() -> None:
    # A terminal that cannot show an arrow shows its code; the command does not die of it.
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
