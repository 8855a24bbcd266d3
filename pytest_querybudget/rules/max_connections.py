"""The rule `max_connections`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_querybudget.recording.connections import Held
from pytest_querybudget.recording.model import Recording
from pytest_querybudget.rules.base import OptionError, Options, Rule, count_option, unknown_keywords
from pytest_querybudget.rules.ceilings import Exceeded
from pytest_querybudget.values import dataclass

_FIGURES = {"n": "out at one time", "checkouts": "taken in all", "opened": "newly opened"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TooManyConnections(Exceeded):
    """More connections out at one time than allowed."""

    rule = "max_connections"
    held: tuple[str, ...] = ()
    figure: str = "n"

    @property
    def evidence(self) -> tuple[str, ...]:
        """Where each was taken."""
        return tuple(f"taken at {each}" for each in self.held)

    @property
    def fix(self) -> str | None:
        """One connection for one piece of work."""
        if self.figure == "checkouts":
            return "Take one connection for the whole piece of work: open the session once, and hand it on."
        if self.figure == "opened":
            return (
                "Make the engine once, where the application starts, with a pool that keeps connections (no NullPool)."
            )
        return (
            "Pass the session or connection that is open on to what takes another one, "
            "or end its transaction before that."
        )


class MaxConnections(Rule):
    """A ceiling on the pool connections that are out at one time.

    ## What it does

    Fails a test in whose call more connections were checked out of connection pools at one time than the limit, and
    says where each of them was taken. All pools of all engines count together, in every thread and task that the test
    starts; a pool that shares one connection (`StaticPool`, `SingletonThreadPool` in one thread) has one out at most.

    With `checkouts=` and `opened=` it is the churn that is limited: how often connections were taken from pools in the
    call, and how many of them had to be opened.

    A connection that a fixture of the test holds is out as well, and is named with its fixture. What earlier tests have
    left behind does not count, nor what a session fixture holds that the test does not use.

    ## Why is this bad

    A request that holds two connections at once needs a pool of twice the size, and under load every request waits for
    its second connection while it holds the first: the pool is exhausted, and nothing goes on.

    ## Example

    ```python
    @pytest.mark.max_connections(1)
    def test_invoice(client):
        client.post("/invoices")  # the endpoint has a session, and the numbering opens its own
    ```

    ## Use instead

    ```python
    def create_invoice(session):
        number = next_number(session)  # instead of: with Session(engine) as another
    ```

    ## Options

    - `n`: the most connections out at one time.
    - `checkouts=`: how often a connection is taken from a pool.
    - `opened=`: how many connections are newly opened. A test on a new engine opens its first.

    One of them, or several.

    As a default of every test, and in `query_budget(...)` around a block, the same holds. A block that is the only one
    to declare the rule hears of pools when it begins: what was out before is counted only where the test, or the ini
    file, declares the rule as well.

    ## When to allow it

    For work that has to be done in a transaction of its own (an audit log that survives a rollback), and for reads that
    run side by side on purpose.
    """

    name = "max_connections"
    takes = "n, checkouts=, opened="
    needs_pools = True

    def parse(self, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Options:
        """Take a limit for each figure."""
        unknown_keywords(self, keywords, tuple(_FIGURES))
        if len(arguments) + ("n" in keywords) > 1:
            raise OptionError(f"{self.name} got {len(arguments) + ('n' in keywords)} limits; it takes {self.takes}")
        given = {"n": arguments[0], **keywords} if arguments else keywords
        if not given:
            raise OptionError(f"{self.name} got no limit; it takes {self.takes}")
        return Options(extra={name: count_option(self, name, given[name]) for name in _FIGURES if name in given})

    def faults(self, recording: Recording, options: Options) -> Iterator[str]:  # noqa: ARG002 - the signature of a rule
        """Yield why connections cannot be counted."""
        yield from unwatched(self, watched=recording.connections.watched)

    def measure(self, recording: Recording, options: Options) -> Mapping[str, tuple[float, float]]:
        """Return each figure that has a limit."""
        return {
            self.name if name == "n" else f"{self.name}[{name}]": (limit, _figure(recording, name))
            for name, limit in options.extra.items()
        }

    def check(self, recording: Recording, options: Options) -> Iterator[TooManyConnections]:
        """Compare each figure with its limit."""
        for name, limit in options.extra.items():
            actual = _figure(recording, name)
            if actual > limit:
                yield _finding(recording, name, limit, actual)


def _figure(recording: Recording, name: str) -> int:
    """Return the most that were out, or how many were taken or opened in the call."""
    if name == "n":
        return recording.connections.peak
    return (recording.checkouts if name == "checkouts" else recording.connects).get("call", 0)


def _finding(recording: Recording, name: str, limit: int, actual: int) -> TooManyConnections:
    connections = recording.connections
    held = connections.held if name == "n" else _each(connections.taken)
    latest = held[-1].places if held else ()
    return TooManyConnections(
        sql="",
        tables=(),
        count=actual,
        location=latest[0] if latest else None,
        chain=latest,
        limit=limit,
        actual=actual,
        unit=f"pool {'connection' if limit == 1 else 'connections'} {_FIGURES[name]}",
        held=_told(held),
        figure=name,
    )


def _each(taken: Mapping[Held, int]) -> tuple[Held, ...]:
    return tuple(held for held, count in taken.items() for _ in range(count))


def _told(held: Sequence[Held]) -> tuple[str, ...]:
    """Say where connections were taken, each place once."""
    counts = Counter(map(str, held))
    return tuple(f"{place}, {count} of them" if count > 1 else place for place, count in counts.items())


def unwatched(rule: Rule, *, watched: bool) -> Iterator[str]:
    """Yield why what a rule is about could not be seen from the start: nobody had asked for it when the test began."""
    if not watched:
        yield (
            f"{rule.name} was declared when the test had begun, and could not be measured from the start: "
            "put the marker on the test, or use query_budget(...) around a block"
        )
