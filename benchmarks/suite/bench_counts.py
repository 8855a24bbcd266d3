"""The figures are divided by `Workload.statements`: here it is compared with what the driver gets."""

from __future__ import annotations

from typing import Any

import pytest
from bookshop.workloads import WORKLOADS, Workload
from bookshop.world import World
from sqlalchemy import Engine, event


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
def test_number_of_statements(workload: Workload, world: World) -> None:
    """A workload sends as many statements as it says, on the first run and on the second."""
    sent: list[str] = []

    def listener(*arguments: Any) -> None:
        sent.append(arguments[2])

    event.listen(Engine, "before_cursor_execute", listener)
    try:
        for number in (0, 1):
            sent.clear()
            workload.run(world, number)
            assert len(sent) == workload.statements
    finally:
        event.remove(Engine, "before_cursor_execute", listener)
