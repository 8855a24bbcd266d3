"""A report with everything in it that a format must survive, and what a reader wants to see."""

from __future__ import annotations

from dataclasses import replace

from pytest_querybudget.reports.document import (
    Allowance,
    BudgetEntry,
    FindingEntry,
    Location,
    PhaseEntry,
    Problem,
    ProofEntry,
    Report,
    RequestsEntry,
    StatementEntry,
    TestEntry,
    Tool,
    TransactionsEntry,
    total,
)

ESC = "\x1b"

HOSTILE_SQL = (
    # closes every container that a format may put it into
    "SELECT '</script><script>document.title=`owned`</script>' -- <!-- <img src=x onerror=\"document.title='owned'\">",
    # a workflow command on a line of its own, and one in the runner's older syntax
    "SELECT 1\n::error file=app/x.py,line=1::owned\r\n::set-output name=x::y\n##[error]owned",
    # terminal: clear the screen, change the title, recolour, a C1 control
    f"SELECT {ESC}[2J{ESC}]0;owned\x07 {ESC}[31mred{ESC}[0m \x9b31m\x00\x08\x7f",
    # Markdown: cells, code fences, links, headings, mentions
    "SELECT `a|b`, ``` FROM t -- | x | y |\n```\n# owned\n[link](javascript:alert(1)) @someone #1 ~~~ \\| $x^2$",
    # lone surrogates, line separators, marks that reorder, an astral character
    "SELECT '\ud800 \udfff \u2028 \u2029 \u202eowned\u202c \ufeff \U0001f40d'",
    # quotes of every sort, and what percent or brace formatting would take
    "SELECT \"a\", 'b''c', [d], `e`, %(f)s, {g}, ${h}, {{ i }}, <% j %>, &amp; &lt; -- ]]>",
    # one statement of a megabyte
    f"SELECT * FROM big WHERE id IN ({', '.join(['?'] * 350_000)})",
)

LIST = Location(path="app/orders.py", line=10, function="list_orders")
LOAD = Location(path="app/orders.py", line=8, function="load_orders")
ROUTE = Location(path="app/api.py", line=31, function="get_orders")
SAVE = Location(path="app/importing.py", line=44, function="Importer.save_all")
CONFIG = Location(path="app/settings.py", line=5, function="read_setting")
REPORTING = Location(path="app/reporting/monthly totals.py", line=88, function="busiest_customers")
FIXTURE = Location(path="tests/conftest.py", line=21, function="orders")
HOSTILE_PLACE = Location(path="app/weird,name:100%<b>|.py", line=3, function="<lambda>")

PLAN_BEFORE = "Sort (ORDER BY placed_at)  cost=114.2\n  Scan orders  rows=5000 cost=104.0\n    filter: customer_id = ?"
PLAN_AFTER = "Index scan orders using ix_orders_customer_id_placed_at  cost=8.3\n  condition: customer_id = ?"


def statement(sql: str, kind: str = "select", **more: object) -> StatementEntry:
    """A statement with the figures of one execution, changed by `more`."""
    base = StatementEntry(
        sql=sql, kind=kind, tables=(), columns=(), count=1, rows=1, time=0.0004, location=LOAD,
        max_rows=1, max_time=0.0004, first=0.01, last=0.01,
    )  # fmt: skip
    return replace(base, **more)  # type: ignore[arg-type]


