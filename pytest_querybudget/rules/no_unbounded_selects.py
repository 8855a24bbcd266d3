"""The rule `no_unbounded_selects`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_querybudget.findings.model import Finding
from pytest_querybudget.recording.model import Recording, Statement
from pytest_querybudget.recording.structure import Query, Structure
from pytest_querybudget.rules.base import OptionError, Options, Rule, count_option, no_arguments
from pytest_querybudget.rules.cardinality import is_bounded, is_catalog, is_listed
from pytest_querybudget.rules.loops import is_own
from pytest_querybudget.rules.parameters import list_length, streams
from pytest_querybudget.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class UnboundedSelect(Finding):
    """A SELECT that fetches all rows there are."""

    rule = "no_unbounded_selects"

    rows: int
    leading: str
    key: str | None = None
    ordered: bool = False

    @property
    def message(self) -> str:
        """How many rows came, and from where more will come."""
        return f"fetched {self.rows} rows without a LIMIT: as many as {self.leading} has, and it grows"

    @property
    def fix(self) -> str | None:
        """Page it, or stream it."""
        order = "" if self.ordered else f".order_by({self.key or '...'})"
        page = f"Page it: add {order}.limit(...) to the query"
        after = f", and .where({self.key} > last) for the next page" if self.key and not self.ordered else ""
        where = f" at {self.location.path}:{self.location.line}" if self.location else ""
        return f"{page}{where}{after}. Where every row is needed, stream it with .execution_options(yield_per=...)."


class NoUnboundedSelects(Rule):
    """No SELECT may fetch as many rows as its table has.

    ## What it does

    Fails a test in which a SELECT without LIMIT fetches several rows, and nothing in it keeps their number from growing
    with the table. These keep it: a unique key, a list of keys, a day or a range with two ends, aggregates and GROUP
    BY, a DISTINCT that leaves the key out, a subquery that has a LIMIT itself, rows that are numbered (`row_number()`)
    and wanted up to a number; also where there is one on each side of an OR. A filter by a column that is not unique
    (`tenant_id = ?`) does not: the rows of one tenant grow too.

    Loads that SQLAlchemy sends for relationships are not looked at, nor are the collections that joined eager loading
    brings in with a parent. Results that are streamed (`yield_per`) are read in batches already.

    ## Why is this bad

    A list that shows everything is fast for the ten rows of a test, slow for the first large customer, and then the
    process runs out of memory.

    ## Example

    ```python
    @pytest.mark.no_unbounded_selects
    def test_calls(session):
        session.scalars(select(CallLog).where(CallLog.contact_id == 1)).all()
    ```

    ## Use instead

    ```python
    session.scalars(
        select(CallLog).where(CallLog.contact_id == 1, CallLog.id > last).order_by(CallLog.id).limit(50)
    ).all()
    ```

    ## Options

    - `rows=2`: how many rows one execution must have fetched at least.

    ## When to allow it

    For tables that stay small by nature, as countries and settings do, with a comment on the line:
    `# querybudget: allow[no_unbounded_selects] there are four segments`. `rows=` leaves all short results alone.

    ## What it cannot know

    How large a table will be. A list of keys that is itself unbounded. What a view or a function reads, and the unique
    keys of tables that only a text names: of those, `id` is taken for the key.
    """

    name = "no_unbounded_selects"
    takes = "rows="

    def parse(self, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Options:
        """Take the least number of rows."""
        no_arguments(self, arguments, keywords, "rows")
        rows = count_option(self, "rows", keywords.get("rows", 2))
        if rows < 2:
            raise OptionError(f"{self.name} got rows={rows}, but one row is no list: it takes 2 or more")
        return Options(threshold=rows)

    def check(self, recording: Recording, options: Options) -> Iterator[Finding]:
        """Yield each SELECT that nothing bounds."""
        for each in recording.statements(options.phase):
            if each.shape.kind != "select" or each.meaning is not None or each.max_rows < options.threshold:
                continue
            facts = each.shape.facts
            if facts.limited or facts.unique or facts.aggregate or streams(each):
                continue
            structure = facts.structure()
            if structure.top is None or is_bounded(structure, structure.top) or _is_list_of_all(structure, each):
                continue
            if any(query.role == "exists" and is_listed(structure, query) for query in structure.queries):
                continue
            leading = _leading(structure, structure.top)
            if leading is not None and not is_catalog(leading):
                yield _finding(each, structure, leading)


def _leading(structure: Structure, query: Query) -> str | None:
    """Return the first table that a query reads, also through queries in its FROM."""
    for number in query.parts:
        return _leading(structure, structure.queries[number])
    for relation in query.relations:
        if relation.table is not None:
            return relation.table
        if relation.query is not None and relation.query != query.number:
            return _leading(structure, structure.queries[relation.query])
    return None


def _is_list_of_all(structure: Structure, statement: Statement) -> bool:
    """Return whether a list of values, of whatever column, had as many members as rows came."""
    top = structure.top
    conditions = top.conditions if top else ()
    is_list = any(
        each.operator in ("IN", "= ANY") and each.right.is_value and each.certain and not each.negated
        for each in conditions
    )
    return is_list and statement.max_rows <= list_length(statement)


def _finding(statement: Statement, structure: Structure, leading: str) -> UnboundedSelect:
    facts = statement.shape.facts
    keys = structure.schema.keys.get(leading.lower(), ())
    single = next((column for key in keys if len(key) == 1 for column in key), None)
    key = f"{leading}.{single}" if single else None
    return UnboundedSelect(
        sql=facts.sql,
        tables=statement.shape.tables,
        count=statement.count,
        location=statement.location,
        chain=statement.stack.places,
        declared_only=is_own(statement),
        rows=statement.max_rows,
        leading=leading,
        key=statement.shape.attributes.get(key or "", key),
        ordered=facts.ordered,
    )
