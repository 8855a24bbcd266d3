"""What is seen in the code around a statement: loops over pages, texts with values in them, numbers taken for answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, delete, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from pytest_querybudget import QueryBudgetExceeded, query_budget
from pytest_querybudget.rules.antipatterns import PATTERNS
from pytest_querybudget.rules.base import OptionError
from pytest_querybudget.rules.no_antipatterns import Antipattern, NoAntipatterns
from pytest_querybudget.rules.no_unbounded_selects import NoUnboundedSelects
from pytest_querybudget.stacks.source import Source
from tests.rules.shapes.shop import Customer, Line, Order, fill, judge

RULE = NoAntipatterns()
Work = Callable[[Session], object]
OPEN = select(func.count()).select_from(Order).where(Order.status == "open")


def found(engine: Engine, work: Work, *left_out: str) -> list[str]:
    return [each.pattern for each in judge(RULE, engine, work, *left_out) if isinstance(each, Antipattern)]


def walk(session: Session) -> None:
    done = 0
    while batch := session.execute(select(Order.id).order_by(Order.id).limit(5).offset(done)).all():
        done += len(batch)


def walk_by_text(session: Session) -> None:
    for done in (0, 5, 10, 15):
        session.execute(text("SELECT id FROM orders ORDER BY id LIMIT 5 OFFSET :done"), {"done": done}).all()


def walk_by_key(session: Session) -> None:
    last = 0
    while batch := session.execute(select(Order.id).where(Order.id > last).order_by(Order.id).limit(5)).all():
        last = batch[-1].id


def far_page(session: Session) -> None:
    session.execute(select(Order.id).order_by(Order.id).limit(5).offset(2_000)).all()


def near_page(session: Session) -> None:
    session.execute(select(Order.id).order_by(Order.id).limit(5).offset(10)).all()


def values_in_text(session: Session) -> None:
    for status in ("open", "sent", "paid"):
        session.execute(text(f"SELECT id FROM orders WHERE status = '{status}'")).all()


def lists_in_text(session: Session) -> None:
    for number in (1, 2, 3):
        listed = ", ".join(map(str, range(number)))
        session.execute(text(f"SELECT id FROM orders WHERE id IN ({listed})")).all()


def values_as_parameters(session: Session) -> None:
    for status in ("open", "sent", "paid"):
        session.execute(text("SELECT id FROM orders WHERE status = :status AND total < 100"), {"status": status}).all()


def drained(session: Session) -> None:
    while keys := session.scalars(select(Line.id).where(Line.order_id > 0).limit(5)).all():
        session.execute(delete(Line).where(Line.id.in_(keys)))
    session.rollback()


def pattern_as_parameter(session: Session) -> None:
    session.execute(select(Customer.id).where(Customer.name.like("%x"))).all()


@pytest.fixture
def application(monkeypatch: pytest.MonkeyPatch) -> None:
    """The functions of this module stand for an application, and not for helpers of its tests."""
    monkeypatch.setattr(Source, "is_arrangement", lambda *_: False)


LOOPS: list[tuple[Work, list[str]]] = [
    (walk, ["deep_offset"]),
    (walk_by_text, ["deep_offset"]),
    (walk_by_key, []),
    (far_page, ["deep_offset"]),
    (near_page, []),
    (values_in_text, ["literals"]),
    (lists_in_text, ["literals"]),
    (values_as_parameters, []),
    (drained, []),
    (pattern_as_parameter, ["leading_wildcard"]),
]


@pytest.mark.usefixtures("application")
@pytest.mark.parametrize(("work", "expected"), LOOPS, ids=lambda each: getattr(each, "__name__", ""))
def test_loops_and_values(engine: Engine, work: Work, expected: list[str]) -> None:
    """A walk, a far page, a text for each value; and what is none of them."""
    assert found(engine, work) == expected


def above(session: Session) -> bool:
    return session.scalar(OPEN) > 0


def one_above(session: Session) -> bool:
    return session.execute(OPEN).scalar_one() > 0


def first_of_row(session: Session) -> bool:
    return session.execute(OPEN).one()[0] != 0


def at_least_one(session: Session) -> bool:
    return session.scalars(OPEN).one() >= 1


def if_any(session: Session) -> str:
    if session.scalar(OPEN):
        return "some"
    return "none"


def if_none(session: Session) -> bool:
    return not session.scalar(OPEN)


def query_count(session: Session) -> bool:
    return session.query(Order).filter(Order.status == "open").count() == 0


def returned(session: Session) -> int | None:
    return session.scalar(OPEN)


def kept(session: Session) -> int:
    number = session.scalar(OPEN)
    return number or 0


def or_nothing(session: Session) -> int:
    return session.scalar(OPEN) or 0


def more_than_a_few(session: Session) -> bool:
    return session.scalar(OPEN) > 5


def exactly_one(session: Session) -> bool:
    return session.scalar(OPEN) == 1


def added(session: Session) -> int:
    return session.scalar(OPEN) + 1


def passed_on(session: Session) -> str:
    return str(session.scalar(OPEN))


def of_a_group(session: Session) -> bool:
    return session.execute(OPEN.group_by(Order.status)).first()[0] > 0


@pytest.mark.parametrize("work", [above, one_above, first_of_row, at_least_one, if_any, if_none, query_count])
def test_a_count_that_answers_whether_is_found(engine: Engine, work: Work) -> None:
    """Where one expression counts and compares with none."""
    assert found(engine, work) == ["count_for_exists"]


@pytest.mark.parametrize(
    "work", [returned, kept, or_nothing, more_than_a_few, exactly_one, added, passed_on, of_a_group]
)
def test_a_count_that_is_wanted_is_left_alone(engine: Engine, work: Work) -> None:
    """A number may be what was asked for."""
    assert found(engine, work) == []


async def asked_by_a_coroutine(session: AsyncSession) -> bool:
    return await session.scalar(OPEN) > 0


async def counted_by_a_coroutine(session: AsyncSession) -> int | None:
    return await session.scalar(OPEN)


@pytest.mark.parametrize(("work", "expected"), [(asked_by_a_coroutine, 1), (counted_by_a_coroutine, 0)])
def test_a_count_in_a_coroutine(tmp_path: Path, work: Callable[[AsyncSession], object], expected: int) -> None:
    """What follows the `await` counts."""
    engine = create_engine(f"sqlite:///{tmp_path}/shop.db")
    fill(engine)
    engine.dispose()

    async def main() -> None:
        engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/shop.db")
        async with AsyncSession(engine) as session:
            await work(session)  # type: ignore[misc]
        await engine.dispose()

    with query_budget(max_queries=100) as recording:
        asyncio.run(main())
    assert len(list(RULE.check(recording, RULE.parse((), {})))) == expected


def test_streamed_rows_are_read_in_batches(engine: Engine) -> None:
    """`yield_per` is the cure where every row is needed."""

    def stream(session: Session) -> int:
        return sum(1 for _ in session.execute(select(Order.id).execution_options(yield_per=5)))

    assert judge(NoUnboundedSelects(), engine, stream) == []


def test_patterns_can_be_left_out(engine: Engine) -> None:
    """By name, with underscores or hyphens."""
    assert found(engine, values_in_text, "literals") == []
    assert found(engine, far_page, "deep-offset", "select_star") == []
    assert found(engine, far_page, "select_star") == ["deep_offset"]


@pytest.mark.parametrize(
    ("arguments", "keywords", "words"),
    [
        (("selectstar",), {}, "'selectstar', but knows the patterns not_in_subquery, leading_wildcard, select_star"),
        ((3,), {}, "3"),
        ((), {"rows": 3}, "rows"),
        (tuple(each.name for each in PATTERNS), {}, "leaves out all patterns"),
    ],
)
def test_names_that_do_not_exist_are_errors(
    arguments: tuple[object, ...], keywords: dict[str, object], words: str
) -> None:
    """With the names that do."""
    with pytest.raises(OptionError, match="no_antipatterns") as raised:
        RULE.parse(arguments, keywords)
    assert words in str(raised.value)


def test_a_block_fails_with_the_cure() -> None:
    """The rule is one keyword of `query_budget`, and shows no value."""
    engine = create_engine("sqlite://")
    fill(engine)
    with pytest.raises(QueryBudgetExceeded) as raised, Session(engine) as session, query_budget(no_antipatterns=True):
        values_in_text(session)
    assert ":status" in str(raised.value)
    assert "paid" not in str(raised.value)


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda each: each.name)
def test_each_pattern_has_a_page(pattern: object) -> None:
    """What not to write, why, and what to write instead."""
    page = pattern.documentation  # type: ignore[attr-defined]
    assert page.count("```python") == 2
    assert "Use instead" in page
    assert f"### `{pattern.name}`\n\n{page}" in RULE.documentation  # type: ignore[attr-defined]


def test_findings_of_one_statement_differ() -> None:
    """Two patterns at one place are two debts."""
    engine = create_engine("sqlite://")
    fill(engine)

    def both(session: Session) -> None:
        session.execute(text("SELECT * FROM customer WHERE lower(name) = 'x'")).all()

    findings = judge(RULE, engine, both)
    assert len({each.identity for each in findings}) == 2
