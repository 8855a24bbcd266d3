"""Adds and removes the listeners, and notices when a suite has removed them itself."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable, Sequence
from functools import cached_property
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_querybudget.capture.listener import Capture

# Engines can be made as soon as this has been imported: many an application does without `sqlalchemy.orm`.
_AWAITED = "sqlalchemy"


class Registration:
    """The listeners of one capture on SQLAlchemy's `Engine`, `Pool` and `Session` classes."""

    def __init__(self, capture: Capture, *, pools: bool = False) -> None:
        self.capture = capture
        # Pool events cost something with each checkout, and only reports show them.
        self.pools = pools
        self.active = False

    @cached_property
    def listeners(self) -> list[tuple[Any, str, Callable[..., Any], dict[str, Any]]]:
        """What listens to what. SQLAlchemy knows each function by a weak reference: it must stay the same object."""
        from sqlalchemy.engine import Engine
        from sqlalchemy.orm import Session
        from sqlalchemy.pool import Pool

        capture = self.capture
        first = {"insert": True}
        pools: list[tuple[Any, str, Callable[..., Any], dict[str, Any]]] = [
            (Pool, "checkout", capture.on_checkout, {}),
            (Pool, "connect", capture.on_connect, {}),
        ]
        return [
            *(pools if self.pools else ()),
            (Engine, "do_execute", capture.on_execute, first),
            (Engine, "do_executemany", capture.on_executemany, first),
            (Engine, "do_execute_no_params", capture.on_execute_no_params, first),
            (Engine, "handle_error", capture.on_error, first),
            (Session, "after_begin", capture.sessions.on_begin, {}),
            (Session, "after_commit", capture.sessions.on_commit, {}),
            (Session, "after_soft_rollback", capture.sessions.on_rollback, {}),
            (Session, "before_flush", capture.sessions.on_flush, {}),
            (Session, "after_flush", capture.sessions.on_flushed, {}),
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
