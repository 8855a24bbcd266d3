"""The rule `no_n_plus_one`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from typing import Any

from pytest_querybudget.findings.loaders import LoaderCure
from pytest_querybudget.findings.model import Finding
from pytest_querybudget.recording.loads import Origin
from pytest_querybudget.recording.loops import Repeater
from pytest_querybudget.recording.model import Hop, Meaning, Recording, Statement, Window
from pytest_querybudget.recording.places import Place
from pytest_querybudget.rules.base import Options
from pytest_querybudget.rules.cures import (
    Lookup,
    Query,
    is_clear,
    is_undone,
    loader_cure,
    loader_options,
    lookup_cure,
    loop_words,
)
from pytest_querybudget.rules.loops import LoopRule, brought_in_by, caller, is_own, loop_place
from pytest_querybudget.rules.varying import Varying, asks_the_same, varying
from pytest_querybudget.values import dataclass

ON_BEHALF = ("lazy", "deferred", "subclass", "expired", "refresh")


@dataclass(frozen=True, slots=True, kw_only=True)
class LazyLoads(Finding):
    """Loads that the ORM sent for one instance after another."""

    rule = "no_n_plus_one"

    meaning: Meaning
    query: Query = Query()
    # The stacks of the queries that brought the parents in.
    stacks: frozenset[tuple[Place, ...]] = field(default_factory=frozenset, compare=False)

    @property
    def message(self) -> str:
        """What was loaded, for how many parents, and where they came from."""
        where = f" brought in by {self.origin}" if self.origin else ""
        return f"{loop_words(self.meaning)} {self.count} times, once for each {self.meaning.entity}{where}"

    @property
    def fix(self) -> str | None:
        """The loader option, written against the query that brought the parents in."""
        return loader_cure(self.meaning, self.query, self.origin)

    @property
    def loaders(self) -> LoaderCure | None:
        """The same option, to be tried."""
        options = loader_options(self.meaning, self.query)
        if not options or self.origin is None or is_undone(options, self.query):
            return None
        return LoaderCure(options, self.origin, self.stacks)

    @property
    def no_loaders(self) -> str | None:
        """What expires instances, or makes those that no query brought in, is the code's own doing."""
        options = loader_options(self.meaning, self.query)
        if not options and not is_clear(self.meaning):
            return "the way from the query to what was loaded is not to be seen"
        if not options:
            return "no loader option keeps instances from being loaded again"
        if is_undone(options, self.query):
            return "each commit in the loop expires what a loader option has brought"
        return None if self.origin else "no query brought the parents in, to add a loader option to"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookups(Finding):
    """Reads of one shape that a loop sends, each for another key."""

    rule = "no_n_plus_one"

    keys: tuple[str, ...]
    loop: Place | None = None
    entity: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict, compare=False)
    limited: bool = False
    aggregate: bool = False
    patterns: bool = False
    fixed: tuple[str, ...] = ()
    differing: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        """How often, by what key, and who asks."""
        key = " and ".join(each for each in self.keys if each) or "key"
        outer = self.loop or caller(self.chain)
        where = f", called in a loop at {outer}" if self.loop else f", called by {outer}" if outer else ""
        return f"the same query ran {self.count} times, each time for another {key}{where}"

    @property
    def fix(self) -> str | None:
        """One query for all keys."""
        return lookup_cure(
            Lookup(
                sql=self.sql,
                keys=self.keys,
                attributes=self.attributes,
                entity=self.entity,
                limited=self.limited,
                aggregate=self.aggregate,
                patterns=self.patterns,
                fixed=self.fixed,
                differing=self.differing,
            )
        )

    @property
    def no_loaders(self) -> str:
        """One query for all keys is written by hand."""
        return "a loop of look-ups is cured by another query, not by a loader option"


@dataclass(slots=True, eq=False)
class _Group:
    """Loads of one kind that parents of one result caused."""

    statements: dict[Statement, int] = field(default_factory=dict)
    firsts: set[int] = field(default_factory=set)
    varied: bool = False

    @property
    def parents(self) -> int:
        return 2 if self.varied else len(self.firsts)

    @property
    def count(self) -> int:
        return sum(self.statements.values())


