"""The SARIF report (2.1.0): one result a finding, for code scanning services and editors."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

from pytest_querybudget.reports import digest, repository, rulebook
from pytest_querybudget.reports.digest import FindingGroup
from pytest_querybudget.reports.document import Location, Report
from pytest_querybudget.reports.text import one_line, plural, printable, shorten

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_MOST_TESTS = 100
_LONGEST_SQL = 4_000
_LONGEST_TEXT = 2_000


class SarifFormat:
    """`sarif`: stable fingerprints, so that a service knows an old finding again after lines have moved.

    `prefix` leads from the root of the repository to that of the project.
    """

    name = "sarif"

    def __init__(self, prefix: PurePosixPath) -> None:
        self._prefix = prefix

    def render(self, report: Report) -> Iterator[str]:
        """Yield the log, one result a line."""
        groups = digest.findings(report)
        rules = sorted({group.finding.rule for group in groups})
        head = {"$schema": SCHEMA, "version": "2.1.0"}
        driver = {
            "name": report.tool.name,
            **({"version": report.tool.version} if report.tool.version else {}),
            "rules": [_rule(rule) for rule in rules],
        }
        run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints"}
        yield f'{_dump(head)[:-1]}, "runs": [{_dump(run)[:-1]}, "results": ['
        for index, group in enumerate(groups):
            yield f"{',' if index else ''}\n{_dump(self._result(group, rules))}"
        yield "\n]}]}\n"

    def _result(self, group: FindingGroup, rules: Sequence[str]) -> dict[str, Any]:
        finding = group.finding
        result: dict[str, Any] = {
            "ruleId": finding.rule,
            "ruleIndex": rules.index(finding.rule),
            "level": group.level,
            "message": {"text": _message(group)},
            "locations": [self._location(group.location)],
            "partialFingerprints": {"querybudgetIdentity/v1": finding.identity},
            "properties": {
                "count": finding.count,
                "sql": printable(shorten(finding.sql, _LONGEST_SQL)),
                "tables": [one_line(each) for each in finding.tables],
                "tests": [one_line(each) for each in group.tests[:_MOST_TESTS]],
                "testCount": len(group.tests),
            },
        }
        if finding.origin:
            said = {"message": {"text": "The query that brought in the rows."}, "id": 1}
            result["relatedLocations"] = [self._location(finding.origin) | said]
        if finding.chain:
            frames = [{"location": self._location(each)} for each in finding.chain]
            result["stacks"] = [{"message": {"text": "Who called whom, innermost first."}, "frames": frames}]
        if finding.allowed:
            kind = "external" if finding.allowed.source == "lock" else "inSource"
            said = {"kind": kind, "justification": one_line(finding.allowed.reason)}
            result["suppressions"] = [said]
        return result

    def _location(self, location: Location) -> dict[str, Any]:
        path = repository.within(self._prefix, location.path)
        artifact = {"uri": repository.uri(path)}
        if not repository.is_absolute(path):
            artifact["uriBaseId"] = "%SRCROOT%"
        place: dict[str, Any] = {
            "physicalLocation": {"artifactLocation": artifact, "region": {"startLine": max(location.line, 1)}}
        }
        if location.function:
            place["logicalLocations"] = [{"name": one_line(location.function), "kind": "function"}]
        return place


def _rule(rule: str) -> dict[str, Any]:
    return {
        "id": rule,
        "name": "".join(word.capitalize() for word in rule.split("_")),
        "shortDescription": {"text": rulebook.sentence(rule)},
        "help": {"text": f"{rulebook.sentence(rule)} `querybudget rules {rule}` explains it."},
        "defaultConfiguration": {"level": "warning"},
        "properties": {"tags": ["performance", "sql"]},
    }


def _message(group: FindingGroup) -> str:
    finding = group.finding
    lines = [_text(finding.message)]
    if finding.fix:
        lines.append(f"To mend it: {_text(finding.fix)}")
    if finding.proof:
        lines.append(f"{finding.proof.verdict.capitalize()}: {_text(finding.proof.text)}")
    lines.append(f"Seen in {plural(len(group.tests), 'test')}.")
    return "\n".join(lines)


def _text(text: str) -> str:
    return printable(shorten(text, _LONGEST_TEXT))


def _dump(plain: Any) -> str:
    return json.dumps(plain)
