"""Ceilings, column patterns and `read_only`, on recordings of real statements: each with a clean twin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, ForeignKey, create_engine, insert, orm, select, text, update
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    aliased,
    defer,
    joinedload,
    load_only,
    mapped_column,
    relationship,
    selectinload,
)
from sqlalchemy.pool import StaticPool

from pytest_querybudget import query_budget
from pytest_querybudget.recording.model import Recording
from pytest_querybudget.rules.base import MOST_COUNT, OptionError
from pytest_querybudget.rules.registry import all_rules, by_name


class Base(DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "author"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    bio: Mapped[str] = mapped_column("biography", default="")


class Book(Base):
    __tablename__ = "book"
    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("author.id"))
    author: Mapped[Author] = relationship()


@pytest.fixture
def engine() -> Iterator[Engine]:
    """Three authors with one book each."""
    made = create_engine("sqlite://", poolclass=StaticPool)
    Base.metadata.create_all(made)
    with Session(made) as session:
        session.add_all([Author(id=each, name=str(each)) for each in range(3)])
        session.flush()
        session.add_all([Book(author_id=each) for each in range(3)])
        session.commit()
    yield made
    made.dispose()


def record(engine: Engine, work: Callable[[Session], Any]) -> Recording:
    """Return the recording of some work in a session that begins empty."""
    with Session(engine) as session, query_budget(max_db_time=60) as recording:
        work(session)
    return recording


def found(rule: str, recording: Recording, *arguments: Any, **keywords: Any) -> list[str]:
    """Return the messages of what a rule finds."""
    checker = by_name(all_rules())[rule]
    return [each.message for each in checker.check(recording, checker.parse(arguments, keywords))]


def authors(session: Session) -> object:
    return session.scalars(select(Author)).all()


# Rule, arguments, work, and the message (None for the clean twin).
CASES: dict[str, tuple[str, tuple[Any, ...], Callable[[Session], Any], str | None]] = {
    "columns": ("max_columns", (2,), authors, "expected at most 2 columns in one result, got 3"),
    "columns kept": ("max_columns", (3,), authors, None),
    "columns of load_only": (
        "max_columns",
        (2,),
        lambda s: s.scalars(select(Author).options(load_only(Author.name))).all(),
        None,
    ),
    "columns of text": (
        "max_columns",
        (2,),
        lambda s: s.execute(text("SELECT * FROM author")).all(),
        "expected at most 2 columns in one result, got 3",
    ),
    "columns of text that joins": (
        "max_columns",
        (4,),
        lambda s: s.execute(text("SELECT * FROM author JOIN book ON book.author_id = author.id")).all(),
        "expected at most 4 columns in one result, got 5",
    ),
    "columns of nothing": ("max_columns", (1,), lambda s: s.execute(update(Author).values(name="x")), None),
    "rows": ("max_rows", (2,), authors, "expected at most 2 rows fetched by one statement, got 3"),
    "rows kept": ("max_rows", (3,), lambda s: (authors(s), s.scalars(select(Book)).all()), None),
    "rows not fetched": ("max_rows", (0,), lambda s: s.execute(select(Author.id)).close(), None),
    "rows one by one": (
        "max_rows",
        (1,),
        lambda s: [*s.execute(select(Author.id)).yield_per(1)],
        "expected at most 1 row fetched by one statement, got 3",
    ),
    "rows that an update returns": (
        "max_rows",
        (2,),
        lambda s: s.execute(update(Author).values(name="x").returning(Author.id)).all(),
        "expected at most 2 rows fetched by one statement, got 3",
    ),
    "rows that an update returns, kept": (
        "max_rows",
        (1,),
        lambda s: s.execute(update(Author).where(Author.id == 1).values(name="x").returning(Author.id)).all(),
        None,
    ),
    "rows that an update writes": ("max_rows", (0,), lambda s: s.execute(update(Author).values(name="x")), None),
    "entities that an update returns": (
        "max_rows",
        (2,),
        lambda s: s.scalars(update(Author).values(name="x").returning(Author)).all(),
        "expected at most 2 rows fetched by one statement, got 3",
    ),
    "rows that a text returns": (
        "max_rows",
        (2,),
        lambda s: s.execute(text("DELETE FROM book RETURNING id")).fetchall(),
        "expected at most 2 rows fetched by one statement, got 3",
    ),
    "keys that a flush asks for": (
        "max_rows",
        (0,),
        lambda s: (s.add_all([Author(name=each) for each in "abc"]), s.flush()),
        None,
    ),
    "only": (
        "only_columns",
        ("author.id", "author.name"),
        authors,
        "the result has columns that no pattern covers: author.biography",
    ),
    "only kept": ("only_columns", ("author.*",), authors, None),
    "only of a count": (
        "only_columns",
        ("author.id",),
        lambda s: s.execute(text("SELECT count(*) FROM author")).all(),
        None,
    ),
    "forbidden": ("forbid_columns", ("*.biography",), authors, "the result has forbidden columns: author.biography"),
    "forbidden in text": (
        "forbid_columns",
        ("*.biography",),
        lambda s: s.execute(text("SELECT * FROM author")).all(),
        "the result has forbidden columns: author.biography",
    ),
    "forbidden and deferred": (
        "forbid_columns",
        ("*.biography",),
        lambda s: s.scalars(select(Author).options(defer(Author.bio))).all(),
        None,
    ),
    "forbidden elsewhere": ("forbid_columns", ("book.biography",), authors, None),
    "write": (
        "read_only",
        (),
        lambda s: s.execute(insert(Author).values(name="x")),
        "INSERT to author in a test that only reads",
    ),
    "write by a flush": (
        "read_only",
        (),
        lambda s: (s.add(Author(name="x")), s.flush()),
        "INSERT to author in a test that only reads",
    ),
    "write of a table": (
        "read_only",
        (),
        lambda s: s.execute(text("CREATE TABLE late (id int)")),
        "DDL to late in a test that only reads",
    ),
    "write in a CTE": (
        "read_only",
        (),
        lambda s: s.execute(text("WITH x AS (SELECT 1) DELETE FROM book WHERE id IN x")),
        "DELETE to book in a test that only reads",
    ),
    "read": ("read_only", (), lambda s: (authors(s), s.execute(text("PRAGMA user_version"))), None),
    "read of a word": ("read_only", (), lambda s: s.execute(text("SELECT 'delete from author'")).all(), None),
    "time": ("max_query_time", (0.0,), authors, "expected at most 0 µs for one statement, got "),
    "time kept": ("max_query_time", (60,), authors, None),
    "db time": ("max_db_time", (0.0,), authors, "expected at most 0 µs in the database, got "),
    "queries": (
        "max_queries",
        (1,),
        lambda s: (authors(s), s.scalars(select(Book)).all()),
        "expected at most 1 query, got 2",
    ),
    "queries kept": ("max_queries", (2,), lambda s: (authors(s), s.scalars(select(Book)).all()), None),
}


@pytest.mark.parametrize("name", CASES)
def test_what_a_rule_finds(engine: Engine, name: str) -> None:
    """The message says expected and got; the clean twin has no finding."""
    rule, arguments, work, expected = CASES[name]
    messages = found(rule, record(engine, work), *arguments)
    if expected is None:
        assert messages == []
    else:
        assert len(messages) == 1
        assert expected in messages[0]


def test_cures_of_columns_name_attributes(engine: Engine) -> None:
    """The option names the mapped attribute, whose name may differ from the column's, and runs."""
    recording = record(engine, authors)
    (forbidden,) = by_name(all_rules())["forbid_columns"].check(
        recording, by_name(all_rules())["forbid_columns"].parse(("*.biography",), {})
    )
    assert forbidden.fix == ".options(defer(Author.bio))"
    (other,) = by_name(all_rules())["only_columns"].check(
        recording, by_name(all_rules())["only_columns"].parse(("author.id", "author.name"), {})
    )
    assert other.fix == ".options(load_only(Author.id, Author.name))"


