"""The rule `no_unused_loads`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_querybudget.findings.model import Finding
from pytest_querybudget.recording.model import Recording
from pytest_querybudget.recording.reads import Loaded
from pytest_querybudget.rules.base import Options, no_arguments
from pytest_querybudget.rules.reads import Audited, Brought, Changed, brought_in, changed, is_unasked, path_names
from pytest_querybudget.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusedRelationship(Finding):
    """A relationship that was loaded eagerly, and that nothing read."""

    rule = "no_unused_loads"

    objects: int
    entity: str
    option: str
    lazily: str
    mapped: bool
    change: Changed | None = None

    @property
    def message(self) -> str:
        """Which relationship, and how much was loaded for it."""
        how = "by its mapping" if self.mapped else "by an option"
        objects = f"{self.objects} {self.entity}" if self.objects != 1 else f"one {self.entity}"
        return f"{self.relationship} was loaded eagerly {how} ({objects}) and never read"

    @property
    def fix(self) -> str | None:
        """Leave the option out, or load lazily what the mapping loads eagerly."""
        place = self.change.place if self.change else None
        if self.mapped:
            otherwise = f'map {self.relationship} with lazy="select"'
            asked = self.change.option(self.lazily).removesuffix(".") if self.change else None
            return f"{asked}, or {otherwise}." if asked else f"{otherwise[0].upper()}{otherwise[1:]}."
        return f"Leave {self.option} out of the query{f' at {place.path}:{place.line}' if place else ''}."


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusedObjects(Finding):
    """Objects that a query loaded, and that nothing looked at."""

    rule = "no_unused_loads"

    entity: str
    objects: int
    single: bool = False
    others: bool = False

    @property
    def message(self) -> str:
        """How many objects of what."""
        objects = f"{self.objects} {self.entity} were" if self.objects != 1 else f"one {self.entity} was"
        return f"{objects} loaded and never looked at"

    @property
    def fix(self) -> str | None:
        """Ask the database for what was wanted: a number, or whether there is one."""
        where = f" at {self.location.path}:{self.location.line}" if self.location else ""
        if self.others:
            return f"Leave {self.entity} out of the SELECT{where}."
        if self.single:
            return f"Ask only whether there is one{where}: session.scalar(select(exists().where(...)))."
        return (
            f"Count in the database{where}: "
            f"session.scalar(select(func.count()).select_from({self.entity}).where(...)), "
            "or exists() where only that is asked."
        )


class NoUnusedLoads(Audited):
    """No object may be loaded that nothing looks at.

    ## What it does

    With `--querybudget-audit`, finds

    - relationships that were loaded eagerly, by an option of the query or by the mapping, and that were read of
      none of the objects they were loaded for;
    - objects that a query loaded and that nothing looked at, because only their number was wanted, or whether
      there is one: `len(session.scalars(...).all())`.

    The audit alone reports only objects that the application itself has finished with (what it hands to the
    test is looked at by nobody else there), and queries that loaded several.

    ## Why is this bad

    An eager load is one more statement or a wider join for each request, long after the code that needed it has
    gone. Counting by loading reads whole rows to throw them away, and grows with the table.

    ## Example

    ```python
    def number_of_calls(session, contact_id):
        return len(session.scalars(select(CallLog).where(CallLog.contact_id == contact_id)).all())
    ```

    ## Use instead

    ```python
    def number_of_calls(session, contact_id):
        return session.scalar(select(func.count()).select_from(CallLog).where(CallLog.contact_id == contact_id))
    ```

    ## Options

    None.

    ## When to allow it

    Where objects are compared by identity alone, with a comment on the line that loads them: `# querybudget:
    allow[no_unused_loads] compared with is`.

    ## What counts as looked at

    Any attribute or method of the object that is asked for, by any code, also that of the test; adding,
    deleting or relating it to another object; `inspect()`, `vars()` and pickling. A relationship counts as read
    when the attribute was, or when the objects that it brought in were looked at in another way. Rows that were
    locked (`with_for_update()`) are never reported.

    In a block of `query_budget(...)`, objects that outlive the block may still be looked at, and are left out.
    """

    name = "no_unused_loads"

    def parse(self, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Options:
        """Take no options."""
        no_arguments(self, arguments, keywords)
        return Options()

    def check(self, recording: Recording, options: Options) -> Iterator[Finding]:
        """Yield each eager load and each query whose objects nobody looked at."""
        everything = brought_in(recording, options.phase)
        unread: list[Loaded] = []
        for brought in everything:
            if brought.unknown or brought.looked_at or (is_unasked(options) and brought.returned):
                continue
            if brought.first.how == "query":
                if _is_unused(brought, everything) and not (is_unasked(options) and brought.most_rows < 2):
                    unread += brought.loads
                    yield _objects(brought)
            elif brought.first.how in ("joined", "apart") and _is_unread(brought, everything, options):
                if not any(each.parent in unread for each in brought.loads):
                    yield _relationship(brought, changed(brought, everything))
                unread += brought.loads


def _is_unused(brought: Brought, everything: Sequence[Brought]) -> bool:
    """Return whether nothing that hangs on the objects was looked at either, and they were not locked."""
    if any(each.shape.locks or each.shape.facts.locking for each in brought.statements):
        return False
    children = [each for each in everything if any(load.parent in brought.loads for load in each.loads)]
    return not any(each.looked_at for each in children)


def _is_unread(brought: Brought, everything: Sequence[Brought], options: Options) -> bool:
    """Return whether the relationship was read of none of the objects that it was loaded for."""
    key = brought.first.path[-1].key
    parents = [each.parent for each in brought.loads]
    if any(each.whole for load in brought.loads for each in load.ancestors()):
        return False
    for each in everything:
        if any(load in parents for load in each.loads):
            if each.unknown or key in each.names_read() or (is_unasked(options) and each.returned):
                return False
            parents = [parent for parent in parents if parent not in each.loads]
    return not parents


def _objects(brought: Brought) -> UnusedObjects:
    statement = brought.statement
    return UnusedObjects(
        sql=statement.shape.facts.sql,
        tables=statement.shape.tables,
        count=brought.count,
        location=statement.location,
        chain=statement.stack.places,
        declared_only=brought.returned,
        entity=brought.first.entity,
        objects=brought.fresh,
        single=brought.most_rows < 2,
        others=len([each for each in statement.loaded if not each.path]) > 1,
    )


def _relationship(brought: Brought, change: Changed | None) -> UnusedRelationship:
    statement, first = brought.statement, brought.first
    path = first.path
    *before, last = path_names(path, change)
    return UnusedRelationship(
        sql=statement.shape.facts.sql,
        tables=statement.shape.tables,
        count=brought.count,
        location=statement.location,
        origin=change.place if change is not None and change.place != statement.location else None,
        chain=statement.stack.places,
        relationship=str(path[-1]),
        declared_only=brought.returned,
        objects=brought.fresh,
        entity=first.entity,
        option=f"{first.option}({last})",
        lazily=".".join([*(f"defaultload({each})" for each in before), f"lazyload({last})"]),
        mapped=first.mapped,
        change=change,
    )
