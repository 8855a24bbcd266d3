"""The rule `max_queries`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_querybudget.findings.model import Finding
from pytest_querybudget.recording.model import Recording, Statement
from pytest_querybudget.rules.base import (
    OptionError,
    Options,
    Rule,
    count_option,
    flag_option,
    per_option,
    unknown_keywords,
)
from pytest_querybudget.rules.ceilings import PHASES, Exceeded, request_faults, windows_of, worst

KINDS = ("select", "insert", "update", "delete", "ddl", "other")


class MaxQueries(Rule):
    """A ceiling on the number of statements that a test sends.

    ## What it does

    Fails a test that sends more statements to the driver than its limit. An `executemany` is one statement.
    SAVEPOINT, RELEASE and ROLLBACK TO are recorded and not counted.

    ## Why is this bad

    The number of statements is what grows first when code starts to query in a loop, and the network round trip of
    each one is what a user waits for in production, where the database is not in the same process.

    ## Example

    ```python
    @pytest.mark.max_queries(1)
    def test_list_orders(session):
        list_orders(session)  # selects the orders, then each order's customer
    ```

    ## Use instead

    ```python
    def list_orders(session):
        return session.scalars(select(Order).options(joinedload(Order.customer))).all()
    ```

    ## Options

    - `n`: the most statements of any kind.
    - `select=`, `insert=`, `update=`, `delete=`, `ddl=`, `other=`: the most statements of one kind.
    - `exact=True`: fail when fewer were sent, too.
    - `phase="call"` (default), `"setup"`, `"teardown"` or `"all"`: when to count. Fixtures have their own phases.
      Markers for several phases on one function, class or module all hold.
    - `per="request"`: the limit is for each request by itself that comes through `query_budget.app(app)`; the failure
      names the request by method and route.

    A test that is made of several parts (subtests, examples of a property) is measured part by part.

    ## When to allow it

    Raise the limit when the work has really grown. A limit far above what the test sends is shown in the summary.
    """

    name = "max_queries"
    takes_per = True
    takes = (
        "n, select=, insert=, update=, delete=, ddl=, other=, exact=True, "
        'phase="call"|"setup"|"teardown"|"all", per="request"'
    )

    def parse(self, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Options:
        """Take a limit, limits by kind, or both."""
        unknown_keywords(self, keywords, ("n", *KINDS, "exact", "phase", "per"))
        limits = len(arguments) + ("n" in keywords)
        if limits > 1:
            raise OptionError(f"{self.name} got {limits} limits; it takes {self.takes}")
        total = arguments[0] if arguments else keywords.get("n")
        by_kind = {kind: count_option(self, kind, keywords[kind]) for kind in KINDS if kind in keywords}
        if total is None and not by_kind:
            raise OptionError(f"{self.name} got no limit; it takes {self.takes}")
        phase = keywords.get("phase", "call")
        if phase not in PHASES:
            raise OptionError(f"{self.name} got phase={phase!r}, but takes one of {', '.join(PHASES)}")
        return Options(
            limit=None if total is None else count_option(self, "n", total),
            by_kind=by_kind,
            exact=flag_option(self, "exact", keywords.get("exact", False)),
            phase=phase,
            per=per_option(self, keywords),
        )

    def faults(self, recording: Recording, options: Options) -> Iterator[str]:
        """Yield why a limit for each request cannot be held."""
        yield from request_faults(recording, options)

    def measure(self, recording: Recording, options: Options) -> Mapping[str, tuple[float, float]]:
        """Return the largest figure of any window."""
        figures: dict[str, tuple[float, float]] = {}
        for _, limit, kind, counted in self._figures(recording, options):
            actual = sum(each.count for each in counted)
            key = self.name if kind is None else f"{self.name}[{kind}]"
            if key not in figures or figures[key][1] < actual:
                figures[key] = limit, actual
        return figures

    def check(self, recording: Recording, options: Options) -> Iterator[Finding]:
        """Compare each figure with its limit."""
        for label, limit, kind, counted in self._figures(recording, options):
            actual = sum(each.count for each in counted)
            if actual > limit or (options.exact and actual < limit):
                most = worst(counted)
                yield ExceededQueries(
                    sql=most.sql if most else "",
                    tables=most.tables if most else (),
                    count=actual,
                    location=most.location if most else None,
                    chain=most.stack.places if most else (),
                    limit=limit,
                    actual=actual,
                    unit=_unit(kind, limit, options.phase),
                    window=label,
                    exact=options.exact,
                    phase=options.phase,
                    statements=tuple(counted),
                )

    @staticmethod
    def _figures(
        recording: Recording, options: Options
    ) -> Iterator[tuple[str | None, int, str | None, list[Statement]]]:
        for label, statements in windows_of(recording, options.phase, options.per):
            if options.limit is not None:
                yield label, int(options.limit), None, statements
            for kind, limit in options.by_kind.items():
                yield label, limit, kind, [each for each in statements if each.shape.kind == kind]


class ExceededQueries(Exceeded):
    """More statements than allowed."""

    __slots__ = ()
    rule = "max_queries"


def _unit(kind: str | None, limit: int, phase: str) -> str:
    noun = "query" if limit == 1 else "queries"
    words = [
        kind.upper() if kind else "",
        noun,
        "" if phase == "call" else f"in {phase}" if phase != "all" else "in all phases",
    ]
    return " ".join(each for each in words if each)