ORDERS = statement(
    "SELECT orders.id, orders.customer_id, orders.placed_at FROM orders ORDER BY orders.placed_at LIMIT ?",
    tables=("orders",), reads=("orders",), columns=("orders.id", "orders.customer_id", "orders.placed_at"),
    rows=50, max_rows=50, time=0.0021, max_time=0.0021, first=0.021, last=0.021, chain=(LOAD, ROUTE),
    plan=PLAN_BEFORE, window="GET /orders",
)  # fmt: skip
CUSTOMER = statement(
    "SELECT customer.id, customer.name FROM customer WHERE customer.id = ?",
    tables=("customer",), reads=("customer",), columns=("customer.id", "customer.name"), count=50, rows=50,
    time=0.0194, max_time=0.0011, first=0.024, last=0.081, location=LIST, chain=(LIST, ROUTE),
    relationship="Order.customer", load="lazy", window="GET /orders",
)  # fmt: skip
SETTING = statement(
    "SELECT setting.value FROM setting WHERE setting.name = ?",
    tables=("setting",), reads=("setting",), columns=("setting.value",), count=3, rows=3, time=0.0009,
    first=0.018, last=0.121, location=CONFIG, chain=(CONFIG, ROUTE),
)  # fmt: skip
SEED = statement(
    "INSERT INTO orders (customer_id, placed_at) VALUES (?, ?)", "insert",
    tables=("orders",), writes=("orders",), count=50, rows=0, max_rows=0, time=0.012, first=0.0011, last=0.0142,
    phase="setup", location=FIXTURE, chain=(FIXTURE,),
)  # fmt: skip
SAVEPOINT = statement("SAVEPOINT sa_savepoint_1", "transaction", rows=0, max_rows=0, first=0.0, last=0.0)
WRITE = statement(
    "INSERT INTO contact (name, email) VALUES (?, ?)", "insert",
    tables=("contact",), writes=("contact",), count=200, rows=0, max_rows=0, time=0.0731, max_time=0.0016,
    first=0.003, last=0.19, location=SAVE, chain=(SAVE,),
)  # fmt: skip
BUSIEST = statement(
    "SELECT customer.name, count(*) AS n FROM orders JOIN customer ON customer.id = orders.customer_id "
    "WHERE orders.placed_at >= ? GROUP BY customer.name ORDER BY n DESC",
    tables=("orders", "customer"), reads=("orders", "customer"), columns=("customer.name", "n"), rows=12, max_rows=12,
    time=0.34, max_time=0.34, first=0.02, last=0.02, location=REPORTING, chain=(REPORTING,), plan=PLAN_BEFORE,
)  # fmt: skip

LAZY = FindingEntry(
    rule="no_n_plus_one", identity="5d1f0c8a2b3e4f60", failed=True, allowed=None, count=50,
    message="50 queries load Order.customer one by one, for 50 orders that one query brought in",
    sql=CUSTOMER.sql, tables=("customer",), relationship="Order.customer", location=LIST, origin=LOAD,
    chain=(LIST, ROUTE), fix="app/orders.py:8: select(Order).options(joinedload(Order.customer))",
    proof=ProofEntry(
        verdict="proven", before="52", after="2",
        text="52 queries -> 2 with joinedload(Order.customer) at app/orders.py:8",
    ),
)  # fmt: skip
REPEATED = FindingEntry(
    rule="no_repeated_queries", identity="0a3bb4c55d667788", failed=False, allowed=None, count=3,
    message="the same query with the same parameters ran 3 times, and nothing was written to setting in between",
    sql=SETTING.sql, tables=("setting",), relationship=None, location=CONFIG, origin=None, chain=(CONFIG, ROUTE),
    fix="keep the value of the first query and pass it on",
)  # fmt: skip
LOOP = FindingEntry(
    rule="no_write_loops", identity="77aa0c8a2b3e4f11", failed=False, count=200,
    allowed=Allowance(reason="the importer is rewritten in spring", source="marker", until="2027-03-31"),
    message="200 single-row INSERTs into contact in a loop", sql=WRITE.sql, tables=("contact",), relationship=None,
    location=SAVE, origin=None, chain=(SAVE,),
    fix='session.execute(insert(Contact), [{"name": ..., "email": ...} for row in rows])',
)  # fmt: skip
SCAN = FindingEntry(
    rule="no_full_scans", identity="c0ffee0000000001", failed=False, allowed=None, count=1,
    message="the filter on orders.customer_id reads all of orders: no index starts with it",
    sql=BUSIEST.sql, tables=("orders",), relationship=None, location=REPORTING, origin=None, chain=(REPORTING,),
    fix='Index("ix_orders_customer_id_placed_at", Order.customer_id, Order.placed_at)',
    proof=ProofEntry(
        verdict="proven", text="tried in a savepoint: the planner takes the index", before=PLAN_BEFORE,
        after=PLAN_AFTER, index="ix_orders_customer_id_placed_at",
    ),
)  # fmt: skip
HOSTILE = FindingEntry(
    rule="no_antipatterns", identity="bad0bad0bad0bad0", failed=True, allowed=None, count=2,
    message="<b>bold</b> | cell `code` \ud800\n::error::owned\n## heading </script> \u202eowned",
    sql=HOSTILE_SQL[0], tables=('quo"te', "pi|pe", "<i>"), relationship=None, location=HOSTILE_PLACE, origin=None,
    fix=f"{ESC}[31m**not bold** [x](javascript:alert(1))\n```\n::warning::owned",
)  # fmt: skip


