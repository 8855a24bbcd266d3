"""The rule `no_write_loops`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_querybudget.findings.model import Finding
from pytest_querybudget.recording.loops import Repeater
from pytest_querybudget.recording.model import Recording, Statement
from pytest_querybudget.recording.places import Place
from pytest_querybudget.rules.base import Options, Rule, no_arguments, threshold_option
from pytest_querybudget.rules.loops import caller, loop_place


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteLoop(Finding):
    """Writes of one row each, sent one after another."""

    rule = "no_write_loops"

    kind: str
    table: str
    flushed: bool
    key: str | None = None
    loop: Place | None = None

    @property
    def message(self) -> str:
        """How often, and who asks."""
        outer = self.loop or caller(self.chain)
        where = f", called in a loop at {outer}" if self.loop else f", called by {outer}" if outer else ""
        how = "flushed one by one" if self.flushed else "sent one by one"
        return f"{self.count} single-row {self.kind.upper()} statements on {self.table}, {how}{where}"

    @property
    def fix(self) -> str | None:
        """One flush, or one statement."""
        if self.flushed:
            return "Flush or commit once, after the loop: the unit of work then sends the rows together" + (
                " (session.add_all(...) before it)." if self.kind == "insert" else "."
            )
        if self.kind == "insert":
            return "Send one executemany: execute the same statement once, with the list of all rows as its parameters."
        key = self.key or f"{self.table}.id"
        if self.kind == "delete":
            return f"Delete them together: DELETE FROM {self.table} WHERE {key} IN (...), with .in_(keys)."  # noqa: S608
        return (
            f"Update them together: one UPDATE with WHERE {key} IN (...) where the values are the same, "
            f"or one executemany with a list of parameters by {key}."
        )


class NoWriteLoops(Rule):
    """No single-row writes in a loop.

    ## What it does

    Finds INSERT, UPDATE and DELETE statements of one row each that come from one loop of the application: a flush or a
    commit for each object, Core statements and upserts. One flush is one write, whatever the unit of work makes of it;
    an `executemany`, a multi-row INSERT, and a statement that writes many rows are none.

    ## Why is this bad

    A hundred rows are a hundred round trips and, with a commit for each, a hundred waits for the disk.

    ## Example

    ```python
    for row in rows:
        session.add(Contact(**row))
        session.commit()
    ```

    ## Use instead

    ```python
    session.add_all(Contact(**row) for row in rows)
    session.commit()
    ```

    ## Options

    - `threshold=2`: how many statements make a finding.

    ## When to allow it

    Where each row must be safe before the next one begins, with a comment on the line:
    `# querybudget: allow[no_write_loops] each message is sent once`.
    """

    name = "no_write_loops"
    takes = "threshold="
    default = True

    def parse(self, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Options:
        """Take a threshold."""
        no_arguments(self, arguments, keywords, "threshold")
        return Options(threshold=threshold_option(self, keywords))

    def check(self, recording: Recording, options: Options) -> Iterator[Finding]:
        """Yield each statement that a loop sends row by row."""
        for each in recording.statements(options.phase):
            if each.shape.kind not in ("insert", "update", "delete") or each.units < options.threshold:
                continue
            if each.repeater in (Repeater.APPLICATION, Repeater.TEST):
                yield _finding(each, own=each.repeater is Repeater.TEST)


def _finding(statement: Statement, *, own: bool) -> WriteLoop:
    facts = statement.shape.facts
    return WriteLoop(
        sql=facts.sql,
        tables=facts.writes,
        count=statement.single,
        location=statement.location,
        chain=statement.stack.places,
        declared_only=own,
        kind=statement.shape.kind,
        table=facts.table or ", ".join(facts.writes),
        flushed=bool(statement.last_flush),
        key=next((each.column for each in facts.binds if each.role == "equal" and each.column), None),
        loop=loop_place(statement),
    )
