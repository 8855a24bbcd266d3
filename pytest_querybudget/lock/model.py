"""What a lock file holds, as plain values."""

from __future__ import annotations

from dataclasses import field
from datetime import date

from pytest_querybudget.values import dataclass

VERSION = 1

# The order in which a line names the kinds of statement; any other kind follows by name.
KINDS = ("select", "insert", "update", "delete", "ddl", "other")


class LockError(ValueError):
    """A lock file that cannot be read or written; the text names the file, the line, the cause and the way out."""

    def __init__(self, path: object, text: str, line: int | None = None) -> None:
        self.path, self.line = str(path), line
        super().__init__(f"{path}:{line}: {text}" if line else f"{path}: {text}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TestLock:
    """What one test is known to send while it is called (`setup` and `teardown` may belong to other tests too).

    `kinds` counts statements by kind, `findings` counts statements by the identity of a finding,
    and `statements` counts them by `identity.of_statement`: it decides nothing, and explains what grew.
    `reason`, `owner` and `until` are a person's, kept through every update; past `until` the entry fails.
    """

    __test__ = False

    kinds: dict[str, int] = field(default_factory=dict)
    findings: dict[str, int] = field(default_factory=dict)
    statements: dict[str, int] = field(default_factory=dict)
    reason: str | None = None
    owner: str | None = None
    until: date | None = None

    @property
    def queries(self) -> int:
        """All statements, of whatever kind."""
        return sum(self.kinds.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Debt:
    """A known finding, said once however many tests meet it. Past `until` it is no longer tolerated."""

    since: date | None = None
    reason: str | None = None
    owner: str | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A lock file: `tests` by node id (see `identity.of_test`), `debts` by the identity of a finding."""

    tests: dict[str, TestLock] = field(default_factory=dict)
    debts: dict[str, Debt] = field(default_factory=dict)


def expired(until: date | None, today: date) -> bool:
    """Whether an end date has passed; the day itself still counts."""
    return until is not None and until < today


def by_kind(kinds: dict[str, int]) -> dict[str, int]:
    """The kinds that were sent at all, in the order of a line."""
    names = [*KINDS, *sorted(set(kinds) - set(KINDS))]
    return {name: kinds[name] for name in names if kinds.get(name)}
