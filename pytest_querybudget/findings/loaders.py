"""A loader option as a value: what a fix prints and what a proof tries are made from the same one."""

from __future__ import annotations

from pytest_querybudget.recording.places import Place
from pytest_querybudget.values import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One call of a loader function for `owner.key`; an owner `alias_of_X` is the query's own alias of X.

    `of_type` narrows the relationship to a subclass, `depth` is the `recursion_depth`, and `classes` are the
    subclasses of `owner` for `selectin_polymorphic`, which has no key.
    """

    function: str
    owner: str
    key: str | None = None
    of_type: str | None = None
    depth: int | None = None
    classes: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.key is None:
            return f"{self.function}({self.owner}, [{', '.join(self.classes)}])"
        attribute = f"{self.owner}.{self.key}" + (f".of_type({self.of_type})" if self.of_type else "")
        depth = "" if self.depth is None else f", recursion_depth={self.depth}"
        return f"{self.function}({attribute}{depth})"


@dataclass(frozen=True, slots=True)
class LoaderOption:
    """One argument of `.options(...)`: steps from the entity that the query selects to what is to be loaded."""

    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return ".".join(map(str, self.steps))


@dataclass(frozen=True, slots=True)
class LoaderCure:
    """Loader options, and the query to add them to: its line, and all stacks from which that line was reached."""

    options: tuple[LoaderOption, ...]
    place: Place
    stacks: frozenset[tuple[Place, ...]]

    def __str__(self) -> str:
        return f"{', '.join(map(str, self.options))} at {self.place.path}:{self.place.line}"
