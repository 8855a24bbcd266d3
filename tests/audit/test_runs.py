"""Runs with the audit: what is switched on and off, what a test declares, and where it cannot watch."""

from __future__ import annotations

import pytest

from tests.plugin.suites import INSTALLED, PLUGIN, Suite

APPLICATION = """
from warehouse import *

def numbers():
    with Session(engine) as session:
        return [order.number for order in session.scalars(select(Order))]

def labels():
    with Session(engine) as session:
        return [item.text for item in session.scalars(select(Item).options(defer(Item.picture)))]

def count():
    with Session(engine) as session:
        return len(session.scalars(select(Order)).all())

def one(session):
    return session.scalars(select(Order).where(Order.id == 1)).one()

def several(session):
    return session.scalars(select(Order)).all()

def exists_by_loading():
    with Session(engine) as session:
        return session.scalars(select(Order).where(Order.id == 1)).first() is not None
"""
HEAD = "import pytest\nfrom application import *\nfrom warehouse import *\n"


@pytest.fixture
def application(warehouse: Suite) -> Suite:
    """A suite whose application wastes some of what it loads."""
    warehouse.write("application.py", APPLICATION)
    return warehouse


def test_nothing_is_watched_without_the_option(application: Suite) -> None:
    """Neither SQLAlchemy nor a mapped class is touched, and nothing is found."""
    outcome = application.run(
        """
        from sqlalchemy.orm import loading
        def test_it():
            numbers()
            assert loading._instance_processor.__module__ == "sqlalchemy.orm.loading"
            assert Order.__getattribute__ is object.__getattribute__
        """,
        head=HEAD,
    )
    assert outcome.counts == {"passed": 1}
    assert outcome.found("test_it") == []


@pytest.mark.parametrize("source", ["marker", "group", "ini", "fixture", "alone"])
def test_a_rule_without_the_audit_is_an_error(application: Suite, source: str) -> None:
    """A rule that could never fail names the option that it needs."""
    tests = {
        "marker": "@pytest.mark.no_unused_loads\ndef test_it(): pass",
        "group": "@pytest.mark.query_budget(no_unused_loads=True)\ndef test_it(): pass",
        "ini": "def test_it(): pass",
        "fixture": "def test_it(query_budget): query_budget(no_unused_loads=True)",
        "alone": "from pytest_querybudget import query_budget as q\ndef test_it(): q(no_unused_loads=True)",
    }
    ini = ["-o", "querybudget_no_unused_loads=true"] if source == "ini" else []
    outcome = application.run(tests[source], *ini, head=HEAD)
    assert outcome.code == (1 if source in ("fixture", "alone") else 4)
    assert "no_unused_loads needs --querybudget-audit, and could never fail without it" in outcome.text


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ('no_unused_columns("name")', "'name', but a pattern is \"table.column\""),
        ('no_unused_columns("orders.nothing")', "no column of the metadata matches it"),
        ("no_unused_columns(7)", "got 7, but takes patterns as strings"),
        ('no_unused_columns("*.*")', "leaves out everything"),
        ("no_unused_columns(columns=1)", "unknown keyword 'columns'"),
        ("no_unused_loads(2)", "no_unused_loads got 2, but takes no arguments"),
    ],
)
def test_mistakes_are_told(application: Suite, declared: str, message: str) -> None:
    """What a rule does not take ends the run before it begins."""
    outcome = application.run(f"@pytest.mark.{declared}\ndef test_it(): pass", "--querybudget-audit", head=HEAD)
    assert outcome.code == 4
    assert message in outcome.text


MODES = """
def test_found(): numbers()
@pytest.mark.no_unused_columns
def test_declared(): numbers()
@pytest.mark.no_unused_columns("orders.document", "orders.no*", "orders.terms")
def test_left_out(): numbers()
@pytest.mark.no_unused_columns("*.document")
def test_left_out_in_part(): numbers()
@pytest.mark.no_unused_columns
def test_small(): assert labels()
@pytest.mark.no_unused_loads
def test_count(): count()
def test_exists(): exists_by_loading()
@pytest.mark.no_unused_loads
def test_exists_declared(): exists_by_loading()
@pytest.mark.allow_queries("no_unused_columns", reason="shown soon")
@pytest.mark.no_unused_columns
def test_allowed(): numbers()
"""


