"""What was found, each thing once, over all tests of a report."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_querybudget.reports.document import FindingEntry, Location, Report, TestEntry
from pytest_querybudget.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One finding of one test."""

    test: str
    finding: FindingEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingGroup:
    """One finding, seen in several tests.

    `finding` is the worst sighting, the one to show: one that fails before one that does not,
    one that is not allowed before one that is, more statements before fewer.
    """

    finding: FindingEntry
    tests: tuple[str, ...]
    total: int

    @property
    def failed(self) -> bool:
        """Whether it fails a test."""
        return self.finding.failed

    @property
    def allowed(self) -> bool:
        """Whether it is allowed in every test that has it."""
        return self.finding.allowed is not None

    @property
    def level(self) -> str:
        """`error` for what fails a test, `warning` for what is reported, `note` for what is allowed."""
        if self.failed:
            return "error"
        return "note" if self.allowed else "warning"

    @property
    def location(self) -> Location:
        """The line to show: of the access, or else of what brought the rows in, or else the file of a test."""
        found = self.finding.location or self.finding.origin
        return found or Location(path=self.tests[0].partition("::")[0], line=1, function="")


def findings(report: Report) -> tuple[FindingGroup, ...]:
    """Group a report's findings by identity, worst first; the order of the tests makes no difference."""
    sightings: dict[str, list[Sighting]] = {}
    for test in report.tests:
        for finding in test.findings:
            sightings.setdefault(finding.identity, []).append(Sighting(test=test.nodeid, finding=finding))
    return tuple(sorted(map(_group, sightings.values()), key=_worst_group_first))


def _group(sightings: Iterable[Sighting]) -> FindingGroup:
    ordered = sorted(sightings, key=_worst_first)
    return FindingGroup(
        finding=ordered[0].finding,
        tests=tuple(sorted({each.test for each in ordered})),
        total=sum(each.finding.count for each in ordered),
    )


def _worst_first(sighting: Sighting) -> tuple[object, ...]:
    finding = sighting.finding
    line = finding.location.line if finding.location else 0
    return (not finding.failed, finding.allowed is not None, -finding.count, line, sighting.test, finding.message)


def _worst_group_first(group: FindingGroup) -> tuple[object, ...]:
    finding, location = group.finding, group.location
    return (not group.failed, group.allowed, -group.total, finding.rule, location.path, location.line, finding.identity)


@dataclass(slots=True, kw_only=True)
class Route:
    """The requests of one method and route over all tests; `most` is what one of them sent, in the test `worst`."""

    name: str
    worst: str
    count: int = 0
    queries: int = 0
    most: int = -1


def routes(tests: Iterable[TestEntry]) -> list[Route]:
    """Sum up the requests of a report, the route with the most expensive request first."""
    found: dict[str, Route] = {}
    for test in tests:
        for name, each in test.requests.items():
            route = found.setdefault(name, Route(name=name, worst=test.nodeid))
            route.count += each.count
            route.queries += each.queries
            if each.most > route.most:
                route.most, route.worst = each.most, test.nodeid
    return sorted(found.values(), key=lambda each: (-each.most, -each.queries, each.name))


def queries(test: TestEntry, phase: str | None = None) -> int:
    """How many statements a test sent, in one phase or in all."""
    return sum(entry.queries for name, entry in test.phases.items() if phase in (None, name))


def db_time(test: TestEntry, phase: str | None = None) -> float:
    """How many seconds a test's statements took, in one phase or in all."""
    return sum(entry.db_time for name, entry in test.phases.items() if phase in (None, name))
