"""Comments that silence a finding: which lines they cover, for how long, and what is wrong with them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_querybudget.findings.allowances import SourceComments, matches
from pytest_querybudget.findings.model import Finding
from pytest_querybudget.recording.places import Place

TODAY = dt.date(2026, 5, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample(Finding):
    rule = "no_n_plus_one"


def finding(line: int, *, chain: tuple[int, ...] = ()) -> Sample:
    places = tuple(Place("app.py", each, "f") for each in (line, *chain))
    return Sample(
        sql="SELECT 1 FROM t", tables=("t", "u"), count=2, location=places[0], chain=places, relationship="A.b"
    )


# Source, the line that sends, and the line of the comment that covers it (None when none does).
CASES = {
    "same line": ("x = 1  # querybudget: allow[no_n_plus_one] why", 1, 1),
    "other rule": ("x = 1  # querybudget: allow[max_rows]", 1, None),
    "other line": ("x = 1\ny = 2  # querybudget: allow[no_n_plus_one]", 1, None),
    "several rules": ("x = 1  # querybudget: allow[max_rows, no_n_plus_one]", 1, 1),
    "all rules": ("x = 1  # querybudget: allow[*]", 1, 1),
    "no spaces": ("x = 1  #querybudget:allow[no_n_plus_one]", 1, 1),
    "definition": ("def f():  # querybudget: allow[no_n_plus_one]\n    a()\n    b()", 3, 1),
    "long signature": ("def f(\n    a,\n):  # querybudget: allow[no_n_plus_one]\n    a()", 4, 3),
    "decorator": ("@d  # querybudget: allow[no_n_plus_one]\ndef f():\n    a()", 3, 1),
    "async definition": ("async def f():  # querybudget: allow[no_n_plus_one]\n    a()", 2, 1),
    "one line": ("def f(): a()  # querybudget: allow[no_n_plus_one]", 1, 1),
    "outer definition": ("def f():  # querybudget: allow[no_n_plus_one]\n    def g():\n        a()\n    g()", 3, None),
    "inner definition": ("def f():\n    def g():  # querybudget: allow[no_n_plus_one]\n        a()\n    b()", 4, None),
    "first line of a body": ("def f():\n    a()  # querybudget: allow[no_n_plus_one]\n    b()", 3, None),
    "end of a statement": ("x = a(\n    b,\n)  # querybudget: allow[no_n_plus_one]", 1, 3),
    "middle of a statement": ("x = a(\n    b,  # querybudget: allow[no_n_plus_one]\n)", 3, 2),
    "statement around": ("for a in b:  # querybudget: allow[no_n_plus_one]\n    c()", 2, None),
    "future": ("x = 1  # querybudget: allow[no_n_plus_one] until=2026-05-01", 1, 1),
    "past": ("x = 1  # querybudget: allow[no_n_plus_one] until 2026-04-30", 1, None),
    "no date": ("x = 1  # querybudget: allow[no_n_plus_one] until 2026-02-31", 1, None),
    "no Python": ("def (:\n  x  # querybudget: allow[no_n_plus_one]", 2, 2),
}


@pytest.mark.parametrize("name", CASES)
def test_which_lines_a_comment_covers(tmp_path: Path, name: str) -> None:
    """The line that sends, its whole statement, and the `def` around it; nothing further out."""
    source, line, expected = CASES[name]
    (tmp_path / "app.py").write_text(source)
    allowed = SourceComments(tmp_path, TODAY).find(finding(line))
    assert (allowed.source if allowed else None) == (f"app.py:{expected}" if expected else None)


def test_reason_and_end_are_kept(tmp_path: Path) -> None:
    """The text behind the brackets is the reason, and the date in it the end."""
    (tmp_path / "app.py").write_text("x = 1  # querybudget: allow[no_n_plus_one] two rows at most, until 2027-01-31")
    allowed = SourceComments(tmp_path, TODAY).find(finding(1))
    assert allowed is not None
    assert (allowed.reason, allowed.until) == ("two rows at most, until 2027-01-31", dt.date(2027, 1, 31))


def test_a_caller_may_carry_the_comment(tmp_path: Path) -> None:
    """A comment on a line of the chain covers what is called from it, on that line alone."""
    (tmp_path / "app.py").write_text("a()\nb()  # querybudget: allow[no_n_plus_one]\nc()\n")
    comments = SourceComments(tmp_path, TODAY)
    assert comments.find(finding(1, chain=(2,))) is not None
    assert comments.find(finding(1, chain=(3,))) is None


def sender(*paths: str) -> Any:
    """A stack of one line in each file."""
    return SimpleNamespace(paths=set(paths), places=tuple(Place(each, 1, "f") for each in paths))


def test_what_had_its_chance_is_known(tmp_path: Path) -> None:
    """Comments are noted when their lines send something, and used when they silence it."""
    (tmp_path / "app.py").write_text("a()  # querybudget: allow[max_rows]\nb()  # querybudget: allow[no_n_plus_one]\n")
    comments = SourceComments(tmp_path, TODAY)
    assert comments.noted() == []
    comments.note_sender(sender("app.py", "missing.py"))
    comments.note_sender(sender("missing.py"))
    comments.find(finding(2))
    assert [each.line for each in comments.noted()] == [1, 2]
    assert [each.line for each in comments.used] == [2]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*", True),
        ("t", True),
        ("A.b", True),
        ("*FROM t*", True),
        ("app.py", True),
        ("app.py:3*", True),
        ("f", True),
        ("x", False),
    ],
)
def test_a_glob_matches_sql_tables_relationship_and_place(pattern: str, expected: bool) -> None:
    """`match=` looks at everything that a finding is about."""
    assert matches(finding(3), pattern) is expected


def test_a_finding_without_a_place_has_no_comment(tmp_path: Path) -> None:
    """What was sent from no line of the application is allowed by a marker only."""
    assert SourceComments(tmp_path, TODAY).find(Sample(sql="", tables=(), count=1)) is None
