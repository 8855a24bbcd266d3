"""Where nobody asks for the lines that sent it, a statement of a fixture is counted and no more."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, StaticPool, create_engine, insert, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from pytest_querybudget.capture.listener import Capture
from pytest_querybudget.capture.registration import Registration
from pytest_querybudget.recording.model import Recording, Statement
from pytest_querybudget.stacks.reader import StackReader
from pytest_querybudget.stacks.source import Source

IN_CALLS = frozenset({"call"})


class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "item"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


@pytest.fixture
def engine() -> Iterator[Engine]:
    """No table yet."""
    made = create_engine("sqlite://", poolclass=StaticPool)
    yield made
    made.dispose()


@contextmanager
def recorded(located: frozenset[str] | None) -> Iterator[tuple[Recording, Any]]:
    """Record as a run does, beside the one that this test runs in."""
    faults: list[BaseException] = []
    capture = Capture(StackReader(Source(Path(__file__).parents[2])), faults.append)
    registration = Registration(capture)
    registration.add()
    recording = Recording("test", located=located)
    try:
        yield recording, capture.begin(recording, frozenset())
    finally:
        capture.end()
        registration.remove()
    assert not faults
    assert not recording.problems


def arrange(engine: Engine) -> None:
    """Send one statement of each kind, some of them several times."""
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Item(name=str(each)) for each in range(3)])
        session.flush()
        for each in range(3):
            session.execute(insert(Item).values(name=str(each)))
            session.execute(text("UPDATE item SET name = name WHERE id = :id"), {"id": each})
            assert len(session.execute(select(Item.name)).all()) == each + 4
            assert session.scalar(text("SELECT count(*) FROM item")) == each + 4
        with session.begin_nested():
            session.execute(text("DELETE FROM item WHERE id = 5"))
        session.commit()


def figures(recording: Recording, phase: str) -> tuple[Counter[str], Counter[str]]:
    """Add up what was sent in a phase, by its text; and rows and failures by the kind of statement."""
    sent, others = Counter[str](), Counter[str]()
    for each in recording.statements(phase):
        for shape, count in each.shapes():
            sent[shape.facts.sql] += count
        others[f"{each.shape.kind} rows"] += each.rows
        others[f"{each.shape.kind} failed"] += each.failed
    return sent, others


def lines(statements: Iterator[Statement]) -> set[str]:
    """Return the functions that sent statements."""
    return {each.location.function if each.location else "" for each in statements}


@pytest.mark.parametrize("phase", ["setup", "teardown"])
def test_a_fixture_is_counted_the_same(engine: Engine, phase: str) -> None:
    """Every statement, row and failure is there, with and without lines."""
    told = []
    for located in (None, IN_CALLS):
        with recorded(located) as (recording, journal):
            journal.open(phase)
            arrange(engine)
            with pytest.raises(Exception, match="no such table"), engine.connect() as connection:
                connection.execute(text("SELECT 1 FROM nowhere"))
            Base.metadata.drop_all(engine)
        told.append((figures(recording, phase), recording.queries(phase), lines(recording.statements(phase))))
    (all_figures, queries, all_lines), (figures_alone, queries_alone, no_lines) = told
    assert figures_alone == all_figures
    assert queries_alone == queries > 20
    assert all_lines == {"arrange", "test_a_fixture_is_counted_the_same"}
    assert no_lines == {""}


def test_the_call_has_its_lines(engine: Engine) -> None:
    """The same statements in a fixture before and after do not take them away."""
    with recorded(IN_CALLS) as (recording, journal):
        for phase in ("setup", "call", "teardown"):
            journal.open(phase)
            arrange(engine)
            Base.metadata.drop_all(engine)
    assert lines(recording.statements("call")) == {"arrange", "test_the_call_has_its_lines"}
    loops = [each for each in recording.statements("call") if each.shape.kind == "select" and each.loop >= 0]
    assert [(each.count, each.rows) for each in loops] == [(3, 15), (3, 3)]
    assert lines(recording.statements("setup", "teardown")) == {""}


def test_an_object_remembers_the_line_of_the_fixture_that_loaded_it(engine: Engine) -> None:
    """A lazy load of the call may be cured there."""
    with recorded(IN_CALLS) as (recording, _):
        arrange(engine)
        with Session(engine) as session:
            for _ in range(2):
                assert len(session.scalars(select(Item)).all()) == 5
    loads = [each for each in recording.statements() if each.shape.instances]
    assert [(each.count, each.rows) for each in loads] == [(2, 10)]
    assert lines(iter(loads)) == {"test_an_object_remembers_the_line_of_the_fixture_that_loaded_it"}


SUITE = """
    import pytest
    from sqlalchemy import create_engine, text

    @pytest.fixture
    def connection():
        with create_engine("sqlite://").connect() as connection:
            connection.execute(text("CREATE TABLE item (id int)"))
            yield connection
            connection.execute(text("DROP TABLE item"))

    {marker}
    def test_one(connection{more}):
        connection.execute(text("SELECT id FROM item"))
        {end}
