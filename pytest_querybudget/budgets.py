"""Budgets: what a test declares, by markers, by the fixture, or by the ini file."""

from __future__ import annotations

import ast
import datetime as dt
import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_querybudget.rules.base import OptionError, Options, Rule

ALLOW = "allow_queries"
GROUP = "query_budget"


class BudgetError(ValueError):
    """A budget that says something no rule understands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """One rule with its options, and where it was declared: `marker`, `fixture` or `ini`."""

    rule: Rule
    options: Options
    source: str

    @property
    def on_test(self) -> bool:
        """Whether the test itself declares it."""
        return self.source != "ini"


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """An `allow_queries` marker: findings of these rules, on matching SQL, tables or places, do not fail."""

    rules: tuple[str, ...]
    match: str = "*"
    reason: str = ""
    until: dt.date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Everything that one test declares, the nearest declaration of each rule."""

    declarations: Mapping[str, Declaration] = field(default_factory=dict)
    permissions: tuple[Permission, ...] = ()


class BudgetReader:
    """Reads budgets, and knows which rules there are."""

    def __init__(self, rules: Iterable[Rule], defaults: Mapping[str, str]) -> None:
        self.rules = {each.name: each for each in rules}
        self.defaults = {
            name: declared for name, text in defaults.items() if (declared := self._from_ini(name, text)) is not None
        }
        self.read: dict[int, tuple[Any, Any]] = {}

    @property
    def marker_names(self) -> frozenset[str]:
        """The names of all markers that declare something."""
        return frozenset({*self.rules, ALLOW, GROUP})

    def of_markers(self, marks: Iterable[Any]) -> Budget:
        """Read the markers of a test, the nearest first. Raises `BudgetError`."""
        declared: dict[str, Declaration | None] = {}
        permissions: list[Permission] = []
        for mark in marks:
            if mark.name == ALLOW:
                permissions.append(self._permission(mark.args, mark.kwargs))
                continue
            for name, declaration in self._from_mark(mark):
                declared.setdefault(name, declaration)
        merged = {**self.defaults, **declared}
        return Budget(
            declarations={name: each for name, each in merged.items() if each is not None},
            permissions=tuple(permissions),
        )

    def of_keywords(self, keywords: Mapping[str, Any], source: str = "fixture") -> Budget:
        """Read what `query_budget(...)` was called with. Raises `BudgetError`."""
        declared = dict(self._from_group(keywords, source))
        return Budget(declarations={name: each for name, each in declared.items() if each is not None})

    def _from_mark(self, mark: Any) -> Iterator[tuple[str, Declaration | None]]:
        if mark.name == GROUP:
            if mark.args:
                raise BudgetError(f"query_budget got {mark.args[0]!r}, but takes rules as keywords: query_budget(max_queries=2)")
            yield from self._from_group(mark.kwargs, "marker")
        else:
            yield mark.name, self._declare(mark.name, mark.args, mark.kwargs, "marker")

    def _from_group(self, keywords: Mapping[str, Any], source: str) -> Iterator[tuple[str, Declaration | None]]:
        if not keywords:
            raise BudgetError("query_budget got no rule, so that it could never fail; " + self._known())
        for name, value in keywords.items():
            if value is False:
                self._rule(name)
                yield name, None
                continue
            arguments, options = _arguments(name, value)
            yield name, self._declare(name, arguments, options, source)

    def _declare(
        self, name: str, arguments: Sequence[Any], keywords: Mapping[str, Any], source: str
    ) -> Declaration:
        rule = self._rule(name)
        try:
            return Declaration(rule=rule, options=rule.parse(tuple(arguments), dict(keywords)), source=source)
        except OptionError as error:
            raise BudgetError(str(error)) from None

    def _rule(self, name: str) -> Rule:
        rule = self.rules.get(name)
        if rule is None:
            near = difflib.get_close_matches(name, self.rules, n=1)
            raise BudgetError(f"unknown rule {name!r}; " + (f"did you mean {near[0]!r}?" if near else self._known()))
        return rule

    def _known(self) -> str:
        return f"rules are: {', '.join(self.rules)}"

    def _from_ini(self, name: str, text: str) -> Declaration | None:
        lowered = text.lower()
        if lowered in ("false", "no", "off"):
            return None
        option = f"querybudget_{name}"
        try:
            if lowered in ("true", "yes", "on"):
                return self._declare(name, (), {}, "ini")
            arguments, keywords = _call_arguments(text)
            return self._declare(name, arguments, keywords, "ini")
        except BudgetError as error:
            raise BudgetError(f"ini option {option}: {error}") from None

    def _permission(self, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Permission:
        takes = 'allow_queries takes rule names, match="glob", reason="...", until="2027-01-31"'
        if not arguments:
            raise BudgetError(f"allow_queries got no rule; {takes}")
        for each in arguments:
            if each != "*":
                self._rule(each)
        for key in keywords:
            if key not in ("match", "reason", "until"):
                raise BudgetError(f"allow_queries got an unknown keyword {key!r}; {takes}")
        return Permission(
            rules=tuple(arguments),
            match=str(keywords.get("match", "*")),
            reason=str(keywords.get("reason", "")),
            until=parse_date(keywords.get("until")),
        )


def parse_date(value: Any) -> dt.date | None:
    """Return a date from ISO 8601 text. Raises `BudgetError`."""
    if value is None or isinstance(value, dt.date):
        return value
    try:
        return dt.date.fromisoformat(value)
    except (TypeError, ValueError):
        raise BudgetError(f'until got {value!r}, but takes a date as "2027-01-31"') from None


def _arguments(name: str, value: Any) -> tuple[Sequence[Any], Mapping[str, Any]]:
    """Return the arguments of a marker for the value of a keyword of `query_budget`."""
    if value is None:
        raise BudgetError(f"query_budget got {name}=None; use {name}=False to switch the rule off")
    if value is True:
        return (), {}
    if isinstance(value, Mapping):
        return (), value
    if isinstance(value, (list, tuple, set, frozenset)):
        return tuple(value), {}
    return (value,), {}


def _call_arguments(text: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Read `20, select=10` as arguments; words that are no Python are patterns or names."""
    try:
        call = ast.parse(f"rule({text})", mode="eval").body
        if isinstance(call, ast.Call):
            arguments = tuple(ast.literal_eval(each) for each in call.args)
            return arguments, {str(each.arg): ast.literal_eval(each.value) for each in call.keywords}
    except (SyntaxError, ValueError):
        pass
    return tuple(each.strip("\"'") for each in text.replace(",", " ").split()), {}
