"""What a test's `<properties>` say in a JUnit file."""

from __future__ import annotations

from pytest_querybudget.reports import digest
from pytest_querybudget.reports.document import FindingEntry, RequestsEntry, TestEntry
from pytest_querybudget.reports.text import brief, plural

_LONGEST_TEXT = 1_000


def properties(test: TestEntry) -> list[tuple[str, str]]:
    """Names and values: the figures of the test itself, those of its fixtures where there are any, and its findings.

    A test that has nothing to do with a database has none.
    """
    if not any(each.by_kind for each in test.phases.values()) and not test.findings and not test.budget:
        return []
    figures = [
        ("querybudget.queries", str(digest.queries(test, "call"))),
        ("querybudget.db_time", f"{digest.db_time(test, 'call'):.6f}"),
    ]
    for phase in ("setup", "teardown"):
        if number := digest.queries(test, phase):
            figures.append((f"querybudget.{phase}.queries", str(number)))
            figures.append((f"querybudget.{phase}.db_time", f"{digest.db_time(test, phase):.6f}"))
    figures += [(f"querybudget.budget.{rule}", f"{each.limit:g}") for rule, each in sorted(test.budget.items())]
    figures += [("querybudget.request", _requests(name, each)) for name, each in test.requests.items()]
    figures.append(("querybudget.findings", str(len(test.findings))))
    return figures + [("querybudget.finding", _say(each)) for each in test.findings]


def _requests(name: str, entry: RequestsEntry) -> str:
    sent = plural(entry.queries, "query") if entry.count == 1 else f"at most {plural(entry.most, 'query')} in one"
    several = "" if entry.count == 1 else f", {entry.queries:,} in {entry.count:,} requests"
    return brief(f"{name}: {sent}{several}", _LONGEST_TEXT)


def _say(finding: FindingEntry) -> str:
    place = f" at {finding.location}" if finding.location else ""
    state = "failed" if finding.failed else "allowed" if finding.allowed else "reported"
    return brief(f"{finding.rule} ({state}): {finding.message}{place}", _LONGEST_TEXT)
