"""The facts of one test: what was sent, from where, how often, and what it meant.

Everything is aggregated while it happens: all executions of one shape of statement from one stack are one
`Statement`, so that memory grows with the code and not with the number of statements.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any, Protocol

from pytest_querybudget.recording.connections import Connections, Transactions
from pytest_querybudget.recording.loads import Caused, Loads, Origin
from pytest_querybudget.recording.loops import Repeater
from pytest_querybudget.recording.places import Place
from pytest_querybudget.recording.repeats import Answer, Repeats
from pytest_querybudget.recording.samples import Sample, TakenLike
from pytest_querybudget.recording.writes import Writes
from pytest_querybudget.values import dataclass

# How many different parameter sets of one statement are told apart; beyond it, "many" is all that rules need.
MOST_DIGESTS = 16

# Numbers of statements and of journals in this process: the marks that they leave on frames may outlive them, and an
# address may be that of another one by then.
next_serial = itertools.count(1).__next__


class StackLike(Protocol):
    """What a recording needs of a stack; see `stacks.reader.Stack`."""

    steps: tuple[tuple[Any, int], ...]
    entered: int
    tested: int
    position: int

    @property
    def places(self) -> tuple[Place, ...]:
        """Places, innermost first."""

    @property
    def paths(self) -> frozenset[str]:
        """The files of its places."""

    def is_own(self, index: int) -> bool:
        """Whether the step at `index` is one of the test function's own lines."""


