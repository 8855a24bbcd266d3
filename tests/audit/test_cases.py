"""Cases of the audit: what is wrong is found with its cure, and its clean twin is left alone."""

from __future__ import annotations

import re
from textwrap import indent
from typing import Any

import pytest

from tests.audit.cases import CASES
from tests.plugin.suites import Suite

_CASE = re.compile(r"^\[(\w+)\]\n(.*?)(?=^\[\w+\]\n|\Z)", re.DOTALL | re.MULTILINE)


def _parsed() -> dict[str, tuple[str, str | None]]:
    found = {}
    for name, text in _CASE.findall(CASES):
        body, _, expected = text.partition("=> ")
        found[name] = (body.strip("\n"), expected.strip() or None)
    return found


PARSED = _parsed()


def write(suite: Suite, marker: str = "") -> None:
    """Write each case as a function of the application, and a test that calls it."""
    application = ["from warehouse import *"]
    tests = ["import pytest", "from application import *", "from warehouse import engine, Session"]
    for name, (body, _) in PARSED.items():
        application.append(f"def run_{name}(session):\n{indent(body, '    ')}")
        tests.append(f"{marker}def test_{name}():\n    with Session(engine) as session:\n        run_{name}(session)")
    suite.write("application.py", "\n".join(application))
    suite.write("test_it.py", "\n".join(tests))


def judged(findings: list[dict[str, Any]], expected: str | None) -> str:
    """Say what differs from what is expected; nothing when all is right. What other rules find is left aside."""
    findings = [each for each in findings if each["rule"].startswith("no_unused")]
    said = [f"{each['rule']}: {each['message']} -> {each['fix']}" for each in findings]
    if expected is None:
        return f"false: {said}" if said else ""
    rule, _, rest = expected.partition(": ")
    message, _, fix = rest.partition(" -> ")
    if len(findings) != 1 or not said[0].startswith(rule) or message not in said[0] or fix not in said[0]:
        return f"expected {expected}\n  found {said}"
    return ""


def test_cases(warehouse: Suite) -> None:
    """The audit alone reports each waste, and nothing of the clean cases."""
    write(warehouse)
    outcome = warehouse.run("", "--querybudget-audit")
    assert outcome.counts == {"passed": len(PARSED)}
    assert not outcome.problems
    wrong = {
        name: judged(outcome.tests[f"test_{name}"]["findings"], expected) for name, (_, expected) in PARSED.items()
    }
    wrong = {name: text for name, text in wrong.items() if text}
    assert not wrong, "\n".join(f"[{name}] {text}" for name, text in wrong.items())


def test_cases_on_postgresql(warehouse: Suite, postgresql_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the same on a server."""
    monkeypatch.setenv("WAREHOUSE_URL", postgresql_url)
    test_cases(warehouse)


def test_outcomes_and_statements_are_those_without(warehouse: Suite) -> None:
    """Watching sends no statement, and changes no outcome."""
    write(warehouse)
    plain, audited = warehouse.run(""), warehouse.run("", "--querybudget-audit")
    assert plain.counts == audited.counts
    for name, test in plain.tests.items():
        # A flush deletes in the order of a set, which is another one each time.
        assert sorted(_sent(test)) == sorted(_sent(audited.tests[name])), name


def _sent(test: dict[str, Any]) -> list[tuple[str, int]]:
    return [(each["sql"], each["count"]) for each in test["statements"]]