"""


@pytest.mark.parametrize(
    ("marker", "more", "end", "options", "expected"),
    [
        ("", "", "", (), [{"call"}]),
        ("@pytest.mark.max_queries(9)", "", "", (), [{"call"}]),
        ("", "", "", ("--querybudget=strict",), [{"call"}]),
        ("@pytest.mark.max_queries(9, phase='setup')", "", "", (), [None]),
        ("@pytest.mark.max_queries(9, phase='all')", "", "", (), [None]),
        ("@pytest.mark.query_budget(max_queries=dict(n=9, phase='teardown'))", "", "", (), [None]),
        ("@pytest.mark.no_connection_leaks", "", "", (), [None]),
        ("@pytest.mark.max_transaction(queries=9)", "", "", (), [{"call"}]),
        ("@pytest.mark.uses_index", "", "", (), [None]),
        ("", ", query_budget", "", (), [None]),
        ("", ", request", "request.getfixturevalue('query_budget')", (), [{"call", "teardown"}]),
        ("", "", "", ("--querybudget-explain",), [None]),
        ("", "", "", ("--querybudget-audit",), [None]),
        ("", "", "", ("--querybudget-prove",), [None]),
        ("", "", "", ("--querybudget-lock",), [None]),
        ("", "", "", ("--querybudget-update",), [None]),
        ("", "", "", ("--querybudget-report=json:report.json",), [None]),
    ],
)
def test_lines_are_read_where_something_shows_them(
    pytester: pytest.Pytester,
    marker: str,
    more: str,
    end: str,
    options: tuple[str, ...],
    expected: list[Any],
) -> None:
    """A run that shows a fixture's statements, or judges them, knows where each was sent."""
    pytester.makeconftest(
        """
        import json
        import pathlib

        import pytest

        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_teardown(item):
            run = item.config.pluginmanager.get_plugin("querybudget-run").run
            recording = run.current.recording
            result = yield
            seen = [[each.phase, each.located, [s.location is not None for s in each]] for each in recording.windows]
            pathlib.Path("seen.json").write_text(json.dumps(seen))
            return result
        """
    )
    pytester.makepyfile(SUITE.format(marker=marker, more=more, end=end))
    (pytester.path / "querybudget.lock").write_text("version = 1\n")
    pytester.runpytest(*options)
    seen = json.loads((pytester.path / "seen.json").read_text())
    assert [each[0] for each in seen] == ["setup", "call", "teardown"]
    for phase, located, found in seen:
        assert found == [located] * len(found)
        assert found
        assert [located] == [each is None or phase in each for each in expected]


ADDING = """
    import pytest
    from sqlalchemy import create_engine, text

    @pytest.fixture
    def connection(request):
        with create_engine("sqlite://").connect() as connection:
            connection.execute(text("CREATE TABLE item (id int)"))
            {first}
            connection.execute(text("INSERT INTO item VALUES (1)"))
            yield connection

    def test_one(connection, request):
        {second}
"""


def test_a_limit_that_a_fixture_adds(pytester: pytest.Pytester) -> None:
    """It counts what came before it, and does not pretend to know the lines."""
    limit = "request.node.add_marker(pytest.mark.max_queries(1, phase='setup'))"
    pytester.makepyfile(ADDING.format(first=limit, second="pass"))
    result = pytester.runpytest()
    result.stdout.fnmatch_lines(["*at most 1 query in setup, got 2", "*1 x CREATE TABLE*", "*in the setup (*"])
    result.stdout.no_fnmatch_line("*no line of the application*")
    result.assert_outcomes(errors=1)


def test_a_fixture_that_asks_for_the_recording(pytester: pytest.Pytester) -> None:
    """What is sent from there on has its lines."""
    pytester.makepyfile(
        ADDING.format(
            first="request.node.asked = request.getfixturevalue('query_budget')",
            second="assert [str(each.location).split()[-1] for each in request.node.asked.recording.statements()]"
            " == ['None', 'connection']",
        )
    )
    pytester.runpytest().assert_outcomes(passed=1)


def test_a_statement_that_was_sent_before_it_was_asked_for(pytester: pytest.Pytester) -> None:
    """The same statement has its line from there on, and no line before."""
    again = "connection.execute(text('INSERT INTO item VALUES (1)'))"
    pytester.makepyfile(
        ADDING.format(
            first=f"{again}; request.node.asked = request.getfixturevalue('query_budget')",
            second="assert [(each.count, str(each.location).split()[-1], each.is_located)"
            " for each in request.node.asked.recording.statements()]"
            " == [(1, 'None', False), (1, 'None', False), (1, 'connection', True)]",
        )
    )
    pytester.runpytest().assert_outcomes(passed=1)
