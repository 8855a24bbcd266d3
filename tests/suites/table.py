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


_SQLALCHEMY_FILES = tuple(
    f"test/{each}"
    for each in """
    base engine/test_execute.py engine/test_transaction.py engine/test_pool.py engine/test_logging.py
    engine/test_reflection.py sql/test_resultset.py sql/test_query.py
    sql/test_returning.py orm/test_lazy_relations.py orm/test_relationships.py orm/test_eager_relations.py
    orm/test_expire.py orm/test_deferred.py orm/test_session.py orm/test_transaction.py orm/test_unitofwork.py
    orm/test_unitofworkv2.py orm/test_selectin_relations.py orm/test_subquery_relations.py orm/test_events.py
    orm/test_query.py orm/test_merge.py orm/test_cascade.py orm/test_versioning.py orm/test_dynamic.py
    orm/inheritance orm/declarative ext/asyncio
    """.split()
)

SUITES: dict[str, Suite] = {
    "sqlalchemy-2.0": Suite(
        sdist="sqlalchemy==2.0.*",
        needs=("pytest>=8,<9", "aiosqlite", "psycopg[binary]", "greenlet", "typing-extensions"),
        arguments=("--maxfail=100000", *_SQLALCHEMY_FILES),
    ),
    "sqlalchemy-2.1": Suite(
        sdist="sqlalchemy==2.1.*",
        needs=("pytest>=8", "aiosqlite", "psycopg[binary]", "greenlet", "typing-extensions"),
        arguments=("--maxfail=100000", *_SQLALCHEMY_FILES),
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
}
