"""What a test of a report sent, in the terms of the lock file."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_querybudget.lock import identity
from pytest_querybudget.lock.model import TestLock, by_kind
from pytest_querybudget.reports.document import FindingEntry, StatementEntry, TestEntry

# What a test that did not run to its end has sent says nothing about what it sends.
MEASURED = frozenset({"passed", "xpassed"})


def measure(test: TestEntry) -> TestLock:
    """The entry that the test would have if it were written now."""
    call = test.phases.get("call")
    return TestLock(
        kinds=by_kind(call.by_kind) if call else {},
        findings={name: weight(found) for name, found in findings(test).items()},
        statements={name: sum(each.count for each in sent) for name, sent in statements(test).items()},
    )


def weight(entries: Iterable[FindingEntry]) -> int:
    """The statements of one finding; one that counts none (a missing index, say) is there all the same."""
    return max(1, sum(each.count for each in entries))


def findings(test: TestEntry) -> dict[str, list[FindingEntry]]:
    """The findings that the lock holds, by identity.

    Left out are those that a marker or a comment allows, those of fixtures, which belong to whichever test
    comes first, and the test's own loops.
    """
    found: dict[str, list[FindingEntry]] = {}
    for each in test.findings:
        allowed = each.allowed is not None and each.allowed.source != "lock"
        if not allowed and each.phase == "call" and not each.declared_only:
            found.setdefault(identity.of_finding(each), []).append(each)
    return found


def statements(test: TestEntry) -> dict[str, list[StatementEntry]]:
    """The statements of the call, by identity; only of kinds that are counted, so not SAVEPOINT."""
    call = test.phases.get("call")
    counted = set(call.by_kind) if call else set()
    sent: dict[str, list[StatementEntry]] = {}
    for each in test.statements:
        if each.phase == "call" and each.kind in counted and each.count:
            sent.setdefault(identity.of_statement(each), []).append(each)
    return sent
