"""Plans each shape of statement once per schema, on the application's own connection, without leaving a trace.

The reader asks through a DBAPI cursor of its own, so nothing of it is an event of SQLAlchemy. Whatever goes wrong here
is the plan's misfortune, not the application's: the answer is then `NotPlanned`.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

from pytest_querybudget.plans.proof import prove
from pytest_querybudget.plans.reader import CannotPlan, PlanReader, Question
from pytest_querybudget.plans.tokens import tokenize
from pytest_querybudget.recording.plans import Advice, Node, NotPlanned, Plan, Planned, TableInfo
from pytest_querybudget.values import dataclass

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

_LEADING = re.compile(r"(?:\s+|--[^\n]*\n|/\*.*?\*/|\()*(?P<word>[A-Za-z]+)", re.DOTALL)
_CHANGES = re.compile(r"\b(INSERT|UPDATE|DELETE)\b", re.IGNORECASE)
_ROWS_FROM = re.compile(r"\bSELECT\b", re.IGNORECASE)
_INTO = re.compile(
    r"""\s*(?:INSERT|REPLACE)\b[\w\s]*?\bINTO\s+(?P<table>(?:[\w$]+|"[^"]+"|`[^`]+`)(?:\.(?:[\w$]+|"[^"]+"|`[^`]+`))*)""",
    re.IGNORECASE,
)
#: What may change what an unqualified name means on this connection, and what changes the schema without DDL.
_MOVES = re.compile(r"\s*(?:SET|RESET|USE|SELECT\s+(?:pg_catalog\.)?set_config|DISCARD)\b", re.IGNORECASE)
_ALTERS = re.compile(r"\s*(?:ATTACH|DETACH)\b", re.IGNORECASE)
#: What changes the figures that plans are made from, while the schema stays.
_COUNTS = re.compile(r"\s*(?:ANALY[SZ]E|VACUUM|OPTIMIZE)\b", re.IGNORECASE)
#: How many sets of values of one shape are planned.
_MOST_VARIANTS = 8
#: How SQLAlchemy writes an IN list without values: nothing is searched then, whatever the shape does with values.
_EMPTY = re.compile(r"\bWHERE 1 ?(?:!=|<>) ?1\b", re.IGNORECASE)
#: A schema that each execution names anew (`schema_translate_map`), and the names that schemas may be.
_TRANSLATED = "__[SCHEMA_"
_QUALIFIER = re.compile(r'("[^"]+"|`[^`]+`|\[[^\]]+\]|[^\W\d][\w$]*)(?=\.)')
_LIKE = re.compile(r"\b(?:I?LIKE|GLOB)\b", re.IGNORECASE)


@dataclass(slots=True)
class RawLink:
    """The application's DBAPI connection, see `reader.Link`."""

    connection: Any
    dialect: str
    driver: str
    server_version: tuple[int, ...]
    fingerprint: str = ""
    engine: Any = None

    @contextmanager
    def aside(self) -> Iterator[RawLink]:
        """A second connection to the same database, past the pool and its events, closed at the end.

        Raises `CannotPlan` when none can be opened the way the engine's URL says.
        """
        dialect = self.engine.dialect
        arguments, keywords = dialect.create_connect_args(self.engine.url)
        try:
            other = dialect.connect(*arguments, **keywords)
        except Exception as error:  # noqa: BLE001 - drivers raise what they like
            raise CannotPlan(f"no second connection can be opened ({type(error).__name__})") from None
        try:
            yield RawLink(other, self.dialect, self.driver, self.server_version, self.fingerprint, self.engine)
        finally:
            other.close()

    def rows(self, sql: str, parameters: Any = ()) -> list[tuple[Any, ...]]:
        """Execute through a new cursor and fetch everything."""
        cursor = self.connection.cursor()
        try:
            self._plain(cursor)
            with self._unprepared():
                if parameters:
                    cursor.execute(sql, parameters)
                else:
                    cursor.execute(sql)
            return list(cursor.fetchall()) if cursor.description else []
        finally:
            cursor.close()

    @contextmanager
    def _unprepared(self) -> Iterator[None]:
        """Keep what is ours out of the statements that the driver keeps prepared.

        Psycopg prepares what it sees often. SQLAlchemy's adapter of asyncpg keeps the latest hundred, and each of ours
        would push out one of the application's; without a cache there, asyncpg uses none of its own.
        """
        driver: Any = getattr(self.connection, "driver_connection", None) or self.connection
        for owner, name in ((driver, "prepare_threshold"), (self.connection, "_prepared_statement_cache")):
            kept = getattr(owner, name, None)
            if kept is not None:
                setattr(owner, name, None)
                try:
                    yield
                finally:
                    setattr(owner, name, kept)
                return
        yield

    def _plain(self, cursor: Any) -> None:
        """Rows as tuples, whatever row factory the application has given to its connection."""
        if self.driver == "pysqlite":
            cursor.row_factory = None
        elif self.driver == "psycopg" and not hasattr(self.connection, "driver_connection"):
            from psycopg.rows import tuple_row

            cursor.row_factory = tuple_row  # the cursors of the asynchronous adapter make tuples anyway