def test_what_a_test_declares_fails(application: Suite) -> None:
    """The audit alone reports; declared rules fail, and then small columns and single objects count as well."""
    outcome = application.run(MODES, "--querybudget-audit", head=HEAD)
    assert {name: outcome.found(name) for name in outcome.tests} == {
        "test_found": ["no_unused_columns"],
        "test_declared": ["NO_UNUSED_COLUMNS"],
        "test_left_out": [],
        "test_left_out_in_part": ["NO_UNUSED_COLUMNS"],
        "test_small": ["NO_UNUSED_COLUMNS"],
        "test_count": ["NO_UNUSED_LOADS"],
        "test_exists": [],
        "test_exists_declared": ["NO_UNUSED_LOADS"],
        "test_allowed": ["no_unused_columns"],
    }
    (small,) = outcome.tests["test_small"]["findings"]
    assert "Item.label (VARCHAR(50)) was loaded with 12 Item and never read" in small["message"]
    (parts,) = outcome.tests["test_left_out_in_part"]["findings"]
    assert "document" not in parts["message"]


def test_strict_fails_for_what_is_found(application: Suite) -> None:
    """With `--querybudget=strict` both rules are switched on by the option."""
    tests = "def test_found(): numbers()\ndef test_count(): count()\ndef test_exists(): exists_by_loading()"
    outcome = application.run(tests, "--querybudget-audit", "--querybudget=strict", head=HEAD)
    assert outcome.found("test_found") == ["NO_UNUSED_COLUMNS"]
    assert outcome.found("test_count") == ["NO_UNUSED_LOADS"]
    assert outcome.found("test_exists") == []


def test_the_ini_file_declares_for_every_test(application: Suite) -> None:
    """As a default, the rule fails for what the application does, and shows what it hands to the test."""
    outcome = application.run(
        """
        def test_found(): numbers()
        def test_returned():
            with Session(engine) as session:
                assert one(session).number
        """,
        *("--querybudget-audit", "-o", "querybudget_no_unused_columns=true"),
        head=HEAD,
    )
    assert outcome.found("test_found") == ["NO_UNUSED_COLUMNS"]
    assert outcome.found("test_returned") == ["no_unused_columns"]


RETURNED = """
def test_number():
    with Session(engine) as session:
        assert len(several(session)) == 6
def test_existence():
    with Session(engine) as session:
        assert one(session) is not None
def test_some():
    with Session(engine) as session:
        assert several(session)[0].number
def test_kept():
    with Session(engine) as session:
        orders = several(session)
        assert orders
def test_dropped():
    with Session(engine) as session:
        several(session)
def test_loop():
    with Session(engine) as session:
        for _ in range(2):
            orders = several(session)
            assert len(orders) == 6
def test_own_query():
    with Session(engine) as session:
        assert [order.number for order in session.scalars(select(Order))]
@pytest.mark.no_unused_columns
def test_declared():
    with Session(engine) as session:
        assert one(session).number
@pytest.mark.no_unused_columns("orders.document")
def test_declared_and_read():
    with Session(engine) as session:
        order = one(session)
        assert order.number + order.note + order.terms
"""


def test_what_a_test_gets_is_its_own(application: Suite) -> None:
    """Objects that the application hands to the test are read by nobody there: only a declared rule minds."""
    outcome = application.run(RETURNED, "--querybudget-audit", head=HEAD)
    found = {name: rules for name in outcome.tests if (rules := outcome.found(name))}
    assert found == {"test_declared": ["NO_UNUSED_COLUMNS"], "test_loop": ["no_repeated_queries"]}


ASYNC = """
import asyncio
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.ext.asyncio import AsyncAttrs

async def opened():
    engine = create_async_engine("sqlite+aiosqlite://", poolclass=StaticPool)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        await connection.run_sync(lambda c: fill(Session(c)))
    return engine

async def async_numbers(engine):
    async with AsyncSession(engine) as session:
        return [order.number for order in await session.scalars(select(Order))]

async def async_several(engine):
    async with AsyncSession(engine) as session:
        return (await session.scalars(select(Order))).all()

async def test_found():
    engine = await opened()
    assert await async_numbers(engine)
    await engine.dispose()

async def test_tasks():
    engine = await opened()
    await asyncio.gather(async_numbers(engine))
    await engine.dispose()

async def test_returned():
    engine = await opened()
    assert len(await async_several(engine)) == 6
    await engine.dispose()

async def check(found):
    assert len(found) == 6

async def test_returned_and_awaited_with():
    engine = await opened()
    await check(await async_several(engine))
    await engine.dispose()

async def counted(engine):
    return len(await async_several(engine))

async def test_counted_and_awaited_with():
    engine = await opened()
    assert [await counted(engine), await asyncio.sleep(0)] == [6, None]
    await engine.dispose()

async def test_returned_and_kept():
    engine = await opened()
    orders = await async_several(engine)
    assert len(orders) == 6
    await engine.dispose()
"""


