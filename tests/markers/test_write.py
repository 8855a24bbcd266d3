"""Budgets into the files of a suite: the diff, the files, and what pytest makes of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pytest_querybudget.markers.write import MarkersError, apply, diff, plan, summary
from pytest_querybudget.reports.document import PhaseEntry, TestEntry
from tests.lock.pinned import assert_golden

GOLDEN = Path(__file__).parent / "golden"

SUITE = '''\
"""Orders."""

from decimal import Decimal

import pytest


# The list of all orders.
@pytest.mark.max_queries(10)  # generous
def test_list():
    pass


class TestExport:
    async def test_csv(self):  # no budget yet
        pass


@pytest.mark.parametrize(
    "size",
    [
        1,  # the smallest
        100,
    ],
)
def test_page(size):
    pass
'''


def entry(nodeid: str, queries: int, outcome: str = "passed") -> TestEntry:
    return TestEntry(
        nodeid=nodeid, outcome=outcome, phases={"call": PhaseEntry(queries=queries, by_kind={"select": queries})}
    )


RAN = [
    entry("tests/test_orders.py::test_list", 2),
    entry("tests/test_orders.py::TestExport::test_csv", 4),
    entry("tests/test_orders.py::test_page[1]", 2),
    entry("tests/test_orders.py::test_page[100]", 3),
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_orders.py").write_text(SUITE, "utf-8")
    return tmp_path


def test_the_diff_is_shown_before_anything_is_written(root: Path) -> None:
    """It is what `git apply` takes, and it does not depend on the order of the tests."""
    planned = plan(RAN, root, complete=True)
    assert plan(reversed(RAN), root, complete=True) == planned
    assert (root / "tests/test_orders.py").read_text("utf-8") == SUITE
    assert_golden(GOLDEN / "markers.diff", diff(planned.changes))
    assert list(summary(planned, dry_run=True)) == ["max_queries markers: 1 file would change"]


def test_written_budgets_are_what_pytest_sees(root: Path) -> None:
    """Each test, class and parameter set has its number; formatting and comments stay."""
    planned = plan(RAN, root, complete=True)
    apply(planned.changes, root)
    (root / "conftest.py").write_text(
        "def pytest_configure(config):\n    config.addinivalue_line('markers', 'max_queries(n): limit')\n"
        "def pytest_collection_modifyitems(items):\n"
        "    for item in items:\n        print('BUDGET', item.name, [m.args for m in item.iter_markers('max_queries')])\n",
        "utf-8",
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--collect-only",
        "-q",
        "-s",
        "-p",
        "no:cacheprovider",
        "--strict-markers",
    ]
    out = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    assert [line for line in out.splitlines() if line.startswith("BUDGET")] == [
        "BUDGET test_list [(2,)]",
        "BUDGET test_csv [(4,)]",
        "BUDGET test_page[1] [(2,)]",
        "BUDGET test_page[100] [(3,)]",
    ]
    assert plan(RAN, root, complete=True).changes == ()


HOSTILE = r"""
import enum
import pytest

class Kind(enum.Enum):
    NEW = 1

@pytest.mark.parametrize("x", ["", "plain", "a-b", "é\u20ac", "tab\tnew\nline", "[]::", "'\"", "\x00\x7f", " ",
                               1, -1, 1_000, 2.50, 1e3, 3j, True, None, (1, 2), [], {}, Kind.NEW, Kind,
                               object, len, pytest.param(9, id="own id"), pytest.param("é", marks=pytest.mark.slow)])
def test_a(x): ...

@pytest.mark.parametrize(("x", "y"), [(1, "a"), pytest.param(2, "b-c"), [3, None]])
@pytest.mark.parametrize("z", ["p", "q"], ids=["one", None])
def test_b(x, y, z): ...
"""


def test_parameters_are_recognised_by_the_ids_that_pytest_gives_them(root: Path) -> None:
    """Each value gets the number of its own id, or none of them gets any."""
    (root / "test_hostile.py").write_text(HOSTILE, "utf-8")
    out = run_pytest(root, "test_hostile.py")
    nodeids = [line for line in out.splitlines() if line.startswith("test_hostile.py::")]
    assert len(nodeids) == 26 + 6
    figures = {name: number + 1 for number, name in enumerate(nodeids)}
    apply(plan([entry(name, number) for name, number in figures.items()], root, complete=True).changes, root)
    (root / "conftest.py").write_text(
        "def pytest_collection_modifyitems(items):\n    for item in items:\n"
        "        print('BUDGET', item.nodeid, max(m.args[0] for m in item.iter_markers('max_queries')))\n",
        "utf-8",
    )
    out = run_pytest(root, "test_hostile.py", "-s")
    limits = dict(line[7:].rsplit(" ", 1) for line in out.splitlines() if line.startswith("BUDGET"))
    assert limits.keys() == figures.keys()
    for name, number in figures.items():
        # Of two decorators that both matter, one carries the numbers, and they are ceilings.
        assert int(limits[name]) == number if "::test_a" in name else int(limits[name]) >= number


def run_pytest(root: Path, *arguments: str) -> str:
    """What `pytest --collect-only` prints."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout


def test_encoding_and_line_ends_stay(root: Path) -> None:
    """Latin-1 with a declaration, a byte order mark, Windows line ends."""
    latin = "# -*- coding: latin-1 -*-\r\n# é\r\ndef test_a(): ...\r\n".encode("latin-1")
    marked = b"\xef\xbb\xbf# \xc3\xa9\ndef test_a(): ...\n"
    for name, raw in (("test_latin.py", latin), ("test_bom.py", marked)):
        (root / name).write_bytes(raw)
        apply(plan([entry(f"{name}::test_a", 1)], root).changes, root)
    assert (root / "test_latin.py").read_bytes() == (
        "# -*- coding: latin-1 -*-\r\n# é\r\nimport pytest\r\n\r\n\r\n@pytest.mark.max_queries(1)\r\ndef test_a(): ...\r\n"
    ).encode("latin-1")
    assert (root / "test_bom.py").read_bytes().startswith(b"\xef\xbb\xbf# \xc3\xa9\nimport pytest\n")


def test_a_test_that_a_class_of_another_file_brings_in(root: Path) -> None:
    """The base holds for all who inherit, so it is held to the most that any of them sends."""
    (root / "test_base.py").write_text("import pytest\n\n\nclass TestBase:\n    def test_a(self): ...\n", "utf-8")
    (root / "test_child.py").write_text("from test_base import TestBase\n\n\nclass TestChild(TestBase): ...\n", "utf-8")
    ran = [entry("test_base.py::TestBase::test_a", 1), entry("test_child.py::TestChild::test_a", 6)]
    (change,) = plan(ran, root, complete=True).changes
    assert change.path == "test_base.py"
    assert "max_queries(6)" in change.after


def test_a_file_that_changed_in_the_meantime_is_left(root: Path) -> None:
    """An editor's newer text is not overwritten."""
    planned = plan(RAN, root, complete=True)
    (root / "tests/test_orders.py").write_text("# new\n", "utf-8")
    with pytest.raises(MarkersError, match="has changed while the tests ran"):
        apply(planned.changes, root)
    assert (root / "tests/test_orders.py").read_text("utf-8") == "# new\n"


def test_what_cannot_be_read_is_named(root: Path) -> None:
    """A missing file, and one that is no Python; a doctest is no Python file at all."""
    (root / "test_broken.py").write_text("def test_a(:\n", "utf-8")
    planned = plan(
        [entry("test_gone.py::test_a", 1), entry("test_broken.py::test_a", 1), entry("a.txt::a.txt", 1)], root
    )
    assert planned.changes == ()
    assert planned.left.keys() == {"test_gone.py", "test_broken.py"}
    assert planned.left["test_broken.py"].startswith("cannot be read as Python: line 1")


def test_what_was_left_alone_is_summed_up(root: Path) -> None:
    """By reason, a few names each."""
    failed = [entry(f"tests/test_orders.py::test_{'long_' * n}gone", 1) for n in range(5)]
    planned = plan([entry("tests/test_orders.py::test_list", 2, "failed"), *failed, *RAN[1:]], root, complete=True)
    assert_golden(GOLDEN / "summary.txt", summary(planned))


def test_a_file_that_cannot_be_written_is_an_error(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the file, which is as it was."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(MarkersError, match=r"tests/test_orders.py: cannot be written: No space left on device"):
        apply(plan(RAN, root).changes, root)
    assert (root / "tests/test_orders.py").read_text("utf-8") == SUITE


def test_a_file_without_a_last_newline_has_a_diff_too(root: Path) -> None:
    """As git writes it."""
    (root / "test_end.py").write_text("import pytest\n@pytest.mark.max_queries(9)\ndef test_a(): pass", "utf-8")
    lines = list(diff(plan([entry("test_end.py::test_a", 2)], root).changes))
    assert lines[-2:] == [" def test_a(): pass", "\\ No newline at end of file"]


def test_without_libcst_the_error_names_the_extra(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything else works without it."""
    for name in [each for each in sys.modules if each.startswith(("libcst", "pytest_querybudget.markers.rewrite"))]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("parameters", "syntax"):
        monkeypatch.delitem(sys.modules, f"pytest_querybudget.markers.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "libcst", None)
    with pytest.raises(MarkersError, match=r"pip install 'pytest-querybudget\[markers\]'"):
        plan(RAN, root)