def authors_of_books(*options: Any) -> Any:
    return select(Book).options(*options)


ALIAS = aliased(Author)
WITHOUT = "Name the columns that are wanted, without these."
ENTITY = "Select the columns that are wanted instead of the whole entity."
BIO, NAME = ("forbid_columns", "author.biography"), ("only_columns", "author.id", "author.name", "book.*")
# Rule and patterns, the query, and the cure: it runs, or it names no option.
CURES: dict[str, tuple[tuple[str, ...], Any, str | None]] = {
    "entity": (BIO, select(Author), ".options(defer(Author.bio))"),
    "other entity": (BIO, select(Book, Author).join(Book.author), ".options(defer(Author.bio))"),
    "columns": (BIO, select(Author.id, Author.bio), WITHOUT),
    "table": (BIO, select(Author.__table__), WITHOUT),
    "entity and column": (BIO, select(Author, Author.bio.label("again")), None),
    "alias": (
        BIO,
        select(ALIAS),
        ".options(defer(alias_of_Author.bio)) where alias_of_Author is its aliased(Author)",
    ),
    "column of an alias": (BIO, select(ALIAS.bio), WITHOUT),
    "text": (BIO, select(Author).from_statement(text("SELECT * FROM author")), None),
    "joined": (BIO, authors_of_books(joinedload(Book.author)), None),
    "loaded apart": (
        BIO,
        authors_of_books(selectinload(Book.author)),
        "Add .options(defaultload(Book.author).defer(Author.bio)) to the query for Book.",
    ),
    "lazy": (
        BIO,
        authors_of_books(),
        "Add .options(defaultload(Book.author).defer(Author.bio)) to the query for Book.",
    ),
    "primary key": (("forbid_columns", "author.id"), select(Author), None),
    "only, entity": (NAME, select(Author), ".options(load_only(Author.id, Author.name))"),
    "only, other entity": (NAME, select(Book, Author).join(Book.author), ".options(load_only(Author.id, Author.name))"),
    "only, both": (
        ("only_columns", "*.id"),
        select(Book, Author).join(Book.author),
        ".options(load_only(Book.id), load_only(Author.id))",
    ),
    "only, joined": (NAME, authors_of_books(joinedload(Book.author)), ENTITY),
    "only, loaded apart": (
        NAME,
        authors_of_books(selectinload(Book.author)),
        "Add .options(defaultload(Book.author).load_only(Author.id, Author.name)) to the query for Book.",
    ),
    "only, all but the key": (("only_columns", "author.name"), select(Author), ENTITY),
    "only, nothing": (("only_columns", "book.*"), select(Author), ENTITY),
}


