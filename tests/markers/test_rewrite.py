"""Budgets into the source: what is written, what is lowered, and what is left alone."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

import pytest

from pytest_querybudget.markers.figures import Case, Names, split
from pytest_querybudget.markers.rewrite import Rewrite, rewrite

Figures = Mapping[str, int | None]  # None: it did not pass


def figures(given: Figures, kinds: Mapping[str, dict[str, int]] | None = None) -> dict[Names, list[Case]]:
    """`{"TestA::test[1]": 3}` as cases."""
    result: dict[Names, list[Case]] = {}
    for name, queries in given.items():
        _, names, param = split(f"t.py::{name}")
        sent = (kinds or {}).get(name) or {"select": queries or 0}
        result.setdefault(names, []).append(Case(param=param, passed=queries is not None, kinds=sent))
    return result


def result(source: str, given: Figures, *, exact: bool = False, complete: bool = True) -> Rewrite:
    return rewrite(textwrap.dedent(source).lstrip("\n"), figures(given), exact=exact, complete=complete)


def check(source: str, given: Figures, wanted: str | None) -> None:
    """Rewrite, compare (None: unchanged), and see that a second time changes nothing."""
    before = textwrap.dedent(source).lstrip("\n")
    after = textwrap.dedent(wanted).lstrip("\n") if wanted is not None else before
    first = rewrite(before, figures(given))
    assert first.source == after
    assert rewrite(after, figures(given)).source == after


CASES: dict[str, tuple[str, Figures, str | None]] = {
    "a test without a budget gets one": (
        """
        import pytest


        def test_list(db):
            assert db
        """,
        {"test_list": 3},
        """
        import pytest


        @pytest.mark.max_queries(3)
        def test_list(db):
            assert db
        """,
    ),
    "pytest is imported when it is not": (
        '''
        """Orders."""

        from __future__ import annotations

        import app


        def test_list(db):  # a comment
            assert app
        ''',
        {"test_list": 3},
        '''
        """Orders."""

        from __future__ import annotations

        import app
        import pytest


        @pytest.mark.max_queries(3)
        def test_list(db):  # a comment
            assert app
        ''',
    ),
    "pytest under another name": (
        "import pytest as pt\n\n\ndef test_a(): ...\n",
        {"test_a": 1},
        "import pytest as pt\n\n\n@pt.mark.max_queries(1)\ndef test_a(): ...\n",
    ),
    "mark imported by itself": (
        "from pytest import mark\n\n\n@mark.slow\ndef test_a(): ...\n",
        {"test_a": 1},
        "from pytest import mark\n\n\n@mark.max_queries(1)\n@mark.slow\ndef test_a(): ...\n",
    ),
    "comments and decorators stay where they are": (
        """
        import pytest

        # Orders are listed.

        # With customers.
        @pytest.mark.slow  # really
        # not so fast
        async def test_list( db , * , limit = 1 ) :
            '''Doc.'''
        """,
        {"test_list": 2},
        """
        import pytest

        # Orders are listed.

        # With customers.
        @pytest.mark.max_queries(2)
        @pytest.mark.slow  # really
        # not so fast
        async def test_list( db , * , limit = 1 ) :
            '''Doc.'''
        """,
    ),
    "slack is taken out": (
        "import pytest\n\n\n@pytest.mark.max_queries(10)  # generous\ndef test_a(): ...\n",
        {"test_a": 2},
        "import pytest\n\n\n@pytest.mark.max_queries(2)  # generous\ndef test_a(): ...\n",
    ),
    "nothing is raised": ("import pytest\n\n\n@pytest.mark.max_queries(2)\ndef test_a(): ...\n", {"test_a": 5}, None),
    "exact stays": (
        "import pytest\n\n\n@pytest.mark.max_queries(n=4, exact=True)\ndef test_a(): ...\n",
        {"test_a": 2},
        "import pytest\n\n\n@pytest.mark.max_queries(n=2, exact=True)\ndef test_a(): ...\n",
    ),
    "kinds are lowered too": (
        "import pytest\n\n\n@pytest.mark.max_queries(9, select=7, insert=3)\ndef test_a(): ...\n",
        {"test_a": 2},
        "import pytest\n\n\n@pytest.mark.max_queries(2, select=2, insert=0)\ndef test_a(): ...\n",
    ),
    "query_budget is a budget too": (
        "import pytest\n\n\n@pytest.mark.query_budget(max_queries=9, max_rows=9)\ndef test_a(): ...\n",
        {"test_a": 2},
        "import pytest\n\n\n@pytest.mark.query_budget(max_queries=2, max_rows=9)\ndef test_a(): ...\n",
    ),
    "query_budget without max_queries is none": (
        "import pytest\n\n\n@pytest.mark.query_budget(max_rows=9)\ndef test_a(): ...\n",
        {"test_a": 2},
        "import pytest\n\n\n@pytest.mark.max_queries(2)\n@pytest.mark.query_budget(max_rows=9)\ndef test_a(): ...\n",
    ),
    "a budget of fixtures is left alone": (
        'import pytest\n\n\n@pytest.mark.max_queries(9, phase="setup")\ndef test_a(): ...\n',
        {"test_a": 2},
        None,
    ),
    "a number that has a name is left alone": (
        "import pytest\n\nN = 9\n\n\n@pytest.mark.max_queries(N)\ndef test_a(): ...\n",
        {"test_a": 2},
        None,
    ),
    "a marker that has a name is left alone": (
        "import pytest\n\nfew = pytest.mark.max_queries(9)\n\n\n@few\ndef test_a(): ...\n",
        {"test_a": 2},
        None,
    ),
    "a test that sends nothing gets none": ("def test_a(): ...\n", {"test_a": 0}, None),
    "a failed test is left alone": (
        "import pytest\n\n\n@pytest.mark.max_queries(9)\ndef test_a(): ...\n\n\ndef test_b(): ...\n",
        {"test_a": None, "test_b": None},
        None,
    ),
    "a property test is left alone": (
        "from hypothesis import given\n\n\n@given()\ndef test_a(): ...\n",
        {"test_a": 100},
        None,
    ),
    "a name that is defined twice is left alone": (
        "if app:\n    def test_a(): ...\nelse:\n    def test_a(): ...\n",
        {"test_a": 1},
        None,
    ),
    "methods, nested classes and unittest": (
        """
        import unittest

        import pytest


        class TestOrders(unittest.TestCase):
            def setUp(self): ...

            def test_a(self): ...

            class TestInner:
                async def test_b(self): ...
        """,
        {"TestOrders::test_a": 1, "TestOrders::TestInner::test_b": 2},
        """
        import unittest

        import pytest


        class TestOrders(unittest.TestCase):
            def setUp(self): ...

            @pytest.mark.max_queries(1)
            def test_a(self): ...

            class TestInner:
                @pytest.mark.max_queries(2)
                async def test_b(self): ...
        """,
    ),
    "a budget of the class is respected, and lowered to the most that a test needs": (
        """
        import pytest


        @pytest.mark.max_queries(9)
        class TestOrders:
            def test_a(self): ...

            def test_b(self): ...

            @pytest.mark.max_queries(8)
            def test_c(self): ...
        """,
        {"TestOrders::test_a": 1, "TestOrders::test_b": 3, "TestOrders::test_c": 8},
        """
        import pytest


        @pytest.mark.max_queries(3)
        class TestOrders:
            def test_a(self): ...

            def test_b(self): ...

            @pytest.mark.max_queries(8)
            def test_c(self): ...
        """,
    ),
    "a class budget that is tight stays": (
        """
        import pytest


        class TestOrders:
            pytestmark = [pytest.mark.slow, pytest.mark.max_queries(3)]

            def test_a(self): ...

            def test_b(self): ...
        """,
        {"TestOrders::test_a": 1, "TestOrders::test_b": 3},
        None,
    ),
    "a class budget is left alone when one of its tests did not pass": (
        (
            "import pytest\n\n\n@pytest.mark.max_queries(9)\nclass TestA:\n"
            "    def test_a(self): ...\n\n    def test_b(self): ...\n"
        ),
        {"TestA::test_a": 1, "TestA::test_b": None},
        None,
    ),
    "a budget of the module is respected and lowered": (
        """
        import pytest

        pytestmark = pytest.mark.max_queries(20)


        def test_a(): ...


        class TestB:
            def test_b(self): ...
        """,
        {"test_a": 1, "TestB::test_b": 4},
        """
        import pytest

        pytestmark = pytest.mark.max_queries(4)


        def test_a(): ...


        class TestB:
            def test_b(self): ...
        """,
    ),
    "an inherited test is held to the most that any class needs": (
        """
        import pytest


        class TestBase:
            def test_a(self): ...


        class TestChild(TestBase):
            pass
        """,
        {"TestBase::test_a": 1, "TestChild::test_a": 4},
        """
        import pytest


        class TestBase:
            @pytest.mark.max_queries(4)
            def test_a(self): ...


        class TestChild(TestBase):
            pass
        """,
    ),
    "parameters that agree share one marker": (
        'import pytest\n\n\n@pytest.mark.parametrize("n", [1, 2])\ndef test_a(n): ...\n',
        {"test_a[1]": 3, "test_a[2]": 3},
        'import pytest\n\n\n@pytest.mark.max_queries(3)\n@pytest.mark.parametrize("n", [1, 2])\ndef test_a(n): ...\n',
    ),
    "parameters that differ get one each": (
        """
        import pytest


        @pytest.mark.parametrize(
            "name",
            [
                "plain",  # nothing
                'é\\n',
                None,
                pytest.param(1.5, id="some [id]::x"),
                pytest.param(True, marks=pytest.mark.slow),
                pytest.param(
                    False,
                    marks=[pytest.mark.slow, pytest.mark.fast],
                ),
                pytest.param(7, marks=pytest.mark.max_queries(9)),
            ],
        )
        def test_a(name): ...
        """,
        {},
        None,
    ),
    "several arguments": (
        'import pytest\n\n\n@pytest.mark.parametrize("a, b", [(1, "x"), [2, "y"]])\ndef test_a(a, b): ...\n',
        {"test_a[1-x]": 3, "test_a[2-y]": 5},
        (
            "import pytest\n\n\n"
            '@pytest.mark.parametrize("a, b", [pytest.param(1, "x", marks=pytest.mark.max_queries(3)), '
            'pytest.param(2, "y", marks=pytest.mark.max_queries(5))])\ndef test_a(a, b): ...\n'
        ),
    ),
    "two decorators: the one that explains the figures": (
        """
        import pytest


        @pytest.mark.parametrize("n", [1, 9])
        @pytest.mark.parametrize("kind", ("a", "b"))
        def test_a(kind, n): ...
        """,
        {"test_a[a-1]": 2, "test_a[b-1]": 2, "test_a[a-9]": 7, "test_a[b-9]": 7},
        """
        import pytest


        @pytest.mark.parametrize("n", [pytest.param(1, marks=pytest.mark.max_queries(2)), pytest.param(9, marks=pytest.mark.max_queries(7))])
        @pytest.mark.parametrize("kind", ("a", "b"))
        def test_a(kind, n): ...
        """,
    ),
    "values that are computed are held to the most": (
        'import pytest\n\n\n@pytest.mark.parametrize("n", range(2))\ndef test_a(n): ...\n',
        {"test_a[0]": 3, "test_a[1]": 5},
        'import pytest\n\n\n@pytest.mark.max_queries(5)\n@pytest.mark.parametrize("n", range(2))\ndef test_a(n): ...\n',
    ),
    "parameters of a fixture are held to the most": (
        "import pytest\n\n\ndef test_a(engine): ...\n",
        {"test_a[sqlite]": 3, "test_a[postgres]": 5},
        "import pytest\n\n\n@pytest.mark.max_queries(5)\ndef test_a(engine): ...\n",
    ),
    "classes and enum members as values": (
        'import pytest\n\n\n@pytest.mark.parametrize("m", [Order, Kind.NEW, make()])\ndef test_a(m): ...\n',
        {"test_a[Order]": 1, "test_a[Kind.NEW]": 2, "test_a[m2]": 2},
        (
            'import pytest\n\n\n@pytest.mark.parametrize("m", [pytest.param(Order, marks=pytest.mark.max_queries(1)), '
            "pytest.param(Kind.NEW, marks=pytest.mark.max_queries(2)), "
            "pytest.param(make(), marks=pytest.mark.max_queries(2))])\ndef test_a(m): ...\n"
        ),
    ),
    "ids that are written out": (
        'import pytest\n\n\n@pytest.mark.parametrize("n", [1, 2], ids=["one", "two"])\ndef test_a(n): ...\n',
        {"test_a[one]": 1, "test_a[two]": 2},
        (
            'import pytest\n\n\n@pytest.mark.parametrize("n", [pytest.param(1, marks=pytest.mark.max_queries(1)), '
            'pytest.param(2, marks=pytest.mark.max_queries(2))], ids=["one", "two"])\ndef test_a(n): ...\n'
        ),
    ),
    "a parameter that did not pass leaves the others theirs": (
        'import pytest\n\n\n@pytest.mark.parametrize("n", [1, 2])\ndef test_a(n): ...\n',
        {"test_a[1]": 3, "test_a[2]": None},
        (
            'import pytest\n\n\n@pytest.mark.parametrize("n", [pytest.param(1, marks=pytest.mark.max_queries(3)), 2])\n'
            "def test_a(n): ...\n"
        ),
    ),
    "argument names in a list, and values that another list holds": (
        'import pytest\n\n\n@pytest.mark.parametrize(["a", "b"], [PAIR, *MORE])\ndef test_a(a, b): ...\n',
        {"test_a[1-2]": 1, "test_a[3-4]": 2},
        (
            "import pytest\n\n\n@pytest.mark.max_queries(2)\n"
            '@pytest.mark.parametrize(["a", "b"], [PAIR, *MORE])\ndef test_a(a, b): ...\n'
        ),
    ),
    "ids that a function makes": (
        'import pytest\n\n\n@pytest.mark.parametrize("n", [1, 2], ids=str)\ndef test_a(n): ...\n',
        {"test_a[1]": 1, "test_a[2]": 2},
        (
            "import pytest\n\n\n@pytest.mark.max_queries(2)\n"
            '@pytest.mark.parametrize("n", [1, 2], ids=str)\ndef test_a(n): ...\n'
        ),
    ),
    "ids of None are those that pytest makes": (
        'import pytest\n\n\n@pytest.mark.parametrize("n", [1, 2], ids=None)\ndef test_a(n): ...\n',
        {"test_a[1]": 2, "test_a[2]": 3},
        (
            'import pytest\n\n\n@pytest.mark.parametrize("n", [pytest.param(1, marks=pytest.mark.max_queries(2)), '
            "pytest.param(2, marks=pytest.mark.max_queries(3))], ids=None)\ndef test_a(n): ...\n"
        ),
    ),
    "values with comments inside": (
        """
        import pytest


        @pytest.mark.parametrize(
            "a, b",
            [
                (
                    1,  # one
                    2,
                ),
                (3, 4),
            ],
        )
        def test_a(a, b): ...
        """,
        {"test_a[1-2]": 1, "test_a[3-4]": 2},
        """
        import pytest


        @pytest.mark.parametrize(
            "a, b",
            [
                pytest.param(*(
                    1,  # one
                    2,
                ), marks=pytest.mark.max_queries(1)),
                pytest.param(3, 4, marks=pytest.mark.max_queries(2)),
            ],
        )
        def test_a(a, b): ...
        """,
    ),
    "a list of marks that grows": (
        "import pytest\n\npytestmark: list = []\npytestmark += [pytest.mark.max_queries(5)]\n\n\ndef test_a(): ...\n",
        {"test_a": 3},
        "import pytest\n\npytestmark: list = []\npytestmark += [pytest.mark.max_queries(3)]\n\n\ndef test_a(): ...\n",
    ),
    "param imported by itself": (
        'from pytest import mark, param\n\n\n@mark.parametrize("n", [1, 2])\ndef test_a(n): ...\n',
        {"test_a[1]": 1, "test_a[2]": 2},
        (
            'from pytest import mark, param\n\n\n@mark.parametrize("n", [param(1, marks=mark.max_queries(1)), '
            "param(2, marks=mark.max_queries(2))])\ndef test_a(n): ...\n"
        ),
    ),
    "a base that passes its budget on": (
        """
        import pytest


        @pytest.mark.max_queries(5)
        class TestBase:
            def test_a(self): ...


        class TestChild(TestBase):
            def test_b(self): ...
        """,
        {"TestBase::test_a": 1, "TestChild::test_a": 2, "TestChild::test_b": 4},
        """
        import pytest


        @pytest.mark.max_queries(4)
        class TestBase:
            def test_a(self): ...


        class TestChild(TestBase):
            def test_b(self): ...
        """,
    ),
    "windows line ends": (
        "import pytest\r\n\r\n\r\ndef test_a(): ...\r\n",
        {"test_a": 1},
        "import pytest\r\n\r\n\r\n@pytest.mark.max_queries(1)\r\ndef test_a(): ...\r\n",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_budgets_are_written(name: str) -> None:
    """Each case says what becomes of it, and that a second run changes nothing."""
    check(*CASES[name])


def test_parameters_of_every_form() -> None:
    """Literals, given ids, marks as one, as a list, and a budget that is already there."""
    source = CASES["parameters that differ get one each"][0]
    given = {
        "test_a[plain]": 1,
        "test_a[\\xe9\\n]": 2,
        "test_a[None]": 3,
        "test_a[some [id]::x]": 4,
        "test_a[True]": 5,
        "test_a[False]": 6,
        "test_a[7]": 7,
    }
    text = result(source, given).source
    assert text.splitlines()[4:18] == [
        '    "name",',
        "    [",
        '        pytest.param("plain", marks=pytest.mark.max_queries(1)),  # nothing',
        "        pytest.param('é\\n', marks=pytest.mark.max_queries(2)),",
        "        pytest.param(None, marks=pytest.mark.max_queries(3)),",
        '        pytest.param(1.5, id="some [id]::x", marks=pytest.mark.max_queries(4)),',
        "        pytest.param(True, marks=[pytest.mark.slow, pytest.mark.max_queries(5)]),",
        "        pytest.param(",
        "            False,",
        "            marks=[pytest.mark.slow, pytest.mark.fast, pytest.mark.max_queries(6)],",
        "        ),",
        "        pytest.param(7, marks=pytest.mark.max_queries(7)),",
        "    ],",
        ")",
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "import pytest\n\n\n"),
        ("# Licence\n\n", "# Licence\n\nimport pytest\n\n\n"),
        ('"""Doc."""\n\n\n', '"""Doc."""\n\nimport pytest\n\n\n'),
        ("import os\n\n\n", "import os\n\nimport pytest\n\n\n"),
        ("from __future__ import annotations\n\n\n", "from __future__ import annotations\n\nimport pytest\n\n\n"),
        (
            "import os\n\nimport attr\nimport sqlalchemy\n\n",
            "import os\n\nimport attr\nimport pytest\nimport sqlalchemy\n\n",
        ),
        ("import os\n\nfrom attr import s\n\n\n", "import os\n\nimport pytest\nfrom attr import s\n\n\n"),
        ("import os\n\n# ours\nimport zope\n\n\n", "import os\n\n# ours\nimport pytest\nimport zope\n\n\n"),
        ("from . import x\n\n\n", "from . import x\n\nimport pytest\n\n\n"),
        (
            "if TYPE_CHECKING:\n    import pytest\n\n\n",
            "import pytest\n\n\nif TYPE_CHECKING:\n    import pytest\n\n\n",
        ),
    ],
)
def test_pytest_is_imported_where_it_belongs(before: str, after: str) -> None:
    """Among the libraries, in order; after the docstring and `__future__`; an import in a block is none."""
    test = "def test_a(): ...\n"
    assert result(before + test, {"test_a": 1}).source == f"{after}@pytest.mark.max_queries(1)\n{test}"


def test_exact_where_one_number_holds_for_all() -> None:
    """`exact=True` says that fewer is a change too."""
    one = result("import pytest\n\n\ndef test_a(x): ...\n", {"test_a": 2}, exact=True)
    assert "@pytest.mark.max_queries(2, exact=True)\n" in one.source
    several = result("import pytest\n\n\ndef test_a(x): ...\n", {"test_a[0]": 2, "test_a[1]": 3}, exact=True)
    assert "@pytest.mark.max_queries(3)\n" in several.source


@pytest.mark.parametrize(
    ("source", "given"),
    [
        ("import pytest\n\n\ndef test_a(x): ...\n", {"test_a[0]": 2}),
        ("import pytest\n\n\n@pytest.mark.max_queries(9)\ndef test_a(x): ...\n", {"test_a[0]": 2}),
        ("import pytest\n\npytestmark = pytest.mark.max_queries(9)\n\n\ndef test_a(): ...\n", {"test_a": 2}),
        (
            "import pytest\n\n\n@pytest.mark.max_queries(9)\nclass TestA:\n    def test_a(self): ...\n",
            {"TestA::test_a": 2},
        ),
        (
            'import pytest\n\n\n@pytest.mark.max_queries(9)\n@pytest.mark.parametrize("n", [1, 2])\ndef test_a(n): ...\n',
            {"test_a[1]": 2},
        ),
    ],
    ids=["parameters", "parameters of a budget", "module", "class", "literal parameters"],
)
def test_a_part_of_the_suite_says_nothing_of_the_rest(source: str, given: Figures) -> None:
    """A budget that others share is not lowered to what one of them needs."""
    assert rewrite(source, figures(given), complete=False).source == source


def test_a_part_of_the_suite_still_gives_budgets_to_what_ran() -> None:
    """To plain tests, and to values that are written out."""
    assert "max_queries(2)" in result("def test_a(): ...\n", {"test_a": 2}, complete=False).source
    source = 'import pytest\n\n\n@pytest.mark.parametrize("n", [1, 2])\ndef test_a(n): ...\n'
    text = rewrite(source, figures({"test_a[1]": 3}), complete=False).source
    assert "[pytest.param(1, marks=pytest.mark.max_queries(3)), 2]" in text
    assert (
        "@pytest.mark.max_queries(3)"
        in rewrite(source, figures({"test_a[1]": 3, "test_a[2]": 3}), complete=False).source
    )


def test_a_class_that_other_files_inherit_from_keeps_its_budget() -> None:
    """Their tests were not counted here."""
    source = "import pytest\n\n\n@pytest.mark.max_queries(9)\nclass TestA:\n    def test_a(self): ...\n"
    given = figures({"TestA::test_a": 2})
    assert rewrite(source, given, inherited=frozenset({"TestA"})).source == source
    assert "max_queries(2)" in rewrite(source, given).source


def test_what_is_left_alone_says_why() -> None:
    """By the names of the test."""
    left = result(
        "from hypothesis import given\n\n\n@given()\ndef test_a(): ...\n\n\ndef test_b(): ...\n",
        {"test_a": 1, "test_b": None, "TestX::test_c": 1},
    ).left
    assert left == {
        ("test_a",): "runs examples, which differ",
        ("test_b",): "not all of it ran and passed",
        ("TestX", "test_c"): "no function of this file",
    }


def test_a_file_that_is_no_python_is_an_error() -> None:
    """With its line."""
    with pytest.raises(ValueError, match="line 1"):
        rewrite("def test_a(:\n", {})


@pytest.mark.parametrize(
    ("nodeid", "parts"),
    [
        ("a/b.py::test", ("a/b.py", ("test",), None)),
        ("a/b.py::TestA::TestB::test[x]", ("a/b.py", ("TestA", "TestB", "test"), "x")),
        ("a.py::test[x::y[0]-]]", ("a.py", ("test",), "x::y[0]-]")),
        ("a.py::test[]", ("a.py", ("test",), "")),
        ("a.py", ("a.py", (), None)),
    ],
)
def test_node_ids_are_taken_apart(nodeid: str, parts: tuple[str, tuple[str, ...], str | None]) -> None:
    """Brackets and colons inside of a parameter are the parameter's."""
    assert split(nodeid) == parts
