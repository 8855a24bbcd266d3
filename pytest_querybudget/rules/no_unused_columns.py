"""The rule `no_unused_columns`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_querybudget.findings.model import Finding
from pytest_querybudget.recording.model import Recording
from pytest_querybudget.recording.reads import Column
from pytest_querybudget.rules.base import OptionError, Options, name_options, unknown_keywords
from pytest_querybudget.rules.columns import covered
from pytest_querybudget.rules.reads import Audited, Brought, Changed, brought_in, changed, is_unasked, path_options
from pytest_querybudget.values import dataclass

# How many columns a message names.
_NAMED = 5
# Up to so many columns are left out one by one.
_MOST_DEFERRED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusedColumns(Finding):
    """Columns that filled objects, and that nothing read."""

    rule = "no_unused_columns"

    entity: str
    label: str
    objects: int
    columns: tuple[Column, ...]
    kept: tuple[str, ...] = ()
    prefix: str = ""
    change: Changed | None = None
    given: bool = False

    @property
    def message(self) -> str:
        """Which columns, the largest first, and with how many objects."""
        said = _listed([f"{self.entity}.{each.key} ({each.kind})" for each in self.columns])
        verb = "was" if len(self.columns) == 1 else "were"
        objects = f"{self.objects} {self.entity}" if self.objects != 1 else f"one {self.entity}"
        return f"{said} {verb} loaded with {objects} and never read"

    @property
    def fix(self) -> str | None:
        """The option that leaves them out, at the query that loads them."""
        own = [each for each in self.columns if each.own]
        if self.given:
            return (
                f"Leave {_listed([each.name for each in self.columns])} out of the text of the statement{self._where}."
            )
        if not own or self.change is None:
            names = ", ".join(f"{self.entity}.{each.key}" for each in self.columns)
            return f"Load {names} only when it is read: mapped_column(..., deferred=True)."
        return self.change.option(self._option([each.key for each in own]))

    @property
    def _where(self) -> str:
        return f" at {self.location.path}:{self.location.line}" if self.location else ""

    def _option(self, keys: list[str]) -> str:
        if len(keys) > _MOST_DEFERRED and len(self.kept) <= len(keys):
            only = ", ".join(f"{self.label}.{each}" for each in self.kept)
            return f"{self.prefix}.load_only({only})" if self.prefix else f"load_only({only})"
        steps = [f"defer({self.label}.{each})" for each in keys]
        return ".".join([self.prefix, *steps]) if self.prefix else ", ".join(steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusedPositions(Finding):
    """Columns that a query selected as such, and that nothing read."""

    rule = "no_unused_columns"

    rows: int
    columns: tuple[Column, ...]

    @property
    def message(self) -> str:
        """Which columns, the largest first, and in how many rows."""
        kinds = [f"{each.name} ({each.kind})" if each.kind else each.name for each in self.columns]
        verb = "was" if len(self.columns) == 1 else "were"
        rows = f"{self.rows} rows" if self.rows != 1 else "one row"
        return f"{_listed(kinds)} {verb} selected in {rows} and never read"

    @property
    def fix(self) -> str | None:
        """Select less."""
        where = f" at {self.location.path}:{self.location.line}" if self.location else ""
        return f"Leave {_listed([each.name for each in self.columns])} out of the SELECT{where}."


def _listed(names: Sequence[str]) -> str:
    """Say a list of names, and of a long one how much longer it is."""
    said = [*names[:_NAMED], f"{len(names) - _NAMED} more"] if len(names) > _NAMED else names
    return said[0] if len(said) == 1 else f"{', '.join(said[:-1])} and {said[-1]}"


class NoUnusedColumns(Audited):
    """No mapped column may be loaded that nothing reads.

    ## What it does

    With `--querybudget-audit`, watches which attributes are read of the objects that a query brings in, and
    names the columns that were loaded with them and read of none, the largest types first (blobs, JSON, texts),
    with the `defer` or `load_only` that leaves them out. Of a query that selects columns and no entity, it names the
    columns that were read of none of its rows.

    Where the rule is declared, every such column counts. The audit alone reports blobs, JSON, texts, arrays,
    long strings and SQL expressions, and only of objects that the application itself has finished with: what it
    hands to the test is read by nobody else there.

    ## Why is this bad

    A list of 50 calls that shows when each took place loads 50 transcripts. Each is read from disk, sent over
    the network, decoded and thrown away, and nothing in the code shows it.

    ## Example

    ```python
    @pytest.mark.no_unused_columns
    def test_call_list(client):
        client.get("/calls")  # select(CallLog), of which only the time is shown
    ```

    ## Use instead

    ```python
    session.scalars(select(CallLog).options(load_only(CallLog.started_at))).all()
    ```

    ## Options

    - patterns of columns to leave out, as `"table.column"`:
      `no_unused_columns("contacts.notes", "*.created_at")`.

    ## When to allow it

    Where one query serves several callers and the column is small, with a comment on its line:
    `# querybudget: allow[no_unused_columns] one query for both views`.

    ## What counts as read

    An attribute that is read or set, by any code, also that of the test; `vars()`, `__dict__`, `inspect()`,
    pickling, copies and `Session.merge()` read all of an object. Reads by properties, hybrids, proxies,
    serializers, `repr` and comparisons are reads of what they look at. Loading, flushing and expiring read
    nothing. Primary and foreign keys, what relationships join by, versions and discriminators are never
    reported. Two callers of one line in a test are one query: what one of them reads is read.

    In a block of `query_budget(...)`, objects that outlive the block may still be read, and are left out.

    ## What it costs

    Nothing without `--querybudget-audit`. With it, reading an attribute of a mapped object takes 0.8 µs more (1.0
    instead of 0.2), loading an object and reading four of its attributes 16 µs instead of 8, and fetching a row of
    columns and reading two of them 9 µs instead of 3. The suite of the
    example application took 6.5 s of CPU time instead of 6.2 s.

    ## What it cannot know

    Of a query that selects columns (`select(Order.number, Order.note)`, `text(...)`), a row is read by name, by
    position or through `_mapping`; whoever unpacks, compares, copies or prints it, or asks for its length, reads all
    of it. Not watched are `exec_driver_sql()`, results that were merged, frozen or cut (`columns()`, `scalars()`),
    and queries with `DISTINCT` or `UNION`, where each column counts. Only columns of tables are reported, and of a
    text, of whose columns the type is not known, only where the rule is declared.

    Objects that were in the session before the query are left out, since they kept what they had; so are columns
    that an `UPDATE` or `INSERT` with `RETURNING` brought in, and loads after an expiry or of a deferred column.
    """

    name = "no_unused_columns"
    takes = '"table.column" patterns to leave out'
    names_columns = True

    def parse(self, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Options:
        """Take patterns of columns that may be loaded unread."""
        unknown_keywords(self, keywords, ())
        patterns = name_options(self, "patterns", arguments)
        for each in patterns:
            if "." not in each:
                raise OptionError(
                    f'{self.name} got {each!r}, but a pattern is "table.column"; for every table "*.{each}"'
                )
            if not each.strip("*."):
                raise OptionError(f"{self.name} got {each!r}, which leaves out everything: it could never fail")
        return Options(patterns=patterns)

    def check(self, recording: Recording, options: Options) -> Iterator[Finding]:
        """Yield each query that loads what nobody reads."""
        everything = brought_in(recording, options.phase)
        for brought in everything:
            # Of objects that were only deleted, or compared, nobody asked for a column: the ORM loaded them.
            if brought.unknown or (is_unasked(options) and (brought.returned or not brought.names_read())):
                continue
            if brought.first.how == "row":
                yield from _positions(brought, everything, options)
                continue
            columns = _unread(brought, options)
            if columns:
                yield _finding(brought, columns, changed(brought, everything))


def _positions(brought: Brought, everything: Sequence[Brought], options: Options) -> Iterator[UnusedPositions]:
    """Yield what was read of none of the rows; rows of which nothing was read were asked for something else."""
    here = brought.statement.location
    beside = [each for each in everything if each.first.how == "row" and each.statement.location == here]
    # Whoever else uses that line: what is read there is read.
    if not brought.names_read() or any(each.whole for group in beside for each in group.loads):
        return
    read = {group.columns[key].name for group in beside for key in group.names_read() if key in group.columns}
    columns = [each for each in _unread(brought, options) if each.name and each.name not in read]
    if columns:
        statement = brought.statement
        yield UnusedPositions(
            sql=statement.shape.facts.sql,
            tables=tuple(sorted({each.name.rpartition(".")[0] for each in columns})),
            count=brought.count,
            location=statement.location,
            chain=statement.stack.places,
            declared_only=brought.returned,
            rows=brought.fresh,
            columns=tuple(columns),
        )


def _unread(brought: Brought, options: Options) -> list[Column]:
    """Return the columns that nothing read, the largest first."""
    read = brought.names_read()
    found = [
        each
        for key, each in brought.columns.items()
        if key not in read
        and not each.vital
        and not (is_unasked(options) and not each.weight)
        and not covered(each.name, options.patterns)
    ]
    return sorted(found, key=lambda each: -each.weight)


def _finding(brought: Brought, columns: list[Column], change: Changed | None) -> UnusedColumns:
    statement, first = brought.statement, brought.first
    unread = {each.key for each in columns}
    facts = statement.shape.facts
    return UnusedColumns(
        sql=facts.sql,
        tables=tuple(sorted({each.name.rpartition(".")[0] for each in columns if each.name})) or statement.shape.tables,
        count=brought.count,
        location=statement.location,
        origin=change.place if change is not None and change.place != statement.location else None,
        chain=statement.stack.places,
        relationship=str(first.path[-1]) if first.path else None,
        declared_only=brought.returned,
        entity=first.entity,
        label=first.label,
        objects=brought.fresh,
        columns=tuple(columns),
        kept=tuple(key for key, each in brought.columns.items() if key not in unread and each.own),
        prefix=path_options(first.path, change),
        change=change,
        given=statement.shape.given,
    )
