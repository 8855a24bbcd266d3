"""`@pytest.mark.constant_queries`: tests that differ only in their size, compared at the end of the session."""

from __future__ import annotations

import re

import pytest

from tests.growth.test_fixture import HEAD as SHARED
from tests.growth.test_fixture import prose
from tests.plugin.suites import Suite

HEAD = (
    SHARED
    + """
@pytest.fixture
def rows(request, empty):
    add(request.getfixturevalue("size"))
"""
)
TWO = """
@pytest.mark.constant_queries
@pytest.mark.parametrize("size", [8, 1, 3])
def test_lazy(rows, size):
    assert len(names()) == size

@pytest.mark.constant_queries
@pytest.mark.parametrize("size", [8, 1, 3])
def test_eager(rows, size):
    assert len(eager()) == size
"""


@pytest.mark.parametrize("arguments", [(), ("-n", "2"), ("-n", "2", "--dist", "loadscope"), ("-p", "no:xdist")])
def test_growth_fails_the_session_in_any_number_of_processes(suite: Suite, arguments: tuple[str, ...]) -> None:
    outcome = suite.run(TWO, *arguments, head=HEAD, subprocess="-n" in arguments)
    assert outcome.counts == {"passed": 6}, outcome.text
    assert outcome.code == 1
    assert "CONSTANT_QUERIES" in outcome.found("test_lazy[8]")
    assert [each for each in outcome.problems if each.startswith("growth")] == [
        "growth: test_it.py::test_lazy[1] sends more queries with more rows"
    ]
    assert not [each for each in outcome.found("test_eager[8]") if each != "no_n_plus_one"]
    said = prose(outcome.text)
    assert "= query growth =" in said
    assert (
        "test_it.py::test_lazy[1] test_it.py::test_lazy[3] test_it.py::test_lazy[8] constant_queries: expected" in said
    )
    assert "got 2 queries with 1 row, 4 with 3 rows, 9 with 8 rows: 1 more for each row" in said
    assert ".options(joinedload(Order.customer)) to the query at shop.py:" in said
    assert outcome.report["totals"]["failed"] == 1


def test_the_text_is_the_same_in_any_number_of_processes(suite: Suite) -> None:
    texts = []
    for arguments in ((), ("-n", "2")):
        text = suite.run(TWO, *arguments, head=HEAD, subprocess=bool(arguments)).text
        found = re.search(r"=+ query growth =+\n(.*?)\n=+ query budget", text, re.DOTALL)
        assert found is not None
        texts.append(found[1].strip())
    assert texts[0] == texts[1]


def holds(suite: Suite, body: str, *arguments: str) -> None:
    """Run tests that pass, in a session that passes."""
    outcome = suite.run(body, *arguments, head=HEAD)
    assert outcome.code == 0, outcome.text
    assert not [each for each in outcome.problems if each.startswith("growth")]


def test_a_slope_allows_a_growth(suite: Suite) -> None:
    holds(suite, TWO.replace("constant_queries", "constant_queries(slope=1)"))


def test_other_parameters_are_compared_apart(suite: Suite) -> None:
    """Twice as many queries for another format are no growth."""
    holds(
        suite,
        """
        @pytest.mark.constant_queries(by="count")
        @pytest.mark.parametrize("times", [1, 5])
        @pytest.mark.parametrize("count", [1, 3])
        def test_it(count, times):
            add(0)
            ask(times)
        """,
    )


BESIDE = """
class Format: ...
FORMATS = [Format(), Format()]

@pytest.mark.constant_queries
@pytest.mark.parametrize("size", [1, 8], ids=["few", "many"])
@pytest.mark.parametrize("kind", ["a-b", "c[d]"])
def test_words(rows, size, kind):
    names()

@pytest.mark.constant_queries
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("size", [1, 8])
def test_objects(rows, size, form):
    names()

@pytest.mark.constant_queries
@pytest.mark.parametrize(("size", "kind"), [(1, {"a": [1]}), (8, {"a": [1]}), (1, None), (8, None)])
def test_together(rows, size, kind):
    names()
"""


@pytest.mark.parametrize("arguments", [(), ("-n", "2")])
def test_each_value_of_another_parameter_is_a_comparison(suite: Suite, arguments: tuple[str, ...]) -> None:
    """Stacked or given together with the size, words or objects, in any number of processes."""
    outcome = suite.run(BESIDE, *arguments, head=HEAD, subprocess=bool(arguments))
    assert outcome.counts == {"passed": 12}, outcome.text
    assert not [each for each in outcome.problems if not each.startswith("growth")]
    assert len(outcome.problems) == 6


def test_the_only_number_is_the_size(suite: Suite) -> None:
    body = TWO.replace("size", "count").replace('getfixturevalue("count")', 'getfixturevalue("size")')
    outcome = suite.run(body, head=HEAD.replace('"size"', '"count"'))
    assert outcome.code == 1
    assert "CONSTANT_QUERIES" in outcome.found("test_lazy[8]")


