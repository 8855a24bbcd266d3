"""Digests of parameters: enough to tell whether two executions had the same values, and nothing more.

Only values of known, immutable types are looked at. Anything else (an application's own class, whose `__hash__` or
`__eq__` might do work) makes the whole set unknown, and unknown equals nothing.
"""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

KNOWN: frozenset[type] = frozenset(
    {
        int,
        str,
        float,
        bool,
        bytes,
        type(None),
        decimal.Decimal,
        dt.date,
        dt.datetime,
        dt.time,
        dt.timedelta,
        uuid.UUID,
    }
)
UNKNOWN = -1
# What keys are made of.
_IDENTIFYING: frozenset[type] = frozenset({int, str, bytes, uuid.UUID})


def are_plain(values: Iterable[Any]) -> bool:
    """Return whether all values are of known, immutable types: such may be kept without keeping anything else alive."""
    return KNOWN.issuperset(map(type, values))


def digest(parameters: Any) -> int:
    """Return a number that is equal for equal parameters, or `UNKNOWN`."""
    try:
        if type(parameters) is tuple and KNOWN.issuperset(map(type, parameters)):
            return hash(parameters)
        part = _part(parameters)
        return UNKNOWN if part is None else hash(part)
    except Exception:  # noqa: BLE001 - as in `hash_of`
        return UNKNOWN


def hash_of(value: Any) -> int:
    """Return the hash of what consists of known types, `UNKNOWN` where it has none, as a signaling NaN."""
    try:
        return hash(value)
    except Exception:  # noqa: BLE001 - the time zone of a date may be the application's, and raise anything
        return UNKNOWN


def _part(value: Any) -> Any:
    """Return a hashable image of `value`, or None when it is of a type that is not known."""
    kind = type(value)
    if kind in KNOWN:
        return (kind, value)
    # Of the type, not of the value: a proxy answers for another object, and may have to make it first.
    if issubclass(kind, Mapping):
        parts = tuple((key, _part(each)) for key, each in value.items())
        return None if any(each is None for _, each in parts) else parts
    if issubclass(kind, (list, tuple)):
        return _whole(tuple([_part(each) for each in value]))
    if issubclass(kind, (set, frozenset)):
        return _whole(frozenset([_part(each) for each in value]))
    if issubclass(kind, enum.Enum):
        return (kind.__qualname__, value._name_)
    if issubclass(kind, (bytearray, memoryview)):
        return bytes(value)
    return None


def _whole(parts: tuple[Any, ...] | frozenset[Any]) -> Any:
    return None if any(each is None for each in parts) else parts


def grouped(parameters: Mapping[str, Any], expanding: frozenset[str], fixed: tuple[str, ...]) -> dict[str, Any]:
    """Return parameters with the members of each IN list together again, those of tuples as tuples.

    SQLAlchemy expands the list of a bind `id_1` to `id_1_1`, `id_1_2` and so on (`id_1_1_1` for tuples).
    """
    result: dict[str, Any] = {}
    tuples: dict[str, dict[str, list[Any]]] = {}
    for key, value in parameters.items():
        member, _, last = key.rpartition("_")
        if key in fixed or not last.isdigit():
            result[key] = value
            continue
        if member in expanding:
            result.setdefault(member, []).append(value)
            continue
        base, _, last = member.rpartition("_")
        if last.isdigit() and base in expanding:
            tuples.setdefault(base, {}).setdefault(member, []).append(value)
        else:
            result[key] = value
    for base, members in tuples.items():
        result.setdefault(base, []).extend(tuple(each) for each in members.values())
    return result


def digest_unordered(
    sent: Any, parameters: Mapping[str, Any], expanding: frozenset[str], fixed: tuple[str, ...], *, tuples: bool
) -> int:
    """Return a digest that does not depend on the order of an IN list, which means nothing.

    `sent` is what the driver gets, `expanding` are the binds that hold the lists, `fixed` all others; `tuples` tells
    whether members of a list are tuples, whose own order means something.
    """
    quick = len(expanding) == 1 and not tuples
    try:
        if quick and not fixed and type(sent) is tuple and KNOWN.issuperset(map(type, sent)):
            return hash(((), len(sent), frozenset(sent)))
        if quick and KNOWN.issuperset(map(type, parameters.values())):
            listed = dict(parameters)
            alone = tuple([listed.pop(each, None) for each in fixed]) if fixed else ()
            return hash((alone, len(listed), frozenset(listed.values())))
        together = grouped(parameters, expanding, fixed)
        parts = tuple([(key, _unordered(value)) for key, value in together.items()])
        return UNKNOWN if any(part is None for _, part in parts) else hash(parts)
    except Exception:  # noqa: BLE001 - as in `hash_of`
        return UNKNOWN


def digests(parameters: Mapping[str, Any]) -> dict[str, int]:
    """Return a digest for each named parameter, so that one can tell which of them vary."""
    return {key: _digest_unordered(value) for key, value in parameters.items()}


def _digest_unordered(value: Any) -> int:
    try:
        return hash(_unordered(value))
    except Exception:  # noqa: BLE001 - as in `hash_of`
        return UNKNOWN


def _unordered(value: Any) -> Any:
    if issubclass(type(value), (list, tuple, set, frozenset)):
        return _whole(frozenset([_part(each) for each in value]))
    return _part(value)


def words_of(values: Iterable[Any]) -> frozenset[int]:
    """Return digests of numbers, names and identifiers, the same whether they are bound or written as literals."""
    return frozenset(hash(str(each)) for each in values if type(each) in _IDENTIFYING)


def list_length(parameters: Mapping[str, Any]) -> int:
    """Return the length of the longest list among the parameters, 0 when there is none."""
    return max(
        (len(each) for each in parameters.values() if issubclass(type(each), (list, tuple, set, frozenset))), default=0
    )