def test_async_code_is_watched(application: Suite) -> None:
    """Coroutines and tasks are the application's, what they return is the test's."""
    outcome = application.run(ASYNC, "--querybudget-audit", head=HEAD)
    assert outcome.counts == {"passed": 6}
    found = {name: rules for name in outcome.tests if (rules := outcome.found(name))}
    assert found == {
        "test_found": ["no_unused_columns"],
        "test_tasks": ["no_unused_columns"],
        "test_counted_and_awaited_with": ["no_unused_loads"],
    }


def test_threads_are_watched(application: Suite) -> None:
    """What runs in a thread that the test waits for is the application's."""
    outcome = application.run(
        """
        from concurrent.futures import ThreadPoolExecutor
        def apart():
            with ThreadPoolExecutor(2) as pool:
                return pool.submit(numbers).result()
        def test_it():
            assert apart()
        """,
        "--querybudget-audit",
        head=HEAD,
    )
    assert outcome.found("test_it") == ["no_unused_columns"]


def test_workers_find_the_same(application: Suite) -> None:
    """With pytest-xdist the findings are those of one process."""
    pytest.importorskip("xdist")
    alone = application.run(MODES, "--querybudget-audit", head=HEAD)
    spread = application.run(MODES, "--querybudget-audit", "-n2", subprocess=True, head=HEAD)
    assert {name: test["findings"] for name, test in alone.tests.items()} == {
        name: test["findings"] for name, test in spread.tests.items()
    }


def test_a_block_leaves_out_what_is_still_there(application: Suite) -> None:
    """In a block, what may still be read after it is not known."""
    outcome = application.run(
        """
        def test_finished(query_budget):
            with query_budget(no_unused_columns=True):
                numbers()
        def test_kept(query_budget):
            with Session(engine) as session, query_budget(no_unused_columns=True, no_unused_loads=True):
                order = one(session)
            assert order.number
        """,
        "--querybudget-audit",
        head=HEAD,
    )
    assert outcome.counts == {"failed": 1, "passed": 1}
    assert outcome.found("test_finished")[0] == "NO_UNUSED_COLUMNS"
    assert outcome.found("test_kept") == []


def test_two_callers_of_one_line_are_one_query(application: Suite) -> None:
    """What one of them reads is read."""
    outcome = application.run(
        """
        def test_it():
            with Session(engine) as session:
                few = [order.number for order in several(session)]
            with Session(engine) as session:
                assert [order.note + order.terms + str(order.document) for order in several(session)]
        """,
        "--querybudget-audit",
        head=HEAD,
    )
    assert outcome.found("test_it") == []


def test_classes_are_restored(application: Suite) -> None:
    """After the run, and after a run inside of it, SQLAlchemy and the classes are as they were."""
    pytest_plugins = 'pytest_plugins = ["pytester"]'
    application.write("conftest.py", pytest_plugins)
    outcome = application.run(
        """
        from sqlalchemy.orm import loading
        INNER = "from application import *\\ndef test_inner(): numbers()"
        def test_it(pytester, monkeypatch):
            numbers()
            outer = loading._instance_processor, Order.__getattribute__
            monkeypatch.syspath_prepend(str(pytester.path))
            pytester.makepyfile(test_inner=INNER)
            arguments = [*PLUGIN, "--querybudget-audit", "-p", "no:cacheprovider", "-p", "no:randomly"]
            result = pytester.runpytest_inprocess(*arguments)
            result.assert_outcomes(passed=1)
            assert (loading._instance_processor, Order.__getattribute__) == outer
            numbers()
        def test_again():
            numbers()
        """,
        "--querybudget-audit",
        head=f"{HEAD}PLUGIN = {[] if INSTALLED else ['-p', PLUGIN]}\n",
    )
    assert outcome.counts == {"passed": 2}
    assert outcome.found("test_it") == ["no_unused_columns"]
    from sqlalchemy.orm import loading

    assert loading._instance_processor.__module__ == "sqlalchemy.orm.loading"
    assert not hasattr(loading._instance_processor, "audit")


