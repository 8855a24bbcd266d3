"""Bad input: a usage error before the first test that says what was given and what is allowed."""

from __future__ import annotations

import pytest

from .suites import Suite

pytest_plugins = ["pytester"]

# A marker, and what the error has to say.
MARKERS = {
    "text": ('max_queries("abc")', "max_queries got 'abc', but takes a whole number"),
    "digits in text": ('max_queries("1")', "max_queries got '1', but takes a whole number"),
    "negative": ("max_queries(-1)", "max_queries got -1, but a limit cannot be negative"),
    "absurd": ("max_queries(10**12)", "max_queries got 1000000000000, which no test reaches"),
    "bool": ("max_queries(True)", "max_queries got True, but takes a whole number"),
    "none": ("max_queries(None)", "max_queries got no limit"),
    "float": ("max_queries(1.5)", "max_queries got 1.5, but takes a whole number"),
    "nan": ('max_db_time(float("nan"))', "max_db_time got nan, but takes a finite number of seconds"),
    "infinite": ('max_query_time(float("inf"))', "max_query_time got inf, but takes a finite number of seconds"),
    "a year": ("max_query_time(31_536_000)", "which no test reaches: it takes at most 86400"),
    "no limit": ("max_queries()", "max_queries got no limit; it takes n, select="),
    "two limits": ("max_queries(1, 2)", "max_queries got 2 limits"),
    "two limits by name": ("max_queries(1, n=2)", "max_queries got 2 limits"),
    "keyword": ("max_queries(1, rows=2)", "max_queries got an unknown keyword 'rows'; it takes n, select="),
    "phase": ('max_queries(1, phase="calls")', "max_queries got phase='calls', but takes one of call, setup"),
    "exact": ("max_queries(1, exact=1)", "max_queries got exact=1, but exact takes True or False"),
    "kind": ("max_queries(select=-1)", "max_queries got select=-1, but a limit cannot be negative"),
    "columns": ('max_columns("x")', "max_columns got 'x', but takes a whole number"),
    "rows": ("max_rows()", "max_rows takes one limit"),
    "threshold": ("no_n_plus_one(threshold=1)", "one statement is no repetition"),
    "argument": ("no_repeated_queries(3)", "no_repeated_queries got 3"),
    "prohibition": ("read_only(1)", "read_only got 1, but takes no arguments"),
    "no pattern": ("only_columns()", "only_columns got no pattern"),
    "pattern without a dot": (
        'forbid_columns("secret")',
        """got 'secret', but a pattern is "table.column"; for every table "*.secret\"""",
    ),
    "pattern of nothing": (
        'forbid_columns("customer.secrets")',
        "no column of the metadata matches it; near it are: customer.secret",
    ),
    "pattern that is none": ("only_columns(3)", "only_columns got 3, but takes patterns as strings"),
    "empty group": ("query_budget()", "query_budget got no rule, so that it could never fail; rules are: max_queries"),
    "positional group": ("query_budget(3)", "query_budget got 3, but takes rules as keywords"),
    "unknown rule": ("query_budget(max_querys=3)", "unknown rule 'max_querys'; did you mean 'max_queries'?"),
    "far-off rule": ("query_budget(zzz=3)", "unknown rule 'zzz'; rules are: max_queries, max_columns"),
    "keyword that is nearly right": ("max_queries(1, selct=2)", "unknown keyword 'selct'; did you mean 'select'?"),
    "allow nothing": ("allow_queries()", "allow_queries got no rule"),
    "allow a typo": ('allow_queries("no_n_plus_on")', "did you mean 'no_n_plus_one'?"),
    "allow no name": ("allow_queries(3)", "allow_queries got 3; allow_queries takes rule names"),
    "allow keyword": ('allow_queries("max_rows", why="x")', "allow_queries got an unknown keyword 'why'"),
    "allow match": ('allow_queries("max_rows", match=3)', "allow_queries got match=3, but match takes text"),
    "allow until": (
        'allow_queries("max_rows", until="31.1.2027")',
        "until got '31.1.2027', but takes a date as \"2027-01-31\"",
    ),
}


@pytest.mark.parametrize("name", MARKERS)
def test_a_mistake_in_a_marker_stops_the_run(suite: Suite, name: str) -> None:
    """Exit code 4, no test is run, and the sentence names the test, what was given and what is allowed."""
    marker, said = MARKERS[name]
    done = suite.run(f"@pytest.mark.{marker}\ndef test_it():\n    pass\ndef test_other():\n    pass\n")
    assert done.code == pytest.ExitCode.USAGE_ERROR
    assert said in done.text
    assert "test_it.py::test_it: " in done.text
    assert "Traceback" not in done.text and "INTERNALERROR" not in done.text
    assert done.counts == {}


INI = {
    "typo": (
        "querybudget_max_querys = 3",
        "unknown ini option 'querybudget_max_querys'; did you mean 'querybudget_max_queries'?",
    ),
    "value": (
        "querybudget_max_queries = many",
        "ini option querybudget_max_queries: max_queries got 'many', but takes a whole number",
    ),
    "negative": ("querybudget_max_rows = -3", "ini option querybudget_max_rows: max_rows got -3"),
    "mode": ("querybudget_mode = loud", "querybudget_mode got 'loud', but takes one of report, strict, off"),
    "top": ("querybudget_top = few", "--querybudget-top got 'few', but takes a whole number from 0"),
    "pattern": (
        "querybudget_forbid_columns = secret",
        "ini option querybudget_forbid_columns: forbid_columns got 'secret'",
    ),
}


