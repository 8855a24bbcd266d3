"""What the two rules of the audit share: what one query brought in at one place, over the whole test."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from typing import Any

from pytest_querybudget.recording.loads import Origin
from pytest_querybudget.recording.model import Hop, Recording, Statement
from pytest_querybudget.recording.places import Place
from pytest_querybudget.recording.reads import Column, Loaded
from pytest_querybudget.rules.base import Options, Rule
from pytest_querybudget.rules.cures import alias_note
from pytest_querybudget.rules.loops import is_own
from pytest_querybudget.values import dataclass

AUDIT = "--querybudget-audit"
#: The options of a rule that nobody declared.
UNASKED = Options(extra={"unasked": True})


@dataclass(slots=True, eq=False)
class Brought:
    """Objects of one kind that the queries at one line brought in along one path, in all windows of the test.

    A column is unread only when it was read nowhere: the line is the same whoever calls it.
    """

    loads: list[Loaded] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)

    @property
    def first(self) -> Loaded:
        """One of them, for what is the same of all."""
        return self.loads[0]

    @property
    def statement(self) -> Statement:
        """The statement that was sent first."""
        return self.statements[0]

    @property
    def fresh(self) -> int:
        """How many objects they were."""
        return sum(each.fresh for each in self.loads)

    @property
    def looked_at(self) -> bool:
        """Whether anything was done with any of the objects."""
        return any(each.looked_at for each in self.loads)

    @property
    def unknown(self) -> bool:
        """Whether it cannot be known what was read, or nothing was there to be read."""
        return not self.fresh or any(each.whole or each.held for each in self.loads)

    @property
    def returned(self) -> bool:
        """Whether the test itself may have got hold of the objects, or asked for them."""
        return any(each.returned for each in self.loads) or any(is_own(each) for each in self.statements)

    @property
    def columns(self) -> dict[str, Column]:
        """The columns that were loaded, by attribute."""
        return {key: column for each in self.loads for key, column in each.columns.items()}

    def names_read(self) -> set[str]:
        """Return the attributes that were read."""
        return set().union(*(each.names_read() for each in self.loads))

    @property
    def most_rows(self) -> int:
        """How many rows the longest result had."""
        return max(each.max_rows for each in self.statements)

    @property
    def count(self) -> int:
        """How many statements were sent."""
        return sum(each.count for each in dict.fromkeys(self.statements))


class Audited(Rule):
    """A rule that judges what the audit has seen."""

    needs = AUDIT

    def unasked(self) -> Options:
        """Report only what is certain and large."""
        return UNASKED

    def faults(self, recording: Recording, options: Options) -> Iterator[str]:  # noqa: ARG002
        """Say that nothing was watched."""
        if not recording.audited:
            yield f"{self.name} could not be measured: the audit could not watch what is read"


def is_unasked(options: Options) -> bool:
    """Return whether nobody declared the rule: then only what is certain and large is told."""
    return bool(options.extra.get("unasked"))


def brought_in(recording: Recording, phase: str) -> list[Brought]:
    """Return what the statements of a phase brought in."""
    groups: dict[tuple[Any, ...], Brought] = {}
    for statement in recording.statements(phase):
        for each in statement.loaded or ():
            # Rows of one line are told apart by what they hold.
            names = tuple(each.columns) if each.how == "row" else ()
            key = (statement.location, each.entity, each.label, tuple(map(str, each.path)), each.how, names)
            group = groups.setdefault(key, Brought())
            group.loads.append(each)
            group.statements.append(statement)
    return list(groups.values())


@dataclass(frozen=True, slots=True)
class Changed:
    """The query to which a loader option would have to be added: its line, and how it names its entities.

    `by_identity` says that it is `session.get()`.
    """

    place: Place | None
    labels: Mapping[str, str]
    by_identity: bool

    @classmethod
    def of(cls, statement: Statement) -> Changed:
        """Take what a cure must know of a query."""
        labels = {each.entity: each.label for each in reversed(statement.loaded or ()) if not each.path}
        return cls(statement.location, labels, statement.shape.by_identity)

    def option(self, option: str) -> str:
        """Say where an option goes."""
        where = f"{self.place.path}:{self.place.line}" if self.place else "the line that sends it"
        if self.by_identity:
            return f"Pass options=[{option}] to session.get() at {where}."
        return f"Add .options({option}) to the query at {where}{alias_note(option)}."


def changed(brought: Brought, everything: Iterable[Brought]) -> Changed | None:
    """Return the query to which a loader option would have to be added, None when there is none."""
    if brought.first.how == "lazy":
        return _origin(brought.statement)
    *_, top = brought.first, *brought.first.ancestors()
    for each in everything:
        for load, statement in zip(each.loads, each.statements, strict=True):
            if load is top:
                return _origin(statement) if load.how == "lazy" else Changed.of(statement)
    return None


def _origin(statement: Statement) -> Changed | None:
    found: list[Origin] = [each for each in statement.origins if each is not None]
    return Changed.of(found[0].statement) if found else None


def path_names(path: tuple[Hop, ...], query: Changed | None) -> list[str]:
    """Return the relationships of a path, the first one as the query has to name it."""
    named = [str(each) for each in path]
    if named and query is not None:
        named[0] = f"{query.labels.get(path[0].owner, path[0].owner)}.{path[0].key}"
    return named


def path_options(path: tuple[Hop, ...], query: Changed | None) -> str:
    """Return the loader options that lead along a path, keeping how each relationship is loaded."""
    return ".".join(f"defaultload({each})" for each in path_names(path, query))
