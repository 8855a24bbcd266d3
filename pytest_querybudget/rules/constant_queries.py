"""The rule `constant_queries`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pytest_querybudget.findings.model import Finding
from pytest_querybudget.recording.model import Recording
from pytest_querybudget.recording.places import Place
from pytest_querybudget.rules.base import MOST_COUNT, OptionError, Options, Rule, no_arguments, number_option
from pytest_querybudget.values import dataclass

# A statement that comes once more for every so many rows is a batch: an IN list, a page, an INSERT of many rows.
BATCH = 50
FEWEST_SIZES = 2

#: A statement and the line that sends it.
Sender = tuple[str, Place | None]


@dataclass(frozen=True, slots=True)
class Grown:
    """A statement that was sent more often with more rows: how often at each size."""

    sender: Sender
    counts: tuple[int, ...]

    @property
    def more(self) -> int:
        """How many more there were at the last size than at the first."""
        return self.counts[-1] - self.counts[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth(Finding):
    """A statement whose number follows the number of rows.

    `sizes` are numbers of rows, `counts` how often the statement was sent at each, `words` what is sent,
    `cure` the change to make, `tests` the node ids that were compared, for the marker.
    """

    rule = "constant_queries"

    sizes: tuple[int, ...]
    counts: tuple[int, ...]
    words: str
    cure: str | None = None
    tests: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        """What is sent, how often at each size, and how fast that grows."""
        rate = (self.counts[-1] - self.counts[0]) / (self.sizes[-1] - self.sizes[0])
        return f"{self.words}: {at_sizes(self.counts, self.sizes)}, {rate_words(rate)}"

    @property
    def fix(self) -> str | None:
        """The change that makes the number constant."""
        return self.cure


def words_for(kind: str, tables: Iterable[str], relationship: str | None) -> str:
    """Say what a statement is: `SELECT on customer, a load of Order.customer`."""
    load = f", a load of {relationship}" if relationship else ""
    return f"{kind.upper()} on {', '.join(tables) or 'no table'}{load}"


def at_sizes(counts: Sequence[int], sizes: Sequence[int]) -> str:
    """Say `1 with 2 rows, 7 with 8 rows`."""
    return ", ".join(
        f"{count:,} with {size:,} row{'' if size == 1 else 's'}" for size, count in zip(sizes, counts, strict=True)
    )


def rate_words(rate: float) -> str:
    """Say how many statements each further row costs."""
    return f"{rate:.2g} more for each row" if rate < FEWEST_SIZES else f"{rate:,.3g} more for each row"


class ConstantQueries(Rule):
    """As many queries for many rows as for a few.

    ## What it does

    Compares how many queries the same code sends for different numbers of rows, statement by statement and place by
    place, and fails when the number grows. The `query_growth` fixture seeds rows, runs a function, seeds more and runs
    it again:

    ```python
    def test_list_of_orders(session, query_growth):
        query_growth(lambda: list_orders(session), seed=lambda count: add_orders(session, count), sizes=(2, 8))
    ```

    `seed(count)` adds `count` *more* rows. The function and the seed may be `async`: then `await query_growth(...)`.
    Before the first measured run there is one that is not measured, so that caches are filled (`warmup=False` leaves
    it out).

    The marker compares the call phases of the tests that differ only in their size, when the last of them has run, in
    whatever process:

    ```python
    @pytest.mark.constant_queries
    @pytest.mark.parametrize("size", [2, 8])
    def test_list_of_orders(size, orders, client):
        client.get("/orders")
    ```

    What such a test arranges belongs into a fixture: its own lines are counted. What the marker finds makes the session
    fail, for each of the tests has passed by then; a test that is expected to fail is not compared.

    ## Why is this bad

    A fixture of one row hides every loop: one order and its customer are two queries, with and without the mistake.

    ## Example

    ```python
    def list_orders(session):
        return [(order.id, order.customer.name) for order in session.scalars(select(Order))]
    ```

    ## Use instead

    ```python
    def list_orders(session):
        orders = session.scalars(select(Order).options(joinedload(Order.customer)))
        return [(order.id, order.customer.name) for order in orders]
    ```

    ## Options

    - `slope=0`: how many more queries each further row may cost. A statement that comes once more for every 50 rows or
      more is a batch (an IN list, a page) and never counts.
    - `by="size"`: of the marker: the parameter that is the number of rows, or a collection of them. By default the
      one that is named `size`, or the only one that is a number.

    Of the fixture: `sizes=(2, 8)`, two or more numbers, ascending; `warmup=True`; and, where a run leaves traces or the
    rows must go again, one of

    - `reset=function`: is called after each size and takes everything back; `seed` then gets the whole size;
    - `savepoint=session`: seeds and runs each size inside a savepoint of this session or connection, and rolls it back.
      The session forgets what it has loaded before each run. The function must not commit.

    A session that seeds and is then measured still knows the rows that it has added, and need not load what hangs on
    them: seed with a session of its own, commit, or give `savepoint=session`.

    ## When to allow it

    Where the work itself is one statement for each row, with `slope=1`, or with a comment on the line:
    `# querybudget: allow[constant_queries] the provider takes one message at a time`.
    """

    name = "constant_queries"
    compares_tests = True
    takes = 'by="parameter", slope='

    def parse(self, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Options:
        """Take the name of a parameter and a slope."""
        no_arguments(self, arguments, keywords, "by", "slope")
        by = keywords.get("by")
        if by is not None and not (isinstance(by, str) and by.isidentifier()):
            raise OptionError(f"{self.name} got by={by!r}, but takes the name of a parameter")
        return Options(limit=slope_option(self, keywords.get("slope", 0)), extra={"by": by})

    def check(self, recording: Recording, options: Options) -> Iterator[Finding]:  # noqa: ARG002 - see below
        """Yield nothing: one recording has nothing to be compared with."""
        yield from ()


def slope_option(rule: Rule, value: Any) -> float:
    """Return how many more queries a row may cost. Raises `OptionError`."""
    return number_option(rule, "slope", value, " of queries for each row", MOST_COUNT)


def grown(sizes: Sequence[int], counts: Sequence[Mapping[Sender, int]], slope: float) -> list[Grown]:
    """Return the statements that grow with the rows, the fastest first; none when they grow no faster than `slope`.

    `counts` says how often each statement was sent from each place, one mapping for each size. One path that is taken
    in place of another is no growth, nor is what is sent less often with more rows.
    """
    rows = sizes[-1] - sizes[0]
    senders = {sender: None for each in counts for sender in each}
    table = [Grown(sender, tuple(each.get(sender, 0) for each in counts)) for sender in senders]
    found = [each for each in table if each.more > rows // BATCH]
    appeared = [each for each in found if not each.counts[0]]
    vanished = sum(each.counts[0] for each in table if not each.counts[-1])
    if sum(each.more for each in appeared) <= vanished:
        found = [each for each in found if each.counts[0]]
    if sum(each.more for each in found) <= slope * rows:
        return []
    return sorted(found, key=lambda each: -each.more)
