"""Watches which objects a statement loads, and what is read of them (`--querybudget-audit`).

One of the places that touch more of SQLAlchemy than its public events: it wraps the function that makes a processor of
rows into objects. Where that has moved, there is no audit, and the run says so once. Nothing here keeps an object
alive: an object's own state knows who hears of its reads.
"""

from __future__ import annotations

import dis
import inspect
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import FrameType
from typing import Any
from weakref import WeakKeyDictionary, ref

from pytest_querybudget.capture import orm
from pytest_querybudget.capture.journal import Journal
from pytest_querybudget.capture.mapped import Mapped
from pytest_querybudget.capture.reads import STATE, Reads
from pytest_querybudget.capture.rows import CountingBufferedFetch, CountingFetch
from pytest_querybudget.capture.selected import Selected
from pytest_querybudget.recording.model import Statement
from pytest_querybudget.recording.reads import Loaded
from pytest_querybudget.stacks.alone import alone
from pytest_querybudget.stacks.reader import begun_at

_PROCESSOR = "_instance_processor"
_PARAMETERS = (
    *("query_entity", "mapper", "context", "result", "path", "adapter"),
    *("only_load_props", "refresh_state", "polymorphic_discriminator", "_polymorphic_from"),
)
_EAGER = frozenset({"joined", "selectin", "subquery", "immediate", False})
# Instructions at which a coroutine stands while it waits for what it awaits.
_AWAITING = frozenset(
    dis.opmap[each]
    for each in ("SEND", "YIELD_VALUE", "YIELD_FROM", "RESUME", "JUMP_BACKWARD_NO_INTERRUPT")
    if each in dis.opmap
)
_SENDING = frozenset(dis.opmap[each] for each in ("SEND", "YIELD_FROM") if each in dis.opmap)
# Python 3.10 lets a coroutine that is suspended stand at the instruction before.
_BEFORE = 2 if sys.version_info < (3, 11) else 0
_read = object.__getattribute__


class AuditError(Exception):
    """Why there can be no audit."""


class Sight:
    """One place of one statement's result: it hears of the reads of the objects that came from there."""

    __slots__ = ("add", "alive", "alone", "awaited", "facts", "journal", "mappers", "over", "position")

    def __init__(self, facts: Loaded, journal: Journal, position: int) -> None:
        self.facts = facts
        self.add = facts.read.add
        self.journal = journal
        self.position = position
        # Where the test waited for the first object: one line may await one thing after the other.
        self.awaited = -1
        self.alive: dict[int, Ghost] = {}
        # The mappers whose columns are known to have been loaded here.
        self.mappers: set[Any] = set()
        self.over = False
        self.alone = (self,)

    def touch(self) -> None:
        """Hear that something was done with an object as such."""
        self.facts.touched = True

    def take_whole(self) -> None:
        """Hear that all of an object may have been read."""
        self.facts.whole = True

    @alone
    def take(self, instance: Any) -> None:
        """Count an object that the sight's statement has filled, and note when it is gone."""
        if not self.over:
            if not self.facts.fresh and self.journal.by_line:
                self.awaited = _awaited(self.journal.frame)
            self.facts.fresh += 1
            ghost = Ghost(instance, _gone)
            ghost.sight = self
            self.alive[id(ghost)] = ghost

    def release(self, ghost: Ghost) -> None:
        """Note that an object is gone: still inside of the test's call of the application, or after it."""
        self.alive.pop(id(ghost), None)
        if not self.facts.returned and not self.over and _has_moved(self.journal, self.position, self.awaited):
            self.facts.returned = True


class Ghost(ref):  # type: ignore[type-arg]
    """A weak reference that tells a sight when its object is gone. It is never hashed: the object would be asked."""

    __slots__ = ("sight",)

    sight: Sight


def _gone(ghost: Any) -> None:
    ghost.sight.release(ghost)


def _has_moved(journal: Journal, position: int, awaited: int) -> bool:
    """Return whether the test function has gone on since it stood at `position`; yes where that cannot be seen.

    A coroutine stands there by its line, and waited at the instruction `awaited` of it.
    """
    frame = journal.frame
    if frame is None or position == -1:
        return True
    if not journal.by_line:
        return position not in (frame.f_lasti, journal.instruction(frame))
    return frame.f_lineno != position or awaited < 0 or _awaited(frame) != awaited


def _awaited(frame: FrameType | None) -> int:
    """Return the instruction with which a coroutine waits at this moment, -1 when it does not wait.

    It stands there or at one that comes behind, depending on whether what it awaits runs or is suspended.
    """
    if frame is None:
        return -1
    code, at = frame.f_code.co_code, begun_at(frame)
    # The last instruction has none behind it.
    if _AWAITING.isdisjoint(code[at : at + _BEFORE + 1 : 2]):
        return -1
    at += _BEFORE
    while at > 0 and code[at] not in _SENDING:
        at -= 2
    return at


