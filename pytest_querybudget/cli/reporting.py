"""`querybudget report RUN.json FORMAT:PATH …`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pytest_querybudget.cli.console import Console, UsageError, load_all
from pytest_querybudget.reports.document import Report

_DESCRIPTION = """\
Render a JSON report in other formats: html, markdown, sarif, gitlab, coverage,
json. FORMAT:PATH writes a file; FORMAT alone, or FORMAT:-, prints.
"""


def add(commands: Any) -> None:
    """Describe the subcommand."""
    parser = commands.add_parser(
        "report",
        help="render a JSON report in any other format",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("report", type=Path, metavar="RUN.json", help="what --querybudget-report=json:PATH wrote")
    parser.add_argument(
        "targets", nargs="*", default=["markdown"], metavar="FORMAT:PATH", help="default: markdown, printed"
    )
    add_rootdir(parser)
    parser.set_defaults(run=run)


def add_rootdir(parser: argparse.ArgumentParser) -> None:
    """Add the option that says what paths in reports are relative to."""
    parser.add_argument(
        "--rootdir", type=Path, default=Path(), metavar="DIR", help="what paths are relative to (default: here)"
    )


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Render one report."""
    (report,) = load_all([arguments.report], console)
    render(report, arguments.targets, arguments.rootdir, console)
    return 0


def render(report: Report, targets: list[str], rootdir: Path, console: Console) -> None:
    """Write or print a report in each format. Raises `UsageError` or `ReportError`, before anything is written."""
    from pytest_querybudget.reports import registry, writer

    wanted = [(registry.find(name, rootdir=rootdir), path) for name, path in map(_target, targets)]
    for report_format, path in wanted:
        if path is not None:
            console.say(writer.write(report, report_format, path))
            continue
        for piece in report_format.render(report):
            if isinstance(piece, bytes):
                raise UsageError(f"{report_format.name} is no text to print: give it a path, {report_format.name}:PATH")
            console.pour([piece])


def _target(text: str) -> tuple[str, Path | None]:
    from pytest_querybudget.reports import writer

    name, _, path = text.partition(":")
    if path.strip() in {"", "-"}:
        return name.strip(), None
    try:
        target = writer.parse_target(text)
    except ValueError as error:
        raise UsageError(str(error)) from None
    return target.format, target.path