def report() -> Report:
    """The sample: five kinds of tests, one finding in two tests, and hostile text in every field that has text."""
    tests = (
        _listing("tests/test_orders.py::test_list_orders", "failed", 1.0),
        _listing("tests/test_orders.py::test_list_orders_again[2-x]", "passed", 1.1),
        _test(
            "tests/test_importing.py::TestImporter::test_save_all", "passed", (SAVEPOINT, WRITE), (LOOP,),
            connections=2, transactions=TransactionsEntry(count=2, queries=200, seconds=0.19, silent=0.1, silence=0.02),
            call=PhaseEntry(queries=200, by_kind={"insert": 200}, db_time=0.0731, checkouts=1, connects=1),
            budget={"max_queries": BudgetEntry(limit=1000, actual=200, declared="ini")}, duration=0.21,
        ),
        _test(
            "tests/test_reporting.py::test_busiest_customers", "xfailed", (BUSIEST,), (SCAN,),
            call=PhaseEntry(queries=1, by_kind={"select": 1}, db_time=0.34, rows=12, checkouts=1),
            budget={"max_query_time": BudgetEntry(limit=0.5, actual=0.34)}, duration=0.4,
        ),
        _test(
            "tests/test_hostile.py::test_markup[</script>-|`a`-\ud800-\n::error::owned]", "error",
            tuple(statement(sql, "other", location=HOSTILE_PLACE) for sql in HOSTILE_SQL), (HOSTILE,),
            call=PhaseEntry(queries=7, by_kind={"other": 7}, db_time=0.0028, rows=7), duration=0.02,
        ),
        _test("tests/test_pure.py::test_without_a_database", "passed", (), (), call=PhaseEntry(), duration=0.001),
        _test("tests/test_pure.py::test_skipped", "skipped", (), (), call=PhaseEntry()),
    )  # fmt: skip
    problems = (
        Problem(slug="stale-allowance", text='allow_queries("no_sorts") silences nothing any more',
                nodeid="tests/test_reporting.py::test_busiest_customers"),
        Problem(slug="lost-worker", text="worker gw3 was lost: <b>its</b> tests | are \x1b[31mnot here"),
    )  # fmt: skip
    tool = Tool(version="0.1.0", python="3.11.4", pytest="9.2.0", sqlalchemy="2.1.9")
    return Report(mode="strict", tool=tool, totals=total(tests), tests=tests, problems=problems)


def _listing(nodeid: str, outcome: str, slower: float) -> TestEntry:
    customer = replace(CUSTOMER, time=CUSTOMER.time * slower)
    return _test(
        nodeid, outcome, (SEED, SETTING, ORDERS, customer),
        (replace(LAZY, failed=outcome == "failed"), REPEATED),
        setup=PhaseEntry(queries=50, by_kind={"insert": 50}, db_time=0.012),
        call=PhaseEntry(
            queries=54, by_kind={"select": 54}, db_time=0.0224 * slower, rows=103, checkouts=1, connects=1
        ),
        budget={"max_queries": BudgetEntry(limit=2, actual=54), "max_rows": BudgetEntry(limit=100, actual=50)},
        routes={"GET /orders": 51, "GET /settings/{name}": 3},
        requests={
            "GET /orders": RequestsEntry(count=1, queries=51, most=51),
            "GET /settings/{name}": RequestsEntry(count=3, queries=3, most=1),
        },
        duration=0.16 * slower,
    )  # fmt: skip


def _test(
    nodeid: str,
    outcome: str,
    statements: tuple[StatementEntry, ...],
    findings: tuple[FindingEntry, ...],
    *,
    call: PhaseEntry,
    setup: PhaseEntry | None = None,
    budget: dict[str, BudgetEntry] | None = None,
    routes: dict[str, int] | None = None,
    requests: dict[str, RequestsEntry] | None = None,
    duration: float = 0.0,
    connections: int = 0,
    transactions: TransactionsEntry | None = None,
) -> TestEntry:
    phases = {"setup": setup or PhaseEntry(), "call": call, "teardown": PhaseEntry()}
    return TestEntry(
        nodeid=nodeid, outcome=outcome, phases=phases, budget=budget or {}, statements=statements,
        findings=findings, duration=duration, routes=routes or {}, requests=requests or {}, connections=connections, transactions=transactions,
    )  # fmt: skip