@dataclass(slots=True)
class Planner:
    """The plans of one run. Safe to call from several threads and tasks: a shape may then be planned twice."""

    readers: dict[str, PlanReader]
    advise: bool = True
    plans: dict[Hashable, Planned | NotPlanned] = field(default_factory=dict)
    names: dict[str, frozenset[str]] = field(default_factory=dict)
    #: Shapes whose plan depends on the values bound, with digests of those that have been planned.
    valued: dict[Hashable, set[int]] = field(default_factory=dict)
    generation: int = 0
    #: Whether a statement of the run may have changed where names are looked up: then each connection is asked.
    moved: bool = False
    fingerprints: weakref.WeakKeyDictionary[Any, tuple[int, str]] = field(default_factory=weakref.WeakKeyDictionary)

    @classmethod
    def of(cls, readers: Iterable[PlanReader], *, advise: bool = True) -> Planner:
        """A planner with these readers; a later one replaces an earlier one for the same dialect."""
        return cls({dialect: reader for reader in readers for dialect in reader.dialects}, advise)

    def schema_changed(self) -> None:
        """DDL has been sent: schemas are looked at again before the next plan."""
        self.generation += 1

    def reader_for(self, dialect: str) -> PlanReader | None:
        """The reader of a dialect, for checks of declared rules."""
        return self.readers.get(dialect)

    def plan(
        self,
        connection: Connection,
        statement: str,
        parameters: Any,
        *,
        executemany: bool = False,
        shape: Hashable | None = None,
    ) -> Planned | NotPlanned:
        """Plan what is about to be sent on this connection, exactly as the driver will get it.

        Of an `executemany` the first set of parameters stands for all. `shape` is what statements have in
        common that plan alike, the text by default. Never raises an `Exception`.
        """
        try:
            return self._answered(connection, statement, _one(parameters, executemany), shape)
        except CannotPlan as reason:
            return NotPlanned(reason=str(reason), slug="state")
        except Exception as error:  # noqa: BLE001 - a fault in here must never reach the application
            return NotPlanned(reason=refusal(error))

    def _answered(
        self, connection: Connection, statement: str, parameters: Any, shape: Hashable | None
    ) -> Planned | NotPlanned:
        kind, target = kind_of(statement), target_of(statement)
        self._note_state(statement)
        if kind is None and target is None:
            return NotPlanned(reason="nothing to plan", slug="kind")
        if _is_several(statement):
            # EXPLAIN holds for the first only: a driver without parameters would execute the rest
            return NotPlanned(reason="several statements at once", slug="state")
        dialect = connection.dialect.name
        reader = self.readers.get(dialect)
        if reader is None:
            return NotPlanned(reason=f"no plan reader for {dialect}", slug="reader")
        if kind is None:
            return self._written(reader, connection, target or "")
        return self._cached(reader, connection, Question(statement=statement, parameters=parameters, kind=kind), shape)

    def _note_state(self, statement: str) -> None:
        """Notice what says of later statements that they plan otherwise, though their text is the same."""
        self.moved = self.moved or _MOVES.match(statement) is not None
        if _ALTERS.match(statement):
            self.schema_changed()
        elif _COUNTS.match(statement):
            self.plans.clear()
            self.valued.clear()
            self.schema_changed()

    def tables(self, connection: Connection, names: Sequence[str]) -> Sequence[TableInfo]:
        """The catalog entries of these tables. Raises what the driver raises."""
        reader = self.readers.get(connection.dialect.name)
        return () if reader is None else reader.tables(self._link(reader, connection), names)

    def _cached(
        self, reader: PlanReader, connection: Connection, question: Question, shape: Hashable | None
    ) -> Planned | NotPlanned:
        link = self._link(reader, connection)
        shown = question.statement if shape is None else shape
        key: Hashable = (link.dialect, link.fingerprint, shown, _schemas(question, shape), _wildcards(question))
        known = self.plans.get(key)
        if known is None and _EMPTY.search(question.statement):
            key = (key, "empty")
            known = self.plans.get(key)
        if known is not None and key in self.valued:
            key = (key, self._variant(key, question))
            known = self.plans.get(key)
        if known is None:
            known = self._asked(reader, link, question)
            if not (isinstance(known, NotPlanned) and known.slug == "state"):
                self._keep(key, question, known)
        return known

    def _keep(self, key: Hashable, question: Question, answer: Planned | NotPlanned) -> None:
        self.plans[key] = answer
        if isinstance(answer, Planned) and question.parameters and _depends_on_values(answer.plan):
            variants = self.valued.setdefault(key, set())
            self.plans[key, _digest(question)] = answer
            variants.add(_digest(question))

    def _variant(self, key: Hashable, question: Question) -> int | None:
        """Which values these are, as far as they are told apart."""
        variants, digest = self.valued[key], _digest(question)
        if digest not in variants and len(variants) < _MOST_VARIANTS:
            variants.add(digest)
        return digest if digest in variants else next(iter(variants))

    def _written(self, reader: PlanReader, connection: Connection, target: str) -> NotPlanned:
        """INSERT ... VALUES reads nothing; its table is looked up for the rules about foreign keys."""
        link = self._link(reader, connection)
        key = (link.dialect, link.fingerprint, "INSERT INTO", target)
        known = self.plans.get(key)
        if not isinstance(known, NotPlanned):
            known = NotPlanned(reason="nothing to plan", slug="kind", tables=tuple(reader.tables(link, [target])))
            self.plans[key] = known
        return known

    def _known(self, reader: PlanReader, link: RawLink) -> frozenset[str]:
        names = self.names.get(link.fingerprint)
        if names is None:
            names = self.names[link.fingerprint] = frozenset(reader.table_names(link))
        return names

    def _link(self, reader: PlanReader, connection: Connection) -> RawLink:
        dialect = connection.dialect
        link = RawLink(
            connection=connection.connection.dbapi_connection,
            dialect=dialect.name,
            driver=dialect.driver,
            server_version=tuple(each for each in dialect.server_version_info or () if isinstance(each, int)),
            engine=connection.engine,
        )
        pool = connection.engine.pool
        generation, fingerprint = self.fingerprints.get(pool, (-1, ""))
        if generation != self.generation:
            generation = self.generation
            fingerprint = reader.fingerprint(link) or f"{id(pool)}:{generation}"
            self.fingerprints[pool] = (generation, fingerprint)
        link.fingerprint = f"{fingerprint} {reader.place(link)}" if self.moved else fingerprint
        return link

    def _asked(self, reader: PlanReader, link: RawLink, question: Question) -> Planned | NotPlanned:
        try:
            plan = reader.explain(link, question)
        except CannotPlan as reason:
            return NotPlanned(reason=str(reason), slug="state")
        except Exception as error:  # noqa: BLE001 - the database refuses; what it is told next is the application's
            return NotPlanned(reason=refusal(error))
        advised = self._advised(reader, link, question, plan) if self.advise else plan
        return Planned(plan=replace(advised, known_tables=self._known(reader, link)))

    def _advised(self, reader: PlanReader, link: RawLink, question: Question, plan: Plan) -> Plan:
        def replan(advice: Sequence[Advice]) -> Plan:
            try:
                return reader.replan(link, question, advice)
            except CannotPlan:
                raise
            except Exception as error:  # noqa: BLE001 - the trial failed, which is an answer
                raise CannotPlan(refusal(error)) from None

        return judged(replace(plan, advice=prove(plan, reader.traits, replan)))


