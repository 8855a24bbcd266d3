"""Conditions in words for plans that do not show them, without a value in them."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_querybudget.recording.plans import Predicate

_FORMS = {
    "eq": "{} = ?",
    "in": "{} IN (?)",
    "null": "{} IS NULL",
    "not_null": "{} IS NOT NULL",
    "range": "{} within a range",
    "prefix": "{} LIKE '...%'",
    "suffix": "{} LIKE '%...'",
    "contains": "{} contains ?",
    "search": "{} matches ?",
    "unequal": "{} <> ?",
    "other": "a condition on {}",
}


def words_for(predicates: Iterable[Predicate]) -> str:
    """All conditions, joined by AND."""
    return " AND ".join(map(word_for, predicates))


def word_for(predicate: Predicate) -> str:
    """One condition."""
    if predicate.operator == "or":
        return "(" + " OR ".join(map(word_for, predicate.parts)) + ")"
    if predicate.operator == "true":
        return f"{predicate.subject} is {(predicate.constant or 'true').lower().removeprefix('is ')}"
    if predicate.operator == "eq" and predicate.joins and predicate.joins != "subquery":
        return f"{predicate.subject} = {predicate.joins.lstrip('^') or 'outer'}.?"
    return _FORMS[predicate.operator].format(predicate.subject)
