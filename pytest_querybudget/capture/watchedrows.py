"""Rows that tell which of their positions are read, for queries that select columns (`--querybudget-audit`).

Whatever is not known to read one position, or nothing, reads all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy.engine import Row, RowMapping

Hear = Callable[[Any], None]
# What says something of a row, and nothing of what is in it.
_SILENT = frozenset({"_as_row_class", "_fields", "_parent", "_key_to_index", "__class__", "__doc__", "__module__"})
# What SQLAlchemy's rows ask themselves for where they are not compiled: to be made, and to answer what was heard of.
_INTERNAL = frozenset({"_data", "_set_attrs", "_get_by_key_impl"})
_read = Row.__getattribute__


class WatchedRow(Row):  # type: ignore[type-arg]
    """A row that tells what is read of it: a position, a slice, or None for all that it holds."""

    __slots__ = ("__weakref__", "_querybudget_hear")

    def __getattribute__(self, name: str) -> Any:
        __tracebackhide__ = True
        if name in _SILENT or name in _INTERNAL:
            return _read(self, name)
        hear = _hear(self)
        if name == "_mapping":
            return _mapping_of(self, hear)
        if hasattr(Row, name):
            hear(None)
        elif (position := _read(self, "_key_to_index").get(name)) is not None:
            hear(position)
        return _read(self, name)

    def _as_row_class(self, cls: Any) -> Any:
        if cls is RowMapping:
            return _mapping_of(self, _hear(self))
        _hear(self)(None)
        return cls(*_parts(self))

    def __getitem__(self, key: Any) -> Any:
        __tracebackhide__ = True
        _hear(self)(key if isinstance(key, (int, slice)) else None)
        return Row.__getitem__(self, key)

    def __bool__(self) -> bool:
        return bool(_read(self, "_data"))

    def __len__(self) -> int:
        _hear(self)(None)
        return Row.__len__(self)

    def __iter__(self) -> Iterator[Any]:
        _hear(self)(None)
        return Row.__iter__(self)

    def __contains__(self, key: Any) -> bool:
        _hear(self)(None)
        return key in _read(self, "_data")

    def __hash__(self) -> int:
        _hear(self)(None)
        return hash(_read(self, "_data"))

    def __eq__(self, other: object) -> Any:
        _hear(self)(None)
        return Row.__eq__(self, other)

    def __reduce__(self) -> Any:
        _hear(self)(None)
        return Row(*_parts(self)).__reduce__()


class WatchedMapping(RowMapping):
    """The mapping of a watched row, which lives as long as the mapping does."""

    __slots__ = ("_querybudget_hear", "_querybudget_row")

    def __getitem__(self, key: Any) -> Any:
        __tracebackhide__ = True
        found = RowMapping.__getitem__(self, key)
        _hear_of_mapping(self)(self._key_to_index.get(key))
        return found

    def items(self) -> Any:
        _hear_of_mapping(self)(None)
        return RowMapping.items(self)

    def values(self) -> Any:
        _hear_of_mapping(self)(None)
        return RowMapping.values(self)

    def __hash__(self) -> int:
        _hear_of_mapping(self)(None)
        return hash(_parts(self)[-1])

    def __reduce__(self) -> Any:
        _hear_of_mapping(self)(None)
        return RowMapping(*_parts(self)).__reduce__()


for _kind in (WatchedRow, WatchedMapping):
    # They are rows to whoever asks for the name.
    _kind.__name__ = _kind.__qualname__ = _kind.__bases__[0].__name__

_hear: Callable[[Any], Hear] = WatchedRow.__dict__["_querybudget_hear"].__get__
_hear_of_mapping: Callable[[Any], Hear] = WatchedMapping.__dict__["_querybudget_hear"].__get__


def _parts(row: Any) -> tuple[Any, ...]:
    return _read(row, "_parent"), None, _read(row, "_key_to_index"), _read(row, "_data")


def watched(row: Any, hear: Hear) -> Any:
    """Return a row that tells what is read of it."""
    made = WatchedRow(*_parts(row))
    WatchedRow.__dict__["_querybudget_hear"].__set__(made, hear)
    return made


def _mapping_of(row: Any, hear: Hear) -> RowMapping:
    made = WatchedMapping(*_parts(row))
    WatchedMapping.__dict__["_querybudget_hear"].__set__(made, hear)
    WatchedMapping.__dict__["_querybudget_row"].__set__(made, row)
    return made
