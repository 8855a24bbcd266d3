"""The usual advice: each test that the page names exists, breaks its budget on wasteful code, and keeps it on mended."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_querybudget.rules.registry import all_rules, by_name
from tests.docs.generator import ROOT

PAGE = ROOT / "docs" / "advice.md"
EXAMPLES = ROOT / "examples"
SHOWN = re.compile(r"\[(?P<name>\w+)(?:\.py)?\]\(\.\./(?P<path>examples/[\w/]+\.py)\)")
ROWS = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ") and "](../examples/" in line]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[2:40])
def test_each_advice_has_a_rule_a_test_and_figures(row: str) -> None:
    """The rule is one that can be declared, the test one that is there, and both figures are given."""
    _, _, rules, shown, before, after, _ = re.split(r"(?<!\\)\|", row)
    named = re.findall(r"`(\w+)`", rules)
    assert named
    assert set(named) & {*by_name(all_rules()), "allow_queries", "query_growth"}
    for each in SHOWN.finditer(shown):
        source = (ROOT / each["path"]).read_text("utf-8")
        assert each["path"].endswith(f"{each['name']}.py") or re.search(rf"\b(?:def|class) {each['name']}\b", source)
    assert before.strip()
    assert after.strip()


@pytest.mark.parametrize("project", ["advice", "journeys"])
def test_the_examples_hold(project: str, postgresql_url: str) -> None:
    """Wasteful code breaks its budgets, mended code keeps them, and nothing is passed by chance."""
    if project == "journeys":
        pytest.importorskip("fastapi")
        pytest.importorskip("httpx")
    done = run(EXAMPLES / project, postgresql_url)
    assert done.returncode == 0, done.stdout
    last = done.stdout.strip().splitlines()[-1]
    figures = {word: int(number) for number, word in re.findall(r"(\d+) (\w+)", last)}
    assert figures["xfailed"] >= 11
    assert figures["passed"] >= 11
    assert "skipped" not in figures, done.stdout


def run(folder: Path, url: str) -> subprocess.CompletedProcess[str]:
    """Run the tests of an example as a user would."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "GITHUB_"))}
    environment |= {"PYTHONPATH": str(ROOT), "QUERYBUDGET_TEST_POSTGRESQL": url}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--color=no"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
