"""`query_budget.app(app)`: each request is measured by itself."""

from __future__ import annotations

import pytest

from tests.growth.test_fixture import prose
from tests.plugin.suites import Suite

HEAD = """
import asyncio
import pytest
from shop import *

def rows(times):
    for each in range(times):
        ask(1, f"w{each}")

def ask(times, name="w"):
    with engine.connect() as connection:
        for each in range(times):
            connection.execute(text(f"SELECT id AS {name}_{'x' * each} FROM customer")).all()
"""
FASTAPI = (
    HEAD
    + """
from fastapi import APIRouter, BackgroundTasks, FastAPI, WebSocket
from fastapi.responses import StreamingResponse
from starlette.testclient import TestClient

app = FastAPI()
router, nested = APIRouter(prefix="/v1"), APIRouter()
inner = FastAPI()

@app.get("/orders")
def orders():
    ask(2)

@app.get("/orders/{id}")
def order(id: int):
    ask(id)

@app.post("/orders")
async def create():
    ask(1)

@app.get("/quiet")
async def quiet():
    pass

@app.get("/files/{name:path}")
def files(name: str):
    ask(1)

@app.get("/later")
def later(tasks: BackgroundTasks):
    tasks.add_task(ask, 3)

@app.get("/stream")
def stream():
    def chunks():
        ask(2)
        yield "x"
    return StreamingResponse(chunks())

@app.get("/names")
def list_names():
    names()

@router.get("/items/{item}/parts/{part}")
def parts(item: str, part: str):
    ask(1)

@inner.get("/users/{user}")
def users(user: str):
    ask(1)

@app.websocket("/ws/{room}")
async def socket(websocket: WebSocket, room: str):
    await websocket.accept()
    ask(1)
    await websocket.close()

@nested.get("/{order}/items/{item}")
def item(order: int, item: int):
    ask(1)

@nested.get("/files/{name:path}")
def file(name: str):
    ask(1)

router.include_router(nested, prefix="/{tenant}/nested")
app.include_router(router)
app.mount("/inner", inner)

@pytest.fixture
def client(query_budget):
    return TestClient(query_budget.app(app))
"""
)
FLASK = (
    HEAD
    + """
from flask import Flask, Response, Blueprint
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

app = Flask("it")
blueprint = Blueprint("b", "b", url_prefix="/v1")

@app.get("/orders/<int:id>")
def order(id):
    ask(id)
    return "x"

@app.get("/stream")
def stream():
    def chunks():
        ask(2)
        yield "x"
    return Response(chunks())

@blueprint.get("/items/<item>")
def items(item):
    ask(1)
    return "x"

app.register_blueprint(blueprint)
"""
)


def routes(suite: Suite, head: str, body: str, *arguments: str) -> dict[str, int]:
    """Run one test that passes, and return its queries by route."""
    outcome = suite.run(body, *arguments, head=head)
    assert outcome.counts == {"passed": 1}, outcome.text
    found: dict[str, int] = outcome.report["tests"][0]["routes"]
    return found


def failure(suite: Suite, head: str, body: str, *arguments: str) -> str:
    """Run one test that fails, and return what it prints."""
    outcome = suite.run(body, *arguments, head=head)
    assert outcome.counts == {"failed": 1}, outcome.text
    return prose(outcome.text)


@pytest.mark.parametrize(
    ("request_", "route", "queries"),
    [
        ("client.get('/orders')", "GET /orders", 2),
        ("client.get('/orders/4')", "GET /orders/{id}", 4),
        ("client.post('/orders')", "POST /orders", 1),
        ("client.get('/quiet')", "GET /quiet", 0),
        ("client.get('/files/a/b.txt')", "GET /files/{name}", 1),
        ("client.get('/v1/items/parts/parts/items')", "GET /v1/items/{item}/parts/{part}", 1),
        ("client.get('/inner/users/users')", "GET /inner/users/{user}", 1),
        ("client.get('/v1/1/nested/1/items/1')", "GET /v1/{tenant}/nested/{order}/items/{item}", 1),
        ("client.get('/v1/7/nested/007/items/7')", "GET /v1/{tenant}/nested/{order}/items/{item}", 1),
        ("client.get('/v1/a/nested/files/a/b/a')", "GET /v1/{tenant}/nested/files/{name}", 1),
        ("client.get('/nowhere/7')", "GET /nowhere/7", 0),
        ("client.get('/later')", "GET /later", 3),
        ("client.get('/stream')", "GET /stream", 2),
        ("client.websocket_connect('/ws/4').__enter__()", "WEBSOCKET /ws/{room}", 1),
    ],
)
def test_requests_are_named_by_method_and_route(suite: Suite, request_: str, route: str, queries: int) -> None:
    assert routes(suite, FASTAPI, f"def test_it(client):\n    {request_}\n") == {route: queries}