def test_an_unknown_sqlalchemy_is_one_warning(application: Suite) -> None:
    """Where SQLAlchemy makes objects in another way, the run says so once, and a declared rule cannot pass."""
    application.write(
        "conftest.py",
        """
        from sqlalchemy.orm import loading
        known = loading._instance_processor
        loading._instance_processor = lambda *given, **more: known(*given, **more)
        """,
    )
    tests = """
    def test_plain(): assert numbers()
    @pytest.mark.no_unused_columns
    def test_declared(): numbers()
    """
    outcome = application.run(tests, "--querybudget-audit", "-p", "conftest", head=HEAD, subprocess=True)
    assert outcome.counts == {"failed": 1, "passed": 1}
    assert outcome.problems == ["audit: SQLAlchemy makes objects of rows in a way that the audit does not know"]
    assert "no_unused_columns could not be measured: the audit could not watch what is read" in outcome.text


def test_nothing_is_kept_alive(application: Suite) -> None:
    """Objects go when the application lets go of them, so that the identity map sends what it would send."""
    outcome = application.run(
        """
        import gc, weakref
        def test_it():
            gc.disable()
            try:
                with Session(engine) as session:
                    order = one(session)
                    gone = weakref.ref(order)
                    del order
                    assert gone() is None
                    assert not list(session.identity_map.keys())
            finally:
                gc.enable()
        """,
        "--querybudget-audit",
        head=HEAD,
    )
    assert outcome.counts == {"passed": 1}


ATTRIBUTES = """
from sqlalchemy.exc import MissingGreenlet
import inspect as python
class Own(Base):
    __tablename__ = "own"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))
    def __getattribute__(self, name):
        return "mine" if name == "asked" else super().__getattribute__(name)
    def __getattr__(self, name):
        if name.startswith("lazy_"):
            return name
        raise AttributeError(f"no {name}")
class Unhashable(MappedAsDataclass, Base, eq=True):
    __tablename__ = "unhashable"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))

def test_attributes():
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Own(name="n"), Unhashable(1, "u")])
        session.commit()
    with Session(engine) as session:
        own = session.scalars(select(Own)).one()
        assert (own.asked, own.lazy_x, own.name) == ("mine", "lazy_x", "n")
        with pytest.raises(AttributeError, match="no other"):
            own.other
        assert not hasattr(own, "missing") and getattr(own, "missing", 1) == 1
        assert session.scalars(select(Unhashable)).one() == Unhashable(1, "u")
        assert str(select(Own.name)) and Own.name.key == "name" and aliased(Own).name is not None
        order = session.scalars(select(Order)).first()
        order.extra = 1
        assert order.extra == 1 and "extra" in vars(order)
        del order.extra
        with pytest.raises(AttributeError):
            order.extra
        assert pickle.loads(pickle.dumps(order)).note == "note"
        assert copy.deepcopy(order).note == "note"
        assert python.getattr_static(order, "note") is Order.__dict__["note"]
        with pytest.raises(TypeError):
            Order(nothing=1)
"""


def test_attributes_do_what_they_did(application: Suite) -> None:
    """Own `__getattribute__` and `__getattr__`, missing attributes, copies, aliases and classes are as without."""
    outcome = application.run(ATTRIBUTES, "--querybudget-audit", head=HEAD)
    assert outcome.counts == {"passed": 1}, outcome.text
    assert not outcome.problems


FAILING = """
import warnings
from sqlalchemy.orm import Mapped
from sqlalchemy.exc import SAWarning

class Frail(Base):
    __tablename__ = "frail"
    id: Mapped[int] = mapped_column(primary_key=True)
    @property
    def broken(self):
        return {}["nothing here"]

def test_fails():
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Frail())
        session.commit()
        session.scalars(select(Frail)).one().broken

def test_warns():
    with Session(engine) as session, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        item = session.scalars(select(Item)).first()
        order = session.get(Order, item.order_id)
        Item(order=order)
        assert order.customer
    assert [(each.category, each.filename) for each in caught] == [(SAWarning, __file__)]
"""


