"""One entry for each shape of statement that the run has met, so that a statement is looked at once."""

from __future__ import annotations

import os
import re
from typing import Any

from pytest_querybudget.capture import orm
from pytest_querybudget.recording.model import Statement
from pytest_querybudget.stacks.alone import alone
from pytest_querybudget.stacks.recall import Approach
from pytest_querybudget.statements import Shape, from_compiled, from_text, literals, normalise, verb_of

# Literals of a text that has neither comments nor quoting of its own kind; anything else is normalised in full. What
# is unusual is looked for where literals are masked: what stands in them means nothing, and what opens an unusual
# quoting or a comment stands before anything in it that looks like a literal. The pattern begins with the set of the
# characters that a literal begins with, since that is what the engine of `re` skips ahead to.
_LITERALS = re.compile(r"['\d](?:(?<=')(?:[^']|'')*'|(?<=\d)(?<![\w$@:.]\d)\d*(?:\.\d+)?\b)")
_PREFIXED = re.compile(r"[eEnNbBxX]\?").search
_SELECTS = re.compile(r"\s*select\b", re.IGNORECASE).match
_KIND = re.compile(r"\s*([A-Za-z]+)")
# What stands in a SELECT that may read nothing but the database's catalog.
_CATALOG = re.compile(r"\bsqlite_|\bpg_|_schema\b|\bmysql\b", re.IGNORECASE).search
# The names that SQLAlchemy gives to savepoints count on: all of them are one shape.
_SAVEPOINT = re.compile(r"((?:RELEASE |ROLLBACK TO )?SAVEPOINT )[\w\"`\[\]]+$")
# How many texts are remembered as they were sent: a text for each row would fill the memory.
MOST_TEXTS = 10_000
# How many texts are remembered with their digits made alike, and how long they may be.
MOST_OUTLINES = 1_000
LONGEST_OUTLINE = 2_000
_ALIKE = bytes.maketrans(b"123456789", b"000000000")
_HAS_DIGIT = re.compile("[0-9]").search
_COMPILED_ANEW = ("transaction", "ddl")
_KINDS = {
    "SELECT": "select",
    "VALUES": "select",
    "INSERT": "insert",
    "UPDATE": "update",
    "DELETE": "delete",
    "SAVEPOINT": "transaction",
    "RELEASE": "transaction",
    "PRAGMA": "other",
    "SET": "other",
    "SHOW": "other",
    "EXPLAIN": "other",
}


class Family:
    """Shapes that say no more one by one than together: DDL of one verb, or what neither reads nor writes rows.

    A `create_all` for each test sends dozens of them from one line.
    """

    __slots__ = ("latest", "verb")

    def __init__(self, verb: str) -> None:
        self.verb = verb
        self.latest: Statement | None = None