@pytest.mark.parametrize("name", CURES)
def test_cures_of_columns_run(engine: Engine, name: str) -> None:
    """An option is named where it leaves out all of the columns, for the entity that the query selects."""
    (rule, *patterns), query, expected = CURES[name]

    def fixes(query: Any) -> set[str | None]:
        checker = by_name(all_rules())[rule]
        recording = record(engine, lambda s: [name == "lazy" and each.author for each in s.scalars(query).unique()])
        return {each.fix for each in checker.check(recording, checker.parse(patterns, {}))}

    assert fixes(query) == {expected}
    if expected and ".options(" in expected:
        code = expected[expected.index(".options(") :].partition(" to the query")[0].partition(" where ")[0]
        cured = eval(
            f"query{code}", {**vars(orm), "Author": Author, "Book": Book, "query": query, "alias_of_Author": ALIAS}
        )
        assert fixes(cured) == set()


def test_the_cure_of_a_get_is_an_argument(engine: Engine) -> None:
    """`session.get()` takes loader options itself."""
    checker = by_name(all_rules())["forbid_columns"]
    recording = record(engine, lambda s: s.get(Author, 1))
    (found,) = checker.check(recording, checker.parse(("author.biography",), {}))
    assert found.fix == "Pass options=[defer(Author.bio)] to session.get()."
    assert not list(
        checker.check(
            record(engine, lambda s: s.get(Author, 1, options=[defer(Author.bio)])),
            checker.parse(("author.biography",), {}),
        )
    )


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (select(Author), "Select the columns that are read, or add .options(load_only(...)) to the query for Author."),
        (select(ALIAS), "Select the columns that are read, or add .options(load_only(...)) to the query for Author."),
        (select(Author).from_statement(text("SELECT * FROM author")), "Select only the columns that are read."),
        (
            authors_of_books(selectinload(Book.author)),
            "Add .options(defaultload(Book.author).load_only(...)) to the query that leads to it.",
        ),
    ],
    ids=["entity", "alias", "text", "loaded apart"],
)
def test_the_cure_of_a_wide_result_names_what_it_can(engine: Engine, query: Any, expected: str) -> None:
    """The widest result is narrowed where it is asked for."""
    checker = by_name(all_rules())["max_columns"]
    (found,) = checker.check(record(engine, lambda s: s.scalars(query).all()), checker.parse((2,), {}))
    assert found.fix == expected