@dataclass(frozen=True, slots=True)
class Hop:
    """One relationship on the way from the entity that a query selects to the one that was loaded lazily.

    `bases` are the mapped classes from the owner up to the one that declares the relationship, `ancestors` those up to
    the root of the inheritance; `lazy` tells whether the relationship was loaded by a statement of its own for each
    parent, and `wide` whether the mapping joins a collection to its target.
    """

    owner: str
    key: str
    target: str
    uselist: bool
    recursive: bool
    bases: tuple[str, ...] = ()
    ancestors: tuple[str, ...] = ()
    lazy: bool = False
    wide: bool = False

    def __str__(self) -> str:
        return f"{self.owner}.{self.key}"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the ORM meant by a statement.

    `load` is `lazy`, `eager`, `deferred`, `subclass`, `expired` or `refresh`; `entity` is the class whose instance
    the load was for; `path` leads from the entity of the query that brought the parents in to what was loaded;
    `attributes` are the attributes that a column load filled, `base` is the root of the entity's inheritance, and
    `cause` is `commit` where a commit expired what is loaded again; `unclear` that several ways lead to the instance.
    """

    load: str
    entity: str
    path: tuple[Hop, ...] = ()
    attributes: tuple[str, ...] = ()
    base: str | None = None
    cause: str | None = None
    unclear: bool = False

    @property
    def relationship(self) -> str | None:
        """The relationship as `Class.attribute`, for a load on behalf of one."""
        return str(self.path[-1]) if self.path and self.load in ("lazy", "eager") else None


@dataclass(slots=True)
class Member:
    """How often one shape of several was sent, and the longest that it took, in seconds."""

    count: int = 0
    max_time: float = 0.0


@dataclass(slots=True, eq=False, repr=False)
class Statement:
    """All executions of one shape, or of one family of shapes, from one stack in one window.

    Times are seconds; `first` and `last` are on the clock of the recording's `started`.
    """

    shape: Any
    stack: StackLike
    meaning: Meaning | None
    serial: int = field(default_factory=next_serial)
    window: Any = None
    dialect: str = ""
    plan: Any = None
    # Where its shape is one of a family: what was sent of each shape, in the order in which they came.
    members: dict[Any, Member] | None = None
    # How often it was sent, and how long that took.
    count: int = 0
    failed: int = 0
    time: float = 0.0
    max_time: float = 0.0
    first: float = 0.0
    last: float = 0.0

    # What it asked for: different parameter sets, up to MOST_DIGESTS of them; the first executions, once there were
    # two, see `samples`; parameters and text of the first one until then; and the latest of all, as a number.
    digests: set[int] = field(default_factory=set)
    taken: list[TakenLike] | None = None
    aside: tuple[Mapping[str, Any], str, int] | None = None
    asked: int = 0

    # What it was answered: the names that the cursor gave the columns, and the rows that were fetched.
    columns: tuple[str, ...] = ()
    rows: int = 0
    max_rows: int = 0
    # Rows of the latest result, to tell a walk from level to level.
    last_rows: int = 0
    # Digests of the values in it, where it was one row of a table that refers to itself: a walk along a chain.
    last_values: frozenset[int] = frozenset()
    # What is compared with the next answer, None where nothing was fetched yet.
    answer: Answer | None = None
    # What counts the rows, and whether these are fetched piece by piece.
    strategy: Any = None
    streams: bool = False

    # What it did; each None for what does nothing of the kind, as most statements do. What it wrote is not looked at
    # for DDL, nor for what has no lines.
    writes: Writes | None = None
    repeats: Repeats | None = None
    # What it loaded again for instances that another one has brought in.
    loads: Loads | None = None
    # Its latest result, where that brings instances in, and the compiled statement, to find the path along which its
    # joins did so.
    origin: Origin | None = None
    compiled: Any = None
    # What it loaded into mapped objects and what was read of that, where the audit runs; see `recording.reads`.
    loaded: Any = None
    # Whether `Query.get()` sent it, which takes loader options that stand before it.
    by_query: bool = False

    # Who sends it again, and which step of the stack stands in the loop.
    repeater: Repeater | None = None
    loop: int = -1
    # Whether the function in whose loop it runs cuts a list into parts.
    parts: bool = False
    # The calls of that function: how many there were before, when the latest was found to be a new one, and who made
    # it.
    calls: int = 0
    called: int = 0
    calling: Repeater | None = None

    # How the next execution is recognised. Once nothing more can be learned from its stack: the frames that tell that
    # it is the same again, each as how far away it is, code and instruction, and those that await the current greenlet.
    near: tuple[tuple[int, Any, int], ...] | None = None
    beyond: tuple[tuple[int, Any, int], ...] = ()
    # The call that sent it last, where one more from there is no loop; see `capture.finder.Call`.
    call: Any = None
    # The same up to the test, where that repeats it: what comes further out is then the same call of the test.
    way: tuple[tuple[int, Any, int], ...] = ()
    # Addresses of the coroutine frames it was sent from, where a tracer runs.
    resumed: set[int] | None = None

    def __repr__(self) -> str:
        """Say what it is without a value of the application."""
        return f"<Statement {self.sql!r} x{self.count}>"

    @property
    def is_mixed(self) -> bool:
        """Whether it is of several shapes."""
        return self.members is not None and len(self.members) > 1

    @property
    def name(self) -> str:
        """What tells it from others of its place: the normalised text, or `CREATE TABLE …` where that is a family's."""
        return self.shape.facts.sql if self.shape.family is None else f"{self.shape.family.verb} …"

    @property
    def sql(self) -> str:
        """The normalised text; of several shapes what they have in common."""
        return self.name if self.is_mixed else self.shape.facts.sql

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables that it reads or writes."""
        return tuple(sorted({name for shape, _ in self.shapes() for name in shape.tables}))

    @property
    def slowest(self) -> Any:
        """The shape whose execution took longest."""
        members = self.members
        return self.shape if members is None else max(members, key=lambda each: members[each].max_time)

    def shapes(self) -> list[tuple[Any, int]]:
        """Return its shapes, and how often each was sent."""
        if self.members is None:
            return [(self.shape, self.count)]
        return [(shape, member.count) for shape, member in self.members.items()]

    @property
    def samples(self) -> list[Sample]:
        """What the first executions asked for, none where there was only one."""
        return [each.sample() for each in self.taken or ()]

    @property
    def origins(self) -> Mapping[Origin | None, Caused]:
        """What the parents of each origin caused it to load; nothing for what is no load on behalf of an instance."""
        return {} if self.loads is None else self.loads.origins

    @property
    def commits(self) -> int:
        """After how many different commits it loaded again what they may have expired."""
        return 0 if self.loads is None else self.loads.commits

    @property
    def is_located(self) -> bool:
        """Whether it was looked at from where it was sent; see `Recording`."""
        return self.near != () or bool(self.beyond)

    @property
    def location(self) -> Place | None:
        """The innermost line of the application, None where there is none or it was not asked for."""
        return self.stack.places[0] if self.stack.places else None


@dataclass(slots=True, eq=False, repr=False)
class Window:
    """A part of a test that is judged by itself: a phase, and in it each subtest, example or request.

    `outer` is the part that a request was made in; other parts have none. Where it is not `located`, its statements are
    one for each shape, but for those that load instances, and nothing tells from where they were sent.
    """

    phase: str
    label: str | None = None
    started: float = 0.0
    located: bool = True
    statements: dict[tuple[int, int], Statement] = field(default_factory=dict)
    outer: Window | None = None

    def __iter__(self) -> Iterator[Statement]:
        return iter(self.statements.values())

    @property
    def queries(self) -> int:
        """The number of statements sent, transaction control left out."""
        return sum(each.count for each in self if each.shape.kind != "transaction")


@dataclass(slots=True, eq=False, repr=False)
class Recording:
    """What one test sent, window by window.

    `located` are the phases in which statements are told apart by the lines that sent them, None for all: to read those
    lines is most of what recording costs, and in a fixture hardly anybody asks for them.
    """

    nodeid: str
    started: float = 0.0
    located: frozenset[str] | None = None
    windows: list[Window] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    checkouts: dict[str, int] = field(default_factory=dict)
    connects: dict[str, int] = field(default_factory=dict)
    # Whether it was watched what is read of the objects that statements loaded.
    audited: bool = False
    connections: Connections = field(default_factory=Connections)
    transactions: Transactions = field(default_factory=Transactions)

    def __repr__(self) -> str:
        """Say how much it holds, and nothing of it."""
        return f"<Recording of {self.nodeid}: {self.queries()} queries>"

    @property
    def sent(self) -> bool:
        """Whether any statement was sent."""
        return any(each.statements for each in self.windows)

    def statements(self, *phases: str) -> Iterator[Statement]:
        """Yield the statements of the given phases (of all when none is given), in the order of their first send."""
        for window in self.windows:
            if not phases or window.phase in phases:
                yield from window

    def select(self, *phases: str) -> list[Window]:
        """Return the windows of the given phases."""
        return [each for each in self.windows if not phases or each.phase in phases]

    def queries(self, *phases: str, kind: str | None = None) -> int:
        """Count the statements sent in the given phases, transaction control left out."""
        return sum(
            each.count
            for each in self.statements(*phases)
            if each.shape.kind != "transaction" and kind in (None, each.shape.kind)
        )
