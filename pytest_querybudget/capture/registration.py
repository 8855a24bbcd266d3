"""Adds and removes the listeners, and notices when a suite has removed them itself."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, partial
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_querybudget.capture.listener import Capture

_Listener = tuple[Any, str, Callable[..., Any], Mapping[str, Any]]
_FIRST: Mapping[str, Any] = MappingProxyType({"insert": True})
# Engines can be made as soon as this has been imported: many an application does without `sqlalchemy.orm`.
_AWAITED = "sqlalchemy"


class Registration:
    """The listeners of one capture on SQLAlchemy's `Engine`, `Pool` and `Session` classes."""

    def __init__(self, capture: Capture, *, pools: bool = False) -> None:
        self.capture = capture
        # Events of pools and of transactions cost something each: they are for reports, or for rules that need them.
        self.pools = pools
        self.transactions = False
        self.active = False
        # Whether somebody else answers statements first, so that the cursor events have to be listened to.
        self.outrun = False
        # Tell whether one listener of either kind is there, and so whether all are.
        self.hears_statements = self.hears_sessions = _nothing

    def watch(self, *, pools: bool = False, transactions: bool = False) -> None:
        """Listen to pools, with the place of each checkout, or to transactions as well, from here on."""
        self.pools = self.pools or pools
        self.transactions = self.transactions or transactions
        if pools:
            self.capture.connections.places = True
        if transactions:
            self.capture.observer.transactions = self.capture.transactions
        if self.active and (pools or transactions):
            self.add()

    @property
    def listeners(self) -> list[_Listener]:
        """What listens to what."""
        return [
            *(self._of_cursors if self.outrun else self._of_dialects),
            *self._of_sessions,
            *(self._of_pools if self.pools else ()),
            *(self._of_transactions if self.transactions else ()),
        ]

    # SQLAlchemy knows each function by a weak reference: it must stay the same object.

    @cached_property
    def _of_dialects(self) -> list[_Listener]:
        from sqlalchemy.engine import Engine

        capture = self.capture
        return [
            (Engine, "do_execute", capture.on_execute, {}),
            (Engine, "do_executemany", capture.on_executemany, {}),
            (Engine, "do_execute_no_params", capture.on_execute_no_params, {}),
        ]

    @cached_property
    def _of_cursors(self) -> list[_Listener]:
        from sqlalchemy.engine import Engine

        capture = self.capture
        return [
            (Engine, "before_cursor_execute", capture.on_before_cursor, _FIRST),
            (Engine, "after_cursor_execute", capture.on_after_cursor, _FIRST),
        ]

    @cached_property
    def _of_sessions(self) -> list[_Listener]:
        from sqlalchemy.engine import Engine
        from sqlalchemy.orm import Session

        capture = self.capture
        return [
            (Engine, "handle_error", capture.on_error, {}),
            (Session, "after_begin", capture.sessions.on_begin, {}),
            (Session, "after_commit", capture.sessions.on_commit, {}),
            (Session, "after_soft_rollback", capture.sessions.on_rollback, {}),
            (Session, "before_flush", capture.sessions.on_flush, {}),
            (Session, "after_flush", capture.sessions.on_flushed, {}),
        ]

    @cached_property
    def _of_pools(self) -> list[_Listener]:
        from sqlalchemy.pool import Pool

        connections = self.capture.connections
        return [
            (Pool, "connect", connections.on_connect, {}),
            (Pool, "checkout", connections.on_checkout, {}),
            (Pool, "checkin", connections.on_checkin, {}),
            (Pool, "detach", connections.on_detach, {}),
            (Pool, "close", connections.on_close, {}),
        ]

    @cached_property
    def _of_transactions(self) -> list[_Listener]:
        from sqlalchemy.engine import Engine
        from sqlalchemy.orm import Session

        transactions = self.capture.transactions
        return [
            (Engine, "begin", transactions.on_begin, _FIRST),
            (Engine, "begin_twophase", transactions.on_begin, _FIRST),
            (Engine, "commit", transactions.on_end, {}),
            (Engine, "rollback", transactions.on_end, {}),
            (Engine, "commit_twophase", transactions.on_end, {}),
            (Engine, "rollback_twophase", transactions.on_end, {}),
            (Engine, "savepoint", transactions.on_savepoint, {}),
            (Engine, "release_savepoint", transactions.on_savepoint_end, {}),
            (Engine, "rollback_savepoint", transactions.on_savepoint_end, {}),
            (Session, "after_begin", transactions.on_session_begin, {}),
            (Session, "after_transaction_end", transactions.on_session_end, {}),
        ]

    def add(self) -> None:
        """Listen."""
        _listen(self.listeners)
        if not self.outrun and not all(self._is_first(name) for _, name, _, _ in self._of_dialects):
            _ignore(self._of_dialects)
            self.outrun = True
            _listen(self.listeners)
        statement = (self._of_cursors if self.outrun else self._of_dialects)[0]
        self.hears_statements, self.hears_sessions = _look(statement), _look(self._of_sessions[-1])
        self.active = True

    def remove(self) -> None:
        """Stop listening."""
        if self.active:
            _ignore(self.listeners)
        self.active = False

    def renew(self) -> bool:
        """Listen again where somebody cleared SQLAlchemy's listeners; return whether that was so."""
        if self.hears_statements() and self.hears_sessions() and self._dialect._has_events:  # noqa: SLF001
            return False
        self.add()
        self._dialect._has_events = True  # noqa: SLF001 - what `event.listen` sets
        return True

    @cached_property
    def _dialect(self) -> Any:
        from sqlalchemy.engine import Dialect

        return Dialect

    def _is_first(self, name: str) -> bool:
        """Return whether a capture hears an event first: this one, or that of a run around this run, which asks it.

        Listeners are asked in the order in which they came, and the first to return True ends the round.
        """
        first = next(iter(getattr(self.probe, name)), None)
        return type(getattr(first, "__self__", None)).__module__ == type(self.capture).__module__

    @cached_property
    def probe(self) -> Any:
        """The events of a dialect of no engine: those of every other one begin with the same listeners."""
        from sqlalchemy.engine.default import DefaultDialect

        return DefaultDialect().dispatch


