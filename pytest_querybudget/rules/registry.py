"""Every rule that ships with the plugin: one line each.

The names are all that options need. A rule's module, and the class in it, are called like the rule, and are imported
when the rules are asked for: a run that is switched off never does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_querybudget.rules.base import Rule

NAMES: tuple[str, ...] = (
    "max_queries",
    "max_columns",
    "max_rows",
    "max_query_time",
    "max_db_time",
    "only_columns",
    "forbid_columns",
    "read_only",
    "no_repeated_queries",
    "no_n_plus_one",
    "no_write_loops",
    "constant_queries",
    "uses_index",
    "no_full_scans",
    "no_sorts",
    "max_cost",
    "no_unindexed_foreign_keys",
    "no_unbounded_selects",
    "no_row_explosion",
    "no_antipatterns",
    "no_unused_columns",
    "no_unused_loads",
    "max_connections",
    "no_connection_leaks",
    "max_transaction",
)


def all_rules() -> tuple[Rule, ...]:
    """Return one of each rule, in the order of the catalogue."""
    return tuple(_rule(each) for each in NAMES)


def _rule(name: str) -> Rule:
    module = import_module(f"pytest_querybudget.rules.{name}")
    made: Rule = getattr(module, "".join(part.title() for part in name.split("_")))()
    return made


def by_name(rules: Iterable[Rule]) -> Mapping[str, Rule]:
    """Return rules by their names."""
    return MappingProxyType({each.name: each for each in rules})
