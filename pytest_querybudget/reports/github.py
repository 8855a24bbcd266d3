"""What a run says to GitHub Actions: annotations on lines of the application, and the job summary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from pytest_querybudget.reports import digest, repository
from pytest_querybudget.reports.digest import FindingGroup
from pytest_querybudget.reports.document import Report
from pytest_querybudget.reports.format import ReportError
from pytest_querybudget.reports.markdown import MarkdownFormat
from pytest_querybudget.reports.text import plural, printable, shorten, well_formed

# GitHub shows ten annotations of each level a step, and drops the rest without a word.
MOST_OF_A_LEVEL = 10
# More than a mebibyte for a step, and GitHub shows no summary at all.
SUMMARY_BYTES = 1024 * 1024
_LONGEST_TEXT = 2_000


def publish(report: Report, *, rootdir: Path, environ: Mapping[str, str]) -> Iterator[str]:
    """On GitHub Actions append the job summary, and yield the annotations, to be printed; elsewhere do nothing.

    A run that has nothing to do with a database says nothing. Raises `ReportError` when the summary cannot be written.
    """
    silent = not report.totals.queries and not report.totals.findings and not report.problems
    if environ.get("GITHUB_ACTIONS") != "true" or silent:
        return
    yield from annotate(report, repository.prefix(rootdir))
    if summary := environ.get("GITHUB_STEP_SUMMARY"):
        append_summary(report, Path(summary))


def annotate(report: Report, prefix: PurePosixPath) -> Iterator[str]:
    """Yield one workflow command a finding: errors for what fails a test, warnings for what is reported.

    What is allowed is left out. Errors and warnings are limited to what GitHub shows; when there are more findings
    the last warning says how many. `prefix` leads from the root of the repository to that of the project.
    """
    for level in ("error", "warning"):
        groups = [group for group in digest.findings(report) if group.level == level]
        shown = groups if len(groups) <= MOST_OF_A_LEVEL else groups[: MOST_OF_A_LEVEL - 1]
        for group in shown:
            yield _command(level, group, prefix)
        if len(shown) < len(groups):
            rest = plural(len(groups) - len(shown), "more finding")
            yield f"::{level} title=querybudget::{rest}; see the job summary or a report"


def append_summary(report: Report, path: Path) -> None:
    """Append the Markdown report to the file that `GITHUB_STEP_SUMMARY` names, within the size that GitHub takes.

    Raises `ReportError` that names the file when it cannot be written.
    """
    try:
        taken = path.stat().st_size if path.exists() else 0
        room = SUMMARY_BYTES - taken - 2
        text = "".join(MarkdownFormat(limit=room // 4).render(report))  # a character has four bytes at most
        if room > 0 and text:
            with path.open("ab") as file:
                file.write(well_formed(f"\n{text}").encode())
    except OSError as error:
        raise ReportError(f"{path}: cannot append to the job summary: {error.strerror or error}") from error


def _command(level: str, group: FindingGroup, prefix: PurePosixPath) -> str:
    finding, location = group.finding, group.location
    said = [finding.message]
    if finding.fix:
        said.append(f"To mend it: {finding.fix}")
    said.append(f"Seen in {plural(len(group.tests), 'test')}.")
    place = f"file={_property(repository.within(prefix, location.path))},line={max(location.line, 1)}"
    return f"::{level} {place},title={_property(finding.rule)}::{_data(shorten(chr(10).join(said), _LONGEST_TEXT))}"


def _data(text: str) -> str:
    return printable(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
