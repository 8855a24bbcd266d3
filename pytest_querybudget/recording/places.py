"""Lines of application code."""

from __future__ import annotations

from pytest_querybudget.values import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """One line of code, named so that it means the same on every machine.

    `path` is relative to the project's root directory, with forward slashes,
    `line` counts from 1, and `function` is the innermost function that has a name of its own
    (a comprehension or a lambda belongs to the function around it).
    """

    path: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line} in {self.function}"
