"""The corpus: each scenario is run as a project of its own, and the report is compared with what is really wrong.

The case files say what the detector has to find, and `scenario.py` how to read them.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from tests.plugin.suites import RERUNS

from .scenario import Expected, Mark, Scenario, read
from .witness import Witness

pytest_plugins = ["pytester"]

# A run inside a run forgets the modules that it imported first: what does not survive that is imported here.
PLUGIN = "pytest_querybudget.plugin"
SHARED = (
    *("aiosqlite", "anyio", "fastapi.testclient", "flask", "httpx", "hypothesis", "jinja2", "pydantic"),
    *("pytest_asyncio", "sqlalchemy.dialects.sqlite.aiosqlite", "sqlalchemy.ext.asyncio", "sqlalchemy.orm"),
    *("sqlalchemy.ext.associationproxy", "sqlalchemy.ext.hybrid", "sqlalchemy.dialects.postgresql.psycopg", PLUGIN),
)
for module in SHARED:
    if module != PLUGIN or importlib.util.find_spec(PLUGIN):
        importlib.import_module(module)

SCENARIOS = [each for path in sorted(Path(__file__).parent.glob("cases/*.case")) for each in read(path)]
INI = "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
LOADERS = r"(?:selectinload|joinedload|subqueryload|undefer|undefer_group|selectin_polymorphic|defaultload)\("


class Run:
    """One run of a scenario: what was sent, how the tests ended, and what the plugin reports."""

    def __init__(self, pytester: pytest.Pytester, files: dict[str, str], *options: str, watched: bool) -> None:
        for name, source in {"pytest.ini": INI, **files}.items():
            path = pytester.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source)
        self.witness = Witness(pytester.path)
        arguments = ["-p", "no:cacheprovider", "-p", "no:randomly"]
        if any(".flaky(" in source for source in files.values()):
            arguments += RERUNS
        if not watched:
            arguments += ["-p", "no:querybudget"]
        if watched:
            arguments += ["--querybudget=strict", "--querybudget-report=json:report.json", *options]
            if not any(each.value == PLUGIN for each in entry_points(group="pytest11")):
                arguments += ["-p", PLUGIN]
        self.result = pytester.runpytest_inprocess(*arguments, plugins=[self.witness])
        report = pytester.path / "report.json"
        self.tests: list[dict[str, Any]] = json.loads(report.read_text())["tests"] if watched else []

    @property
    def findings(self) -> list[dict[str, Any]]:
        """What was found in all tests of the scenario."""
        return [finding for test in self.tests for finding in test["findings"]]


def is_tried(scenario: Scenario) -> bool:
    """Whether the cure is the loader option that is printed, added to a query."""
    return bool(scenario.cures) and all(each.new is None for each in scenario.cures)


@pytest.fixture(autouse=True)
def no_bytecode(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cured module may be as old and as long as the wasteful one, so no cache may stand in for it."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_corpus_is_true(pytester: pytest.Pytester, scenario: Scenario) -> None:
    """Without the plugin each scenario passes, and its marked lines send as many statements as it claims."""
    run = Run(pytester, scenario.files, watched=False)
    assert not run.witness.outcomes, "\n".join(run.witness.outcomes.values())
    marks = scenario.marks()
    for expected in scenario.expected:
        if expected.optional or not expected.counts:
            continue
        places = [marks[mark] for mark in expected.at if mark in marks]
        sent = sum(run.witness.sent[place.path, place.line] for place in places)
        wanted = sum(min(e.counts or (0,)) for e in scenario.expected if e.at == expected.at and not e.optional)
        assert not places or sent >= wanted, f"{expected}: {sent} statements: {run.witness.texts}"


@pytest.mark.parametrize("scenario", [each for each in SCENARIOS if each.cures], ids=lambda scenario: scenario.name)
def test_expected_cure_is_one(pytester: pytest.Pytester, scenario: Scenario) -> None:
    """What the corpus wants to be printed as a cure is one: the code so changed passes and sends fewer statements."""
    before = Run(pytester, scenario.files, watched=False)
    wanted = [{"fix": expected.fix[0]} for expected in scenario.expected if expected.fix]
    if any(each["fix"].count("(") != each["fix"].count(")") for each in wanted):
        pytest.skip("only a part of the cure is expected")
    after = Run(pytester, cured(scenario, wanted), watched=False)
    assert not after.witness.outcomes, "\n".join(after.witness.outcomes.values())
    assert len(after.witness.texts) <= len(before.witness.texts) - len(wanted), after.witness.texts


@pytest.mark.skipif(not importlib.util.find_spec(PLUGIN), reason="the plugin is not there")
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_verdict(pytester: pytest.Pytester, scenario: Scenario) -> None:
    """In strict mode the findings are the expected ones, at the right place, and only they fail the test."""
    run = Run(pytester, scenario.files, watched=True)
    problems = compare(scenario, run.findings)
    fails = any(each.failed and not each.optional for each in scenario.expected)
    outcomes = {test["outcome"] for test in run.tests}
    if not problems and fails != ("failed" in outcomes):
        problems.append(f"outcomes are {outcomes}")
    assert not problems, "\n".join([*problems, "found:", *map(describe, run.findings), *run.witness.outcomes])


@pytest.mark.skipif(not importlib.util.find_spec(PLUGIN), reason="the plugin is not there")
@pytest.mark.parametrize("scenario", [each for each in SCENARIOS if each.cures], ids=lambda scenario: scenario.name)
def test_cure_runs(pytester: pytest.Pytester, scenario: Scenario) -> None:
    """The printed cure, put where the finding says, is valid, leaves no finding and sends fewer statements."""
    before = Run(pytester, scenario.files, watched=True)
    files = cured(scenario, before.findings)
    after = Run(pytester, files, watched=True)
    assert not after.findings, "\n".join(map(describe, after.findings))
    assert not after.witness.outcomes, "\n".join(after.witness.outcomes.values())
    assert len(after.witness.texts) < len(before.witness.texts)


@pytest.mark.skipif(not importlib.util.find_spec(PLUGIN), reason="the plugin is not there")
@pytest.mark.parametrize("scenario", [each for each in SCENARIOS if is_tried(each)], ids=lambda each: each.name)
def test_proof_is_true(pytester: pytest.Pytester, scenario: Scenario) -> None:
    """What `--querybudget-prove` counts is what the code sends once it is really changed."""
    before = Run(pytester, scenario.files, "--querybudget-prove", watched=True)
    proofs = [each["proof"] for each in before.findings if each["proof"] and each["proof"]["verdict"] != "untried"]
    assert proofs, [each["proof"] for each in before.findings]
    assert {each["verdict"] for each in proofs} == {"proven"}, proofs
    together = [int(found[1]) for each in proofs if (found := re.search(r"; (\d+) with the", each["text"]))]
    after = Run(pytester, cured(scenario, before.findings), watched=True)
    # `setUp` is a part of the call for the witness, and of the setup for the plugin.
    aside = len(before.witness.texts) - int(proofs[0]["before"])
    assert {*(together or [int(each["after"]) for each in proofs])} == {len(after.witness.texts) - aside}


def compare(scenario: Scenario, findings: list[dict[str, Any]]) -> list[str]:
    """Say how the findings differ from the expected ones."""
    left, problems, marks = list(findings), [], scenario.marks()
    for expected in scenario.expected:
        differences = [(mismatch(expected, finding, marks), finding) for finding in left]
        best = min(differences, key=lambda each: len(each[0]), default=None)
        if best is not None and not best[0]:
            left.remove(best[1])
        elif not expected.optional:
            problems.append(f"missing {expected.rule}: {best[0] if best else 'nothing found'}")
    problems += [f"false alarm: {describe(each)}" for each in left if each["failed"] or not scenario.shown]
    return problems


def mismatch(expected: Expected, finding: dict[str, Any], marks: dict[str, Mark]) -> list[str]:
    """Say in what a finding is not the expected one."""
    fix = squeeze(finding["fix"] or "")
    chain = [(each["path"], each["line"]) for each in finding.get("chain", ())]
    wanted = marks.get(expected.chain or "")
    checks = {
        f"rule is {finding['rule']}": finding["rule"] == expected.rule,
        f"location is {finding['location']}": is_one_of(finding["location"], expected.at, marks),
        f"origin is {finding['origin']}": is_one_of(finding["origin"], expected.origin, marks),
        f"chain is {chain}": wanted is None or (wanted.path, wanted.line) in chain,
        f"relationship is {finding['relationship']}": not expected.relationship
        or finding["relationship"] in expected.relationship,
        f"count is {finding['count']}": not expected.counts or finding["count"] in expected.counts,
        f"failed is {finding['failed']}": finding["failed"] == expected.failed,
        f"fix is {finding['fix']!r}": not expected.fix or any(squeeze(each) in fix for each in expected.fix),
        f"fix must not say it: {finding['fix']!r}": not any(squeeze(each) in fix for each in expected.no_fix),
    }
    return [text for text, holds in checks.items() if not holds]


def is_one_of(location: dict[str, Any] | None, names: tuple[str, ...], marks: dict[str, Mark]) -> bool:
    """Whether a location is one of the marked lines; marks that the scenario does not set are not looked at."""
    places = [marks[name] for name in names if name in marks]
    if not places:
        return True
    if location is None:
        return False
    function = location["function"].rpartition(".")[2]
    return (location["path"], location["line"], function) in [(each.path, each.line, each.function) for each in places]


def squeeze(text: str) -> str:
    """Make texts comparable whatever their spaces and capitals."""
    return re.sub(r"\s", "", text).lower()


def describe(finding: dict[str, Any]) -> str:
    """Put a finding on one line."""
    words = ("rule", "count", "failed", "relationship", "location", "origin", "fix", "sql")
    return ", ".join(f"{word}={finding[word]}" for word in words)


def cured(scenario: Scenario, findings: list[dict[str, Any]]) -> dict[str, str]:
    """Apply the scenario's cures to its files, with the loader options that the findings print."""
    files, marks = dict(scenario.files), scenario.marks()
    for cure in scenario.cures:
        place = marks[cure.mark]
        lines = files[place.path].split("\n")
        new = cure.new or cure.old + f".options({', '.join(loader_options(findings))})"
        assert cure.old in lines[place.line - 1], (cure, lines[place.line - 1])
        lines[place.line - 1] = lines[place.line - 1].replace(cure.old, new.replace("\\n", "\n"), 1)
        files[place.path] = "\n".join(lines)
    return files


def loader_options(findings: list[dict[str, Any]]) -> list[str]:
    """The loader options that the fixes of all findings print, as Python expressions."""
    options = list(dict.fromkeys(option for each in findings for option in expressions(each["fix"] or "")))
    assert options, [each["fix"] for each in findings]
    return options


def expressions(fix: str) -> list[str]:
    """Cut every outermost call of a loader function out of a text."""
    result, start = [], 0
    while match := re.compile(rf"(?<![.\w]){LOADERS}").search(fix, start):
        end = closing(fix, match.end() - 1)
        while chained := re.compile(r"\.\w+\(").match(fix, end):
            end = closing(fix, chained.end() - 1)
        result.append(fix[match.start() : end])
        start = end
    return result


def closing(text: str, opening: int) -> int:
    """The index after the bracket that closes the one at `opening`."""
    depth = 0
    for index in range(opening, len(text)):
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(text[index], 0)
        if not depth:
            return index + 1
    raise ValueError(text)
