"""A report packed small: each text, place, chain and shape of statement once, and numbers that point to them.

`data.js` is the other half. Times are whole microseconds.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from pytest_querybudget.reports import digest, rulebook
from pytest_querybudget.reports.digest import FindingGroup
from pytest_querybudget.reports.document import (
    Location,
    Report,
    StatementEntry,
    TestEntry,
    TransactionsEntry,
    to_plain,
)
from pytest_querybudget.reports.text import shorten, visible

_LONGEST_TEXT = 20_000
_NONE = -1


def pack(report: Report) -> dict[str, Any]:
    """Turn a report into what the page is made from."""
    return _Packer().pack(report)


class _Index:
    """Values in the order in which they were first seen, and their numbers."""

    def __init__(self) -> None:
        self.packed: list[Any] = []
        self._numbers: dict[Hashable, int] = {}

    def number(self, key: Hashable) -> int | None:
        return self._numbers.get(key)

    def add(self, key: Hashable, packed: Any) -> int:
        number = self._numbers[key] = len(self.packed)
        self.packed.append(packed)
        return number


class _Packer:
    def __init__(self) -> None:
        self._texts = _Index()
        self._places = _Index()
        self._chains = _Index()
        self._shapes = _Index()

    def pack(self, report: Report) -> dict[str, Any]:
        groups = digest.findings(report)
        numbers = {test.nodeid: index for index, test in enumerate(report.tests)}
        by_identity = {group.finding.identity: index for index, group in enumerate(groups)}
        tests = [self._test(test, by_identity) for test in report.tests]
        findings = [self._finding(group, numbers) for group in groups]
        return {
            "tool": {name: visible(text) for name, text in to_plain(report.tool).items()},
            "mode": visible(report.mode),
            "totals": to_plain(report.totals),
            "tests": tests,
            "findings": findings,
            "problems": [
                [
                    visible(each.slug),
                    visible(each.text),
                    numbers.get(each.nodeid or "", _NONE),
                    each.nodeid and visible(each.nodeid),
                ]
                for each in report.problems
            ],
            "texts": self._texts.packed,
            "places": self._places.packed,
            "chains": self._chains.packed,
            "shapes": self._shapes.packed,
            "rules": {rule: rulebook.sentence(rule) for rule in sorted({each.finding.rule for each in groups})},
        }

    def _text(self, text: str | None) -> int:
        if text is None:
            return _NONE
        number = self._texts.number(text)
        return self._texts.add(text, visible(shorten(text, _LONGEST_TEXT))) if number is None else number

    def _place(self, place: Location | None) -> int:
        if place is None:
            return _NONE
        number = self._places.number(place)
        if number is None:
            number = self._places.add(place, [self._text(place.path), place.line, self._text(place.function)])
        return number

    def _chain(self, chain: tuple[Location, ...]) -> int:
        if not chain:
            return _NONE
        number = self._chains.number(chain)
        return self._chains.add(chain, [self._place(each) for each in chain]) if number is None else number

    def _shape(self, entry: StatementEntry) -> int:
        key = (entry.sql, entry.kind, entry.tables, entry.columns, entry.reads, entry.writes, entry.relationship)
        number = self._shapes.number(key)
        if number is None:
            lists = (
                [self._text(each) for each in names]
                for names in (entry.tables, entry.columns, entry.reads, entry.writes)
            )
            packed = [self._text(entry.sql), self._text(entry.kind), *lists, self._text(entry.relationship)]
            number = self._shapes.add(key, packed)
        return number

    def _statement(self, entry: StatementEntry) -> list[int]:
        return [
            self._shape(entry), self._place(entry.location), self._chain(entry.chain),
            entry.count, entry.rows, entry.max_rows,
            *map(_microseconds, (entry.time, entry.max_time, entry.first, entry.last)),
            self._text(entry.phase), self._text(entry.window), self._text(entry.load), self._text(_plan(entry)),
        ]  # fmt: skip

    def _test(self, test: TestEntry, by_identity: dict[str, int]) -> dict[str, Any]:
        return {
            "id": visible(test.nodeid),
            "outcome": visible(test.outcome),
            "duration": _microseconds(test.duration),
            "phases": {
                name: [each.queries, _microseconds(each.db_time), each.rows, each.checkouts, each.connects]
                for name, each in test.phases.items()
                if each.queries or each.checkouts or each.rows
            },
            "budget": [
                [visible(rule), each.limit, each.actual, visible(each.declared)] for rule, each in test.budget.items()
            ],
            "statements": [self._statement(each) for each in test.statements],
            "findings": list(dict.fromkeys(by_identity[each.identity] for each in test.findings)),
            "failing": sum(each.failed for each in test.findings),
            "routes": [[visible(name), each.count, each.queries, each.most] for name, each in test.requests.items()],
            "connections": test.connections,
            "transactions": _transactions(test.transactions),
        }

    def _finding(self, group: FindingGroup, numbers: dict[str, int]) -> dict[str, Any]:
        finding = group.finding
        return {
            "id": finding.identity,
            "rule": visible(finding.rule),
            "level": group.level,
            "allowed": _plain(finding.allowed),
            "count": finding.count,
            "phase": visible(finding.phase),
            "own": finding.declared_only,
            "total": group.total,
            "message": _cut(finding.message),
            "sql": self._text(finding.sql),
            "tables": [self._text(each) for each in finding.tables],
            "relationship": self._text(finding.relationship),
            "place": self._place(finding.location),
            "origin": self._place(finding.origin),
            "chain": self._chain(finding.chain),
            "fix": _cut(finding.fix),
            "proof": _plain(finding.proof),
            "tests": [numbers[each] for each in group.tests],
        }


def _transactions(entry: TransactionsEntry | None) -> list[int] | None:
    if entry is None:
        return None
    return [entry.count, entry.queries, *map(_microseconds, (entry.seconds, entry.silent))]


def _microseconds(seconds: float) -> int:
    return round(seconds * 1_000_000)


def _cut(text: str | None) -> str | None:
    return None if text is None else visible(shorten(text, _LONGEST_TEXT))


def _plain(entry: Any) -> Any:
    plain = to_plain(entry)
    return {name: _cut(text) for name, text in plain.items()} if plain else None


def _plan(entry: StatementEntry) -> str | None:
    return f"not planned: {entry.not_planned}" if entry.not_planned else entry.plan
