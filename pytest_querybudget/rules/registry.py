"""Every rule that ships with the plugin, by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from pytest_querybudget.rules.base import Rule
from pytest_querybudget.rules.constant_queries import ConstantQueries
from pytest_querybudget.rules.forbid_columns import ForbidColumns
from pytest_querybudget.rules.max_columns import MaxColumns
from pytest_querybudget.rules.max_connections import MaxConnections
from pytest_querybudget.rules.max_cost import MaxCost
from pytest_querybudget.rules.max_db_time import MaxDbTime
from pytest_querybudget.rules.max_queries import MaxQueries
from pytest_querybudget.rules.max_query_time import MaxQueryTime
from pytest_querybudget.rules.max_rows import MaxRows
from pytest_querybudget.rules.max_transaction import MaxTransaction
from pytest_querybudget.rules.no_antipatterns import NoAntipatterns
from pytest_querybudget.rules.no_connection_leaks import NoConnectionLeaks
from pytest_querybudget.rules.no_full_scans import NoFullScans
from pytest_querybudget.rules.no_n_plus_one import NoNPlusOne
from pytest_querybudget.rules.no_repeated_queries import NoRepeatedQueries
from pytest_querybudget.rules.no_row_explosion import NoRowExplosion
from pytest_querybudget.rules.no_sorts import NoSorts
from pytest_querybudget.rules.no_unbounded_selects import NoUnboundedSelects
from pytest_querybudget.rules.no_unindexed_foreign_keys import NoUnindexedForeignKeys
from pytest_querybudget.rules.no_unused_columns import NoUnusedColumns
from pytest_querybudget.rules.no_unused_loads import NoUnusedLoads
from pytest_querybudget.rules.no_write_loops import NoWriteLoops
from pytest_querybudget.rules.only_columns import OnlyColumns
from pytest_querybudget.rules.read_only import ReadOnly
from pytest_querybudget.rules.uses_index import UsesIndex

RULES: tuple[Rule, ...] = (
    MaxQueries(),
    MaxColumns(),
    MaxRows(),
    MaxQueryTime(),
    MaxDbTime(),
    OnlyColumns(),
    ForbidColumns(),
    ReadOnly(),
    NoRepeatedQueries(),
    NoNPlusOne(),
    NoWriteLoops(),
    ConstantQueries(),
    UsesIndex(),
    NoFullScans(),
    NoSorts(),
    MaxCost(),
    NoUnindexedForeignKeys(),
    NoUnboundedSelects(),
    NoRowExplosion(),
    NoAntipatterns(),
    NoUnusedColumns(),
    NoUnusedLoads(),
    MaxConnections(),
    NoConnectionLeaks(),
    MaxTransaction(),
)


def by_name(rules: Iterable[Rule] = RULES) -> Mapping[str, Rule]:
    """Return rules by their names."""
    return MappingProxyType({each.name: each for each in rules})
