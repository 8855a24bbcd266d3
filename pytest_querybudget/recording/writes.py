"""What a statement wrote: in how many rounds and transactions, and how many rows at one time."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from pytest_querybudget.values import dataclass

# Up to how many rows that are written at one time are counted exactly.
MOST_FLUSHED = 16


@dataclass(slots=True)
class Batches:
    """What was written at one time: how many times it was so many rows."""

    sizes: dict[int, int] = field(default_factory=dict)

    @property
    def ended(self) -> int:
        """How many times something was written, but for what failed."""
        return sum(self.sizes.values())

    def note_rows(self, rows: int) -> None:
        """Note what was written at one time."""
        size = min(rows, MOST_FLUSHED)
        self.sizes[size] = self.sizes.get(size, 0) + 1

    def of(self, rows: int) -> int:
        """Return how many times it was so many rows, or more."""
        return sum(many for size, many in self.sizes.items() if size >= rows)

    def wrote(self, rows: int) -> bool:
        """Return whether it was so many rows half of the times or more: the end of each list may be a few."""
        return 0 < self.ended <= 2 * self.of(rows)


@dataclass(slots=True)
class Flushes(Batches):
    """The flushes that sent a statement: how many sent it with a single row, and what each of them wrote.

    The rows are those of its table, whichever statements wrote them: a row with columns of its own is still one of the
    batch.
    """

    single: int = 0


@dataclass(slots=True, eq=False)
class Writes:
    """What all executions of one statement wrote: of the rows no more than how many they were."""

    # How many sends the application is answerable for, for each database.
    sent: dict[int, int] = field(default_factory=dict)
    # Executions that wrote one row each, and which one in the test was the latest.
    single: int = 0
    latest: int = 0
    # None where no flush sends it.
    flushes: Flushes | None = None
    # What the application itself wrote with executions of many rows, None where there were none.
    batches: Batches | None = None
    # In how many transactions after one another it wrote, and the latest of them, as a weak reference.
    transactions: int = 0
    transaction: Any = None
    # What that transaction has written, and whether it was undone; see `capture.attempts`.
    attempt: Any = None

    @property
    def units(self) -> int:
        """How many sends the application is answerable for: a flush is one, whatever the unit of work makes of it.

        Of several databases that with the most counts: no other statement could have written to two of them at once.
        """
        return max(self.sent.values(), default=0)

    def note_unit(self, database: int) -> None:
        """Count one send."""
        self.sent[database] = self.sent.get(database, 0) + 1

    def note_batch(self, rows: int) -> None:
        """Note an execution that wrote many rows: none where the driver does not say how many."""
        if self.batches is None:
            self.batches = Batches()
        self.batches.note_rows(rows)
