"""One level of parentheses, and the comparison that is being read in it."""

from __future__ import annotations

from dataclasses import field

from pytest_querybudget.statements.scopes import Comparison, Query, Value
from pytest_querybudget.values import dataclass


@dataclass(slots=True)
class Frame:
    """One level of parentheses: the query it belongs to and the comparison that is being read in it."""

    query: Query
    purpose: str  # "query", "group", "names", "row", "tables"
    clause: str
    left: list[str] = field(default_factory=list)
    right: list[str] = field(default_factory=list)
    left_values: list[Value] = field(default_factory=list)
    right_values: list[Value] = field(default_factory=list)
    operator: str = ""
    role: str = "other"
    negated: bool = False
    # Whether more than plain columns and values are compared, whether with a subquery, whether row by row.
    is_complex: bool = False
    has_query: bool = False
    # The queries that are compared with.
    queries: list[Query] = field(default_factory=list)
    is_row: bool = False
    cases: int = 0
    has_or: bool = False
    found: list[Comparison] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    index: int = 0
    is_function: bool = False

    def flush(self) -> None:
        """A comparison is complete: give its values their role and their column."""
        if self.operator:
            self._give_roles(self.right_values, self.left, self.right)
            self._give_roles(self.left_values, self.right, self.left)
            if self.role == "equal" and (self.left or self.right):
                self._remember()
            if self.role in ("equal", "in") and self.left and not self.negated:
                self.query.matched.extend((self.left, each) for each in self.queries)
        self.left, self.right, self.left_values, self.right_values = [], [], [], []
        self.operator, self.negated, self.is_complex = "", False, False
        self.has_query, self.is_row, self.queries = False, False, []

    def _give_roles(self, values: list[Value], columns: list[str], own: list[str]) -> None:
        for number, value in enumerate(values):
            if columns:
                value.role, value.path = self.role, columns[number % len(columns) if self.is_row else 0]
            elif not own:
                value.role = self.role

    def _remember(self) -> None:
        has_value = bool(self.left_values or self.right_values or self.has_query)
        certain = not (self.cases or self.negated or self.is_complex)
        join = len(self.query.sources) - 1 if self.clause == "on" else -1
        self.found.append(Comparison(self.role, self.left, self.right, has_value, certain, join))

    def finish(self) -> None:
        """A clause or a parenthesis ends: an OR in it makes each comparison uncertain."""
        self.flush()
        if self.has_or:
            for each in self.found:
                each.certain = False
        if self.purpose in ("query", "tables"):
            if self.clause in ("where", "on"):
                self.query.comparisons.extend(self.found)
            self.found, self.has_or = [], False

    def merge(self, inner: Frame) -> None:
        """A group without a comparison of its own is a part of the comparison around it: `lower(t.a) = x`."""
        side, values = (self.right, self.right_values) if self.operator else (self.left, self.left_values)
        side.extend(inner.left)
        values.extend(inner.left_values)
        self.is_complex = self.is_complex or inner.is_complex or inner.is_function
        is_row = not inner.is_function and inner.index > 0 and len(inner.left) == inner.index + 1
        self.is_row = self.is_row or is_row
        if inner.has_or or inner.is_function or self.negated or self.cases:
            for each in inner.found:
                each.certain = False
        self.found.extend(inner.found)
