"""Watches what is read of the rows of queries that select columns (`--querybudget-audit`).

One of the places that touch more of SQLAlchemy than its public events: a result hands each row to a function that
logs it, and here that function makes a row of it which tells what is read. Where that has moved, rows are not
watched, and the run says so once.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from pytest_querybudget.capture import orm
from pytest_querybudget.capture.mapped import described
from pytest_querybudget.recording.reads import Column, Loaded
from pytest_querybudget.stacks.alone import alone

_INSTANCES = "instances"
_LOG = "_row_logging_fn"
_CATALOGS = ("pg_catalog.", "information_schema.", "INFORMATION_SCHEMA.")
# Where each column of a SELECT is a part of what makes a row another row.
_COMPARED = re.compile(r"\b(?:DISTINCT|UNION|INTERSECT|EXCEPT|MINUS)\b", re.IGNORECASE).search


class Selected:
    """The rows of one audit."""

    def __init__(self, audit: Any) -> None:
        self.audit = audit
        self.previous: Any = None
        # Who hears of the rows of each statement; None where there is nothing to judge.
        self.sights: dict[int, Any] = {}

    @property
    def unknown(self) -> bool:
        """Whether SQLAlchemy makes rows in a way that is not known here."""
        from sqlalchemy.engine import Result, Row
        from sqlalchemy.orm import context, loading

        found = getattr(loading, _INSTANCES, None)
        return (
            orm.OF_SESSION not in getattr(context, "_orm_load_exec_options", ())
            or not hasattr(Result, _LOG)
            or not hasattr(Result, "_reset_memoizations")
            or not all(hasattr(Row, each) for each in ("_parent", "_key_to_index", "_data"))
            or found is None
            or tuple(inspect.signature(found).parameters) != ("cursor", "context")
        )

    def install(self) -> None:
        """Begin to watch."""
        from sqlalchemy import event
        from sqlalchemy.engine import Engine
        from sqlalchemy.orm import loading

        event.listen(Engine, "after_execute", self.on_execute)
        self.previous = getattr(loading, _INSTANCES)
        setattr(loading, _INSTANCES, self._wrapped(self.previous))

    def remove(self) -> None:
        """Leave SQLAlchemy as it was."""
        from sqlalchemy import event
        from sqlalchemy.engine import Engine
        from sqlalchemy.orm import loading

        if self.previous is None:
            return
        if event.contains(Engine, "after_execute", self.on_execute):
            event.remove(Engine, "after_execute", self.on_execute)
        top = getattr(loading, _INSTANCES, None)
        while (selected := getattr(top, "selected", None)) is not None and not selected.audit.active:
            top = selected.previous
        setattr(loading, _INSTANCES, top)

    def _wrapped(self, previous: Any) -> Any:
        def instances(cursor: Any, context: Any) -> Any:
            result = previous(cursor, context)
            if self.audit.active and self.audit.journals():
                self.audit.safely(self._watch_entities, cursor, context, result)
            return result

        wrapped: Any = instances
        wrapped.selected = self
        return wrapped

    def on_execute(
        self, _connection: Any, _clause: Any, _many: Any, _parameters: Any, _options: Any, result: Any
    ) -> None:
        """Watch the rows of a statement that is none of the ORM's (`ConnectionEvents.after_execute`)."""
        if self.audit.active and self.audit.journals():
            self.audit.safely(self._watch_columns, result)

    def _watch_columns(self, result: Any) -> None:
        context = getattr(result, "context", None)
        compiled = getattr(context, "compiled", None)
        if compiled is None or orm.is_for_session(context):
            return
        expressions = list(getattr(compiled.statement, "selected_columns", ()))
        self._watch(result, result, lambda: _columns(list(result.keys()), expressions))

    def _watch_entities(self, cursor: Any, context: Any, result: Any) -> None:
        options = context.load_options
        state = context.compile_state
        if state.current_path.path or options._lazy_loaded_from or options._refresh_state:  # noqa: SLF001
            return
        expressions = [getattr(each, "column", None) for each in state._entities]  # noqa: SLF001
        self._watch(cursor, result, lambda: _columns(list(result.keys()), expressions))

    def _watch(self, cursor: Any, result: Any, columns: Callable[[], Sequence[Column]]) -> None:
        """Let the rows of a result tell what is read of them, where there is more than one thing to read."""
        if getattr(result, _LOG) is not None:
            return
        sights = [
            sight
            for statement, journal in self.audit.recorded(cursor)
            if statement.shape.kind == "select" and (sight := self._sight(statement, journal, columns)) is not None
        ]
        if not sights:
            return
        from pytest_querybudget.capture.watchedrows import watched

        metadata = result._metadata  # noqa: SLF001
        hears = [_hearing(each) for each in sights]
        hear = hears[0] if len(hears) == 1 else _together(hears)

        def log(row: Any) -> Any:
            if row._parent is not metadata:  # noqa: SLF001
                # Some of its columns were asked for as such: `result.columns()`, `result.scalars()`.
                hear(None)
                return row
            made = watched(row, hear)
            for each in sights:
                each.take(made)
            return made

        setattr(result, _LOG, log)
        result._reset_memoizations()  # noqa: SLF001

    @alone
    def _sight(self, statement: Any, journal: Any, columns: Callable[[], Sequence[Column]]) -> Any:
        if id(statement) not in self.sights:
            facts = Loaded(entity="", label="", path=(), how="row")
            facts.columns = {each.key: each for each in _placed(columns(), statement.shape.facts)}
            # What a dialect asks of the catalog is no query of the application's.
            judged = any(
                each.name and not each.vital and not each.name.startswith(_CATALOGS) for each in facts.columns.values()
            )
            many = len(facts.columns) > 1 and not _COMPARED(statement.shape.facts.sql)
            self.sights[id(statement)] = self.audit.sight_of(statement, journal, facts) if many and judged else None
        return self.sights[id(statement)]


def _hearing(sight: Any) -> Callable[[Any], None]:
    names = tuple(sight.facts.columns)

    def hear(position: Any) -> None:
        if position is None:
            sight.take_whole()
        elif isinstance(position, slice):
            for each in names[position]:
                sight.add(each)
        elif -len(names) <= position < len(names):
            sight.add(names[position])

    return hear


def _together(hears: Sequence[Callable[[Any], None]]) -> Callable[[Any], None]:
    def hear(position: Any) -> None:
        for each in hears:
            each(position)

    return hear


def _placed(columns: Sequence[Column], facts: Any) -> Sequence[Column]:
    """Return the columns of a text with the tables that the text itself tells."""
    if any(each.name or each.kind for each in columns):
        return columns
    known = facts.columns if len(facts.columns) == len(columns) else ()
    if not known and len(facts.reads) == 1:
        known = tuple(f"{facts.reads[0]}.{each.key}" for each in columns)
    return [replace(each, name=name) for each, name in zip(columns, known, strict=False)]


def _columns(names: list[str], expressions: list[Any]) -> list[Column]:
    """Say what stands at each position of a row; nothing where that cannot be told."""
    if not expressions:
        expressions = [None] * len(names)
    if len(names) != len(expressions) or len(set(names)) < len(names):
        return []
    return [described(name, each) for name, each in zip(names, expressions, strict=True)]