def test_a_collection_is_as_large_as_it_is(suite: Suite) -> None:
    outcome = suite.run(
        """
        @pytest.mark.constant_queries(by="wanted")
        @pytest.mark.parametrize("wanted", [[1], [1, 2, 3]], ids=["one", "three"])
        def test_it(wanted):
            add(3)
            with Session(engine) as session:
                for each in wanted:
                    session.get(Customer, each)
        """,
        head=HEAD,
    )
    assert outcome.code == 1
    assert "CONSTANT_QUERIES" in outcome.found("test_it[three]")


def test_no_row_at_all_is_no_size(suite: Suite) -> None:
    """A `selectinload` has nothing to load for no parent."""
    holds(
        suite,
        """
        @pytest.mark.constant_queries
        @pytest.mark.parametrize("size", [0, 1, 4])
        def test_it(rows, size):
            batches()
        """,
    )


def test_failed_tests_are_not_compared(suite: Suite) -> None:
    outcome = suite.run(TWO.replace("== size", "== size != 8"), head=HEAD)
    assert outcome.counts == {"passed": 4, "failed": 2}
    assert "got 2 queries with 1 row, 4 with 3 rows: 1 more for each row" in prose(outcome.text)


def test_a_growth_that_is_expected_is_none(suite: Suite) -> None:
    holds(suite, "pytestmark = pytest.mark.xfail(reason='known')\n" + TWO)


def test_one_size_alone_is_said(suite: Suite) -> None:
    outcome = suite.run(TWO, "-k", "test_eager and 8", head=HEAD)
    assert outcome.code == 0
    assert outcome.problems == ["not-measured: constant_queries compares two sizes or more; ran: size=8"]


def test_sizes_without_any_query_measure_nothing(suite: Suite) -> None:
    outcome = suite.run(TWO.replace("len(names()) == size", "True"), head=HEAD)
    assert outcome.code == 1
    assert "growth: constant_queries measured nothing: no query was sent at any size" in outcome.problems


def test_an_allowance_on_the_test_holds_for_a_growth(suite: Suite) -> None:
    allowance = '@pytest.mark.allow_queries("constant_queries", reason="few rows")\n'
    outcome = suite.run(allowance + TWO.lstrip(), head=HEAD)
    assert outcome.code == 0, outcome.text
    assert outcome.problems == []
    allowed = [
        each["allowed"] for each in outcome.tests["test_lazy[8]"]["findings"] if each["rule"] == "constant_queries"
    ]
    assert [each["reason"] for each in allowed] == ["few rows"]


def test_an_ini_default_holds_for_tests_that_have_a_size(suite: Suite) -> None:
    outcome = suite.run(
        TWO.replace("@pytest.mark.constant_queries", "") + "\ndef test_other():\n    ask(1)\n",
        "-o",
        "querybudget_constant_queries=true",
        head=HEAD,
    )
    assert outcome.code == 1
    assert "CONSTANT_QUERIES" in outcome.found("test_lazy[8]")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            "@pytest.mark.constant_queries\ndef test_it(): pass",
            "compares the parameters of a test, and test_it has none",
        ),
        (
            "@pytest.mark.constant_queries\n@pytest.mark.parametrize('name', 'ab')\ndef test_it(name): pass",
            'cannot tell which parameter of test_it[a] is the size; give by="parameter"',
        ),
        (
            "@pytest.mark.constant_queries(by='count')\n@pytest.mark.parametrize('size', [1, 2])\ndef test_it(size): pass",
            "got by='count', but the parameters of test_it[1] are size",
        ),
        (
            "@pytest.mark.constant_queries(by='name')\n@pytest.mark.parametrize('name', 'ab')\ndef test_it(name): pass",
            "which is neither a number of rows nor a collection",
        ),
        ("@pytest.mark.constant_queries(2)\ndef test_it(): pass", 'got 2, but takes by="parameter", slope='),
        ("@pytest.mark.constant_queries(sizes=2)\ndef test_it(): pass", "unknown keyword 'sizes'"),
        ("@pytest.mark.constant_queries(slope=-1)\ndef test_it(): pass", "slope=-1"),
        ("@pytest.mark.constant_queries(by=3)\ndef test_it(): pass", "by=3, but takes the name of a parameter"),
    ],
)
def test_what_cannot_be_compared_is_a_usage_error(suite: Suite, body: str, said: str) -> None:
    outcome = suite.run(body)
    assert outcome.code == 4
    assert said in outcome.text


def test_a_block_cannot_be_compared(suite: Suite) -> None:
    outcome = suite.run("def test_it(query_budget):\n    query_budget(constant_queries=True)\n")
    assert outcome.counts == {"failed": 1}
    assert "it is a marker, or query_growth(...)" in outcome.text