class _Loading(threading.local):
    """Who hears of reads of the object that this thread is just loading."""

    stack: tuple[Sight, ...] = ()


class Audit:
    """What one run watches. `journals` returns what is being written, `on_fault` hears of an error in here."""

    def __init__(self, journals: Callable[[], tuple[Journal, ...]], on_fault: Callable[[Exception], None]) -> None:
        self.journals = journals
        self.on_fault = on_fault
        self.mapped = Mapped()
        self.loading = _Loading()
        self.reads = Reads(self.loading)
        self.sights: dict[tuple[int, tuple[Any, ...]], Sight] = {}
        # All sights of the test, those of rows among them.
        self.every: list[Sight] = []
        self.selected = Selected(self)
        # The latest sight of each path in each session, to find the parents of what is loaded eagerly.
        self.current: WeakKeyDictionary[Any, dict[tuple[Any, ...], Sight]] = WeakKeyDictionary()
        self.previous: Any = None
        self.active = False

    def install(self) -> None:
        """Begin to watch. Raises `AuditError` where SQLAlchemy is not as it is known."""
        from sqlalchemy.orm import loading

        previous = getattr(loading, _PROCESSOR, None)
        if previous is None or tuple(inspect.signature(previous).parameters) != _PARAMETERS:
            raise AuditError("SQLAlchemy makes objects of rows in a way that the audit does not know")
        self.previous = previous
        self.active = True
        setattr(loading, _PROCESSOR, self._wrapped(previous))
        if self.selected.unknown:
            self.on_fault(
                AuditError("SQLAlchemy makes rows in a way that the audit does not know: columns are not watched")
            )
        else:
            self.selected.install()

    def remove(self) -> None:
        """Leave SQLAlchemy and the application's classes as they were."""
        from sqlalchemy.orm import loading

        self.active = False
        self.forget()
        self.reads.remove()
        self.selected.remove()
        top = getattr(loading, _PROCESSOR, None)
        while (audit := getattr(top, "audit", None)) is not None and not audit.active:
            top = audit.previous
        if top is not None:
            setattr(loading, _PROCESSOR, top)

    def forget(self) -> None:
        """Let go of a finished test."""
        for each in self.every:
            each.over = True
            each.alive.clear()
        self.every.clear()
        self.sights.clear()
        self.selected.sights.clear()
        self.current.clear()

    def end_call(self) -> None:
        """Note which objects outlive the call: the test, or a fixture of it, may have got hold of them."""
        for each in self.every:
            each.facts.returned = each.facts.returned or bool(each.alive)

    def end_block(self, journal: Journal) -> None:
        """Note which objects outlive a block: they may still be read."""
        for each in self.every:
            if each.journal is journal:
                each.facts.held = bool(each.alive)

    def _wrapped(self, previous: Any) -> Any:
        def processor(
            query_entity: Any,
            mapper: Any,
            context: Any,
            result: Any,
            path: Any,
            adapter: Any,
            only_load_props: Any = None,
            refresh_state: Any = None,
            polymorphic_discriminator: Any = None,
            _polymorphic_from: Any = None,
        ) -> Any:
            watched = self.active and refresh_state is None and only_load_props is None and self.journals()
            entity = _polymorphic_from or mapper
            # Joined eager loads are made in there, and look for the sight of their parent.
            sights = self.safely(self._sights, query_entity, context, result, path, entity) if watched else None
            made = previous(
                *(query_entity, mapper, context, result, path, adapter),
                *(only_load_props, refresh_state, polymorphic_discriminator, _polymorphic_from),
            )
            if sights:
                made = self.safely(self._noting, made, sights, mapper, entity, context, path) or made
            return made

        wrapped: Any = processor
        wrapped.audit = self
        return wrapped

    def safely(self, action: Callable[..., Any], *arguments: Any) -> Any:
        """Do something of this plugin's own; when it fails, there is no audit from here on."""
        try:
            return action(*arguments)
        except Exception as error:  # noqa: BLE001 - whatever it is, the application must not notice
            self.active = self.reads.active = False
            self.on_fault(error)
            return None

    def _noting(
        self, made: Callable[[Any], Any], sights: tuple[Sight, ...], mapper: Any, entity: Any, context: Any, path: Any
    ) -> Any:
        """Return a processor of rows that notes each object it returns."""
        for each in sights:
            if mapper not in each.mappers:
                each.mappers.add(mapper)
                getters = path.get(context.compile_state.attributes, ("getters", mapper))
                self._describe(each.facts, mapper, entity, {name for name, _ in getters["cached_populators"]["quick"]})
        self.reads.watch(mapper.class_)
        run = context.runid
        key = self.reads.key
        loading = self.loading
        # Listeners look at an object before this processor has it.
        listened = bool(mapper.class_manager.dispatch.load or mapper.class_manager.dispatch.refresh)

        def process(row: Any) -> Any:
            if listened:
                loading.stack, outer = sights, loading.stack
                try:
                    instance = made(row)
                finally:
                    loading.stack = outer
            else:
                instance = made(row)
            if instance is not None:
                state = _read(instance, STATE)
                known = state.__dict__.get(key, ())
                for sight in sights:
                    if sight not in known:
                        _mark(state, instance, key, sight, run)
            return instance

        return process

    def _sights(self, query_entity: Any, context: Any, result: Any, path: Any, entity: Any) -> tuple[Sight, ...]:
        """Return who hears of the objects at one place of a result, one for each recording."""
        current = context.compile_state.current_path
        whole = (current + path if current.path else path).path
        return tuple(
            self._sight(statement, journal, query_entity, context, path.path, whole, entity)
            for statement, journal in self.recorded(result)
        )

    def recorded(self, result: Any) -> Iterator[tuple[Statement, Journal]]:
        """Yield the statements of the recordings that count a result's rows."""
        strategy = getattr(result, "cursor_strategy", None)
        if isinstance(strategy, (CountingFetch, CountingBufferedFetch)):
            for statement in (strategy.statement, *strategy.others):
                for journal in self.journals():
                    if statement.window is journal.window:
                        yield statement, journal

    @alone
    def _sight(
        self,
        statement: Statement,
        journal: Journal,
        query_entity: Any,
        context: Any,
        path: tuple[Any, ...],
        whole: tuple[Any, ...],
        entity: Any,
    ) -> Sight:
        family = self.current.setdefault(context.session, {})
        hops = whole[1::2]
        known = self.sights.get((id(statement), whole))
        if known is None:
            how = _how(context, path)
            parent = family.get((journal, whole[0], *hops[:-1])) if hops else None
            name = entity.class_.__name__
            aliased = how == "query" and getattr(query_entity, "is_aliased_class", False)
            facts = Loaded(
                entity=name,
                label=f"alias_of_{name}" if aliased else name,
                path=orm.hops_of(whole),
                how=how,
                mapped=bool(hops) and hops[-1].lazy in _EAGER,
                option=_option(context, path),
                parent=None if parent is None else parent.facts,
            )
            known = self.sights[(id(statement), whole)] = self.sight_of(statement, journal, facts)
        place = (journal, whole[0], *hops)
        family[place] = known
        return known

    def sight_of(self, statement: Statement, journal: Journal, facts: Loaded) -> Sight:
        """Return who hears of one place of a statement's result."""
        if statement.loaded is None:
            statement.loaded = []
        statement.loaded.append(facts)
        made = Sight(facts, journal, statement.stack.position)
        self.every.append(made)
        return made

    def _describe(self, facts: Loaded, mapper: Any, entity: Any, keys: set[str]) -> None:
        """Say which columns of a mapper were loaded, and which of them the entity that the query names has as well."""
        columns = self.mapped.columns(mapper)
        shared = self.mapped.columns(entity)
        for key in [each for each in columns if each in keys]:
            facts.columns.setdefault(key, replace(columns[key], own=key in shared))
        implied = self.mapped.implied(mapper)
        if implied:
            facts.implied = {**facts.implied, **implied}


def _how(context: Any, path: tuple[Any, ...]) -> str:
    """Return how a place of a result is loaded; see `Loaded.how`."""
    if len(path) > 1:
        return "joined"
    if context.load_options._lazy_loaded_from is not None:  # noqa: SLF001
        return "lazy"
    return "apart" if context.compile_state.current_path.path else "query"


def _option(context: Any, path: tuple[Any, ...]) -> str:
    """Return the name of the option that loads eagerly as a place of a result is loaded."""
    if len(path) > 1:
        given = ("user_defined_eager_row_processor", path[:-1]) in context.compile_state.attributes
        return "contains_eager" if given else "joinedload"
    return "selectinload" if "sa_top_level_orm_context" in context.execution_options else "subqueryload"


def _mark(state: Any, instance: Any, key: str, sight: Sight, run: int) -> None:
    """Let a sight hear of an object, and count it where the sight's statement is what filled it."""
    known = state.__dict__.get(key)
    state.__dict__[key] = (*(each for each in known if not each.over), sight) if known else sight.alone
    if state.runid == run:
        sight.take(instance)
