"""Which tables change with one that is written, by what a `MetaData` says."""

from __future__ import annotations

import gc

from sqlalchemy import Column, ForeignKey, Integer, MetaData, Table, delete, select, text, update
from sqlalchemy.dialects import sqlite

from pytest_querybudget.statements import Shape, from_compiled, from_text, may_differ
from pytest_querybudget.statements.tables import tables_of


def make(metadata: MetaData, name: str, *keys: ForeignKey, schema: str | None = None) -> Table:
    """Return a table with a column for each foreign key."""
    columns = [Column(f"key_{number}", each) for number, each in enumerate(keys)]
    return Table(name, metadata, Column("id", Integer, primary_key=True), *columns, schema=schema)


def shape(statement: object) -> Shape:
    """Return the shape of a statement as SQLite would be sent."""
    return from_compiled(statement.compile(dialect=sqlite.dialect()))  # type: ignore[attr-defined]


def test_what_is_deleted_or_emptied_with_a_row() -> None:
    """A row that is deleted takes those of its own along; one that loses its key stays, and keeps what refers to it."""
    metadata = MetaData()
    make(metadata, "root")
    make(metadata, "branch", ForeignKey("root.id", ondelete="CASCADE"))
    make(metadata, "leaf", ForeignKey("branch.id", ondelete="cascade"))
    make(metadata, "note", ForeignKey("branch.id", ondelete="SET NULL (key_0)"))
    make(metadata, "mark", ForeignKey("note.id", ondelete="CASCADE"))
    make(metadata, "bird", ForeignKey("root.id", ondelete="RESTRICT"), ForeignKey("leaf.id"))
    known = tables_of(metadata)
    assert known.changed_with(["root"], "delete") == {"branch", "leaf", "note"}
    assert known.changed_with(["note"], "delete") == {"mark"}
    assert known.changed_with(["root"], "update") == known.changed_with(["nothing"], "delete") == set()


def test_a_table_that_is_both_emptied_and_deleted() -> None:
    """The way that deletes is followed, whichever comes first."""
    metadata = MetaData()
    make(metadata, "root")
    make(metadata, "branch", ForeignKey("root.id", ondelete="SET NULL"), ForeignKey("root.id", ondelete="CASCADE"))
    make(metadata, "leaf", ForeignKey("branch.id", ondelete="SET DEFAULT"))
    make(metadata, "circle", ForeignKey("circle.id", ondelete="CASCADE"))
    assert tables_of(metadata).changed_with(["root"], "delete") == {"branch", "leaf"}
    assert tables_of(metadata).changed_with(["circle"], "delete") == {"circle"}


def test_what_follows_a_key_that_is_changed() -> None:
    """A key that others refer to may be changed, and theirs with it."""
    metadata = MetaData()
    make(metadata, "root", schema="main")
    make(metadata, "branch", ForeignKey("main.root.id", onupdate="CASCADE"))
    make(metadata, "leaf", ForeignKey("branch.key_0", onupdate="CASCADE"))
    assert tables_of(metadata).changed_with(["root"], "update") == {"branch", "leaf"}


def test_tables_that_come_later() -> None:
    """A `MetaData` is read anew once it has more tables, and nothing keeps it."""
    metadata = MetaData()
    make(metadata, "root")
    assert tables_of(metadata).names == {"root"}
    # It is not there when a key that refers to it is read.
    make(metadata, "Branch", ForeignKey("missing.id", ondelete="CASCADE"))
    known = tables_of(metadata)
    assert known.names == {"root", "branch"}
    assert known is tables_of(metadata)
    assert known.changed_with(["missing"], "delete") == {"branch"}


def test_what_says_that_it_is_a_view_is_none() -> None:
    """Alembic is told so that it does not create it, and SQLAlchemy 2.1 creates it by itself."""
    metadata = MetaData()
    made = make(metadata, "shown")
    make(metadata, "root")
    made.info["is_view"] = True
    assert tables_of(metadata).names == {"root"}


def test_a_read_after_a_write() -> None:
    """Another answer is possible where a name is that of no known table, or changes with the one that was written."""
    metadata = MetaData()
    root, other = make(metadata, "root"), make(metadata, "other")
    leaf = make(metadata, "leaf", ForeignKey("root.id", ondelete="CASCADE"))
    renamed, removed = shape(update(root).values(id=2)), shape(delete(root))
    read, joined = shape(select(leaf)), shape(select(leaf, root).join(root))
    assert not may_differ(read, [renamed], [renamed])
    assert may_differ(read, [removed], [removed])
    assert may_differ(joined, [renamed], [renamed])
    assert not may_differ(shape(select(other)), [removed, renamed], [removed, renamed])


def test_a_read_of_what_is_no_table() -> None:
    """A text that names a table is one of it; what else it names may be a view, unless it is written to."""
    metadata = MetaData()
    root = make(metadata, "root")
    make(metadata, "other")
    renamed = shape(update(root).values(id=2))
    view, known = from_text("SELECT * FROM shown"), from_text('SELECT * FROM main."other"')
    assert may_differ(view, [renamed], [renamed])
    assert not may_differ(view, [renamed], [renamed, from_text("INSERT INTO shown VALUES (1)")])
    assert may_differ(view, [renamed], [renamed, from_text("CREATE VIEW shown AS SELECT 1")])
    assert not may_differ(known, [renamed], [renamed])


def test_a_suite_of_texts() -> None:
    """Where nothing says what is a table, names are compared, and what cannot be read has written everything."""
    written = from_text("UPDATE root SET id = 2")
    assert not may_differ(from_text("SELECT * FROM shown"), [written], [written])
    assert may_differ(from_text("SELECT * FROM main.root"), [written], [written])
    assert may_differ(from_text("SELECT * FROM shown"), [from_text("CALL work()")], [])


def test_a_metadata_that_is_gone() -> None:
    """A shape outlives what its tables were, and is then as good as a text."""
    metadata = MetaData()
    made = make(metadata, "root")
    read, written = shape(select(made)), shape(text("UPDATE root SET id = 2"))
    assert read.metadata() is metadata
    del made, metadata
    gc.collect()
    assert read.metadata() is None
    assert may_differ(read, [written], [written])
