"""The suites that no one here wrote, and how each is run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A suite in a source distribution.

    `sdist` is the requirement whose source is fetched, `needs` are requirements beside it (`.` is the unpacked source
    itself, with its extras), `arguments` are pytest's, relative to the root of the source.
    """

    sdist: str
    needs: tuple[str, ...]
    arguments: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()
    # A folder of the source in which pytest is started.
    folder: str = "."


# Left out: what counts calls of functions, which any listener adds to, and what only type checkers read.
_SQLALCHEMY = (
    "--maxfail=100000",
    *(f"--ignore=test/{each}" for each in ("aaa_profiling", "ext/mypy", "perf", "typing")),
    "test",
)

SUITES: dict[str, Suite] = {
    "sqlalchemy-2.0": Suite(
        sdist="sqlalchemy==2.0.*",
        needs=("pytest>=8,<9", "aiosqlite", "psycopg[binary]", "greenlet", "typing-extensions"),
        arguments=_SQLALCHEMY,
    ),
    "sqlalchemy-2.1": Suite(
        sdist="sqlalchemy==2.1.*",
        needs=("pytest>=8", "aiosqlite", "psycopg[binary]", "greenlet", "typing-extensions"),
        arguments=_SQLALCHEMY,
    ),
    "alembic": Suite(sdist="alembic", needs=(".", "pytest", "black", "tzdata"), arguments=("tests",)),
    "flask-sqlalchemy": Suite(
        sdist="flask-sqlalchemy", needs=(".", "sqlalchemy<2.1", "pytest", "aiosqlite"), arguments=("tests",)
    ),
    "ihatemoney": Suite(
        sdist="ihatemoney", needs=(".", "pytest", "pytest-flask", "flask-testing"), arguments=("ihatemoney/tests",)
    ),
    "sqlalchemy-utils": Suite(
        sdist="sqlalchemy-utils",
        needs=(
            ".",
            *"""pytest babel colour cryptography furl intervals passlib pendulum phonenumbers
            python-dateutil pytz flexmock jinja2""".split(),
        ),
        arguments=("tests",),
    ),
    "advanced-alchemy": Suite(
        sdist="advanced-alchemy",
        needs=(
            ".",
            "sqlalchemy<2.1",
            # Its conftest imports the drivers of all databases; only SQLite is used.
            "pytest-databases[postgres,oracle,mysql,spanner,bigquery,cockroachdb,mssql]",
            *"""pytest pytest-asyncio pytest-mock pytest-lazy-fixtures aiosqlite click
            rich-click time-machine pydantic attrs cattrs msgspec numpy litestar fastapi httpx python-multipart
            flask sanic sanic-testing starlette fsspec obstore dishka pwdlib argon2-cffi passlib""".split(),
        ),
        arguments=("-msqlite or aiosqlite", "tests/integration"),
    ),
    "jupyterhub": Suite(
        sdist="jupyterhub",
        needs=(
            ".",
            *"pytest>=8,<9 pytest-asyncio pytest-cov requests-mock beautifulsoup4 jsonschema virtualenv".split(),
        ),
        arguments=tuple(f"jupyterhub/tests/test_{each}.py" for each in ("orm", "crypto")),
    ),
    "fastapi-users-db-sqlalchemy": Suite(
        sdist="fastapi-users-db-sqlalchemy",
        needs=(".", "pytest", "pytest-asyncio", "aiosqlite", "fastapi-users", "httpx", "sqlalchemy-utils"),
        arguments=("tests",),
    ),
    "sqlalchemy-continuum": Suite(
        sdist="sqlalchemy-continuum",
        needs=(".[flask,flask-login,flask-sqlalchemy]", "pytest"),
        # It asks for a package that none of its extras brings.
        arguments=("tests", "--ignore=tests/test_sqlmodel.py"),
    ),
    # Pyramid, with a session that joins the transaction of the request.
    "pyramid-twitcher": Suite(
        sdist="pyramid-twitcher",
        needs=(".", "sqlalchemy<2.1", "pytest", "mock", "webtest"),
        # Its own style of tracebacks shows the hooks of pytest, too.
        arguments=("--tb=auto", "tests"),
    ),
    # Pyramid without the mapper. What it stores in PostgreSQL goes to localhost, postgres:postgres, database testdb.
    "kinto": Suite(
        sdist="kinto",
        needs=(".[postgresql,redis,monitoring]", *"pytest webtest bravado flex".split()),
        # Its options ask for xdist.
        arguments=("-oaddopts=", "tests", "--ignore=tests/browser.py"),
    ),
}
