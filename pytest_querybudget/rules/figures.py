"""The ceilings that measure one statement, or add up time: what they share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from pytest_querybudget.findings.model import Finding
from pytest_querybudget.recording.model import Recording, Statement
from pytest_querybudget.rules.base import OptionError, Options, Rule, per_option, unknown_keywords
from pytest_querybudget.rules.ceilings import Exceeded, request_faults, windows_of


class Ceiling(Rule):
    """A limit on one figure of the call phase, window by window."""

    finding: ClassVar[type[Exceeded]]
    #: What is counted: one of it, and several.
    unit: ClassVar[tuple[str, str]]

    @abstractmethod
    def read_limit(self, value: Any) -> float:
        """Return a limit. Raises `OptionError`."""

    @abstractmethod
    def figure(self, statements: Sequence[Statement]) -> tuple[float, Statement | None]:
        """Return the measured figure of some statements, and the one that is most to blame."""

    def blamed(self, statement: Statement) -> tuple[str, tuple[str, ...], int]:
        """Return the text, the tables and the count of what is most to blame."""
        return statement.sql, statement.tables, statement.count

    def advice(self, statement: Statement | None) -> str | None:  # noqa: ARG002 - for those who override it
        """Say what to change, where that is known."""
        return None

    def parse(self, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Options:
        """Take one limit."""
        unknown_keywords(self, keywords, ("n", "per") if self.takes_per else ("n",))
        limits = len(arguments) + ("n" in keywords)
        if limits != 1:
            raise OptionError(f"{self.name} takes one limit: {self.takes}; got {limits}")
        limit = self.read_limit(arguments[0] if arguments else keywords["n"])
        return Options(limit=limit, per=per_option(self, keywords))

    def faults(self, recording: Recording, options: Options) -> Iterator[str]:
        """Yield why a limit for each request cannot be held."""
        yield from request_faults(recording, options)

    def measure(self, recording: Recording, options: Options) -> Mapping[str, tuple[float, float]]:
        """Return the largest figure of any window."""
        figures = [self.figure(statements)[0] for _, statements in windows_of(recording, options.phase, options.per)]
        return {self.name: (options.limit or 0, max(figures, default=0))}

    def check(self, recording: Recording, options: Options) -> Iterator[Finding]:
        """Compare the figure of each window with the limit."""
        for label, statements in windows_of(recording, options.phase, options.per):
            actual, statement = self.figure(statements)
            if options.limit is not None and actual > options.limit:
                sql, tables, count = self.blamed(statement) if statement else ("", (), 0)
                yield self.finding(
                    sql=sql,
                    tables=tables,
                    count=count,
                    location=statement.location if statement else None,
                    chain=statement.stack.places if statement else (),
                    limit=options.limit,
                    actual=actual,
                    unit=self.unit[options.limit != 1],
                    window=label,
                    advice=self.advice(statement),
                    statements=tuple(statements),
                )