def test_an_application_of_starlette_is_named_by_its_routes(suite: Suite) -> None:
    body = """
        from starlette.applications import Starlette
        from starlette.routing import Mount, Route
        from starlette.responses import PlainTextResponse

        async def one(request):
            ask(2)
            return PlainTextResponse("x")

        plain = Starlette(routes=[Route("/a/{id:int}", one), Mount("/m/{tenant}", routes=[Route("/b/{id}", one)])])

        def test_it(query_budget):
            client = TestClient(query_budget.app(plain))
            client.get("/a/3")
            client.get("/m/3/b/3")
    """
    assert routes(suite, FASTAPI, body) == {"GET /a/{id}": 2, "GET /m/{tenant}/b/{id}": 2}


def test_queries_of_all_requests_of_a_route_are_added_up(suite: Suite) -> None:
    body = """
        def test_it(client):
            for each in (1, 2, 3):
                client.get(f"/orders/{each}")
    """
    assert routes(suite, FASTAPI, body) == {"GET /orders/{id}": 6}


def test_the_most_expensive_request_of_a_route_is_told(suite: Suite) -> None:
    """In every report: what all of them sent together depends on how many there were."""
    body = """
        def test_it(client):
            for each in (1, 4, 2):
                client.get(f"/orders/{each}")
            client.get("/quiet")
    """
    outcome = suite.run(body, "--junit-xml=junit.xml", "--querybudget-report=markdown:report.md", head=FASTAPI)
    assert outcome.report["tests"][0]["requests"] == {
        "GET /orders/{id}": {"count": 3, "queries": 7, "most": 4},
        "GET /quiet": {"count": 1, "queries": 0, "most": 0},
    }
    assert "requests that send most\n       4  GET /orders/{id}  (the most of 3 requests)\n" in outcome.text
    assert "GET /quiet" not in outcome.text
    assert "| `GET /orders/{id}` | 4 | 3 | 7 |" in (suite.path / "report.md").read_text("utf-8")
    junit = (suite.path / "junit.xml").read_text("utf-8")
    assert 'value="GET /orders/{id}: at most 4 queries in one, 7 in 3 requests"' in junit


def test_a_limit_for_each_request_names_the_one_that_exceeds_it(suite: Suite) -> None:
    text = failure(
        suite,
        FASTAPI,
        """
        @pytest.mark.max_queries(2, per="request")
        def test_it(client):
            client.get("/orders")
            client.get("/orders/5")
            client.get("/orders")
        """,
    )
    assert "expected at most 2 queries, got 5 in GET /orders/{id}" in text


@pytest.mark.parametrize(
    "marker",
    [
        'max_queries(2, per="request")',
        'max_queries(select=2, per="request")',
        'query_budget(max_queries=2, per="request")',
        'query_budget(max_queries=2, max_columns=9, no_n_plus_one=True, per="request")',
        "max_queries(6)",
        'max_queries(6, phase="all")',
        'max_db_time(60, per="request")',
    ],
)
def test_requests_within_their_limit_pass(suite: Suite, marker: str) -> None:
    body = f"""
        @pytest.mark.{marker}
        def test_it(client):
            client.get("/orders")
            client.get("/orders")
            client.get("/orders")
    """
    assert routes(suite, FASTAPI, body, "--querybudget=strict") == {"GET /orders": 6}


def test_a_limit_for_the_test_counts_all_requests_together(suite: Suite) -> None:
    text = failure(
        suite,
        FASTAPI,
        """
        @pytest.mark.max_queries(6)
        def test_it(client):
            ask(1)
            for _ in range(3):
                client.get("/orders")
        """,
    )
    assert "expected at most 6 queries, got 7" in text


def test_a_block_measures_its_own_requests(suite: Suite) -> None:
    body = """
        def test_it(client, query_budget):
            client.get("/orders/9")
            with query_budget(max_queries=2, per="request") as recording:
                client.get("/orders")
                client.get("/orders/1")
            assert recording.queries() == 3
    """
    assert routes(suite, FASTAPI, body) == {"GET /orders/{id}": 10, "GET /orders": 2}


