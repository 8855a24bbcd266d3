"""The rule `no_write_loops`."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_querybudget.findings.model import Finding
from pytest_querybudget.recording.loops import Repeater
from pytest_querybudget.recording.model import Recording, Statement, Window
from pytest_querybudget.recording.places import Place
from pytest_querybudget.recording.writes import Batches, Writes
from pytest_querybudget.rules.base import Options
from pytest_querybudget.rules.loops import LoopRule, caller, loop_place
from pytest_querybudget.rules.varying import asks_the_same, keys_of, writes_the_same
from pytest_querybudget.values import dataclass

# So many rows of one table are a batch: one object seldom brings as many along.
_BATCH = 10
# The same in the loop of a function that cuts a list into parts; two may be a pair.
_PART = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteLoop(Finding):
    """Writes of one row each, sent one after another."""

    rule = "no_write_loops"

    kind: str
    table: str
    # How many flushes sent them, 0 where the application did.
    flushes: int = 0
    key: str | None = None
    loop: Place | None = None

    @property
    def grouped(self) -> bool:
        """Whether some of the flushes sent more than one of them."""
        return 0 < self.flushes < self.count

    @property
    def message(self) -> str:
        """How often, and who asks."""
        outer = self.loop or caller(self.chain)
        where = f", called in a loop at {outer}" if self.loop else f", called by {outer}" if outer else ""
        how = "flushed one by one" if self.flushes else "sent one by one"
        if self.grouped:
            how = f"sent by {self.flushes} flushes"
        return f"{self.count} single-row {self.kind.upper()} statements on {self.table}, {how}{where}"

    @property
    def fix(self) -> str | None:
        """One flush, or one statement."""
        if self.flushes:
            # Of several rows the unit of work has shown that it sends each by itself.
            then = "one flush then writes all rows" if self.grouped else "the unit of work then sends the rows together"
            before = " (session.add_all(...) before it)" if self.kind == "insert" else ""
            return f"Flush or commit once, after the loop: {then}{before}."
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
    commit for each object, Core statements and upserts. One flush is one write, whatever the unit of work makes of it
    (not what a listener sends beside it through another engine or a session of its own);
    an `executemany`, a multi-row INSERT, and a statement that writes many rows are none. Nor is one row that is written
    and committed again and again, or a queue: a loop that asks for the next row, marks it and commits. What a retry
    writes again is written once: the attempts before it were rolled back, or closed without a commit.

    Nor is work in batches, also where SQLAlchemy sends the rows of a flush one by one: because a value is an SQL
    expression, a version is counted or the columns differ. Flushes are batches when half of them or more (the end of a
    list may be short) write ten rows of the table, or three where the function with the loop cuts slices or speaks of a
    batch, a chunk or a page. A single row that such batches have now and then belongs to them, as does the record that
    such a function keeps of each, whatever writes the batches: a flush, an `executemany`, one statement. A flush for
    each order with a dozen items is a loop over orders, and found as that; of its items one flush would send as many
    statements.

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
                writes = each.writes
                if writes is None or writes.units < options.threshold:
                    continue
                if each.repeater not in (Repeater.APPLICATION, Repeater.TEST) or _is_step_by_step(each, writes, window):
                    continue
                if _is_in_batches(each, writes, window):
                    continue
                yield _finding(each, writes, own=each.repeater is Repeater.TEST)


def _is_in_batches(statement: Statement, writes: Writes, window: Window) -> bool:
    """Return whether what a loop writes are batches, of which SQLAlchemy sends row after row, or belongs to some.

    One flush for all would send them so, too. A few rows beside many of another table belong to their batches where
    not each of these has some, or where the function cuts a list into parts: else it may be one parent with its
    children that is flushed each time.
    """
    flushes = writes.flushes
    if statement.parts and _has_batches_beside(statement, writes, window):
        return True
    if flushes is None:
        return False
    if flushes.wrote(_PART if statement.parts else _BATCH):
        return True
    beside = (each.writes.flushes for each in window if each.stack is statement.stack and each.writes is not None)
    return any(
        each is not None and each.wrote(_BATCH) and (statement.parts or each.ended > flushes.single) for each in beside
    )


def _has_batches_beside(statement: Statement, writes: Writes, window: Window) -> bool:
    """Return whether the loop that sends single rows sends a batch for each of them, or for each other one.

    What is over before the other begins is not of one loop.
    """
    return any(
        batches.wrote(_PART)
        and writes.units <= 2 * batches.of(_PART)
        and each.first < statement.last
        and statement.first < each.last
        for each in _of_its_loop(statement, window)
        for batches in _batches_of(each)
    )


def _batches_of(statement: Statement) -> Iterator[Batches]:
    writes = statement.writes
    if writes is not None:
        yield from (each for each in (writes.flushes, writes.batches) if each is not None)


def _is_step_by_step(statement: Statement, writes: Writes, window: Window) -> bool:
    """Return whether one write after the other is sent for a reason that the code shows.

    One row that is written again and again tells others how far the work has come, when it is committed each time, or
    the loop itself, when it asks for it. Where each round of the loop asks for the next row and marks it, as those who
    drain a queue do, each has a transaction of its own: others may take theirs from the same queue.
    """
    committed = writes.transactions >= writes.units
    is_one = statement.shape.kind != "insert" and writes_the_same(statement)
    if committed and is_one:
        return True
    together = [each for each in _of_its_loop(statement, window) if each.count >= writes.units]
    if is_one:
        return any(set(statement.shape.facts.writes) & set(each.shape.facts.reads) for each in together)
    marked = {
        table for each in together if each.shape.kind in ("update", "delete") for table in each.shape.facts.writes
    }
    return committed and any(marked & set(each.shape.tables) and _takes_the_next(each) for each in together)


def _of_its_loop(statement: Statement, window: Window) -> Iterator[Statement]:
    """Yield what the function sends in whose loop a write is sent, or those that it calls."""
    if statement.loop < 0:
        return
    around = statement.stack.places[statement.loop]
    for each in window:
        if any((place.path, place.function) == (around.path, around.function) for place in each.stack.places):
            yield each


def _takes_the_next(statement: Statement) -> bool:
    """Return whether a statement of a loop asks for the next row of a queue: the same question each time."""
    if statement.repeater is not Repeater.APPLICATION or statement.meaning is not None or statement.max_rows > 1:
        return False
    if statement.shape.kind == "select":
        return not statement.shape.facts.aggregate and asks_the_same(statement)
    return bool(statement.columns) and statement.shape.kind != "insert" and writes_the_same(statement)


def _finding(statement: Statement, writes: Writes, *, own: bool) -> WriteLoop:
    facts = statement.shape.facts
    keys = keys_of(statement) or [each.column for each in facts.binds]
    return WriteLoop(
        sql=facts.sql,
        tables=facts.writes,
        count=writes.single,
        location=statement.location,
        chain=statement.stack.places,
        declared_only=own,
        kind=statement.shape.kind,
        table=facts.table or ", ".join(facts.writes),
        flushes=0 if writes.flushes is None else writes.flushes.single,
        key=next((each.column for each in facts.binds if each.role == "equal" and each.column in keys), None),
        loop=loop_place(statement),
    )
