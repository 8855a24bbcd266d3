"""What differs between the executions of one statement, and whether that makes them a loop of look-ups."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from pytest_querybudget.recording.model import Statement
from pytest_querybudget.recording.samples import Sample
from pytest_querybudget.rules.loops import brought_in_by
from pytest_querybudget.values import dataclass

# How a condition compares that no list of keys can take the place of.
_OTHERS = ("in", "range", "like", "other")


@dataclass(frozen=True, slots=True)
class Varying:
    """The columns by which a statement looks up something else each time.

    `keys` are compared by equality, `lists` by IN; both are `table.column` where that is known. `clean` means that
    the executions are parts of one walk: pages, ranges, chunks or levels, which no single statement replaces. `fixed`
    are the columns of the conditions that were the same each time, `differing` those of others that were not.
    """

    keys: tuple[str, ...]
    lists: tuple[str, ...]
    clean: bool
    patterns: bool = False
    fixed: tuple[str, ...] = ()
    differing: tuple[str, ...] = ()


def varying(statement: Statement, around: Iterable[Statement]) -> Varying:
    """Compare the remembered executions of a statement; `around` is what else was sent beside it.

    A page differs in its offset or in the end of the page before (a range, also one with tie-breakers: the column of
    an equality is then in a range as well). A chunk is a part of a long list, a level holds what the level above it
    brought. Everything else that is looked up by different keys could have been looked up together.
    """
    samples = [_with_literals(each, statement.shape) for each in _of_one_database(statement.samples)]
    binds = _binds(statement)
    roles = _roles(samples, binds)
    ranged = {each.column for each in binds if each.role == "range"}
    keys = tuple(dict.fromkeys(each for each in roles.get("equal", []) if each not in ranged or not each))
    lists = tuple(dict.fromkeys(roles.get("in", [])))
    if keys:
        # One statement for each level of a tree is no loop: each asks for what the one before it has brought.
        fixed = tuple(each for each in _fixed(samples, binds) if each not in keys)
        others = [each for role in _OTHERS for each in roles.get(role, ())]
        differing = tuple(dict.fromkeys(each for each in others if each and each not in keys))
        clean = all(each.follows for each in samples[1:])
        return Varying(keys, lists, clean=clean, fixed=fixed, differing=differing)
    if lists:
        return Varying(keys, lists, clean=_are_batches(samples) and not _is_for_each(statement, around))
    if "like" in roles:
        return Varying(tuple(dict.fromkeys(roles["like"])), lists, clean=False, patterns=True)
    # What varies and is not understood is no reason to report anything.
    return Varying(keys, lists, clean=True)


def writes_the_same(statement: Statement) -> bool:
    """Return whether an UPDATE or DELETE wrote the same rows each time; a version that it counts tells none apart."""
    if len(statement.samples) < 2:
        return False
    binds = _binds(statement)
    roles = _roles([_with_literals(each, statement.shape) for each in statement.samples], binds)
    assigned = {each.column for each in binds if each.role == "value"}
    return roles.keys() <= {"value", "equal"} and assigned.issuperset(roles.get("equal", ()))


def asks_the_same(statement: Statement) -> bool:
    """Return whether a SELECT asks for the next one each time: at most the time up to which it looks differs."""
    if len(statement.digests) <= 1 or statement.shape.facts.volatile:
        return True
    roles = _roles([_with_literals(each, statement.shape) for each in statement.samples], _binds(statement))
    return roles.keys() <= {"range"}


def keys_of(statement: Statement) -> list[str]:
    """Return the columns by which a statement names other rows each time."""
    roles = _roles([_with_literals(each, statement.shape) for each in statement.samples], _binds(statement))
    return [each for each in roles.get("equal", ()) if each]


def _roles(samples: Sequence[Sample], binds: Iterable[Any]) -> dict[str, list[str]]:
    """Return the columns that what varies is compared with, by its role."""
    names = _varying_names(samples)
    roles: dict[str, list[str]] = {}
    for each in binds:
        name = f"literal {each.name}" if each.literal else each.name
        if name in names:
            roles.setdefault(each.role, []).append(each.column or "")
    return roles


def _fixed(samples: Sequence[Sample], binds: Iterable[Any]) -> list[str]:
    """Return the columns that were compared with the same value each time; no lists, the ORM asks so for subclasses."""
    names = _varying_names(samples)
    same = (each for each in binds if (f"literal {each.name}" if each.literal else each.name) not in names)
    return list(dict.fromkeys(each.column for each in same if each.column and each.role in ("equal", "range", "like")))


def _binds(statement: Statement) -> list[Any]:
    """Return what parameters and literals are for; those that a construct renders may differ from text to text."""
    shape = statement.shape
    text = next((each.text for each in statement.samples if each.text is not None), None)
    known = list(shape.facts.binds)
    if text is not None and not any(each.literal for each in known):
        known += [each for each in shape.describe(text).binds if each.literal]
    return known


def _of_one_database(samples: Sequence[Sample]) -> list[Sample]:
    """Return the samples of the database that was asked most often: one query cannot answer from two."""
    databases = [each.database for each in samples]
    most = max(databases, key=databases.count, default=0)
    return [each for each in samples if each.database == most]


def _with_literals(sample: Sample, shape: Any) -> Sample:
    """Add the literals of a text to what is known of one execution."""
    if sample.text is None:
        return sample
    values = {f"literal {index}": hash(each) for index, each in enumerate(shape.literals(sample.text))}
    listed = sum(each.role == "in" for each in shape.describe(sample.text).binds)
    return replace(sample, values={**sample.values, **values}, listed=max(sample.listed, listed), text=None)


def _varying_names(samples: Sequence[Sample]) -> set[str]:
    """Return the parameters that had more than one value."""
    values: dict[str, set[int]] = {}
    for sample in samples:
        for name, value in sample.values.items():
            values.setdefault(name, set()).add(value)
    return {name for name, seen in values.items() if len(seen) > 1}


def _is_for_each(statement: Statement, others: Iterable[Statement]) -> bool:
    """Return whether a list was sent for each row of the query before, by a function that cuts nothing into parts."""
    if statement.parts or statement.loop < 0:
        return False
    parents = brought_in_by(statement, others)
    return parents is not None and parents.count == 1 and parents.rows == statement.count


def _are_batches(samples: Sequence[Sample]) -> bool:
    """Return whether the lists of each call, a request for instance, are batches: calls have nothing to do together."""
    calls: dict[int, list[Sample]] = {}
    for each in samples:
        calls.setdefault(each.call, []).append(each)
    several = [each for each in calls.values() if len(each) > 1]
    return all(_is_batch(each) for each in several or [list(samples)])


def _is_batch(samples: Sequence[Sample]) -> bool:
    """Return whether lists of different values are chunks of one list, or the levels of a tree."""
    lengths = sorted(each.listed for each in samples)
    if not lengths or lengths[-1] <= 1:
        return False
    # Chunks are of one length, but for what is left over; threads may take them in any order.
    if len(set(lengths[1:])) == 1:
        return True
    sent = [each.listed for each in samples[:-1]]
    if len(sent) > 2 and sent == sorted(set(sent)):
        # Batches that grow until the list is used up.
        return True
    # `rows` of a sample is what the execution before it fetched: a level asks for what the level above brought.
    return all(each.listed <= each.rows for each in samples[1:])