def test_a_block_fails_on_one_request(suite: Suite) -> None:
    text = failure(
        suite,
        FASTAPI,
        """
        def test_it(client, query_budget):
            with query_budget(max_queries=2, per="request"):
                client.get("/orders")
                client.get("/orders/3")
        """,
    )
    assert "got 3 in GET /orders/{id}" in text


def test_requests_of_the_setup_belong_to_the_setup(suite: Suite) -> None:
    body = """
        @pytest.fixture
        def logged_in(client):
            client.get("/orders/9")
            return client

        @pytest.mark.max_queries(2, per="request")
        def test_it(logged_in):
            logged_in.get("/orders")
    """
    assert routes(suite, FASTAPI, body) == {"GET /orders": 2}


def test_a_finding_of_a_request_is_found_once(suite: Suite) -> None:
    outcome = suite.run("def test_it(client):\n    client.get('/names')\n", head=FASTAPI)
    found = outcome.tests["test_it"]
    assert [each["rule"] for each in found["findings"]] == ["no_n_plus_one"]
    assert {each["window"] for each in found["statements"]} == {"GET /names"}
    assert found["phases"]["call"]["queries"] == 6


@pytest.mark.parametrize("session", ["shared", "own"])
def test_two_equal_requests_repeat_nothing(suite: Suite, session: str) -> None:
    made = "Session(engine)" if session == "own" else "shared"
    body = f"""
        shared = Session(engine)

        @app.get("/read")
        async def read():
            {made}.execute(text("SELECT name FROM customer")).all()

        def test_it(client):
            for _ in range(4):
                client.get("/read")
    """
    assert routes(suite, FASTAPI, body, "--querybudget=strict") == {"GET /read": 4}


def test_requests_at_the_same_time_count_their_own_statements(suite: Suite) -> None:
    """With async and with threaded endpoints, that wait for each other between any two statements."""
    body = """
        import httpx, time
        from sqlalchemy.ext.asyncio import create_async_engine

        async_engine = create_async_engine("sqlite+aiosqlite://")

        @app.get("/a/{times}")
        async def interleaved(times: int):
            async with async_engine.connect() as connection:
                for each in range(times):
                    await connection.execute(text(f"SELECT {each} AS a{each}"))
                    await asyncio.sleep(0.001)

        @app.get("/t/{times}")
        def threaded(times: int):
            with create_engine("sqlite://").connect() as connection:
                for each in range(times):
                    connection.execute(text(f"SELECT {each} AS t{each}"))
                    time.sleep(0.001)

        async def test_it(query_budget):
            transport = httpx.ASGITransport(app=query_budget.app(app))
            async with httpx.AsyncClient(transport=transport, base_url="http://it") as client:
                await asyncio.gather(*(client.get(f"/{kind}/{each}") for kind in "at" for each in range(1, 9)))
            await async_engine.dispose()
            counts = sorted(
                (window.label, window.queries) for window in query_budget.recording.windows if window.outer
            )
            assert counts == [(f"GET /{kind}/{{times}}", each) for kind in "at" for each in range(1, 9)]
    """
    assert routes(suite, FASTAPI, body) == {"GET /a/{times}": 36, "GET /t/{times}": 36}


def test_what_runs_between_requests_is_the_tests_own(suite: Suite) -> None:
    body = """
        def test_it(client, query_budget):
            client.get("/orders")
            ask(3)
            client.get("/orders")
            assert [each.queries for each in query_budget.recording.select("call")] == [3, 2, 2]
    """
    assert routes(suite, FASTAPI, body) == {"GET /orders": 4}


def test_parts_of_a_test_keep_their_requests(suite: Suite) -> None:
    """A limit for the test is one for each subtest, and what is requested in it counts there."""
    text = failure(
        suite,
        FASTAPI,
        """
        import unittest

        class TestIt(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def given(self, client):
                self.client = client

            @pytest.mark.max_queries(4)
            def test_it(self):
                for times in (4, 5):
                    self.client.get(f"/orders/{times}")
        """,
    )
    assert "expected at most 4 queries, got 9" in text


