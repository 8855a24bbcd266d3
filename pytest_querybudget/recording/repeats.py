"""Which statements ran again with the same parameters although nothing was written in between."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, TypeVar

from pytest_querybudget.values import dataclass

if TYPE_CHECKING:
    from pytest_querybudget.recording.model import Statement

T = TypeVar("T")
# Whether rows were fetched one by one or all at once, and how many these were, or a digest of the only value.
Answer = tuple[str, int]


@dataclass(slots=True)
class Inside:
    """Repeats inside of one web request: how many in the latest one, by when it began, and the most in any."""

    since: int = -1
    count: int = 0
    most: int = 0

    def add(self, since: int) -> None:
        """Count one more in the request that began at `since`."""
        self.count = self.count + 1 if since == self.since else 1
        self.since = since
        self.most = max(self.most, self.count)


@dataclass(slots=True)
class Doubt:
    """What the statement that ran `first` has answered, until it is known whether a repeat of it answers the same.

    `times` and `inside` are what was known of repeats before that one.
    """

    first: Statement
    answer: Answer
    times: int
    inside: Inside | None

    def is_true_after(self, answer: Answer) -> bool:
        """Return whether the second answer is another one, and so the repeat none.

        The first row of one says nothing of the number of rows in the other.
        """
        (fetched, before), (how, now) = self.answer, answer
        return fetched == how and before != now


@dataclass(slots=True)
class Repeats:
    """How often a statement repeated others, or itself, by the statement that ran first.

    `inside` are repeats inside of one web request, and `doubt` is about the latest repeat.
    """

    times: dict[Statement, int] = field(default_factory=dict)
    inside: dict[Statement, Inside] = field(default_factory=dict)
    doubt: Doubt | None = None

    def settled(self, answer: Answer | None) -> Repeats:
        """Return them as the latest answer leaves them: without the latest one, where it was answered otherwise.

        Whoever changed it, that was no repeat. The answer is there only when it was fetched, which is after the repeat
        was noted.
        """
        doubt = self.doubt
        if doubt is None or answer is None or not doubt.is_true_after(answer):
            return self
        times = _put_back(self.times, doubt.first, doubt.times)
        return Repeats(times, _put_back(self.inside, doubt.first, doubt.inside))


def _put_back(known: dict[Statement, T], first: Statement, before: T | None) -> dict[Statement, T]:
    """Return what is known with what was known of one statement before."""
    others = {**known}
    if before:
        others[first] = before
    else:
        others.pop(first, None)
    return others