class ShapeEntry:
    """A shape, the statements of it that were seen last, and its facts, which are worked out when asked for."""

    __slots__ = (
        "_facts",
        "approaches",
        "attributes",
        "by_identity",
        "catalog",
        "compiled",
        "dialect",
        "entities",
        "expanding",
        "family",
        "fixed",
        "given",
        "instances",
        "kind",
        "latest",
        "linked",
        "literal",
        "locks",
        "masked",
        "orm",
        "planned",
        "text",
        "tuples",
    )

    def __init__(self, text: str, masked: str, kind: str, dialect: str) -> None:
        self.text = text
        # What all statements of this text have in common, whoever compiled them.
        self.masked = masked
        # The ways in which it was sent, also by earlier tests.
        self.approaches: tuple[Approach, ...] = ()
        # Whether SQLAlchemy compiled it, and the text alone is not all that is known.
        self.compiled = False
        self.kind = kind
        # Whether it has literals that may differ from one text to the next.
        self.literal = masked != text
        # Whether a row of what it reads may refer to another one: of a text that cannot be told.
        self.linked = True
        # Those that it is recorded together with.
        self.family: Family | None = None
        # Whether it reads the database's catalog only, as reflection does: who asks twice has no fault.
        self.catalog = False
        # Whether it asks for locks, which not every database has words for.
        self.locks = False
        self.dialect = dialect
        # The binds that hold IN lists, and the others.
        self.expanding: frozenset[str] = frozenset()
        self.fixed: tuple[str, ...] = ()
        # Whether the members of a list are tuples.
        self.tuples = False
        self.orm = False
        # Whether it loads instances, and not columns alone.
        self.instances = False
        self.entities: tuple[str, ...] = ()
        # The mapped attribute of a column, where the statement selects an entity.
        self.attributes: dict[str, str] = {}
        # Whether the entities come from a statement that the application wrote: no option can join to it.
        self.given = False
        # Whether it is that of `session.get()`.
        self.by_identity = False
        self.latest: Statement | None = None
        # The latest answer of the planner.
        self.planned: Any = None
        self._facts: Shape | None = None

    @property
    def facts(self) -> Shape:
        """What the statement is; see `statements.Shape`."""
        if self._facts is None:
            self._facts = from_text(self.text, self.dialect)
        return self._facts

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables that a statement reads or writes."""
        return tuple(sorted({*self.facts.reads, *self.facts.writes}))

    def describe(self, text: str) -> Shape:
        """Return the facts of one text of this shape, with its own literals."""
        return from_text(text, self.dialect)

    def literals(self, text: str) -> tuple[str, ...]:
        """Return the literals of one text of this shape, in order."""
        return literals(text, self.dialect)

    def learn(self, facts: Shape) -> None:
        """Keep facts that came from a compiled statement: they are better than what a text tells."""
        self._facts = facts
        self.kind = facts.kind


class Shapes:
    """The shapes of a run, found by the compiled statement or, where there is none, by the text.

    One text may come from an ORM query and from a Core one, and its parameters may have other names: these are
    variants, each with facts of its own.
    """

    def __init__(self) -> None:
        # Under which name the shape of a compiled statement hangs on it: no other run finds it there.
        self.key = f"_querybudget_shape_{os.urandom(8).hex()}"
        self.by_text: dict[str, ShapeEntry] = {}
        self.variants: dict[tuple[Any, ...], ShapeEntry] = {}
        # Statements without parameters by their outline; see `_outline`.
        self.outlines: dict[bytes, ShapeEntry] = {}
        self.families: dict[str, Family] = {}
        # Those that the current test has sent.
        self.sent: list[ShapeEntry | Family] = []

    def of(self, statement: str, context: Any) -> ShapeEntry:
        """Return the entry of what an execution sends."""
        compiled = context.compiled
        if compiled is None or ((context.isinsert or context.isupdate) and is_default(context, statement)):
            return self.by_text.get(statement) or self.find(statement, None, context.dialect.name)
        known: ShapeEntry | None = getattr(compiled, self.key, None)
        return known or self.find(compiled.string, compiled, context.dialect.name)

    @alone
    def find(self, text: str, compiled: Any, dialect: str) -> ShapeEntry:
        """Find or make the entry of a statement; `compiled` is None for a text that was never compiled."""
        # SQLAlchemy compiles each SAVEPOINT and each CREATE TABLE anew.
        known = self.by_text.get(text)
        if known is not None and (compiled is None or known.kind in _COMPILED_ANEW):
            return known
        outline = _outline(text, compiled)
        entry = self.outlines.get(outline) if outline else None
        if entry is None:
            entry = self._variant(text, compiled, dialect, outline)
        if entry.text != text:
            entry.literal = True
        if entry.kind in _COMPILED_ANEW or compiled is None:
            if len(self.by_text) >= MOST_TEXTS:
                self.by_text.clear()
            self.by_text[text] = entry
        else:
            setattr(compiled, self.key, entry)
        return entry

    def _variant(self, text: str, compiled: Any, dialect: str, outline: bytes | None) -> ShapeEntry:
        quick = _mask(text)
        masked = normalise(text, dialect) if quick is None else quick
        key = (masked, *_signature(compiled))
        entry = self.variants.get(key)
        if entry is None:
            entry = self.variants[key] = ShapeEntry(text, masked, _quick_kind(text, dialect), dialect)
            if compiled is not None:
                entry.compiled = True
                self._learn(entry, compiled)
            self._place(entry)
        if outline and quick is not None and not _HAS_DIGIT(masked):
            if len(self.outlines) >= MOST_OUTLINES:
                self.outlines.clear()
            self.outlines[outline] = entry
        return entry

    def _place(self, entry: ShapeEntry) -> None:
        if entry.kind == "select":
            # What the application maps is its own, whatever it calls it.
            asks = not entry.orm and _CATALOG(entry.masked) is not None
            entry.catalog = asks and entry.facts.asks_the_catalog
        elif verb := verb_of(entry.kind, entry.masked):
            entry.family = self.families.setdefault(verb, Family(verb))

    def remember(self, kind: ShapeEntry | Family, latest: Statement) -> None:
        """Remember the latest statement of a shape or of a family, until the test ends."""
        if kind.latest is None:
            self.sent.append(kind)
        kind.latest = latest

    def _learn(self, entry: ShapeEntry, compiled: Any) -> None:
        if getattr(compiled, "statement", None) is None or not hasattr(compiled, "bind_names"):
            return
        entry.learn(from_compiled(compiled))
        names = compiled.bind_names
        entry.expanding = frozenset(name for each, name in names.items() if getattr(each, "expanding", False))
        entry.fixed = tuple(name for name in names.values() if name not in entry.expanding)
        entry.tuples = any(getattr(each.type, "_is_tuple_type", False) for each in names)
        entry.linked = entry.facts.schema.linked
        entry.locks = orm.asks_for_locks(compiled)
        if orm.is_orm_select(compiled):
            entry.orm = True
            entry.instances = orm.loads_instances(compiled)
            entry.entities = orm.entities_of(compiled)
            entry.attributes = orm.attributes_of(compiled)
            entry.given = orm.is_given(compiled)
            entry.by_identity = orm.is_by_identity(compiled)

    @alone
    def forget(self) -> None:
        """Let go of the statements of a finished test."""
        sent, self.sent = self.sent, []
        for each in sent:
            each.latest = None


def is_default(context: Any, statement: str) -> bool:
    """Return whether this is not the context's own statement but one that fetches a default for it."""
    return statement is not getattr(context, "statement", None) and _SELECTS(statement) is not None


