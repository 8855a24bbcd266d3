"""Which allowances had their chance to silence something, so that stale ones can be told."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Iterator

from pytest_querybudget.budgets import Permission
from pytest_querybudget.findings.allowances import Comment, SourceComments
from pytest_querybudget.reports.document import Problem
from pytest_querybudget.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Chance:
    """An allowance that had its chance to silence something.

    `of` is how it is written, `owner` the line or the node id where it stands, `ended` the end date if that is past.
    """

    of: str
    owner: str
    used: bool
    ended: str | None = None


def marker_chances(permissions: Iterable[Permission], used: Collection[Permission], today: dt.date) -> Iterator[Chance]:
    """Yield the `allow_queries` markers of a test that came to its end."""
    for each in permissions:
        yield Chance(of=each.words, owner=each.owner, ended=_ended(each.until, today), used=each in used)


def comment_chances(comments: SourceComments, rules: Collection[str], today: dt.date) -> Iterator[Chance]:
    """Yield the comments on lines that sent statements; `rules` are the names of all rules."""
    for each in comments.noted():
        if not each.mistake and not _unknown_rules(each, rules):
            yield Chance(
                of=f"allow[{', '.join(each.rules)}]",
                owner=f"{each.path}:{each.line}",
                ended=_ended(each.until, today),
                used=each in comments.used,
            )


def wrong_comments(comments: SourceComments, rules: Collection[str]) -> Iterator[Problem]:
    """Yield what is wrong with comments that can silence nothing."""
    for each in comments.noted():
        texts = [f"allow[{rule}] names no rule" for rule in _unknown_rules(each, rules)]
        for text in [*texts, *([each.mistake] if each.mistake else [])]:
            yield Problem(slug="stale-allowance", text=f"{each.path}:{each.line} {text}")


def _unknown_rules(comment: Comment, rules: Collection[str]) -> list[str]:
    return [each for each in comment.rules if each != "*" and each not in rules]


def _ended(until: dt.date | None, today: dt.date) -> str | None:
    return until.isoformat() if until is not None and until < today else None
