"""The GitLab code quality report: one issue a finding, shown in merge requests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any

from pytest_querybudget.reports import digest, repository
from pytest_querybudget.reports.digest import FindingGroup
from pytest_querybudget.reports.document import Report
from pytest_querybudget.reports.text import brief, one_line, plural

_SEVERITIES = MappingProxyType({"error": "major", "warning": "minor", "note": "info"})
_LONGEST_TEXT = 1_000


class GitlabFormat:
    """`gitlab`: code quality JSON. `prefix` leads from the root of the repository to that of the project."""

    name = "gitlab"

    def __init__(self, prefix: PurePosixPath) -> None:
        self._prefix = prefix

    def render(self, report: Report) -> Iterator[str]:
        """Yield the list, one issue a line."""
        yield "["
        for index, group in enumerate(digest.findings(report)):
            yield f"{',' if index else ''}\n{json.dumps(self._issue(group))}"
        yield "\n]\n"

    def _issue(self, group: FindingGroup) -> dict[str, Any]:
        finding, location = group.finding, group.location
        return {
            "description": _description(group),
            "check_name": finding.rule,
            "fingerprint": finding.identity,
            "severity": _SEVERITIES[group.level],
            "location": {
                "path": one_line(repository.within(self._prefix, location.path)),
                "lines": {"begin": max(location.line, 1)},
            },
        }


def _description(group: FindingGroup) -> str:
    # The widget shows plain text on one line.
    finding = group.finding
    said = [brief(finding.message, _LONGEST_TEXT)]
    if finding.fix:
        said.append(f"to mend it: {brief(finding.fix, _LONGEST_TEXT)}")
    if finding.allowed:
        said.append(f"allowed: {brief(finding.allowed.reason, _LONGEST_TEXT)}")
    return f"{'; '.join(said)} ({plural(len(group.tests), 'test')})"