def test_kinds_are_counted_alone(engine: Engine) -> None:
    """Each kind has its own limit and figure; savepoints have none."""

    def work(session: Session) -> None:
        with session.begin_nested():
            authors(session)
        session.execute(update(Author).values(name="x"))
        session.execute(text("DELETE FROM book"))

    recording = record(engine, work)
    assert found("max_queries", recording, 3) == []
    assert found("max_queries", recording, select=1, update=1, delete=1, insert=0, ddl=0, other=0) == []
    assert found("max_queries", recording, update=0) == ["expected at most 0 UPDATE queries, got 1"]
    rule = by_name(all_rules())["max_queries"]
    assert rule.measure(recording, rule.parse((9,), {"select": 5})) == {
        "max_queries": (9, 3),
        "max_queries[select]": (5, 1),
    }


BAD = [None, "1", "x", -1, 1.5, True, float("nan"), float("inf"), MOST_COUNT + 1, [], {}]


@pytest.mark.parametrize(
    ("statement", "said", "unsaid"),
    [
        (select(Author), "with .order_by(...).limit(...). Where every row is needed, stream it with", "already"),
        (select(Author).order_by(Author.id), "with .limit(...). Where every row", ".order_by"),
        (select(Author).limit(2), "Lower the LIMIT of the query at", "yield_per"),
        (select(Author).execution_options(yield_per=1), "it is streamed already", "yield_per"),
        (update(Author).values(name="x").returning(Author.id), "Leave RETURNING out of the statement at", "Page"),
    ],
    ids=["everything", "ordered", "limited", "streamed", "returned"],
)
def test_the_cure_for_many_rows_is_one_that_is_not_there_yet(
    engine: Engine, statement: Any, said: str, unsaid: str
) -> None:
    """And streaming, which fetches as many rows, comes with its allowance."""
    rule = by_name(all_rules())["max_rows"]
    (finding,) = rule.check(record(engine, lambda s: list(s.scalars(statement))), rule.parse((1,), {}))
    assert said in str(finding.fix)
    assert unsaid not in str(finding.fix)
    assert ("stream" in str(finding.fix)) == ("allow[max_rows]" in str(finding.fix))


@pytest.mark.parametrize("rule", ["max_queries", "max_rows", "max_columns"])
@pytest.mark.parametrize("value", BAD, ids=repr)
def test_limits_that_are_none(rule: str, value: Any) -> None:
    """A limit is a whole number from 0 that a test could reach."""
    with pytest.raises(OptionError, match=rule):
        by_name(all_rules())[rule].parse((value,), {})


@pytest.mark.parametrize("rule", ["max_query_time", "max_db_time"])
@pytest.mark.parametrize("value", [None, "1", -0.1, True, float("nan"), float("inf"), 90_000], ids=repr)
def test_seconds_that_are_none(rule: str, value: Any) -> None:
    """Seconds are a finite number from 0, and less than a day."""
    with pytest.raises(OptionError, match=rule):
        by_name(all_rules())[rule].parse((value,), {})


@pytest.mark.parametrize("rule", all_rules(), ids=lambda each: each.name)
def test_every_rule_refuses_a_keyword_it_does_not_know(rule: Any) -> None:
    """And says what it takes instead."""
    with pytest.raises(OptionError, match="nonsense"):
        rule.parse((), {"nonsense": 1})
