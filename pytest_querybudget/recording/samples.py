"""What single executions of a statement asked for, to see what varies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Protocol

from pytest_querybudget.values import dataclass

# How many executions are looked at to see which parameters vary.
MOST_SAMPLES = 16


@dataclass(slots=True)
class Sample:
    """What is remembered of one execution to see what varies: digests by parameter, the length of the IN list.

    `rows` is what the execution before it fetched, and `follows` tells whether it asks for what that has brought;
    `wild` tells the patterns among the parameters that begin with a wildcard, and with which;
    `text` is the statement where it has literals instead of parameters; `database` tells engines apart, and `call` the
    calls of the function in whose loop it was sent.
    """

    values: dict[str, int]
    listed: int
    rows: int = 0
    text: str | None = None
    database: int = 0
    follows: bool = False
    wild: Mapping[str, str] = field(default_factory=dict)
    call: int = 0


class TakenLike(Protocol):
    """What is remembered of one execution until a rule asks; see `capture.samples.Taken`."""

    def sample(self) -> Sample:
        """Return what varies."""
