"""What a run remembers of code does not grow with the number of tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_querybudget.stacks import loops, source


def test_code_that_is_executed_anew_is_not_kept_for_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Migrations are loaded anew for each test: each time their functions are other code at the same lines."""
    monkeypatch.setattr(source, "MOST_PLACES", 10)
    monkeypatch.setattr(loops, "MOST_CODES", 10)
    files = source.Source(tmp_path)
    known = loops.Loops()
    for _ in range(35):
        code = compile("for each in range(3):\n    print(each)\n", str(tmp_path / "migration.py"), "exec")
        assert str(files.place(code, 0)) == "migration.py:1 in <module>"
        assert known.contains(code, len(code.co_code) - 2) is False
        assert known.names(code) == {"each", "print", "range"}
        assert not known.retries(code, 0)
        assert not known.parts(code)
    assert len(files.places) <= 10
    assert max(len(known.known), len(known.parting), len(known.naming), len(known.retrying)) <= 10