@pytest.mark.parametrize("name", INI)
@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_mistake_in_the_ini_file_stops_the_run(suite: Suite, name: str, workers: str) -> None:
    """So it does from the ini file, with and without workers."""
    line, said = INI[name]
    suite.write("pytest.ini", f"[pytest]\n{line}\n")
    done = suite.run("def test_it():\n    pass\n", *(["-n", workers] if workers != "0" else []))
    assert done.code == pytest.ExitCode.USAGE_ERROR
    assert f"pytest-querybudget: {said}" in done.text
    assert "Traceback" not in done.text


def test_a_mistake_on_the_command_line(suite: Suite) -> None:
    """Overrides of ini options, modes and report formats are checked as well."""
    for argument, said in {
        "--override-ini=querybudget_max_row=3": "did you mean 'querybudget_max_rows'?",
        "--querybudget=loud": "invalid choice: 'loud'",
        "--querybudget-top=-1": "--querybudget-top got '-1', but takes a whole number from 0",
        "--querybudget-report=pdf:x": "pdf",
    }.items():
        done = suite.run("def test_it():\n    pass\n", argument)
        assert done.code == pytest.ExitCode.USAGE_ERROR
        assert said in done.text


@pytest.mark.parametrize("name", ["text", "unknown rule", "pattern of nothing"])
def test_a_mistake_with_workers_reads_the_same(suite: Suite, name: str) -> None:
    """With `-n 2` there is one sentence, exit code 4, and no crash."""
    marker, said = MARKERS[name]
    done = suite.run(f"@pytest.mark.{marker}\ndef test_it():\n    pass\ndef test_other():\n    pass\n", "-n", "2")
    assert done.code == pytest.ExitCode.USAGE_ERROR
    assert done.text.count(said) == 1
    assert "INTERNALERROR" not in done.text and "Traceback" not in done.text


@pytest.mark.parametrize("arguments", [(), ("--strict-markers",), ("--strict-markers", "-n", "2")], ids=" ".join)
def test_a_marker_that_is_all_but_a_rule(suite: Suite, arguments: tuple[str, ...]) -> None:
    """It would never fail. Where pytest itself refuses unknown markers, the sentence still says which one was meant."""
    done = suite.run("@pytest.mark.max_querys(1)\ndef test_it():\n    pass\n", *arguments)
    assert done.code == pytest.ExitCode.USAGE_ERROR
    assert done.text.count("ERROR: ") == 1
    assert "test_it.py" in done.text
    assert "unknown marker 'max_querys'; did you mean 'max_queries'?" in done.text


def test_a_budget_on_what_is_no_test_function(suite: Suite) -> None:
    """A doctest, or an item of a plugin's own, cannot be measured: that is said instead of ignored."""
    suite.write(
        "conftest.py",
        "import pytest\ndef pytest_collection_modifyitems(items):\n    for each in items:\n        each.add_marker(pytest.mark.max_queries(1))\n",
    )
    suite.write("sums.py", '"""\n>>> 1 + 1\n2\n"""\n')
    done = suite.run("", "--doctest-modules", "sums.py")
    assert done.code == pytest.ExitCode.USAGE_ERROR
    assert "max_queries on a DoctestItem cannot be measured" in done.text
    suite.write("conftest.py", "")
    suite.write("pytest.ini", "[pytest]\nquerybudget_max_queries = 3\n")
    assert suite.run("", "--doctest-modules", "sums.py").counts == {"passed": 1}


def test_a_budget_on_a_module_is_for_its_test_functions(suite: Suite) -> None:
    """A doctest beside them is not meant; where a module has doctests alone, its budget could never fail."""
    budget = '"""\n>>> 1 + 1\n2\n"""\nimport pytest\npytestmark = pytest.mark.max_queries(3)\n'
    suite.write(
        "test_sums.py", f'{budget}import sqlalchemy\n\ndef test_it(): sqlalchemy.create_engine("sqlite://").connect()\n'
    )
    assert suite.run("", "--doctest-modules", "test_sums.py").counts == {"passed": 2}
    suite.write("sums.py", budget)
    done = suite.run("", "--doctest-modules", "sums.py")
    assert done.code == pytest.ExitCode.USAGE_ERROR
    assert "max_queries on a DoctestItem cannot be measured" in done.text


def test_a_mistake_that_comes_late_fails_its_test(suite: Suite) -> None:
    """A marker that a fixture adds is read when the fixture has run; what is wrong with it fails the test."""
    done = suite.run(
        """
        @pytest.fixture
        def added(request):
            request.node.add_marker(pytest.mark.max_queries("x"))
        def test_it(added):
            pass
        def test_other():
            pass
        """
    )
    assert done.counts == {"passed": 1, "error": 1}
    assert "max_queries got 'x', but takes a whole number" in done.text


def test_patterns_of_known_columns_are_accepted(suite: Suite) -> None:
    """Wildcards, schemas left out, and a suite without any metadata."""
    done = suite.run(
        """
        @pytest.mark.only_columns("customer.*", "o*.id")
        def test_it():
            ask(1)
        """
    )
    assert done.counts == {"passed": 1}
    done = suite.run(
        """
        import pytest
        @pytest.mark.forbid_columns("nothing.at_all")
        def test_it():
            from sqlalchemy import create_engine
            pytest.engine = create_engine("sqlite://")
        """,
        subprocess=True,
        head="",
    )
    assert done.counts == {"passed": 1}
