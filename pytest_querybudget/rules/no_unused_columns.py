"""The rule `no_unused_columns`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_querybudget.findings.model import Finding
from pytest_querybudget.recording.model import Recording
from pytest_querybudget.recording.places import Place
from pytest_querybudget.recording.reads import Column
from pytest_querybudget.rules.base import OptionError, Options, name_options, unknown_keywords
from pytest_querybudget.rules.columns import covered
from pytest_querybudget.rules.reads import Audited, Brought, brought_in, change_at, is_unasked, path_options

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
    change: Place | None = None
    get: bool = False
    given: bool = False

    @property
    def message(self) -> str:
        """Which columns, the largest first, and with how many objects."""
        names = [f"{self.entity}.{each.key} ({each.kind})" for each in self.columns[:_NAMED]]
        if len(self.columns) > _NAMED:
            names.append(f"{len(self.columns) - _NAMED} more")
        said = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
        verb = "was" if len(self.columns) == 1 else "were"
        objects = f"{self.objects} {self.entity}" if self.objects != 1 else f"one {self.entity}"
        return f"{said} {verb} loaded with {objects} and never read"

    @property
    def fix(self) -> str | None:
        """The option that leaves them out, at the query that loads them."""
        own = [each for each in self.columns if each.own]
        if self.given:
            return "Leave them out of the text of the statement."
        if not own or self.change is None:
            names = ", ".join(f"{self.entity}.{each.key}" for each in self.columns)
            return f"Load {names} only when it is read: mapped_column(..., deferred=True)."
        option = self._option([each.key for each in own])
        where = f"{self.change.path}:{self.change.line}"
        if self.get:
            return f"Pass options=[{option}] to session.get() at {where}."
        return f"Add .options({option}) to the query at {where}."

    def _option(self, keys: list[str]) -> str:
        if len(keys) > _MOST_DEFERRED and len(self.kept) <= len(keys):
            only = ", ".join(f"{self.label}.{each}" for each in self.kept)
            return f"{self.prefix}.load_only({only})" if self.prefix else f"load_only({only})"
        steps = [f"defer({self.label}.{each})" for each in keys]
        return ".".join([self.prefix, *steps]) if self.prefix else ", ".join(steps)


class NoUnusedColumns(Audited):
    """No mapped column may be loaded that nothing reads.

    ## What it does

    With `--querybudget-audit`, watches which attributes are read of the objects that a query brings in, and
    names the columns that were loaded with them and read of none, the largest types first (blobs, JSON, texts),
    with the `defer` or `load_only` that leaves them out.

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
    instead of 0.2), and loading an object and reading four of its attributes 16 µs instead of 8. The suite of the
    example application took 6.5 s of CPU time instead of 6.2 s.

    ## What it cannot know

    Rows of a query that selects columns (`select(Order.number, Order.note)`, `text(...)`) are not watched. Objects
    that were in the session before the query are left out, since they kept what they had; so are columns that an
    `UPDATE` or `INSERT` with `RETURNING` brought in, and loads after an expiry or of a deferred column.
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
            columns = _unread(brought, options)
            if columns:
                yield _finding(brought, columns, change_at(brought, everything))


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


def _finding(brought: Brought, columns: list[Column], change: Place | None) -> UnusedColumns:
    statement, first = brought.statement, brought.first
    unread = {each.key for each in columns}
    facts = statement.shape.facts
    return UnusedColumns(
        sql=facts.sql,
        tables=tuple(sorted({each.name.rpartition(".")[0] for each in columns if each.name})) or statement.shape.tables,
        count=brought.count,
        location=statement.location,
        origin=change if change != statement.location else None,
        chain=statement.stack.places,
        relationship=str(first.path[-1]) if first.path else None,
        declared_only=brought.returned,
        entity=first.entity,
        label=first.label,
        objects=brought.fresh,
        columns=tuple(columns),
        kept=tuple(key for key, each in brought.columns.items() if key not in unread and each.own),
        prefix=path_options(first.path),
        change=change,
        get=not first.path and _is_get(statement),
        given=statement.shape.given,
    )


def _is_get(statement: Any) -> bool:
    """Return whether `session.get()` sent a statement: only there the primary key's parameters have these names."""
    binds = statement.shape.facts.binds
    return bool(binds) and all(each.name.startswith("pk_") for each in binds)