def judged(plan: Plan) -> Plan:
    """Acquit what no index would change: joins that the planner would not turn around, sorts that stay."""
    helped = {(each.table, each.alias, each.purpose) for each in plan.advice if each.ddl}
    sorts = tuple(each for each in plan.sorts if (each.table, each.alias, "sort") in helped)
    root = _acquitted(plan.root, helped)
    guilty = {(node.table, node.alias) for node in root.walk() if node.reads_everything_in_vain}
    advice = tuple(each for each in plan.advice if each.ddl or (each.table, each.alias) in guilty)
    return replace(plan, root=root, sorts=sorts, advice=advice)


def _acquitted(node: Node, helped: Collection[tuple[str, str | None, str]]) -> Node:
    children = tuple(_acquitted(each, helped) for each in node.children)
    hopeless = node.reads_everything_in_vain and node.purpose == "joined"
    if hopeless and (node.table or "", node.alias, "scan") not in helped:
        return replace(node, purpose="whole", children=children)
    return replace(node, children=children)


def kind_of(statement: str) -> str | None:
    """`select`, `update`, `delete` or `insert` if the statement reads rows to be planned, otherwise None."""
    match = _LEADING.match(statement)
    word = match["word"].lower() if match else ""
    if word == "with":
        change = _CHANGES.search(statement)
        return change[1].lower() if change and not _ROWS_FROM.search(statement) else "select"
    if word in ("insert", "replace"):
        return "insert" if _ROWS_FROM.search(statement) else None
    return word if word in ("select", "update", "delete") else None