def _listen(listeners: Iterable[_Listener]) -> None:
    from sqlalchemy import event

    for target, name, function, options in listeners:
        if not event.contains(target, name, function):
            event.listen(target, name, function, **options)


def _nothing() -> bool:
    """Nothing is heard before anything is listened to."""
    return False


def _look(listener: _Listener) -> Callable[[], bool]:
    """Return what tells whether a listener is there.

    `event.contains` first looks for the family that an event belongs to, and this is asked several times in each test.
    """
    from sqlalchemy import event

    found = getattr(event.api, "_event_key", None)
    if found is None:
        return partial(event.contains, *listener[:3])
    look: Callable[[], bool] = found(*listener[:3]).contains
    return look


def _ignore(listeners: Iterable[_Listener]) -> None:
    from sqlalchemy import event

    for target, name, function, _ in listeners:
        if event.contains(target, name, function):
            event.remove(target, name, function)


class ImportWatch(importlib.abc.MetaPathFinder):
    """Calls back once SQLAlchemy has been imported, so that this plugin never imports it before the suite does."""

    def __init__(self, imported: Callable[[], None]) -> None:
        self.imported = imported
        self.searching = False

    def install(self) -> None:
        """Watch, or call back at once when SQLAlchemy is there already."""
        if _AWAITED in sys.modules:
            self.imported()
        else:
            sys.meta_path.insert(0, self)

    def remove(self) -> None:
        """Stop watching."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 - the signature of a finder
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> importlib.machinery.ModuleSpec | None:
        """Let the other finders find the awaited module, and hear of it when it has run."""
        if fullname != _AWAITED or self.searching:
            return None
        self.searching = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self.searching = False
        if spec is not None and spec.loader is not None:
            spec.loader = _Announcing(spec.loader, self)
        return spec


class _Announcing(importlib.abc.Loader):
    """Loads as another loader does, and tells the watch when the module has run."""

    def __init__(self, loader: Any, watch: ImportWatch) -> None:
        self.loader = loader
        self.watch = watch

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        """Create the module as the other loader does."""
        module: ModuleType | None = self.loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Run the module, then announce it."""
        self.loader.exec_module(module)
        module.__loader__ = self.loader
        if module.__spec__ is not None:
            module.__spec__.loader = self.loader
        self.watch.remove()
        self.watch.imported()
