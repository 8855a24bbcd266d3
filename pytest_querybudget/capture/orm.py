"""What the ORM meant by a statement.

`do_orm_execute` would say it in public, and make SQLAlchemy prepare every ORM statement twice. The same facts hang on
the execution: the load options and the compile state. Their names are not public, so they stay in this module, which
says nothing when one of them is missing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, NamedTuple

from pytest_querybudget.recording.model import Hop, Meaning

# What the ORM sets for each SELECT that it makes objects of.
OF_SESSION = "_result_disable_adapt_to_context"

# Along how many relationships that are always joined an instance is looked for.
MOST_JOINED = 3
# How many frames lie at most between a statement and the `Query.get()` that sends it.
_DEEPEST_GET = 24


class Load(NamedTuple):
    """A load on behalf of an instance: what kind, for which instance state, along which path."""

    kind: str
    state: Any
    path: tuple[Any, ...]
    only: frozenset[str]


def run_ids() -> Callable[[], int]:
    """Return the counter from which each ORM result takes the `runid` that it leaves on the instances it loads."""
    from sqlalchemy.orm import loading

    counter: Callable[[], int] = loading._new_runid  # noqa: SLF001
    return counter


def is_orm_select(compiled: Any) -> bool:
    """Return whether a compiled statement is a SELECT that loads ORM entities."""
    state = getattr(compiled, "compile_state", None)
    return state is not None and getattr(state, "compile_options", None) is not None and hasattr(state, "_entities")


def is_for_session(context: Any) -> bool:
    """Return whether an execution is a session's, which makes objects of the rows, and no connection's."""
    return is_orm_select(context.compiled) and OF_SESSION in context.execution_options


def loads_instances(compiled: Any) -> bool:
    """Return whether an ORM SELECT names an entity, and not columns alone; where it cannot be told, it does."""
    try:
        from sqlalchemy.orm.context import _ColumnEntity
    except ImportError:
        return True
    return not all(isinstance(each, _ColumnEntity) for each in compiled.compile_state._entities)  # noqa: SLF001


def asks_for_locks(compiled: Any) -> bool:
    """Return whether a SELECT was made with `with_for_update()`; SQLite has no words for it."""
    return getattr(compiled.statement, "_for_update_arg", None) is not None


def returns_entities(compiled: Any) -> bool:
    """Return whether a compiled INSERT, UPDATE or DELETE returns ORM entities."""
    return getattr(getattr(compiled, "compile_state", None), "from_statement_ctx", None) is not None


def load_of(context: Any) -> Load | None:
    """Return the load that this execution serves, or None for a statement that the application asked for itself."""
    options = context.execution_options.get("_sa_orm_load_options")
    compile_options = context.compiled.compile_state.compile_options
    path = compile_options._current_path.path  # noqa: SLF001
    if options is not None:
        state = options._lazy_loaded_from  # noqa: SLF001
        if state is not None:
            return Load("lazy", state, path, frozenset())
        state = options._refresh_state  # noqa: SLF001
        if state is not None:
            only = compile_options._only_load_props or frozenset()  # noqa: SLF001
            return Load(_column_load(options, state, only), state, path, only)
    return Load("eager", None, path, frozenset()) if path else None


def _column_load(options: Any, state: Any, only: frozenset[str]) -> str:
    if options._is_user_refresh:  # noqa: SLF001
        return "refresh"
    if state.expired:
        return "expired"
    if not only & state.expired_attributes:
        return "deferred"
    return "subclass" if _of_subclass(state, only) else "expired"


def _of_subclass(state: Any, only: frozenset[str]) -> bool:
    """Return whether attributes that an inheriting class adds are what is missing."""
    mapper = state.mapper
    if mapper.inherits is None or state.runid is None:
        return False
    return any(key not in mapper.base_mapper.attrs for key in only)


def meaning_of(load: Load, path: tuple[Hop, ...] | None, cause: str | None) -> Meaning:
    """Say a load in names; `path` is that to the instance it is for, None if unclear, `cause` what expired it."""
    unclear = path is None
    path = path or ()
    if load.kind in ("lazy", "eager"):
        hops = hops_of(load.path)
        if load.kind == "lazy" and hops:
            if len(path) < len(hops) - 1:
                # Where both say the same, only ours tells what was lazy.
                same = all(str(one) == str(other) for one, other in zip(path, hops, strict=False))
                path = (*path, *hops[len(path) : -1]) if same else hops[:-1]
            hops = (*path, dataclasses.replace(hops[-1], lazy=True))
        return Meaning(load.kind, hops[-1].owner if hops else "", hops, cause=cause, unclear=unclear)
    mapper = load.state.mapper
    return Meaning(
        load.kind,
        mapper.class_.__name__,
        path,
        tuple(sorted(load.only)),
        mapper.base_mapper.class_.__name__ if mapper.inherits is not None else None,
        cause,
        unclear,
    )


def hops_of(path: tuple[Any, ...]) -> tuple[Hop, ...]:
    """Turn a SQLAlchemy loader path (entity, property, entity, property, ...) into hops."""
    hops = []
    for owner, each in zip(path[::2], path[1::2], strict=False):
        target = each.mapper
        hops.append(
            Hop(
                owner=owner.class_.__name__ if hasattr(owner, "class_") else each.parent.class_.__name__,
                key=each.key,
                target=target.class_.__name__,
                uselist=bool(each.uselist),
                recursive=target.common_parent(each.parent),
                wide=_is_wide(target),
                bases=_bases(owner, each.parent),
                ancestors=_ancestors(owner),
            )
        )
    return tuple(hops)


def _is_wide(mapper: Any, seen: int = 0) -> bool:
    """Return whether a collection comes joined with each instance: who joins that must call `.unique()`."""
    joined = [each for each in mapper.relationships if each.lazy == "joined"]
    return any(each.uselist or (seen < MOST_JOINED and _is_wide(each.mapper, seen + 1)) for each in joined)


def _bases(owner: Any, declaring: Any) -> tuple[str, ...]:
    """Return the names of the mapped classes from `owner` up to the one that declares a relationship."""
    names = []
    mapper = getattr(owner, "mapper", declaring)
    while mapper is not None:
        names.append(mapper.class_.__name__)
        mapper = None if mapper is declaring else mapper.inherits
    return tuple(names)


def _ancestors(owner: Any) -> tuple[str, ...]:
    """Return the names of the mapped classes from `owner` up to the root of its inheritance."""
    mapper = getattr(owner, "mapper", None)
    return () if mapper is None else tuple(each.class_.__name__ for each in mapper.iterate_to_root())


def attributes_of(compiled: Any) -> dict[str, str]:
    """Return the mapped attribute, as `Class.attribute`, of each column of the entities that a SELECT names."""
    names: dict[str, str] = {}
    for entity in compiled.compile_state._entities:  # noqa: SLF001
        mapper = getattr(entity, "mapper", None)
        if mapper is None:
            continue
        for each in mapper.column_attrs:
            for column in each.columns:
                table = getattr(column, "table", None)
                if table is not None and hasattr(table, "fullname"):
                    names.setdefault(f"{table.fullname}.{column.name}", f"{mapper.class_.__name__}.{each.key}")
    return names


def entities_of(compiled: Any) -> tuple[str, ...]:
    """Return the names of the mapped classes that an ORM SELECT returns, as the application wrote it."""
    from sqlalchemy import inspect

    names: list[str] = []
    try:
        descriptions = compiled.statement.column_descriptions
    except AttributeError:
        # SQLAlchemy cannot describe a bare `*`.
        return ()
    for each in descriptions:
        entity = each.get("entity")
        if entity is None or each.get("expr") is not entity:
            continue
        name = inspect(entity).mapper.class_.__name__
        # The application's name for an alias is its own; the class is what can be told.
        label = f"alias_of_{name}" if each.get("aliased") else name
        if label not in names:
            names.append(label)
    return tuple(names)


def is_by_identity(compiled: Any) -> bool:
    """Return whether a SELECT is that of `session.get()`, which takes its loader options itself."""
    for entity in compiled.compile_state._entities:  # noqa: SLF001
        clause = getattr(getattr(entity, "mapper", None), "_get_clause", None)
        return clause is not None and {each.key for each in clause[1].values()} == set(compiled.binds)
    return False


def is_query_get(frame: FrameType | None) -> bool:
    """Return whether `Query.get()` sends what is sent from a frame, and not `session.get()`."""
    from sqlalchemy.orm import Query

    wanted = getattr(getattr(Query, "_get_impl", None), "__code__", None)
    for _ in range(_DEEPEST_GET):
        if frame is None or frame.f_code is wanted:
            break
        frame = frame.f_back
    else:
        return False
    return frame is not None


def is_given(compiled: Any) -> bool:
    """Return whether a SELECT loads entities from a statement that the application wrote (`from_statement`)."""
    return hasattr(compiled.statement, "element") and not hasattr(compiled.statement, "_where_criteria")


def joined_path(compiled: Any, load: Load) -> tuple[Hop, ...] | None:
    """Return the path along which a SELECT brought in the instance of a load by joined eager loading.

    It is empty for what the SELECT itself names, and None where several ways lead there.
    """
    mapper = load.state.mapper
    if len(hops_of(load.path)) > 1:
        # Options were handed on, and with them the way to each instance.
        return ()
    found = (getattr(entity, "mapper", None) for entity in compiled.compile_state._entities)  # noqa: SLF001
    starts: list[Any] = [each for each in found if each is not None]
    if any(mapper.common_parent(each) for each in starts):
        return ()
    ways = [way for start in starts for way in _joined(start, mapper)]
    if not ways:
        # Options may have joined what the mapping does not.
        ways = [(start, each) for start in starts for each in start.relationships if each.mapper.common_parent(mapper)]
    return _only(ways, ())


def continued_path(path: tuple[Hop, ...], load: Load) -> tuple[Hop, ...] | None:
    """Return `path` up to the instance of a load, through what the SELECT at its end brought in beside its own.

    What the mapping declares with `lazy="joined"` comes along with each load, and the path of the load ends before it.
    Returns None where several ways lead there.
    """
    mapper = load.state.mapper
    if len(hops_of(load.path)) - 1 > len(path):
        return path
    starts = [each for each in mapper.registry.mappers if each.class_.__name__ == path[-1].target]
    ways: list[tuple[Any, ...]] = [way for start in starts for way in _joined(start, mapper)]
    if any(mapper.common_parent(each) for each in starts):
        # One of its own kind may have come along.
        return None if ways else path
    return _only(ways, path)


def _only(ways: list[tuple[Any, ...]], path: tuple[Hop, ...]) -> tuple[Hop, ...] | None:
    """Return `path` and the shortest way behind it, None where two are as short."""
    shortest = sorted(ways, key=len)[:2]
    if not shortest:
        return path
    return None if len(shortest[0]) == len(shortest[-1]) and len(shortest) > 1 else (*path, *hops_of(shortest[0]))


def _joined(start: Any, mapper: Any, seen: frozenset[Any] = frozenset()) -> Iterator[tuple[Any, ...]]:
    """Yield the ways from one mapper to another through relationships that are always joined, as loader paths."""
    props = {each: owner for owner in reversed(list(start.self_and_descendants)) for each in owner.relationships}
    for each, owner in props.items():
        if each.lazy == "joined" and each not in seen:
            if each.mapper.common_parent(mapper):
                yield owner, each
            if len(seen) < MOST_JOINED:
                for way in _joined(each.mapper, mapper, seen | {each}):
                    yield owner, each, *way
