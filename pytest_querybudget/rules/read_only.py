"""The rule `read_only`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_querybudget.findings.model import Finding
from pytest_querybudget.recording.model import Recording
from pytest_querybudget.rules.base import Options, Rule, no_arguments
from pytest_querybudget.values import dataclass

WRITES = ("insert", "update", "delete", "ddl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Write(Finding):
    """A statement that writes."""

    rule = "read_only"
    kind: str

    @property
    def message(self) -> str:
        """What was written."""
        what = f" to {', '.join(self.tables)}" if self.tables else ""
        times = f", {self.count} times" if self.count > 1 else ""
        return f"{self.kind.upper()}{what} in a test that only reads{times}"


class ReadOnly(Rule):
    """No INSERT, UPDATE, DELETE or DDL.

    ## What it does

    Fails a test that writes during its call. What its fixtures write does not count.

    ## Why is this bad

    A read that writes cannot be served by a replica, takes locks, and changes what the next one sees. Often it is an
    accident: a default that is saved, a `last_seen` that is touched, an autoflush of a changed object.

    ## Example

    ```python
    @pytest.mark.read_only
    def test_profile(client):
        client.get("/profile")  # also updates users.last_seen
    ```

    ## Use instead

    Write from an endpoint that says so, or in a background job.

    ## Options

    None.

    ## When to allow it

    With `allow_queries("read_only", reason=...)` where the write is meant.
    """

    name = "read_only"

    def parse(self, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Options:
        """Take nothing."""
        no_arguments(self, arguments, keywords)
        return Options()

    def check(self, recording: Recording, options: Options) -> Iterator[Finding]:
        """Yield each statement that writes."""
        for each in recording.statements(options.phase):
            for shape, count in each.shapes() if each.shape.kind in WRITES else ():
                yield Write(
                    sql=shape.facts.sql,
                    tables=shape.facts.writes,
                    count=count,
                    location=each.location,
                    chain=each.stack.places,
                    kind=shape.kind,
                )