class NoNPlusOne(LoopRule):
    """No query for each row of an earlier result.

    ## What it does

    Finds queries that are sent once for each row: lazy loads of a relationship, of deferred, inherited or expired
    columns, `session.get()`, `select()` and `text()` in a loop, also with a session, a task or a thread for each row.

    A lazy load counts when one relationship is loaded for several parents that one result brought in, wherever that
    happens. Other reads count when the same query comes from the same stack of application frames, inside a loop, for
    different keys. Pages, chunks of an IN list and the levels of a tree are no loop, nor is a `while` that waits for a
    message or for a time in each round (`queue.get()`, `await reader.readline()`, `sleep()` under `while True`), or an
    `async for` over `websocket.iter_text()` and the like: whoever sends messages decides how many there are. A queue
    that is filled in a loop by a function that is still running is gone through all the same.

    Where each read is a thread's or a task's of its own, the source of whoever waits for them must start the function
    by its name (by `gather`, `create_task`, `submit`, `map`, ...) in a loop or a comprehension only, or in a function
    that is awaited in a loop. What several names are written down for, one by one, is no loop, whatever helper runs
    them. A function that is started by another name, as an alias, or whose source is not to be had is not found.

    ## Why is this bad

    The page that shows 10 rows sends 11 queries, the one that shows 1,000 sends 1,001. No test fails, because each of
    them is fast.

    ## Example

    ```python
    def list_orders(session):
        orders = session.scalars(select(Order))
        return [(order.id, order.customer.name) for order in orders]
    ```

    ## Use instead

    ```python
    def list_orders(session):
        orders = session.scalars(select(Order).options(joinedload(Order.customer)))
        return [(order.id, order.customer.name) for order in orders]
    ```

    ## Options

    - `threshold=2`: how many statements make a finding.

    ## When to allow it

    Where the number of rows is small and known, with a comment on the line:
    `# querybudget: allow[no_n_plus_one] a journey has three stages`.
    """

    name = "no_n_plus_one"
    takes = "threshold="

    def check(self, recording: Recording, options: Options) -> Iterator[Finding]:
        """Look at each window by itself."""
        for window in recording.select(options.phase):
            yield from _loads(window, options.threshold)
            yield from _lookups(window, options.threshold)


def loop_of_lookups(statement: Statement, threshold: float, window: Window) -> Varying | None:
    """Return by what a statement looks up in a loop, or None when it does not; `window` has what else was sent."""
    if statement.shape.kind != "select" or statement.count < threshold or len(statement.digests) < 2:
        return None
    if statement.meaning is not None and not (_is_unplaced(statement) and _is_wide([statement])):
        return None
    facts = statement.shape.facts
    if statement.repeater in (None, Repeater.REQUEST) or facts.volatile or statement.shape.catalog:
        return None
    found = varying(statement, window)
    return None if found.clean else found


def _is_unplaced(statement: Statement) -> bool:
    """Return whether a load's parents came from no query: they were made in this session."""
    meaning = statement.meaning
    return meaning is not None and meaning.load in ON_BEHALF and set(statement.origins) == {None}


def _loads(window: Window, threshold: float) -> Iterator[LazyLoads]:
    groups: dict[tuple[Any, ...], _Group] = {}
    for each in window:
        meaning = each.meaning
        if meaning is None or meaning.load not in ON_BEHALF:
            continue
        for origin, caused in each.origins.items():
            if origin is None or _is_polled(origin):
                continue
            group = groups.setdefault((*_subject(meaning), origin), _Group())
            group.statements[each] = caused.count
            group.firsts.add(caused.first)
            group.varied = group.varied or caused.varied
    yield from _merge(groups, threshold)


def _is_polled(origin: Origin) -> bool:
    """Return whether each parent came from a question of its own that was always the same: the next one of a queue."""
    statement = origin.statement
    return origin.many and statement.shape.kind == "select" and statement.max_rows <= 1 and asks_the_same(statement)


def _subject(meaning: Meaning) -> tuple[Any, ...]:
    """Return what is loaded, a tree's levels being one."""
    path: list[Hop] = []
    for each in meaning.path:
        if not (path and each.recursive and path[-1].key == each.key):
            path.append(each)
    if meaning.load == "lazy":
        return meaning.load, tuple((each.bases[-1:] or (each.owner,), each.key) for each in path)
    return meaning.load, meaning.entity, tuple(map(str, path)), meaning.attributes if meaning.load == "deferred" else ()


