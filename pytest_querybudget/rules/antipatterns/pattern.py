"""What an antipattern is, and what it looks at."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

from pytest_querybudget.recording.model import Statement, Window
from pytest_querybudget.recording.structure import ColumnUse, Query, Structure
from pytest_querybudget.values import dataclass


@dataclass(frozen=True, slots=True)
class Hit:
    """One occurrence of a pattern, in words; the place and the statement are the finding's."""

    message: str
    fix: str | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One SELECT with the window it was sent in; `top` is the query whose rows it returns."""

    statement: Statement
    window: Window
    structure: Structure
    top: Query

    @property
    def facts(self) -> Any:
        """What is known of the statement; see `statements.Shape`."""
        return self.statement.shape.facts

    def column(self, query: Query, use: ColumnUse | None) -> str:
        """Return a column as the application names it: `Class.attribute`, `table.column`, or its bare name."""
        if use is None:
            return "the column"
        if use.relation < 0:
            return use.name
        relation = query.relations[use.relation]
        if relation.table is None:
            return f"{relation.label}.{use.name}"
        lower = f"{relation.table}.{use.name}".lower()
        attributes: dict[str, str] = self.statement.shape.attributes
        found = next((name for column, name in attributes.items() if column.lower() == lower), None)
        return found or f"{relation.table}.{use.name}"

    def values(self, role: str) -> list[list[int]]:
        """Return what was remembered of each parameter of a role, over the executions: digests of its values."""
        names = [each.name for each in self.facts.binds if each.role == role and not each.literal]
        return [[sample.values[name] for sample in self.statement.samples if name in sample.values] for name in names]


class Pattern(ABC):
    """One antipattern. Its docstring is its documentation; the first line says what not to write."""

    name: ClassVar[str]

    @abstractmethod
    def find(self, case: Case) -> Iterator[Hit]:
        """Yield each occurrence in one statement."""

    @property
    def documentation(self) -> str:
        """The page of this pattern, in Markdown, without a heading of its own."""
        return inspect.cleandoc(self.__doc__ or "")