def _one(parameters: Any, executemany: bool) -> Any:
    """The first set of parameters; of an "insertmanyvalues" the driver gets one set only, though it is many."""
    many = executemany and isinstance(parameters, (list, tuple)) and parameters
    return parameters[0] if many and isinstance(parameters[0], (list, tuple, dict)) else parameters


def _is_several(statement: str) -> bool:
    """Whether anything follows a semicolon."""
    if ";" not in statement.rstrip("; \n\t"):
        return False
    tokens = tokenize(statement)
    ends = [position for position, each in enumerate(tokens) if each.text == ";" and each.kind == "punct"]
    return any(each.text != ";" for each in tokens[ends[0] :]) if ends else False


def target_of(statement: str) -> str | None:
    """The table that an INSERT ... VALUES writes, as it is written there without quotes."""
    match = _INTO.match(statement)
    return re.sub(r'["`]', "", match["table"]) if match else None


def refusal(error: BaseException) -> str:
    """Why the database refused, in words without a value: the kind of error and its SQLSTATE."""
    origin = getattr(error, "orig", None) or error
    state = next((str(each) for each in (getattr(origin, name, None) for name in ("sqlstate", "pgcode")) if each), "")
    return f"the database refused: {type(origin).__name__}" + (f" {state}" if state else "")


def _depends_on_values(plan: Plan) -> bool:
    """A partial index serves only the values that it is for."""
    predicates = (index.predicate or "" for table in plan.tables for index in table.indexes)
    return any("=" in each or "?" in each for each in predicates)


def _digest(question: Question) -> int:
    parameters = question.parameters
    values = parameters.values() if isinstance(parameters, dict) else parameters
    return hash(tuple(str(each) for each in values))


def _schemas(question: Question, shape: Hashable | None) -> Hashable:
    """The names before a dot, where the shape leaves the schema open."""
    if not isinstance(shape, str) or _TRANSLATED not in shape:
        return None
    return frozenset(_QUALIFIER.findall(question.statement))


def _wildcards(question: Question) -> Hashable:
    """Patterns that begin with a wildcard plan unlike those that do not."""
    if not _LIKE.search(question.statement):
        return None
    values = question.parameters.values() if isinstance(question.parameters, dict) else question.parameters or ()
    return tuple(isinstance(each, str) and each[:1] in ("%", "_", "*") for each in values)