def _merge(groups: dict[tuple[Any, ...], _Group], threshold: float) -> Iterator[LazyLoads]:
    """Make one finding of the groups that differ only in the result that brought the parents in."""
    merged: dict[tuple[Any, ...], list[tuple[Origin, _Group]]] = {}
    for key, group in groups.items():
        origin: Origin = key[-1]
        if group.count >= threshold and group.parents > 1 and _is_wide(group.statements, origin):
            subject = key[:-1]
            if key[0] == "subclass":
                meaning = next(iter(group.statements)).meaning
                subject = (key[0], meaning and meaning.base)
            merged.setdefault((*subject, origin.statement.location), []).append((origin, group))
    for found in merged.values():
        origin = found[0][0]
        deep = any(len(_levels(group.statements, each)) > 1 for each, group in found)
        statements: dict[Statement, int] = {}
        for _, group in found:
            for statement, count in group.statements.items():
                statements[statement] = statements.get(statement, 0) + count
        stacks = frozenset(each.statement.stack.places for each, _ in found)
        yield _finding(origin, statements, stacks, deep=deep)


def _levels(statements: Iterable[Statement], origin: Origin | None) -> Counter[int]:
    """Return how many loads the parents of an origin caused at each level."""
    levels: Counter[int] = Counter()
    for each in statements:
        levels.update(each.origins[origin].levels)
    return levels


def _is_wide(statements: Iterable[Statement], origin: Origin | None = None) -> bool:
    """Return whether some level had several parents: a walk along a chain is one statement a level."""
    return max(_levels(statements, origin).values()) > 1


def _finding(
    origin: Origin, statements: dict[Statement, int], stacks: frozenset[tuple[Place, ...]], *, deep: bool
) -> LazyLoads:
    most = max(statements, key=lambda each: statements[each])
    meaning = min((each.meaning for each in statements if each.meaning), key=lambda each: len(each.path))
    shallow = meaning.load in ("expired", "refresh")
    return LazyLoads(
        sql=most.shape.facts.sql,
        tables=most.shape.tables,
        count=sum(statements.values()),
        location=most.location,
        origin=origin.statement.location,
        chain=most.stack.places,
        relationship=meaning.relationship,
        declared_only=shallow and is_own(most),
        meaning=meaning,
        stacks=stacks,
        query=Query(
            entities=origin.statement.shape.entities,
            subclasses=tuple(sorted({each.meaning.entity for each in statements if each.meaning})),
            deep=deep,
            given=origin.statement.shape.given,
            by_identity=origin.statement.shape.by_identity,
            by_query=origin.statement.by_query,
            committed=any(each.commits > 1 for each in statements),
            expiring=any(each.commits > 1 and each.commits >= each.count - 1 for each in statements),
        ),
    )


def _lookups(window: Window, threshold: float) -> Iterator[Finding]:
    for each in window:
        found = loop_of_lookups(each, threshold, window)
        if found is None:
            continue
        own = each.repeater is Repeater.TEST
        if each.meaning is not None:
            yield LazyLoads(
                sql=each.shape.facts.sql,
                tables=each.shape.tables,
                count=each.count,
                location=each.location,
                chain=each.stack.places,
                relationship=each.meaning.relationship,
                declared_only=own,
                meaning=each.meaning,
                query=Query(committed=each.commits > 1),
            )
            continue
        facts = each.shape.facts
        parents = brought_in_by(each, window)
        yield Lookups(
            sql=facts.sql,
            tables=each.shape.tables,
            count=each.count,
            location=each.location,
            origin=parents.location if parents else None,
            chain=each.stack.places,
            declared_only=own,
            keys=found.keys or found.lists,
            loop=loop_place(each),
            entity=each.shape.entities[0] if each.shape.entities else None,
            attributes=each.shape.attributes,
            limited=facts.limited and not facts.unique,
            patterns=found.patterns,
            fixed=found.fixed,
            differing=found.differing,
            aggregate=facts.aggregate,
        )
