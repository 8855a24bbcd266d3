"""The rule `max_transaction`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_querybudget.recording.connections import Transaction
from pytest_querybudget.recording.model import Recording, Statement
from pytest_querybudget.recording.places import Place
from pytest_querybudget.rules.base import (
    MOST_SECONDS,
    OptionError,
    Options,
    Rule,
    count_option,
    number_option,
    unknown_keywords,
)
from pytest_querybudget.rules.ceilings import Exceeded
from pytest_querybudget.rules.max_connections import unwatched
from pytest_querybudget.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LongTransaction(Exceeded):
    """A transaction with more statements, or of more seconds, than allowed.

    `silent` are the seconds in which nothing was sent, `silence` the most of them at a stretch, `gap` where that was.
    """

    rule = "max_transaction"
    queries: int
    seconds: float
    silent: float = 0.0
    silence: float = 0.0
    gap: str = ""

    @property
    def evidence(self) -> tuple[str, ...]:
        """How long it was, and the longest time in which the database had nothing to do."""
        noun = "query" if self.queries == 1 else "queries"
        lines = [f"it had {self.queries} {noun}, and was open for {self.seconds:.3g} s"]
        if self.silence:
            lines.append(
                f"nothing was sent for {self.silent:.3g} s of it, at most for {self.silence:.3g} s, {self.gap}"
            )
        return tuple(lines)

    @property
    def fix(self) -> str | None:
        """Move the silence out, or part the work."""
        if self.silent * 2 > self.seconds:
            return f"Do what happens {self.gap} before the transaction or after it."
        return "Commit where a piece of work is done, or send fewer statements."


class MaxTransaction(Rule):
    """A ceiling on the longest transaction.

    ## What it does

    Fails a test in whose call one transaction of the application has more statements, or is open for more seconds, than
    the limit. It names where the transaction began, and the longest silence inside it: the time between two statements,
    or between the last one and the end, in which the database had nothing to do and its locks were held.

    - A transaction is counted from its first statement to its commit or rollback, on a plain connection, in a session,
      and in two phases; its savepoints belong to it. One that is still open when the call has ended is measured up to
      its last statement.
    - What wraps a test is the fixture's: of a transaction that was begun before the call, only what is sent in the
      call counts. A session that is bound to such a connection commits in its own way (`join_transaction_mode`): what
      it takes for a transaction is one, and without a session it is each outermost savepoint.
    - With the isolation level `AUTOCOMMIT` each statement is a transaction of its own: reads need no other.

    What happens in a silence cannot be seen: a call of another service, a `sleep`, an `await`, a computation, or rows
    of a streamed result that are worked on one by one. The two lines between which it lies say where to look. The
    opposite, a COMMIT for each row, is found by `no_write_loops`.

    ## Why is this bad

    An open transaction keeps its locks, its connection and its snapshot: others wait, the pool runs dry, and
    dead rows cannot be cleaned up. Where it waits for another service, every delay there becomes one of the database.

    ## Example

    ```python
    @pytest.mark.max_transaction(queries=2, seconds=0.1)
    def test_send(client):
        client.post("/send")

    def send(session, provider):
        messages = session.scalars(select(Message).where(Message.sent_at.is_(None))).all()
        for message in messages:
            provider.send(message)  # 0.2 s each, and the rows stay locked
            message.sent_at = now()
        session.commit()
    ```

    ## Use instead

    ```python
    def send(session, provider):
        messages = session.scalars(select(Message).where(Message.sent_at.is_(None))).all()
        session.commit()
        sent = [message.id for message in messages if provider.send(message)]
        session.execute(update(Message).where(Message.id.in_(sent)).values(sent_at=now()))
        session.commit()
    ```

    ## Options

    - `queries=`: the most statements of one transaction; transaction control is not counted.
    - `seconds=`: the longest time from its first statement to its end.

    One of them, or both.

    ## When to allow it

    For imports and migrations that have to succeed or fail as a whole. Time depends on the machine: take a limit that
    only a real wait reaches.
    """

    name = "max_transaction"
    takes = "queries=, seconds="
    needs_transactions = True

    def parse(self, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Options:
        """Take a number of statements, of seconds, or both."""
        if arguments:
            raise OptionError(f"{self.name} got {arguments[0]!r}, but takes {self.takes}")
        unknown_keywords(self, keywords, ("queries", "seconds"))
        limits: dict[str, float] = {}
        if "queries" in keywords:
            limits["queries"] = count_option(self, "queries", keywords["queries"])
        if "seconds" in keywords:
            limits["seconds"] = number_option(self, "seconds", keywords["seconds"], " of seconds", MOST_SECONDS)
        if not limits:
            raise OptionError(f"{self.name} got no limit; it takes {self.takes}")
        return Options(extra=limits)

    def faults(self, recording: Recording, options: Options) -> Iterator[str]:  # noqa: ARG002 - the signature of a rule
        """Yield why transactions cannot be measured."""
        yield from unwatched(self, watched=recording.transactions.watched)

    def measure(self, recording: Recording, options: Options) -> Mapping[str, tuple[float, float]]:
        """Return the figures of the longest transactions."""
        return {
            f"{self.name}[{name}]": (limit, _figure(transaction, name))
            for name, limit, transaction in _figures(recording, options)
        }

    def check(self, recording: Recording, options: Options) -> Iterator[LongTransaction]:
        """Compare the longest transactions with the limits."""
        for name, limit, transaction in _figures(recording, options):
            actual = _figure(transaction, name)
            if transaction is None or actual <= limit:
                continue
            first: Statement = transaction.first
            noun = {"queries": "query" if limit == 1 else "queries", "seconds": "second" if limit == 1 else "seconds"}
            yield LongTransaction(
                sql=first.sql,
                tables=first.tables,
                count=transaction.queries,
                location=first.location,
                chain=first.stack.places,
                limit=limit,
                actual=actual,
                unit=f"{noun[name]} in one transaction",
                queries=transaction.queries,
                seconds=transaction.seconds,
                silent=transaction.silent,
                silence=transaction.silence,
                gap=_gap(transaction),
            )


def _figures(recording: Recording, options: Options) -> Iterator[tuple[str, float, Transaction | None]]:
    """Yield each limit with the transaction that comes nearest to it."""
    transactions = recording.transactions
    for name, limit in options.extra.items():
        yield name, limit, transactions.most if name == "queries" else transactions.longest


def _figure(transaction: Transaction | None, name: str) -> float:
    return 0 if transaction is None else float(getattr(transaction, name))


def _gap(transaction: Transaction) -> str:
    """Say between which lines the silence lies: where the ways to the two statements part, from the test inwards."""
    if transaction.before is None:
        return "inside it"
    before: tuple[Place, ...] = transaction.before.places
    after: tuple[Place, ...] = transaction.after.places
    for one, other in zip(reversed(before), reversed(after), strict=False):
        if one == other:
            continue
        if (one.path, one.function) == (other.path, other.function):
            return f"between {one.path}:{one.line} and :{other.line} in {one.function}"
        return f"between {before[0]} and {after[0]}"
    nearest = next(iter(before or after), None)
    return f"at {nearest}" if nearest else "inside it"
