"""Small suites that a test writes and runs, and what came out of them."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

PLUGIN = "pytest_querybudget.plugin"
# pytest-rerunfailures, which the runs inside a run do without else.
RERUNS = ("-p", "rerunfailures")

INSTALLED = any(each.value == PLUGIN for each in entry_points(group="pytest11"))

SHOP = '''
import threading
from sqlalchemy import ForeignKey, create_engine, event, insert, select, text, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, joinedload, mapped_column, relationship, selectinload
from sqlalchemy.pool import StaticPool

def connect():
    return create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})

engine = connect()

class Base(DeclarativeBase):
    pass

class Customer(Base):
    __tablename__ = "customer"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    secret: Mapped[str] = mapped_column(default="")

class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"))
    customer: Mapped[Customer] = relationship()

Base.metadata.create_all(engine)
with Session(engine) as _session:
    _session.add_all([Order(customer=Customer(name=f"c{each}")) for each in range(5)])
    _session.commit()

def ask(times=1, what="customer"):
    """Send statements of different shapes, so that none repeats another."""
    with engine.connect() as connection:
        for each in range(times):
            connection.execute(text(f"SELECT id AS {what}_{'x' * (each + 1)} FROM {what}")).all()

def names():
    """Load the customer of each order by itself."""
    with Session(engine) as session:
        return [order.customer.name for order in session.scalars(select(Order))]
'''
HEAD = "import pytest\nfrom shop import *\n"


@dataclass(frozen=True)
class Outcome:
    """What a run printed, how it ended, and what it reported."""

    result: pytest.RunResult
    report: dict[str, Any]

    @property
    def text(self) -> str:
        """Everything that was printed."""
        return self.result.stdout.str() + self.result.stderr.str()

    @property
    def code(self) -> int:
        """The exit code."""
        return int(self.result.ret)

    @property
    def counts(self) -> dict[str, int]:
        """How many tests ended in which way, in pytest's words."""
        counts: dict[str, int] = self.result.parseoutcomes()
        return {name.rstrip("s"): number for name, number in counts.items() if name not in ("warning", "warnings")}

    @property
    def tests(self) -> dict[str, dict[str, Any]]:
        """The entries of the tests, by the part of the node id after the file."""
        return {each["nodeid"].partition("::")[2]: each for each in self.report["tests"]}

    @property
    def problems(self) -> list[str]:
        """The problems, each as `slug: text`."""
        return [f"{each['slug']}: {each['text']}" for each in self.report["problems"]]

    def queries(self, test: str) -> tuple[int, int, int]:
        """How many statements a test sent in its setup, its call and its teardown."""
        phases = self.tests[test]["phases"]
        return tuple(phases[name]["queries"] for name in ("setup", "call", "teardown"))  # type: ignore[return-value]

    def found(self, test: str) -> list[str]:
        """The rules of a test's findings; those that failed it in capitals."""
        return [each["rule"].upper() if each["failed"] else each["rule"] for each in self.tests[test]["findings"]]


class Suite:
    """A suite in a directory of its own, with the shop as its application."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.path = pytester.path
        self.write("shop.py", SHOP)

    def write(self, name: str, source: str) -> None:
        """Write a file of the suite."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(source), encoding="utf-8")

    def arguments(self, *arguments: str) -> list[str]:
        """The command line: nothing but the plugin, and what the test asks for."""
        plugin = [] if INSTALLED else ["-p", PLUGIN]
        scope = "asyncio_default_fixture_loop_scope=function"
        return [*plugin, "-p", "no:randomly", "-o", scope, "--querybudget-report=json:report.json", *arguments]

    def run(self, source: str = "", *arguments: str, subprocess: bool = False, head: str = HEAD) -> Outcome:
        """Run a test file, in this process unless it must not be shared."""
        if source:
            self.write("test_it.py", head + dedent(source))
        report = self.path / "report.json"
        report.unlink(missing_ok=True)
        given = self.arguments(*arguments)
        result = self.pytester.runpytest_subprocess(*given) if subprocess else self.pytester.runpytest_inprocess(*given)
        return Outcome(result, json.loads(report.read_text("utf-8")) if report.exists() else {})

    def env(self) -> dict[str, str]:
        """The environment for a process that has to find the package."""
        import pytest_querybudget

        home = str(Path(pytest_querybudget.__file__).parents[1])
        return {**os.environ, "PYTHONPATH": os.pathsep.join([home, os.environ.get("PYTHONPATH", "")])}
