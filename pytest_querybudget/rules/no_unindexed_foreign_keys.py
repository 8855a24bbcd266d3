"""The rule `no_unindexed_foreign_keys`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from pytest_querybudget.findings.model import Finding
from pytest_querybudget.recording.model import Recording
from pytest_querybudget.recording.plans import ForeignKeyInfo, IndexInfo, PlannedStatement, TableInfo
from pytest_querybudget.rules.base import Options, name_options, unknown_keywords
from pytest_querybudget.rules.planned import PlanFinding, PlanRule, planned_statements, qualified, unplanned_faults
from pytest_querybudget.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class UnindexedForeignKey(PlanFinding):
    """A foreign key with no index that begins with its columns."""

    rule = "no_unindexed_foreign_keys"
    columns: tuple[str, ...] = ()
    target: str = ""

    @property
    def message(self) -> str:
        """Which key, and what it costs."""
        key = f"{self.tables[0]}.{', '.join(self.columns)}"
        return f"{key} refers to {self.target} without an index: each delete there reads all of {self.tables[0]}"

    @property
    def fix(self) -> str | None:
        """The index to create."""
        return (
            f'Index("ix_{self.tables[0].rpartition(".")[2]}_{"_".join(self.columns)}", '
            + ", ".join(f'"{each}"' for each in self.columns)
            + ")"
        )

    @property
    def identity(self) -> str:
        """The key itself: where it was noticed plays no part."""
        return f"{self.rule}:{self.tables[0]}:{','.join(self.columns)}"


class NoUnindexedForeignKeys(PlanRule):
    """Every foreign key of the tables that a test touches must have an index.

    ## What it does

    Looks up the foreign keys of the tables that a test reads or writes, and fails for one with no index that begins
    with its columns (in any order). A partial index counts where it leaves out nothing but NULL. The plan in question
    is the one that the database makes by itself when a parent is deleted, and that of each collection of children:

    ```
    DELETE FROM customers WHERE id = ?    and then, by the database, SELECT 1 FROM orders WHERE customer_id = ?

                without an index      with it
    SQLite      SCAN orders           SEARCH orders USING INDEX ix_orders_customer_id (customer_id=?)
    PostgreSQL  Seq Scan on orders    Index Scan using ix_orders_customer_id on orders
    MySQL and MariaDB make the index together with the key, so that a finding there is rare
    ```

    ## Why is this bad

    Databases index what a foreign key points *at*, and except for MySQL and MariaDB not the key itself. Every DELETE
    of a parent then reads the whole child table to check, and every collection of children is a full scan.

    ## Example

    ```python
    class Order(Base):
        __tablename__ = "orders"
        customer_id = mapped_column(ForeignKey("customers.id"))
    ```

    ## Use instead

    ```python
    class Order(Base):
        __tablename__ = "orders"
        customer_id = mapped_column(ForeignKey("customers.id"), index=True)
    ```

    ## Options

    - patterns of keys to leave out, as `"table.column"` or `"table"`, with `*` and `?` as wildcards.

    ## When to allow it

    For keys to small tables that are never deleted from and never joined from:
    `no_unindexed_foreign_keys("*.country_id")`.

    ## What it cannot know

    Whether parents are ever deleted, and how many children they have. A table is touched when a statement of the test
    names it; what triggers and cascades touch is not seen.
    """

    name = "no_unindexed_foreign_keys"
    explained = True
    takes = "patterns of keys to leave out"

    def parse(self, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Options:
        """Take patterns."""
        unknown_keywords(self, keywords, ())
        return Options(patterns=name_options(self, "patterns of keys", tuple(arguments)))

    def judge(self, statements: Iterable[PlannedStatement], options: Options) -> Iterator[Finding]:
        """Yield each foreign key without an index, at the first statement that touches its table."""
        seen: set[tuple[str, tuple[str, ...]]] = set()
        for each in statements:
            for table in _tables(each):
                for key in table.foreign_keys:
                    name = qualified(table)
                    if (name, key.columns) in seen or _left_out(name, key, options.patterns):
                        continue
                    seen.add((name, key.columns))
                    if not any(_serves(index, key) for index in table.indexes):
                        yield self.finding(each, name, key)

    def finding(self, statement: PlannedStatement, table: str, key: ForeignKeyInfo) -> UnindexedForeignKey:
        return UnindexedForeignKey(
            sql=statement.sql,
            tables=(table,),
            count=statement.count,
            location=statement.location,
            chain=statement.chain,
            declared_only=statement.declared_only,
            columns=key.columns,
            target=key.target,
        )

    def faults(self, recording: Recording, options: Options) -> Iterator[str]:
        """A test that touches no table cannot be judged."""
        statements = planned_statements(recording, options.phase)
        if not any(_tables(each) for each in statements):
            yield from unplanned_faults(self.name, statements)


def _tables(statement: PlannedStatement) -> tuple[TableInfo, ...]:
    source = statement.plan or statement.not_planned
    return source.tables if source else ()


def _left_out(table: str, key: ForeignKeyInfo, patterns: Sequence[str]) -> bool:
    names = [table, table.rpartition(".")[2]]
    names += [f"{name}.{column}" for name in tuple(names) for column in key.columns]
    return any(fnmatchcase(name, pattern) for pattern in patterns for name in names)


def _serves(index: IndexInfo, key: ForeignKeyInfo) -> bool:
    """The columns of the key come first, in any order; an index without the NULLs is as good."""
    whole = index.predicate is None or index.predicate.strip("() ").upper().endswith("IS NOT NULL")
    return whole and set(index.columns[: len(key.columns)]) == set(key.columns) and index.method in ("btree", "hash")