def test_the_audit_is_not_seen_between_a_reader_and_what_is_read(application: Suite) -> None:
    """A failure shows the lines of the suite alone, and a warning of SQLAlchemy belongs to the line that reads."""
    outcome = application.run(FAILING, "--querybudget-audit", head=HEAD)
    assert outcome.counts == {"passed": 1, "failed": 1}, outcome.text
    assert "nothing here" in outcome.text
    assert "reads.py" not in outcome.text


ROWS = """
import asyncio
from sqlalchemy.engine import Row, RowMapping
from sqlalchemy.ext.asyncio import create_async_engine
NOTES = select(Order.number, Order.note)

def returned(session):
    return session.execute(NOTES).all()

def written():
    with engine.connect() as connection:
        return [row.number for row in connection.execute(text("SELECT number, note FROM orders"))]

def one_line(session, *columns):
    return session.execute(select(*columns)).all()

async def streamed(engine):
    async with engine.connect() as connection:
        found = await connection.stream(NOTES)
        return [row.number async for row in found]

async def executed(engine):
    async with engine.connect() as connection:
        return [row.number for row in await connection.execute(NOTES)]

@pytest.mark.parametrize("ask", [streamed, executed])
async def test_async(ask):
    engine = create_async_engine("sqlite+aiosqlite://", poolclass=StaticPool)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        await connection.run_sync(lambda c: fill(Session(c)))
    assert await ask(engine)
    await engine.dispose()

def test_returned():
    with Session(engine) as session:
        assert [row.number for row in returned(session)]

@pytest.mark.no_unused_columns
def test_returned_and_declared():
    with Session(engine) as session:
        assert [row.number for row in returned(session)]

@pytest.mark.no_unused_columns
def test_text():
    assert written()

def test_text_undeclared():
    assert written()

@pytest.mark.no_unused_columns("orders.note")
def test_left_out():
    assert written()

@pytest.mark.no_unused_columns
def test_one_line_for_several():
    with Session(engine) as session:
        assert [row.number for row in one_line(session, Order.number, Order.note)]
        assert [row.note for row in one_line(session, Order.note, Order.number, Order.id)]

def test_a_block(query_budget):
    with query_budget() as recording:
        with Session(engine) as session:
            assert [row[0] for row in session.execute(NOTES)]
    (statement,) = recording.statements()
    assert [each.read for each in statement.loaded] == [{"number"}]

def test_rows_are_rows():
    with Session(engine) as session:
        row = session.execute(NOTES).first()
        assert isinstance(row, Row) and isinstance(row, tuple) == issubclass(Row, tuple)
        assert type(row).__name__ == "Row" and repr(row) == str(row) == "('0', 'note')"
        assert row == ("0", "note") and ("0", "note") == row and row != ("1", "note") and row < ("1",) and row >= ("0",)
        assert hash(row) == hash(("0", "note")) and row in {("0", "note")} and "note" in row and len(row) == 2 and row
        assert (row[-1], row[:1], row.note, row.count("note"), row.index("note")) == ("note", ("0",), "note", 1, 1)
        assert list(reversed(row)) == ["note", "0"] and row._fields == ("number", "note")
        assert row._asdict() == dict(row._mapping) == {"number": "0", "note": "note"}
        assert isinstance(row._mapping, RowMapping) and type(row._mapping).__name__ == "RowMapping"
        assert row._mapping == {"number": "0", "note": "note"} and list(row._mapping) == ["number", "note"]
        assert row._mapping[Order.note] == "note" and "note" in row._mapping and row._mapping.get("x", 1) == 1
        for each in (pickle.loads(pickle.dumps(row)), copy.copy(row), copy.deepcopy(row)):
            assert each == row and type(each) is Row
        for each in (pickle.loads(pickle.dumps(row._mapping)), copy.copy(row._mapping)):
            assert each == row._mapping and type(each) is RowMapping
        for wrong in (lambda: row.missing, lambda: setattr(row, "note", 1)):
            with pytest.raises(AttributeError):
                wrong()
        for wrong, error in ((lambda: row[7], IndexError), (lambda: row["note"], TypeError), (lambda: row._mapping["x"], KeyError)):
            with pytest.raises(error):
                wrong()
        assert not hasattr(row, "missing") and getattr(row, "missing", 7) == 7
"""


