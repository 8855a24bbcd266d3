"""The rule `no_write_loops`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pytest_querybudget.findings.model import Finding
from pytest_querybudget.recording.loops import Repeater
from pytest_querybudget.recording.model import Recording, Statement, Window
from pytest_querybudget.recording.places import Place
from pytest_querybudget.rules.base import Options
from pytest_querybudget.rules.loops import LoopRule, caller, loop_place
from pytest_querybudget.rules.varying import asks_the_same, keys_of, writes_the_same


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


class NoWriteLoops(LoopRule):
    """No single-row writes in a loop.

    ## What it does

    Finds INSERT, UPDATE and DELETE statements of one row each that come from one loop of the application: a flush or a
    commit for each object, Core statements and upserts. One flush is one write, whatever the unit of work makes of it;
    an `executemany`, a multi-row INSERT, and a statement that writes many rows are none. Nor is one row that is written
    and committed again and again, or a queue: a loop that asks for the next row, marks it and commits.

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

    def check(self, recording: Recording, options: Options) -> Iterator[Finding]:
        """Yield each statement that a loop sends row by row."""
        for window in recording.select(options.phase):
            for each in window:
                if each.shape.kind not in ("insert", "update", "delete") or each.units < options.threshold:
                    continue
                if each.repeater not in (Repeater.APPLICATION, Repeater.TEST) or _is_step_by_step(each, window):
                    continue
                yield _finding(each, own=each.repeater is Repeater.TEST)


def _is_step_by_step(statement: Statement, window: Window) -> bool:
    """Return whether one write after the other is sent for a reason that the code shows.

    One row that is written again and again tells others how far the work has come, when it is committed each time, or
    the loop itself, when it asks for it. Where each round of the loop asks for the next row and marks it, as those who
    drain a queue do, each has a transaction of its own: others may take theirs from the same queue.
    """
    committed = statement.transactions >= statement.units
    is_one = statement.shape.kind != "insert" and writes_the_same(statement)
    if committed and is_one:
        return True
    together = list(_together(statement, window))
    if is_one:
        return any(set(statement.shape.facts.writes) & set(each.shape.facts.reads) for each in together)
    marked = {
        table for each in together if each.shape.kind in ("update", "delete") for table in each.shape.facts.writes
    }
    return committed and any(marked & set(each.shape.tables) and _takes_the_next(each) for each in together)


def _together(statement: Statement, window: Window) -> Iterator[Statement]:
    """Yield what is sent as often as a write, in the same loop."""
    if statement.loop < 0:
        return
    around = statement.stack.places[statement.loop]
    for each in window:
        if each.count >= statement.units and any(
            (place.path, place.function) == (around.path, around.function) for place in each.stack.places
        ):
            yield each


def _takes_the_next(statement: Statement) -> bool:
    """Return whether a statement of a loop asks for the next row of a queue: the same question each time."""
    if statement.repeater is not Repeater.APPLICATION or statement.meaning is not None or statement.max_rows > 1:
        return False
    if statement.shape.kind == "select":
        return not statement.shape.facts.aggregate and asks_the_same(statement)
    return bool(statement.columns) and statement.shape.kind != "insert" and writes_the_same(statement)


def _finding(statement: Statement, *, own: bool) -> WriteLoop:
    facts = statement.shape.facts
    keys = keys_of(statement) or [each.column for each in facts.binds]
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
        key=next((each.column for each in facts.binds if each.role == "equal" and each.column in keys), None),
        loop=loop_place(statement),
    )
