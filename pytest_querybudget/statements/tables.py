"""What a `MetaData` says of all its tables, as plain values: their names, and which change with one that is written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import MetaData

from pytest_querybudget.statements.model import Shape

# What a database does to the rows that refer to one which is deleted, or to a key which is changed.
_CHANGING = ("CASCADE", "SET NULL", "SET DEFAULT")


class Tables:
    """The tables of one `MetaData`, by their names without a schema, in lower case.

    A view that is mapped in a table's place is one of them, but for those that say what they are.
    """

    __slots__ = ("deleting", "names", "updating")

    def __init__(self, metadata: MetaData) -> None:
        tables = [each for each in list(metadata.tables.values()) if not _is_view(each)]
        self.names = frozenset(bare(each.name) for each in tables)
        # The tables that refer to one, each with whether its own rows are deleted.
        self.deleting: dict[str, set[tuple[str, bool]]] = {}
        self.updating: dict[str, set[str]] = {}
        for table in tables:
            for key in table.foreign_keys:
                target = bare(key.target_fullname.rpartition(".")[0])
                on_delete, on_update = (key.ondelete or "").upper(), (key.onupdate or "").upper()
                # Some databases are told which columns are set: `SET NULL (parent_id)`.
                if on_delete.startswith(_CHANGING):
                    self.deleting.setdefault(target, set()).add((bare(table.name), on_delete == "CASCADE"))
                if on_update.startswith(_CHANGING):
                    self.updating.setdefault(target, set()).add(bare(table.name))

    def changed_with(self, written: Iterable[str], kind: str) -> set[str]:
        """Return the tables that the database itself changes along with those that a statement writes."""
        found: set[str] = set()
        followed = set(written)
        waiting = list(followed)
        while waiting:
            name = waiting.pop()
            if kind == "delete":
                referring = self.deleting.get(name, set())
            else:
                referring = {(each, True) for each in self.updating.get(name, ())}
            for other, follows in referring:
                found.add(other)
                if follows and other not in followed:
                    followed.add(other)
                    waiting.append(other)
        return found


_KNOWN: WeakKeyDictionary[MetaData, tuple[int, Tables]] = WeakKeyDictionary()


def tables_of(metadata: MetaData) -> Tables:
    """Return what is known of the tables of a `MetaData`, which may get more of them at any time."""
    count = len(metadata.tables)
    known = _KNOWN.get(metadata)
    if known is None or known[0] != count:
        known = _KNOWN[metadata] = count, Tables(metadata)
    return known[1]


def may_differ(read: Shape, since: Sequence[Shape], written: Iterable[Shape]) -> bool:
    """Return whether a SELECT may answer otherwise after the writes `since`; `written` are all that were seen.

    What no `MetaData` of these statements knows may be a view of what was written, unless it was written itself. Where
    they know of none, as in a suite that writes its SQL by hand, names are all there is to compare.
    """
    wanted = {bare(each) for each in read.reads}
    targets = [(each, {bare(name) for name in each.writes}) for each in since]
    if any(each.opaque or not wanted.isdisjoint(names) for each, names in targets):
        return True
    known = [tables_of(found) for found in {_metadata(each) for each in (read, *since)} if found is not None]
    if not known:
        return False
    unknown = wanted.difference(*(each.names for each in known))
    if unknown and not unknown <= {bare(name) for each in written if each.kind != "ddl" for name in each.writes}:
        return True
    return any(
        each.kind in ("update", "delete") and not wanted.isdisjoint(tables.changed_with(names, each.kind))
        for each, names in targets
        for tables in known
    )


def _metadata(shape: Shape) -> MetaData | None:
    known = shape.metadata
    return None if known is None else known()


def bare(table: str) -> str:
    """Return a table's name without its schema: better one repeat missed than one invented."""
    return table.rpartition(".")[2].strip('"`[]').lower()


def _is_view(table: Any) -> bool:
    """Return whether a table says that it is a view: to Alembic, or since SQLAlchemy creates it as one."""
    return bool(table.info.get("is_view") or getattr(table, "is_view", False))
