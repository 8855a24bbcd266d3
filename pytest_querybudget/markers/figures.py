"""What was measured, by test function and by parameter set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field

from pytest_querybudget.reports.document import TestEntry
from pytest_querybudget.values import dataclass

_PASSED = frozenset({"passed", "xpassed"})

# The names that lead to a function in its file: the classes around it, and its own.
Names = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One run of a test function: `param` is what stands in the brackets of its node id.

    `kinds` are the statements of the call; those of fixtures may belong to other tests too.
    """

    param: str | None
    passed: bool
    kinds: dict[str, int] = field(default_factory=dict)

    def queries(self, kind: str | None = None) -> int:
        """The statements of one kind, or of all."""
        return sum(self.kinds.values()) if kind is None else self.kinds.get(kind, 0)


def by_file(tests: Iterable[TestEntry]) -> dict[str, dict[Names, list[Case]]]:
    """Sort tests by file and by the names of their functions; what is in no Python file is left out."""
    files: dict[str, dict[Names, list[Case]]] = {}
    for test in tests:
        path, names, param = split(test.nodeid)
        if path.endswith(".py") and names:
            call = test.phases.get("call")
            case = Case(param=param, passed=test.outcome in _PASSED, kinds=dict(call.by_kind) if call else {})
            files.setdefault(path, {}).setdefault(names, []).append(case)
    return files


def split(nodeid: str) -> tuple[str, Names, str | None]:
    """Take a node id apart; brackets and colons inside of a parameter are the parameter's."""
    path, _, rest = nodeid.partition("::")
    names, bracket, param = rest.partition("[")
    return path, tuple(filter(None, names.split("::"))), param[:-1] if bracket else None
