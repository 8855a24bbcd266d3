"""Adds and removes the listeners, and notices when a suite has removed them itself."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
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
            *self._statements,
            *(self._of_pools if self.pools else ()),
            *(self._of_transactions if self.transactions else ()),
        ]

    # SQLAlchemy knows each function by a weak reference: it must stay the same object.

    @cached_property
    def _statements(self) -> list[_Listener]:
        from sqlalchemy.engine import Engine
        from sqlalchemy.orm import Session

        capture = self.capture
        return [
            (Engine, "do_execute", capture.on_execute, _FIRST),
            (Engine, "do_executemany", capture.on_executemany, _FIRST),
            (Engine, "do_execute_no_params", capture.on_execute_no_params, _FIRST),
            (Engine, "handle_error", capture.on_error, _FIRST),
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
        from sqlalchemy import event

        for target, name, function, options in self.listeners:
            if not event.contains(target, name, function):
                event.listen(target, name, function, **options)
        self.active = True

    def remove(self) -> None:
        """Stop listening."""
        if not self.active:
            return
        from sqlalchemy import event

        for target, name, function, _ in self.listeners:
            if event.contains(target, name, function):
                event.remove(target, name, function)
        self.active = False

    def renew(self) -> bool:
        """Listen again where somebody cleared SQLAlchemy's listeners; return whether that was so."""
        from sqlalchemy import event
        from sqlalchemy.engine import Dialect, Engine
        from sqlalchemy.orm import Session

        capture = self.capture
        heard = event.contains(Engine, "do_execute", capture.on_execute)
        heard = heard and event.contains(Session, "after_begin", capture.sessions.on_begin)
        if heard and Dialect._has_events:  # noqa: SLF001 - what `event.listen` sets
            return False
        self.add()
        Dialect._has_events = True  # noqa: SLF001
        return True


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
