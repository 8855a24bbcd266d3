"""Two traps in one statement: what is found and advised, on small tables of every database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine

from pytest_querybudget.plans.joins import COULD_SERVE
from pytest_querybudget.plans.planner import Planner
from pytest_querybudget.plans.readers import default_readers
from pytest_querybudget.recording.plans import Plan, Planned
from tests.plans.any_server import NAMES, empty_database

KEY = {"sqlite": "INTEGER PRIMARY KEY", "postgresql": "SERIAL PRIMARY KEY", "mysql": "INT PRIMARY KEY AUTO_INCREMENT"}
TABLES = (
    "CREATE TABLE wards (id {key}, name VARCHAR(60) UNIQUE, floor INT)",
    "CREATE TABLE patients (id {key}, ward_id INT, city VARCHAR(60), status VARCHAR(10), created INT, deleted_at INT)",
    "CREATE TABLE visits (id {key}, patient_id INT, room INT, rating INT, cost INT NOT NULL, kind VARCHAR(9))",
    "CREATE TABLE doses (patient_id INT NOT NULL, drug_id INT NOT NULL, PRIMARY KEY (patient_id, drug_id))",
    "CREATE INDEX ix_ward ON patients (ward_id, status, created)",
    "CREATE INDEX ix_visit ON visits (patient_id)",
    "CREATE INDEX ix_kind ON visits (kind)",
    "CREATE VIEW present AS SELECT id, ward_id, created FROM patients WHERE deleted_at IS NULL",
)
ROWS = (
    "INSERT INTO wards (name, floor) VALUES ('w{n}', {n} % 3)",
    "INSERT INTO patients (ward_id, city, status, created) VALUES ({n}, 'c{n}', 'new', {n})",
    "INSERT INTO visits (patient_id, room, rating, cost, kind) VALUES ({n}, {n}, {n}, {n}, 'k{n}')",
    "INSERT INTO doses VALUES ({n}, {n})",
)
PARTED = {
    "mysql": (
        (
            "CREATE TABLE measures (id INT, taken DATE, sensor INT, PRIMARY KEY (id, taken)) PARTITION BY RANGE (TO_DAYS(taken))"
            " (PARTITION a VALUES LESS THAN (TO_DAYS('2024-06-01')), PARTITION b VALUES LESS THAN MAXVALUE)"
        ),
        "INSERT INTO measures VALUES (1, '2024-01-01', 1), (2, '2024-07-01', 2), (3, '2024-08-01', 3)",
    ),
    "sqlite": ("CREATE TABLE measures (id INT, taken DATE, sensor INT, PRIMARY KEY (id, taken))",),  # in one part
    "postgresql": (
        "CREATE TABLE measures (id INT, taken DATE, sensor INT, PRIMARY KEY (id, taken)) PARTITION BY RANGE (taken)",
        "CREATE TABLE measures_a PARTITION OF measures FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')",
    ),
}


@pytest.fixture(scope="module", params=NAMES)
def connection(request: pytest.FixtureRequest) -> Iterator[Connection]:
    """A connection to nine rows of each table."""
    with empty_database(request.param, "traps") as url:
        engine = create_engine(url)
        with engine.connect() as found:
            dialect = found.dialect.name
            for statement in (*TABLES, *PARTED.get(dialect, ())):
                found.exec_driver_sql(statement.format(key=KEY[dialect]))
            for number in range(1, 10):
                for statement in ROWS:
                    found.exec_driver_sql(statement.format(n=number).replace("%", "%%" * (dialect != "sqlite") or "%"))
            found.commit()
            yield found
        engine.dispose()


def plan_of(connection: Connection, sql: str) -> Plan:
    answer = Planner.of(default_readers()).plan(connection, sql, ())
    assert isinstance(answer, Planned), answer
    return answer.plan


def found_in(plan: Plan) -> dict[str, Any]:
    """The tables that are read or sorted in vain, each with the columns of the index that is advised first."""
    wrong = {("scan", node.table, node.alias) for node in plan.root.walk() if node.reads_everything_in_vain}
    wrong |= {("sort", sort.table, sort.alias) for sort in plan.sorts}
    return {
        f"{purpose} {table}": next(
            (
                each.columns
                for each in plan.advice
                if (each.purpose, each.table) == (purpose, table) and each.alias in (alias, None)
            ),
            (),
        )
        for purpose, table, alias in wrong
    }


#: Statement, what is found on all databases, and where it is otherwise.
CASES: dict[str, tuple[str, dict[str, tuple[str, ...]], dict[str, dict[str, tuple[str, ...]]]]] = {
    "exists asked of a filtered table": (
        "SELECT p.id FROM patients p WHERE p.city = 'c' AND EXISTS (SELECT 1 FROM visits v WHERE v.patient_id = p.id)",
        {"scan patients": ("city",)},
        {},
    ),
    "exists asked of a table found by an index": (
        "SELECT p.id FROM patients p WHERE p.ward_id = 1 AND EXISTS (SELECT 1 FROM visits v WHERE v.patient_id = p.id)",
        {},
        {},
    ),
    "list of a filtered subquery": (
        "SELECT id FROM visits WHERE patient_id IN (SELECT patient_id FROM doses WHERE drug_id = 3)",
        {"scan doses": ("drug_id",)},
        {},
    ),
    "list of a subquery that an index serves": (
        "SELECT id FROM visits WHERE patient_id IN (SELECT id FROM patients WHERE ward_id = 3)",
        {},
        {},
    ),
    "delete by a filtered subquery": (
        "DELETE FROM visits WHERE patient_id IN (SELECT id FROM patients WHERE city = 'c')",
        {"scan patients": ("city",)},
        {},
    ),
    "chain of joins from a filter": (
        "SELECT v.id FROM visits v JOIN patients p ON p.id = v.patient_id JOIN wards w ON w.id = p.ward_id WHERE w.floor = 1",
        {"scan wards": ("floor",)},
        {},
    ),
    "chain of joins from an index": (
        "SELECT v.id FROM visits v JOIN patients p ON p.id = v.patient_id JOIN wards w ON w.id = p.ward_id WHERE w.name = 'w'",
        {},
        {},
    ),
    "three tables, the middle one filtered": (
        (
            "SELECT v.id, w.floor FROM visits v JOIN patients p ON p.id = v.patient_id JOIN wards w ON w.id = p.ward_id"
            " WHERE p.city = 'c'"
        ),
        {"scan patients": ("city",)},
        {},
    ),
    "not exists asked of all rows": (
        "SELECT v.id FROM visits v WHERE NOT EXISTS (SELECT 1 FROM patients p WHERE p.id = v.patient_id AND p.city = 'c')",
        {},
        {},
    ),
    "not exists by a join and a value": (
        (
            "SELECT w.id FROM wards w WHERE w.name = 'w' AND NOT EXISTS"
            " (SELECT 1 FROM visits v WHERE v.room = w.id AND v.rating = 3)"
        ),
        {"scan visits": ("room", "rating")},
        {"mysql": {"scan visits": ("rating",)}},  # it finds all of them once, and keeps what it has found
    ),
    "outer join with a range": (
        "SELECT w.id, v.id FROM wards w LEFT JOIN visits v ON v.room = w.id AND v.rating > 3 WHERE w.name = 'w'",
        {"scan visits": ("room", "rating")},
        {},
    ),
    "count of each row with a range": (
        "SELECT w.id, (SELECT count(*) FROM visits v WHERE v.room = w.id AND v.rating > 3) FROM wards w",
        {"scan visits": ("room", "rating")},
        {},
    ),
    "list beside an equality, ordered": (
        "SELECT * FROM patients WHERE ward_id = 1 AND status IN ('new', 'in') ORDER BY created LIMIT 5",
        {"sort patients": ("ward_id", "created")},
        {},
    ),
    "order that turns": (
        "SELECT * FROM patients WHERE ward_id = 1 ORDER BY status, created DESC LIMIT 5",
        {"sort patients": ("ward_id", "status", "created")},
        {},
    ),
    "joined and ordered": (
        "SELECT v.id FROM visits v JOIN patients p ON p.id = v.patient_id ORDER BY v.cost LIMIT 5",
        {"sort visits": ("cost",)},
        {},
    ),
    "order of a view": (
        "SELECT * FROM present WHERE ward_id = 3 ORDER BY created LIMIT 5",
        {"sort patients": ("ward_id", "created")},
        {"mysql": {"sort patients": ("deleted_at", "ward_id", "created")}},
    ),
    "order of one row of a view": ("SELECT * FROM present WHERE id = 3 ORDER BY created LIMIT 5", {}, {}),
    "first rows in a subquery, ordered again": (
        "SELECT * FROM (SELECT * FROM visits ORDER BY cost LIMIT 5) AS x ORDER BY x.id",
        {"sort visits": ("cost",)},
        {"mysql": {}},
    ),
    "inequality on an indexed column": ("SELECT * FROM visits WHERE kind <> 'k1'", {"scan visits": ()}, {}),
    "inequality beside an equality": ("SELECT * FROM visits WHERE patient_id = 1 AND kind <> 'k1'", {}, {}),
    "next page by a row of values": (
        "SELECT * FROM visits WHERE (cost, id) > (5, 3) ORDER BY cost, id LIMIT 5",
        {"scan visits": ("cost", "id"), "sort visits": ("cost", "id")},
        {},
    ),
    "next page by alternatives": (
        "SELECT * FROM visits WHERE cost > 5 OR (cost = 5 AND id > 3) ORDER BY cost, id LIMIT 5",
        {"scan visits": ("cost", "id"), "sort visits": ("cost", "id")},
        {"mysql": {"scan visits": ("cost",)}},
    ),
    "partitions chosen by their key": (
        "SELECT * FROM measures WHERE taken >= '2024-07-01'",
        {},
        {"sqlite": {"scan measures": ("taken",)}},
    ),
    "partitions and another column": (
        "SELECT * FROM measures WHERE taken >= '2024-07-01' AND sensor = 2",
        {"scan measures": ("sensor", "taken")},
        {},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_verdict_and_advice(connection: Connection, name: str) -> None:
    """What a careful DBA would say of the tables when they are large."""
    sql, wanted, otherwise = CASES[name]
    dialect = connection.dialect.name
    plan = plan_of(connection, sql)
    assert found_in(plan) == otherwise.get(dialect, wanted), plan.text
    for each in plan.advice:
        lines = [line for line in str(each.proof and each.proof.after).splitlines() if f"using {each.name}" in line]
        used = any(COULD_SERVE not in line for line in lines)
        assert each.proof is None or (each.proof.verdict == "proven") == used, each.proof
