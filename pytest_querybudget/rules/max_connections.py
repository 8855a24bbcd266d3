"""The rule `max_connections`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_querybudget.recording.connections import Held
from pytest_querybudget.recording.model import Recording
from pytest_querybudget.rules.base import OptionError, Options, Rule, count_option, unknown_keywords
from pytest_querybudget.rules.ceilings import Exceeded


@dataclass(frozen=True, slots=True, kw_only=True)
class TooManyConnections(Exceeded):
    """More connections out at one time than allowed."""

    rule = "max_connections"
    held: tuple[str, ...] = ()

    @property
    def evidence(self) -> tuple[str, ...]:
        """Where each was taken."""
        return tuple(f"taken at {each}" for each in self.held)

    @property
    def fix(self) -> str | None:
        """One connection for one piece of work."""
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

    A connection that a fixture holds while the test runs is out as well, and is named with its fixture. What earlier
    tests have left behind does not count.

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

    As a default of every test, and in `query_budget(...)` around a block, the same holds. A block that is the only one
    to declare the rule hears of pools when it begins: what was out before is counted only where the test, or the ini
    file, declares the rule as well.

    ## When to allow it

    For work that has to be done in a transaction of its own (an audit log that survives a rollback), and for reads that
    run side by side on purpose.
    """

    name = "max_connections"
    takes = "n"
    needs_pools = True

    def parse(self, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Options:
        """Take one limit."""
        unknown_keywords(self, keywords, ("n",))
        limits = len(arguments) + ("n" in keywords)
        if limits != 1:
            raise OptionError(f"{self.name} takes one limit: {self.takes}; got {limits}")
        return Options(limit=count_option(self, "n", arguments[0] if arguments else keywords["n"]))

    def faults(self, recording: Recording, options: Options) -> Iterator[str]:  # noqa: ARG002 - the signature of a rule
        """Yield why connections cannot be counted."""
        yield from unwatched(self, watched=recording.connections.watched)

    def measure(self, recording: Recording, options: Options) -> Mapping[str, tuple[float, float]]:
        """Return the most that were out."""
        return {self.name: (options.limit or 0, recording.connections.peak)}

    def check(self, recording: Recording, options: Options) -> Iterator[TooManyConnections]:
        """Compare the most that were out with the limit."""
        connections = recording.connections
        if options.limit is None or connections.peak <= options.limit:
            return
        latest = connections.held[-1]
        yield TooManyConnections(
            sql="",
            tables=(),
            count=connections.peak,
            location=latest.places[0] if latest.places else None,
            chain=latest.places,
            limit=options.limit,
            actual=connections.peak,
            unit=f"pool {'connection' if options.limit == 1 else 'connections'} out at one time",
            held=_told(connections.held),
        )


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
