"""Who repeats a statement."""

from __future__ import annotations

from enum import Enum


class Repeater(Enum):
    """Who sends the same statement from the same stack again.

    `APPLICATION`: one call of one of its functions did, in a loop or through `map`, `gather`, an executor, recursion.
    `TEST`: the test function's own lines. `REQUEST`: a client that sends requests.
    """

    APPLICATION = "application"
    TEST = "test"
    REQUEST = "request"
