"""What a rule is."""

from __future__ import annotations

import difflib
import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any, ClassVar

from pytest_querybudget.findings.model import Finding
from pytest_querybudget.recording.model import Recording
from pytest_querybudget.values import dataclass

# Limits above these could never fail: no test sends a billion statements, or takes a day.
MOST_COUNT = 1_000_000_000
MOST_SECONDS = 86_400


class OptionError(ValueError):
    """An option of a rule that is not what the rule takes; the text says what was given and what is allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a rule was told: one class for all rules, each of which reads the fields it declares."""

    limit: float | None = None
    by_kind: Mapping[str, int] = field(default_factory=dict)
    exact: bool = False
    phase: str = "call"
    per: str = "test"
    threshold: float = 2
    patterns: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


class Rule(ABC):
    """One rule. Its docstring is its documentation, under ruff's headings; its first line is the summary.

    `takes` shows the arguments, `default` tells whether the plugin looks for it without being asked,
    `needs` names the command-line option without which the rule has nothing to look at.
    """

    name: ClassVar[str]
    takes: ClassVar[str] = ""
    default: ClassVar[bool] = False
    needs: ClassVar[str | None] = None
    #: Rules that can measure each request by itself (`per="request"`).
    takes_per: ClassVar[bool] = False
    #: Rules that compare tests with each other: a block of one test cannot be held to them.
    compares_tests: ClassVar[bool] = False
    #: Rules that look at nothing but statements are not asked what they find in a test that has sent none;
    #: to those that require something to have happened, that is a fault.
    needs_statements: ClassVar[bool] = False
    #: Whether statements have to be planned for this rule.
    needs_plans: ClassVar[bool] = False
    #: Whether pools, or transactions, have to be listened to for this rule.
    needs_pools: ClassVar[bool] = False
    needs_transactions: ClassVar[bool] = False
    #: Whether the rule is applied to every test when every statement is planned.
    explained: ClassVar[bool] = False
    #: Whether the patterns of its options are columns, which the metadata must know.
    names_columns: ClassVar[bool] = False

    @abstractmethod
    def parse(self, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Options:
        """Turn what a marker, the fixture or the ini file says into options. Raises `OptionError`."""

    def unasked(self) -> Options:
        """Return the options of a rule that nobody declared, and that the plugin applies by itself."""
        return self.parse((), {})

    @abstractmethod
    def check(self, recording: Recording, options: Options) -> Iterator[Finding]:
        """Yield what a recording has that this rule forbids."""

    def measure(self, recording: Recording, options: Options) -> Mapping[str, tuple[float, float]]:  # noqa: ARG002
        """Return limit and measured figure by name, for a ceiling; empty for a prohibition."""
        return {}

    def faults(self, recording: Recording, options: Options) -> Iterator[str]:  # noqa: ARG002
        """Yield why a recording cannot be judged where the rule is declared: then it must fail instead of passing."""
        return iter(())

    @property
    def documentation(self) -> str:
        """The page of this rule, in Markdown."""
        return inspect.cleandoc(self.__doc__ or "")

    @property
    def summary(self) -> str:
        """The first line of the documentation."""
        return self.documentation.partition("\n")[0]


def no_arguments(rule: Rule, arguments: Sequence[Any], keywords: Mapping[str, Any], *allowed: str) -> None:
    """Raise `OptionError` for arguments that a rule does not take."""
    if arguments:
        raise OptionError(f"{rule.name} got {_show(arguments[0])}, but takes {rule.takes or 'no arguments'}")
    unknown_keywords(rule, keywords, allowed)


def unknown_keywords(rule: Rule, keywords: Mapping[str, Any], allowed: Sequence[str]) -> None:
    """Raise `OptionError` for a keyword that a rule does not know."""
    for each in keywords:
        if each not in allowed:
            near = difflib.get_close_matches(each, allowed, n=1)
            takes = (
                f"did you mean {near[0]!r}? It takes {rule.takes}"
                if near
                else f"it takes {rule.takes or 'no arguments'}"
            )
            raise OptionError(f"{rule.name} got an unknown keyword {each!r}; {takes}")


def count_option(rule: Rule, name: str, value: Any) -> int:
    """Return a number of things; raise `OptionError` unless it is a whole number from 0 that something could reach."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise OptionError(f"{rule.name} got {_named(name, value)}, but takes a whole number")
    if value < 0:
        raise OptionError(f"{rule.name} got {_named(name, value)}, but a limit cannot be negative")
    if value > MOST_COUNT:
        raise OptionError(
            f"{rule.name} got {_named(name, value)}, which no test reaches: it takes at most {MOST_COUNT:,}"
        )
    return value


def number_option(rule: Rule, name: str, value: Any, unit: str = "", most: float = math.inf) -> float:
    """Return a number; raise `OptionError` unless it is finite, not negative and not above `most`."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise OptionError(f"{rule.name} got {_named(name, value)}, but takes a number{unit}")
    if not math.isfinite(value) or value < 0:
        raise OptionError(f"{rule.name} got {_named(name, value)}, but takes a finite number{unit} from 0")
    if value > most:
        raise OptionError(f"{rule.name} got {_named(name, value)}, which no test reaches: it takes at most {most:g}")
    return value


def flag_option(rule: Rule, name: str, value: Any) -> bool:
    """Return a yes or no; raise `OptionError` for anything else."""
    if not isinstance(value, bool):
        raise OptionError(f"{rule.name} got {_named(name, value)}, but {name} takes True or False")
    return value


def per_option(rule: Rule, keywords: Mapping[str, Any]) -> str:
    """Return what is measured by itself, `test` or `request`. Raises `OptionError`."""
    per = keywords.get("per", "test")
    if per not in ("test", "request"):
        raise OptionError(f'{rule.name} got {_named("per", per)}, but takes per="request" or per="test"')
    return str(per)


def threshold_option(rule: Rule, keywords: Mapping[str, Any]) -> float:
    """Return the threshold of a detection: how many statements make a finding, at least 2."""
    value = count_option(rule, "threshold", keywords.get("threshold", 2))
    if value < 2:
        raise OptionError(f"{rule.name} got threshold={value}, but one statement is no repetition: it takes 2 or more")
    return value


def name_options(rule: Rule, what: str, values: Sequence[Any]) -> tuple[str, ...]:
    """Return names or patterns; raise `OptionError` unless they are non-empty strings."""
    for each in values:
        if not isinstance(each, str) or not each.strip():
            raise OptionError(f"{rule.name} got {_show(each)}, but takes {what} as strings")
    return tuple(values)


def _named(name: str, value: Any) -> str:
    return f"{name}={_show(value)}" if name != "n" else _show(value)


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
