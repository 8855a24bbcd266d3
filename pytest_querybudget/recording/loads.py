"""What loads on behalf of instances come from: the results that brought those in, and the commits that expired them."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from pytest_querybudget.values import dataclass

if TYPE_CHECKING:
    from pytest_querybudget.recording.model import Statement

# How many results that brought in parents are told apart for one statement.
MOST_ORIGINS = 1024


@dataclass(slots=True, eq=False)
class Origin:
    """One result that brought parents in: the statement that loaded it. `many` is True for a loop of them."""

    statement: Statement
    many: bool = False


@dataclass(slots=True)
class Caused:
    """Loads that the parents of one origin caused: whether for more than one parent, and how many at each level.

    The level is how many lazy loads lie between the origin and the parent: a walk along a chain makes one at each.
    """

    first: int
    varied: bool = False
    levels: dict[int, int] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many loads."""
        return sum(self.levels.values())


@dataclass(slots=True)
class Loads:
    """What the parents of each origin caused a statement to load, None for parents that no result brought in.

    Of what a commit may have expired it is counted after how many different ones it was loaded; `commit` is the number
    of the latest.
    """

    origins: dict[Origin | None, Caused] = field(default_factory=dict)
    commits: int = 0
    commit: int = 0
