"""Each file holds one recommendation: `wasteful` breaks it and is expected to, `mended` keeps it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from shop import Base, fill
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

BROKEN_BUDGET = (AssertionError, pytest.fail.Exception)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the switch of the demonstration."""
    parser.addoption(
        "--show-wasteful",
        action="store_true",
        help="run the wasteful functions alone, and let their broken budgets fail with their reports",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Expect each budget to break on the wasteful function, or show only how it does."""
    wasteful = [item for item in items if _is_wasteful(item)]
    if config.getoption("--show-wasteful"):
        config.hook.pytest_deselected(items=[item for item in items if item not in wasteful])
        items[:] = wasteful
        return
    for item in wasteful:
        item.add_marker(pytest.mark.xfail(strict=True, raises=BROKEN_BUDGET, reason="the budget breaks, as shown"))


def _is_wasteful(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    return callspec is not None and any(
        getattr(value, "__name__", "").startswith("wasteful") for value in callspec.params.values()
    )


@pytest.fixture
def session() -> Iterator[Session]:
    """A session over a small shop in memory."""
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as opened:
        fill(opened)
        yield opened
    engine.dispose()
