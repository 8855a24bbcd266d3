"""Budgets: what a test declares, by markers, by the fixture, or by the ini file."""

from __future__ import annotations

import ast
import datetime as dt
import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from functools import cached_property
from typing import Any

from pytest_querybudget.rules.base import OptionError, Options, Rule
from pytest_querybudget.values import dataclass

ALLOW = "allow_queries"
GROUP = "query_budget"
# A keyword of the group that is no rule: what is measured by itself.
PER = "per"
_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


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
    """An `allow_queries` marker: findings of these rules, on matching SQL, tables or places, do not fail.

    `owner` is the node id of the function, class or module that the marker is on.
    """

    rules: tuple[str, ...]
    match: str = "*"
    reason: str = ""
    until: dt.date | None = None
    owner: str = ""

    @property
    def words(self) -> str:
        """The marker as it is written."""
        rules = ", ".join(repr(each) for each in self.rules).replace("'", '"')
        match = f', match="{self.match}"' if self.match != "*" else ""
        return f"allow_queries({rules}{match})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Everything that one test declares, the nearest declaration of each rule; `off` are those it switches off.

    `more` are declarations that stand beside the nearest one of their rule, for another phase.
    """

    declarations: Mapping[str, Declaration] = field(default_factory=dict)
    more: tuple[Declaration, ...] = ()
    permissions: tuple[Permission, ...] = ()
    off: frozenset[str] = frozenset()


class BudgetReader:
    """Reads budgets, and knows which rules there are."""

    def __init__(
        self, rules: Iterable[Rule], defaults: Mapping[str, Any], switched: frozenset[str] = frozenset()
    ) -> None:
        self.rules = {each.name: each for each in rules}
        # The command-line options that some rules need, as far as they are given.
        self.switched = switched
        read = {name: self._from_ini(name, given) for name, given in defaults.items()}
        self.defaults = {name: each for name, each in read.items() if each is not None}
        self.off = read.keys() - self.defaults.keys()

    @cached_property
    def marker_names(self) -> frozenset[str]:
        """The names of all markers that declare something."""
        return frozenset({*self.rules, ALLOW, GROUP})

    @cached_property
    def undeclared(self) -> Budget:
        """The budget of a test without any marker, as most are."""
        return self.of_markers(())

    def of_item(self, item: Any, nodes: Sequence[Any] | None = None) -> Budget:
        """Read the markers of a test, of another item its own alone; `nodes` are those that may have some.

        Raises `BudgetError`.
        """
        names = self.marker_names
        if names.isdisjoint(mark_names(nodes or item.listchain())):
            return self.undeclared
        own = None if hasattr(item, "function") else item.own_markers
        return self.of_markers(
            [
                (mark, owner)
                for mark, owner in nearest_marks(item)
                if mark.name in names and (own is None or mark in own)
            ]
        )

    def of_markers(self, marks: Iterable[tuple[Any, str]]) -> Budget:
        """Read markers, each with the node that has it, the nearest first. Raises `BudgetError`."""
        declared: dict[str, Declaration | None] = {}
        beside: dict[tuple[str, str], dict[str, Declaration]] = {}
        permissions: list[Permission] = []
        for mark, owner in marks:
            if mark.name == ALLOW:
                permissions.append(self._permission(mark.args, mark.kwargs, owner))
                continue
            for name, declaration in self._from_mark(mark):
                declared.setdefault(name, declaration)
                if declaration is not None:
                    beside.setdefault((name, owner), {}).setdefault(declaration.options.phase, declaration)
        merged = {**self.defaults, **dict.fromkeys(self.off), **declared}
        return Budget(
            declarations={name: each for name, each in merged.items() if each is not None},
            permissions=tuple(permissions),
            more=tuple(_others(declared, beside.values())),
            off=frozenset(name for name, each in merged.items() if each is None),
        )

    def of_keywords(self, keywords: Mapping[str, Any], source: str = "fixture") -> Budget:
        """Read what `query_budget(...)` was called with. Raises `BudgetError`."""
        given = dict(self._from_group(keywords, source))
        declared = {name: each for name, each in given.items() if each is not None}
        comparing = [name for name, each in declared.items() if each.rule.compares_tests]
        if comparing:
            raise BudgetError(
                f"query_budget got {comparing[0]}, which compares tests: it is a marker, or query_growth(...)"
            )
        if not declared:
            raise BudgetError("query_budget got no rule but those it switches off, so that it could never fail")
        return Budget(declarations=declared, off=frozenset(given.keys() - declared.keys()))

    def _from_mark(self, mark: Any) -> Iterator[tuple[str, Declaration | None]]:
        if mark.name == GROUP:
            if mark.args:
                raise BudgetError(
                    f"query_budget got {mark.args[0]!r}, but takes rules as keywords: query_budget(max_queries=2)"
                )
            yield from self._from_group(mark.kwargs, "marker")
        else:
            yield mark.name, self._declare(mark.name, mark.args, mark.kwargs, "marker")

    def _from_group(self, keywords: Mapping[str, Any], source: str) -> Iterator[tuple[str, Declaration | None]]:
        if not keywords:
            raise BudgetError("query_budget got no rule, so that it could never fail; " + self._known())
        rules = {name: value for name, value in keywords.items() if name != PER}
        per = {PER: keywords[PER]} if PER in keywords else {}
        if per and not any(self._rule(name).takes_per for name, value in rules.items() if value is not False):
            raise BudgetError(
                f"query_budget got per={per[PER]!r}, but none of its rules is measured per request; "
                f"these are: {', '.join(each.name for each in self.rules.values() if each.takes_per)}"
            )
        for name, value in rules.items():
            if value is False:
                self._rule(name)
                yield name, None
                continue
            arguments, options = _arguments(name, value)
            if per and self._rule(name).takes_per:
                options = {**per, **options}
            yield name, self._declare(name, arguments, options, source)

    def _declare(self, name: str, arguments: Sequence[Any], keywords: Mapping[str, Any], source: str) -> Declaration:
        rule = self._rule(name)
        if rule.needs is not None and rule.needs not in self.switched:
            raise BudgetError(f"{name} needs {rule.needs}, and could never fail without it")
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

    def _from_ini(self, name: str, given: Any) -> Declaration | None:
        """Read an option of the ini file: text, or what TOML has for it (a number, a truth value, a list, a table)."""
        option = f"querybudget_{name}"
        value = given.strip() if isinstance(given, str) else given
        if isinstance(value, str) and value.lower() in _WORDS:
            value = _WORDS[value.lower()]
        if value is False:
            return None
        try:
            arguments, keywords = _call_arguments(value) if isinstance(value, str) else _arguments(name, value)
            return self._declare(name, arguments, keywords, "ini")
        except BudgetError as error:
            raise BudgetError(f"ini option {option}: {error}") from None

    def _permission(self, arguments: Sequence[Any], keywords: Mapping[str, Any], owner: str) -> Permission:
        takes = 'allow_queries takes rule names, match="glob", reason="...", until="2027-01-31"'
        if not arguments:
            raise BudgetError(f"allow_queries got no rule; {takes}")
        for each in arguments:
            if not isinstance(each, str):
                raise BudgetError(f"allow_queries got {each!r}; {takes}")
            if each != "*":
                self._rule(each)
        for key, value in keywords.items():
            if key not in ("match", "reason", "until"):
                raise BudgetError(f"allow_queries got an unknown keyword {key!r}; {takes}")
            if key != "until" and not isinstance(value, str):
                raise BudgetError(f"allow_queries got {key}={value!r}, but {key} takes text")
        return Permission(
            rules=tuple(arguments),
            match=keywords.get("match", "*"),
            reason=keywords.get("reason", ""),
            until=parse_date(keywords.get("until")),
            owner=owner,
        )


def _others(
    nearest: Mapping[str, Declaration | None], beside: Iterable[Mapping[str, Declaration]]
) -> Iterator[Declaration]:
    """Yield what is declared beside the nearest declaration of a rule, on the same function, class or module."""
    for phases in beside:
        declarations = list(phases.values())
        if any(each is nearest.get(each.rule.name) for each in declarations):
            yield from (each for each in declarations if each is not nearest[each.rule.name])


def mark_names(nodes: Iterable[Any]) -> list[str]:
    """Return the names of all markers of a test and the nodes around it: `iter_markers` takes three times as long."""
    return [mark.name for node in nodes for mark in node.own_markers]


def nearest_marks(item: Any) -> Iterator[tuple[Any, str]]:
    """Yield the markers of a test, the nearest first, each with the node id of the function, class or module it is on.

    `iter_markers` is nearly that: it puts a parameter set behind its function, and a base class before the class.
    """
    callspec = getattr(item, "callspec", None)
    near = list(callspec.marks) if callspec is not None else []
    for mark in near:
        yield mark, item.nodeid
    for node in reversed(item.listchain()):
        marks = list(node.own_markers)
        kind = getattr(node, "obj", None) if marks else None
        if isinstance(kind, type):
            marks.sort(key=lambda mark: _depth(mark, kind))
        owner = node.nodeid.partition("[")[0] if node is item else node.nodeid
        for mark in marks:
            if not (node is item and any(mark is each for each in near)):
                yield mark, owner


def _depth(mark: Any, kind: type) -> int:
    """Return how far up the bases of a class a marker stands; one that was added later is nearest."""
    for depth, base in enumerate(kind.__mro__):
        own = base.__dict__.get("pytestmark", [])
        if any(mark is getattr(each, "mark", each) for each in (own if isinstance(own, list) else [own])):
            return depth
    return -1


def parse_date(value: Any) -> dt.date | None:
    """Return a date from ISO 8601 text. Raises `BudgetError`."""
    if isinstance(value, dt.datetime):
        return value.date()
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
