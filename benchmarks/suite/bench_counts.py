"""The figures are divided by `Workload.statements`: here it is compared with what the driver gets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from bookshop.shop import STATEMENTS, visit
from bookshop.workloads import WORKLOADS, Workload
from bookshop.world import World
from sqlalchemy import Engine, event
from sqlalchemy.orm import Session


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
def test_number_of_statements(workload: Workload, world: World) -> None:
    """A workload sends as many statements as it says, on the first run and on the second."""
    for number in (0, 1):
        with sending() as sent:
            workload.run(world, number)
        assert len(sent) == workload.statements


def test_different_statements(world: World) -> None:
    """A visit of the shop sends as many as it says, and none twice."""
    with sending() as sent, Session(world.memory) as session:
        visit(session, 1)
    assert len(sent) == len(set(sent)) == STATEMENTS


@contextmanager
def sending() -> Iterator[list[str]]:
    """Collect what the driver gets."""
    sent: list[str] = []

    def listener(*arguments: Any) -> None:
        sent.append(arguments[2])

    event.listen(Engine, "before_cursor_execute", listener)
    try:
        yield sent
    finally:
        event.remove(Engine, "before_cursor_execute", listener)
