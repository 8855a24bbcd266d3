"""The benchmark runs, divides by the right numbers, and can be read by a program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the benchmark needs wait4 and inherited pipes")


def _run(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    environment = kept | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


def test_every_workload_sends_as_many_statements_as_it_says() -> None:
    """Figures per statement are wrong when the number of statements is."""
    pytest.importorskip("aiosqlite")
    ended = _run("pytest", "-c", "pytest.ini", "bench_counts.py", folder=ROOT / "benchmarks" / "suite")
    assert ended.returncode == 0, ended.stdout


def test_one_tiny_round_prints_a_table_and_writes_its_figures(tmp_path: Path) -> None:
    """Two recorders take turns over one workload."""
    pytest.importorskip("aiosqlite")
    path = tmp_path / "figures.json"
    chosen = ("--recorders", "none,empty", "--workloads", "core select", "--effort", "0.1", "--json", str(path))
    ended = _run("benchmarks", "statements", *chosen)
    assert ended.returncode == 0, ended.stderr
    assert "Core select by primary key" in ended.stdout
    (row,) = json.loads(path.read_text(encoding="utf-8"))["statements"]["rows"]
    assert row["alone"] > 0
    assert set(row["added"]) == {"empty"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nonsense",), "unknown section 'nonsense'; there are statements"),
        (("--recorders", "nonsense"), "unknown recorder 'nonsense'; there are none"),
    ],
)
def test_unknown_names_are_refused_with_those_that_exist(arguments: tuple[str, ...], message: str) -> None:
    """A typing mistake is told before anything is measured."""
    ended = _run("benchmarks", *arguments)
    assert ended.returncode == 2
    assert message in ended.stderr


def test_every_section_has_its_place_in_the_page() -> None:
    """`--write-docs` finds where to put each section's tables."""
    sys.path.insert(0, str(ROOT))
    try:
        from benchmarks import command, docs
    finally:
        sys.path.remove(str(ROOT))
    text = docs.PAGE.read_text(encoding="utf-8")
    for name in command.SECTIONS:
        assert f"<!-- {name} -->\n" in text
        assert f"<!-- end of {name} -->" in text