def _signature(compiled: Any) -> tuple[Any, ...]:
    """Return what tells statements of one text apart: what entities they load, their parameters, locks they ask for."""
    if compiled is None:
        return ()
    # `binds` also has the anonymous keys, which are others each time that SQLAlchemy compiles a statement.
    names = tuple(getattr(compiled, "bind_names", {}).values())
    if getattr(compiled, "compile_state", None) is None or not orm.is_orm_select(compiled):
        return (None, names)
    return (orm.entities_of(compiled), names, orm.asks_for_locks(compiled))


def _outline(text: str, compiled: Any) -> bytes | None:
    """Return a text with all its digits alike, None where it is not looked at.

    To find out which digits are literals costs many times as much. Texts with one outline differ in digits alone, so
    where all digits of one are literals, so are those of the others, and they have one shape.
    """
    # With parameters, the text is one for all values; with quotes, it would be another one for each.
    if compiled is None or getattr(compiled, "bind_names", True) or "'" in text or len(text) > LONGEST_OUTLINE:
        return None
    if getattr(compiled, "compile_state", None) is not None:
        return None
    try:
        return text.encode().translate(_ALIKE)
    except UnicodeEncodeError:
        return None


def _mask(text: str) -> str | None:
    """Return a text that is the same for all statements of one shape, None where that takes a closer look."""
    if text.startswith(("SAVEPOINT", "R")):
        savepoint = _SAVEPOINT.match(text)
        if savepoint is not None:
            return savepoint.group(1) + "?"
    if len(text) > 20_000 or "\\" in text:
        return None
    masked = _LITERALS.sub("?", text)
    # Written out: a loop over these costs as much as all the rest.
    unusual = '"' in masked or "`" in masked or "--" in masked or "/*" in masked or "$" in masked
    if unusual or "#" in masked or "[" in masked or ("'" in text and _PREFIXED(masked)):
        return None
    return masked


def _quick_kind(text: str, dialect: str) -> str:
    match = _KIND.match(text)
    kind = _KINDS.get(match.group(1).upper()) if match else None
    return kind if kind is not None else from_text(text, dialect).kind