@pytest.mark.parametrize(
    ("request_", "route", "queries"),
    [
        ("client.get('/orders/4')", "GET /orders/<int:id>", 4),
        ("client.get('/stream').data", "GET /stream", 2),
        ("client.get('/v1/items/x')", "GET /v1/items/<item>", 1),
        ("client.get('/nowhere')", "GET /nowhere", 0),
    ],
)
@pytest.mark.parametrize(
    "client",
    ["query_budget.app(app).test_client()", "Client(query_budget.app(app))", "Client(query_budget.app(app.wsgi_app))"],
)
def test_flask_is_named_by_its_rules(suite: Suite, client: str, request_: str, route: str, queries: int) -> None:
    body = f"def test_it(query_budget):\n    client = {client}\n    {request_}\n"
    assert routes(suite, FLASK, body) == {route: queries}


def test_flask_below_a_prefix_is_named_with_it(suite: Suite) -> None:
    body = """
        def test_it(query_budget):
            Client(query_budget.app(DispatcherMiddleware(Flask("other"), {"/shop": app}))).get("/shop/orders/2")
    """
    assert routes(suite, FLASK, body) == {"GET /shop/orders/<int:id>": 2}


def test_any_wsgi_application_is_named_by_its_paths(suite: Suite) -> None:
    body = """
        def plain(environ, start_response):
            ask(1)
            start_response("200 OK", [])
            ask(1)
            yield b"x"
            ask(1)

        @pytest.mark.max_queries(3, per="request")
        def test_it(query_budget):
            client = Client(query_budget.app(plain))
            assert client.get("/a b").data == b"x"
            assert client.get("/c").data == b"x"
    """
    assert routes(suite, FLASK, body) == {"GET /a b": 3, "GET /c": 3}


def test_errors_of_the_application_come_out(suite: Suite) -> None:
    body = """
        def broken(environ, start_response):
            ask(1)
            raise ZeroDivisionError

        def test_it(query_budget):
            with pytest.raises(ZeroDivisionError):
                Client(query_budget.app(broken)).get("/x")
    """
    assert routes(suite, FLASK, body) == {"GET /x": 1}


def test_what_is_left_of_an_application_is_its_own(suite: Suite) -> None:
    body = """
        def test_it(query_budget):
            wrapped = query_budget.app(app)
            assert wrapped.dependency_overrides is app.dependency_overrides
            assert wrapped.state is app.state
    """
    assert routes(suite, FASTAPI, body) == {}


@pytest.mark.parametrize("given", ["3", "None", "'app'", "lambda: 1", "Flask"])
def test_what_is_no_application_is_refused(suite: Suite, given: str) -> None:
    text = failure(suite, FLASK, f"def test_it(query_budget):\n    query_budget.app({given})\n")
    assert "but takes an ASGI or a WSGI application" in text


@pytest.mark.parametrize(
    "marker",
    ['max_queries(2, per="request")', 'query_budget(max_queries=2, per="request")', 'max_db_time(1, per="request")'],
)
def test_a_limit_for_requests_without_any_is_no_pass(suite: Suite, marker: str) -> None:
    text = failure(suite, FASTAPI, f"@pytest.mark.{marker}\ndef test_it():\n    TestClient(app).get('/orders')\n")
    assert 'per="request" measures what comes through query_budget.app(...), and no request did' in text


@pytest.mark.parametrize(
    ("marker", "said"),
    [
        ('max_queries(2, per="session")', 'max_queries got per=\'session\', but takes per="request" or per="test"'),
        ('max_columns(2, per="request")', "max_columns got an unknown keyword 'per'"),
        ('query_budget(no_n_plus_one=True, per="request")', "none of its rules is measured per request"),
        ('query_budget(per="request")', "none of its rules is measured per request"),
    ],
)
def test_a_measure_that_is_not_known_is_a_usage_error(suite: Suite, marker: str, said: str) -> None:
    outcome = suite.run(f"@pytest.mark.{marker}\ndef test_it():\n    pass\n")
    assert outcome.code == 4
    assert said in outcome.text


def test_switched_off_the_application_is_itself(suite: Suite) -> None:
    outcome = suite.run(
        "def test_it(query_budget):\n    assert query_budget.app(app) is app\n", "--querybudget=off", head=FLASK
    )
    assert outcome.counts == {"passed": 1}, outcome.text


def test_growth_of_a_wrapped_application_is_measured(suite: Suite) -> None:
    text = failure(
        suite,
        FASTAPI,
        """
        def test_it(client, query_growth):
            def seed(count):
                with Session(engine) as session:
                    session.add_all([Order(customer=Customer(name="x")) for _ in range(count)])
                    session.commit()
            query_growth(lambda: client.get("/names"), seed=seed)
        """,
    )
    assert "SELECT on customer, a load of Order.customer" in text
