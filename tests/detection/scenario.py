"""Scenarios as text: what a case file says, and how it becomes the files of a small project.

A case file holds many scenarios. `[case NAME]` begins one, lines that begin with `--` are remarks, and its sections are
`[app]` (the module `app/service.py`), `[file PATH]` (any other module), `[test]` (left out where the test only
calls `run` with the fixtures that its parameters name), `[expect]` and `[cure]`.

An expectation is one line, `RULE KEY=VALUE...`:

- `at` is the mark of the line of `location`, `from` that of `origin`, `chain` one of a line that `chain` has to name:
  a mark is a comment `# <- NAME` in the source; `access` and `origin` need not be said;
- `of` is the relationship, `count` the number of statements;
- `shown` says that the finding must not fail the test, `?` before the rule that it need not be there;
- `fix` (the rest of the line) is what the cure has to mention, and `not` what it must not; spaces do not matter;
- alternatives are separated by `|`, `-` means that it is not looked at.

A line `shown` alone: findings that do not fail are allowed, and nothing else is.
An empty section, or none: no finding at all.

A cure is one line, `MARK: OLD -> NEW`, applied to the marked line, or `MARK: SELECT` alone: there the loader option
that the finding's fix prints is added to `SELECT` with `.options(...)`.
"""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

APP = "app/service.py"
TEST = "test_service.py"
HEADS = {
    "app": "from app.shop import *\n",
    "test": "import pytest\nfrom app.shop import *\nfrom app.service import *\n",
}


@dataclass(frozen=True)
class Expected:
    """One finding that a scenario must give, or may give (`optional`).

    A rule with `?` before it is optional, one with `~` only under a tracer, such as that of coverage: it takes the marks
    off frames that are resumed, and what cannot be told apart then is not reported.
    """

    rule: str
    at: tuple[str, ...] = ()
    origin: tuple[str, ...] = ()
    chain: str | None = None
    relationship: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    failed: bool = True
    optional: bool = False
    fix: tuple[str, ...] = ()
    no_fix: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cure:
    """One change of the marked line; `new` is none where the printed loader option is added to `old`."""

    mark: str
    old: str
    new: str | None = None


@dataclass(frozen=True)
class Mark:
    """A marked line and the function around it."""

    path: str
    line: int
    function: str


@dataclass
class Scenario:
    """A small project, and what is wrong with it."""

    name: str
    files: dict[str, str] = field(default_factory=dict)
    expected: list[Expected] = field(default_factory=list)
    cures: list[Cure] = field(default_factory=list)
    shown: bool = False

    def marks(self) -> dict[str, Mark]:
        """Where each marked line is."""
        return {mark: place for path, source in self.files.items() for mark, place in _marks(path, source)}


def read(path: Path) -> list[Scenario]:
    """Read all scenarios of one case file."""
    sections = re.split(r"^\[(case .+|app|file .+|test|expect|cure)\]\n", path.read_text(), flags=re.MULTILINE)
    scenarios: list[Scenario] = []
    for head, text in zip(sections[1::2], sections[2::2], strict=True):
        body = re.sub(r"^--.*\n", "", text, flags=re.MULTILINE).strip("\n") + "\n"
        word, _, rest = head.partition(" ")
        if word == "case":
            scenarios.append(Scenario(f"{path.stem}-{rest}"))
        else:
            _add(scenarios[-1], word, rest, body)
    for scenario in scenarios:
        _complete(scenario)
    return scenarios


def _add(scenario: Scenario, word: str, rest: str, body: str) -> None:
    if word == "app":
        scenario.files[APP] = HEADS["app"] + body
    elif word == "test":
        scenario.files[TEST] = HEADS["test"] + body
    elif word == "file":
        scenario.files[rest] = HEADS["app"] * rest.endswith(".py") + body
    elif word == "expect":
        lines = body.split("\n")
        scenario.shown = "shown" in lines
        scenario.expected = [_expected(line) for line in lines if line and line != "shown"]
    elif word == "cure":
        scenario.cures = [_cure(line) for line in body.split("\n") if line]
    else:
        raise ValueError(f"{scenario.name}: unknown section {word!r}")


def _expected(line: str) -> Expected:
    line, _, no_fix = line.partition(" not=")
    line, _, fix = line.partition(" fix=")
    rule, *words = line.split()
    given = dict(word.partition("=")[::2] for word in words)
    counts = tuple(int(count) for count in given.pop("count", "").split("|") if count)
    result = Expected(
        rule=rule.lstrip("?~"),
        optional=rule.startswith("?") or (rule.startswith("~") and sys.gettrace() is not None),
        at=_alternatives(given.pop("at", "access")),
        origin=_alternatives(given.pop("from", "origin")),
        chain=given.pop("chain", None),
        relationship=_alternatives(given.pop("of", "")),
        counts=counts,
        failed=given.pop("shown", None) is None,
        fix=_alternatives(fix),
        no_fix=_alternatives(no_fix),
    )
    if given:
        raise ValueError(f"unknown keys {sorted(given)} in {line!r}")
    return result


def _alternatives(text: str) -> tuple[str, ...]:
    return tuple(each.strip() for each in text.split("|") if each.strip() not in ("", "-"))


def _cure(line: str) -> Cure:
    mark, _, change = line.partition(": ")
    old, arrow, new = change.partition(" -> ")
    return Cure(mark, old, new if arrow else None)


def _complete(scenario: Scenario) -> None:
    shop = Path(__file__).parent / "shop"
    scenario.files = {
        "app/__init__.py": "",
        "app/shop.py": (shop / "shop.py").read_text(),
        "conftest.py": (shop / "fixtures.py").read_text(),
        **scenario.files,
    }
    if TEST not in scenario.files:
        scenario.files[TEST] = HEADS["test"] + _test_of_run(scenario.files[APP])


def _test_of_run(source: str) -> str:
    prefix, parameters = re.search(r"^(async )?def run\((.*?)\)", source, flags=re.MULTILINE).groups()
    wait = "await " if prefix else ""
    return f"{prefix or ''}def test_it({parameters}):\n    {wait}run({parameters})\n"


def _marks(path: str, source: str) -> list[tuple[str, Mark]]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]
    result = []
    for number, line in enumerate(source.split("\n"), 1):
        for mark in re.findall(r"# <- (\w+)", line):
            around = [each for each in functions if each.lineno <= number <= (each.end_lineno or 0)]
            name = max(around, key=lambda each: each.lineno).name if around else "<module>"
            result.append((mark, Mark(path, number, name)))
    return result
