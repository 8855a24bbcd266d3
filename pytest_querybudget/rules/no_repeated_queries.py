"""The rule `no_repeated_queries`."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_querybudget.findings.model import Finding
from pytest_querybudget.recording.loops import Repeater
from pytest_querybudget.recording.model import Meaning, Recording, StackLike, Statement, Window
from pytest_querybudget.recording.repeats import Repeats
from pytest_querybudget.rules.base import Options
from pytest_querybudget.rules.loops import LoopRule, caller
from pytest_querybudget.rules.no_n_plus_one import loop_of_lookups
from pytest_querybudget.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated(Finding):
    """The same read with the same parameters, and nothing written in between."""

    rule = "no_repeated_queries"

    meaning: Meaning | None = None
    # Whether a commit came in between.
    committed: bool = False

    @property
    def message(self) -> str:
        """How often, and where it ran first."""
        outer = caller(self.chain)
        called = f", called by {outer}" if outer else ""
        first = f", first at {self.origin}" if self.origin and self.origin != self.location else ""
        return f"the same query with the same parameters ran {self.count} times{first}{called}"

    @property
    def fix(self) -> str | None:
        """Keep the value."""
        meaning = self.meaning
        if meaning is not None and meaning.load == "lazy" and self.committed:
            return (
                f"Keep the value: read {meaning.relationship} once, before the loop, "
                "or create the session with expire_on_commit=False: each commit expires what is loaded."
            )
        if meaning is not None and meaning.load == "expired" and meaning.cause == "commit":
            return (
                "Keep the value: read it before the commit that expires it, "
                "or create the session with expire_on_commit=False."
            )
        if meaning is not None and meaning.load == "refresh":
            return f"Keep the value: refresh the {meaning.entity} once, nothing was written in between."
        return (
            "Keep the value: run the query once and pass its result on; nothing that it reads was written in between."
        )


class NoRepeatedQueries(LoopRule):
    """No query twice with the same parameters while nothing it reads has changed.

    ## What it does

    Finds a SELECT that runs again with the same parameters, in the same session (or the same transaction of a plain
    connection), although nothing that it reads was written in between. A write to another table changes nothing, unless
    the database changes rows along with it (`ondelete` and `onupdate` of the foreign keys in the models), or what is
    read may be a view of it: a name that the models of neither statement have. A retry after a rollback, a poll across
    a write and a query in a new session are no repetition; a session that was closed since, or emptied by
    `expunge_all()` before its next transaction, is a new one. The order of an IN list means nothing.

    Where another number of rows comes back, or another single value, the second query was none too many, whoever wrote
    in between: a trigger, a cursor of the driver, another process. Results are compared that were fetched alike, all at
    once or row by row. Of longer results and of rows with several columns
    the values are not compared, so there such a write is not seen; neither is one that changes what a view shows that
    is mapped as a table, unless that says so with `info={"is_view": True}`.

    ## Why is this bad

    The answer is known already. A setting that is read for each row, a user that is loaded by each layer, a count that
    is taken twice: each is a round trip for nothing.

    ## Example

    ```python
    def totals(session, orders):
        return [order.net * vat_rate(session) for order in orders]  # selects the rate for each order
    ```

    ## Use instead

    ```python
    def totals(session, orders):
        rate = vat_rate(session)
        return [order.net * rate for order in orders]
    ```

    ## Options

    - `threshold=2`: how many executions make a finding.

    ## When to allow it

    Where the application waits for another process to write, with a comment on the line:
    `# querybudget: allow[no_repeated_queries] waits for the worker`.
    """

    name = "no_repeated_queries"
    takes = "threshold=2"

    def check(self, recording: Recording, options: Options) -> Iterator[Finding]:
        """Look at each window by itself."""
        for window in recording.select(options.phase):
            yield from _repeats(window, options.threshold)


def _repeats(window: Window, threshold: float) -> Iterator[Finding]:
    for each in window:
        repeats = None if each.repeats is None else each.repeats.settled(each.answer)
        if repeats is None or not (repeats.times or repeats.inside) or not _can_repeat(each):
            continue
        # Different parameters from one loop are an N+1: one set of statements is one finding.
        if loop_of_lookups(each, 2, window) is not None or _is_load_of_many(each):
            continue
        judgements = {first: _judge(first, each, repeats) for first in (*repeats.times, *repeats.inside)}
        for who in (Repeater.APPLICATION, Repeater.TEST):
            firsts = [first for first, judgement in judgements.items() if judgement is who]
            count = sum(_times(first, repeats) for first in firsts) + 1
            if firsts and count >= threshold:
                first = min(firsts, key=lambda one: one.first)
                yield Repeated(
                    sql=each.shape.facts.sql,
                    tables=each.shape.tables,
                    count=count,
                    location=each.location,
                    origin=first.location,
                    chain=each.stack.places,
                    relationship=each.meaning.relationship if each.meaning else None,
                    declared_only=who is Repeater.TEST,
                    meaning=each.meaning,
                    committed=each.commits > (1 if each.meaning and each.meaning.cause else 0),
                )
                break


def _times(first: Statement, repeats: Repeats) -> int:
    """Return how often a statement was repeated; of several requests that with the most repeats counts."""
    inside = repeats.inside.get(first)
    return max(repeats.times.get(first, 0), inside.most if inside else 0)


def _can_repeat(statement: Statement) -> bool:
    facts = statement.shape.facts
    if facts.volatile or facts.locking or statement.shape.locks or not facts.reads or statement.shape.catalog:
        return False
    return statement.meaning is None or statement.meaning.load != "eager"


def _is_load_of_many(statement: Statement) -> bool:
    return any(caused.varied for caused in statement.origins.values())


def _judge(first: Statement, again: Statement, repeats: Repeats) -> Repeater | None:
    """Say who is answerable for running `again` although `first` had run."""
    if _is(again, "refresh") and not _is(first, "refresh"):
        # Whoever refreshes once wants to know it anew.
        return None
    if _is(again, "expired") and not _is(first, "expired"):
        # One reload of what a commit has expired: it grows with nothing.
        return None
    if first in repeats.inside:
        return Repeater.APPLICATION
    if first is again:
        return again.repeater
    if Repeater.REQUEST in (first.repeater, again.repeater):
        # Both were sent by several requests, and which of them belong together is not known.
        return Repeater.REQUEST
    return _divergence(first.stack, again.stack)


def _is(statement: Statement, load: str) -> bool:
    return statement.meaning is not None and statement.meaning.load == load


def _divergence(first: StackLike, again: StackLike) -> Repeater:
    """Say whose function went on to send the second statement after the first.

    From the outside in, the two stacks are equal up to one function that stands at two different lines. Two lines of
    the test are two uses, not a repetition; so are two requests.
    """
    if first.position != again.position:
        return Repeater.REQUEST
    outer = min(len(first.places), len(again.places))
    for depth in range(1, outer + 1):
        one, other = first.steps[-depth], again.steps[-depth]
        if one[0] is not other[0]:
            return Repeater.REQUEST
        if one[1] != other[1]:
            index = len(again.places) - depth
            if 0 <= again.entered <= index:
                return Repeater.REQUEST
            return Repeater.TEST if again.is_own(index) else Repeater.APPLICATION
    return Repeater.REQUEST
