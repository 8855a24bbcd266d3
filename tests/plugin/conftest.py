"""What the tests of the plugin share."""

from __future__ import annotations

import pytest

from .suites import Suite


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Suite:
    """A suite to write and run."""
    for name in (
        "GITHUB_ACTIONS",
        "GITHUB_STEP_SUMMARY",
        "FORCE_COLOR",
        "NO_COLOR",
        "PY_COLORS",
        "CI",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    made = Suite(pytester)
    made.write(
        "pytest.ini",
        """
        [pytest]
        asyncio_mode = auto
        asyncio_default_fixture_loop_scope = function
        markers =
            canary: for the tests
        """,
    )
    monkeypatch.setenv("PYTHONPATH", made.env()["PYTHONPATH"])
    return made