def test_rows_are_watched(application: Suite) -> None:
    """Sync and async, what a test gets is its own, and a row does what rows do."""
    outcome = application.run(ROWS, "--querybudget-audit", head=HEAD)
    assert outcome.counts == {"passed": 8, "failed": 2}, outcome.text
    assert not outcome.problems
    found = {name: rules for name in outcome.tests if (rules := outcome.found(name))}
    assert found == {
        "test_async[streamed]": ["no_unused_columns"],
        "test_async[executed]": ["no_unused_columns"],
        "test_returned_and_declared": ["NO_UNUSED_COLUMNS"],
        "test_text": ["NO_UNUSED_COLUMNS"],
    }
    (text,) = outcome.tests["test_text"]["findings"]
    assert text["message"] == "orders.note was selected in 6 rows and never read"


def test_rows_are_not_touched_without_the_option(application: Suite) -> None:
    """Without the audit a row is SQLAlchemy's own, and after a run with it it is again."""
    tests = """
    from sqlalchemy.engine import Row
    from sqlalchemy.orm import loading
    def test_it():
        with Session(engine) as session:
            assert (type(session.execute(select(Order.number, Order.note)).first()) is Row) == OWN
            assert loading.instances.__module__ == ("sqlalchemy.orm.loading" if OWN else "pytest_querybudget.capture.selected")
    """
    for arguments in ([], ["--querybudget-audit"], []):
        outcome = application.run(tests, *arguments, head=f"{HEAD}OWN = {not arguments}\n")
        assert outcome.counts == {"passed": 1}, outcome.text


def test_unknown_rows_are_one_warning(application: Suite) -> None:
    """Where SQLAlchemy makes rows in another way, the run says so once, and objects are watched all the same."""
    application.write(
        "conftest.py",
        """
        from sqlalchemy.orm import loading
        known = loading.instances
        loading.instances = lambda *given, **more: known(*given, **more)
        """,
    )
    tests = """
    def test_objects(): assert numbers()
    def test_rows():
        with Session(engine) as session:
            assert [row.number for row in session.execute(select(Order.number, Order.note))]
    """
    outcome = application.run(tests, "--querybudget-audit", "-p", "conftest", head=HEAD, subprocess=True)
    assert outcome.counts == {"passed": 2}
    (problem,) = outcome.problems
    assert problem.startswith("audit: SQLAlchemy makes rows in a way that the audit does not know")
    assert outcome.found("test_objects") == ["no_unused_columns"]
    assert outcome.found("test_rows") == []


PURE = """
import importlib.util, sys

class Pure:
    '''Finds the source of SQLAlchemy's compiled modules, which stands beside them (2.1).'''

    def find_spec(self, name, path, target=None):
        if name.startswith("sqlalchemy.") and name.endswith("_cy"):
            return importlib.util.spec_from_file_location(name, f"{path[0]}/{name.rpartition('.')[2]}.py")

sys.meta_path.insert(0, Pure())
"""

LISTING = """
import pickle
from warehouse import *

def rows():
    with Session(engine) as session:
        return session.execute(select(Order.number, Order.note, Order.terms, Order.document)).all()

def by_name():
    return [row.number for row in rows()]

def by_position():
    return [row[0] for row in rows()]

def by_mapping():
    return [row._mapping["number"] for row in rows()]

def unpacked():
    return [number for number, note, terms, document in rows()]

def compared():
    return rows() == rows()

def kept():
    return pickle.loads(pickle.dumps(rows()))
"""


def test_rows_that_are_not_compiled(application: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLAlchemy does without its C extensions where there are none: the same is read, and the same found."""
    # This is what 2.0 looks at.
    monkeypatch.setenv("DISABLE_SQLALCHEMY_CEXT_RUNTIME", "1")
    application.write("pure.py", PURE)
    application.write("listing.py", LISTING)
    outcome = application.run(
        """
        from sqlalchemy.engine.row import BaseRow
        import listing

        def test_it_is_not_compiled():
            assert type(BaseRow.__getitem__).__name__ == "function"
        @pytest.mark.parametrize("way", ["by_name", "by_position", "by_mapping", "unpacked", "compared", "kept"])
        def test_rows(way):
            assert getattr(listing, way)()
        """,
        *("--querybudget-audit", "-p", "pure"),
        head=HEAD,
        subprocess=True,
    )
    assert outcome.counts == {"passed": 7}, outcome.text
    found = {name: outcome.found(name) for name in outcome.tests if outcome.found(name)}
    assert found == {
        name: ["no_unused_columns"]
        for name in ("test_rows[by_name]", "test_rows[by_position]", "test_rows[by_mapping]")
    }
    assert outcome.problems == []
