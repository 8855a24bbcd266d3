"""Adds loader options to the queries of a test that is run again, through SQLAlchemy's public event."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pytest_querybudget.capture.journal import Journal
from pytest_querybudget.findings.loaders import LoaderCure, LoaderOption, Step
from pytest_querybudget.stacks.reader import StackReader


class AddedOptions:
    """While it is entered, each query that a cure names has the loader options of that cure.

    `journal` returns what is being written: the place of a query is told as that of a statement is. `applied` counts
    for each cure how many queries it was added to, `faults` says of each why it could not be, and `error` is what went
    wrong in this plugin: the application hears of nothing.
    """

    def __init__(self, reader: StackReader, journal: Callable[[], Journal | None], cures: Sequence[LoaderCure]) -> None:
        self.reader = reader
        self.journal = journal
        self.cures = cures
        self.applied = dict.fromkeys(cures, 0)
        self.faults: dict[LoaderCure, str] = {}
        self.error: Exception | None = None

    def __enter__(self) -> AddedOptions:  # noqa: PYI034 - Self is of Python 3.11
        """Listen."""
        from sqlalchemy import event
        from sqlalchemy.orm import Session

        event.listen(Session, "do_orm_execute", self._on_execute, insert=True)
        return self

    def __exit__(self, *_error: object) -> None:
        """Stop listening."""
        from sqlalchemy import event
        from sqlalchemy.orm import Session

        event.remove(Session, "do_orm_execute", self._on_execute)

    def _on_execute(self, state: Any) -> None:
        try:
            self._add(state)
        except Exception as error:  # noqa: BLE001 - the test goes on as it would without options
            self.error = self.error or error

    def _add(self, state: Any) -> None:
        from sqlalchemy.exc import SQLAlchemyError

        journal = self.journal()
        if journal is None or state.is_relationship_load or state.is_column_load or not state.is_orm_statement:
            return
        places = self.reader.read(sys._getframe(2), journal.own, journal.position).stack.places  # noqa: SLF001
        for cure in self.cures:
            if places in cure.stacks:
                try:
                    options = [made(each, state.statement) for each in cure.options]
                except (LookupError, SQLAlchemyError) as error:
                    self.faults[cure] = f"the option could not be made ({type(error).__name__})"
                else:
                    state.statement = state.statement.options(*options)
                    self.applied[cure] += 1


def made(option: LoaderOption, statement: Any) -> Any:
    """Return SQLAlchemy's option, its names looked up among the classes that a statement selects and their relatives.

    Raises `LookupError` for a class or an attribute that is not there.
    """
    from sqlalchemy import inspect, orm

    entities: Mapping[str, Any] = dict(_entities(statement))
    built: Any = None
    mappers = [inspect(each).mapper for each in entities.values()]
    for step in option.steps:
        owner = entities.get(step.owner) if built is None else None
        owner = owner if owner is not None else _class_named(step.owner, mappers)
        function = getattr(orm if built is None else built, step.function)
        if step.key is None:
            mappers = [inspect(owner).mapper]
            built = function(owner, [_class_named(each, mappers) for each in step.classes])
            continue
        attribute = _attribute(owner, step)
        built = function(attribute) if step.depth is None else function(attribute, recursion_depth=step.depth)
        target = getattr(attribute.property, "mapper", None)
        mappers = [] if target is None else [target]
    return built


def _entities(statement: Any) -> Iterator[tuple[str, Any]]:
    """Yield the entities that a statement selects by the names that `orm.entities_of` gives them."""
    from sqlalchemy import inspect

    for each in [statement.entity_description] if statement.is_dml else statement.column_descriptions:
        entity = each.get("entity")
        if entity is not None:
            name = inspect(entity).mapper.class_.__name__
            yield (f"alias_of_{name}" if each.get("aliased") else name), entity


def _class_named(name: str, mappers: Sequence[Any]) -> Any:
    """Return the mapped class of a name among mappers, those that inherit from them, and those they inherit from."""
    for mapper in mappers:
        for each in (*mapper.self_and_descendants, *mapper.iterate_to_root()):
            if each.class_.__name__ == name:
                return each.class_
    raise LookupError(f"the query does not select {name}")


def _attribute(owner: Any, step: Step) -> Any:
    attribute = getattr(owner, step.key or "", None)
    if attribute is None or not hasattr(attribute, "property"):
        raise LookupError(f"{step.owner} has no mapped attribute {step.key}")
    if step.of_type is None:
        return attribute
    return attribute.of_type(_class_named(step.of_type, [attribute.property.mapper]))
