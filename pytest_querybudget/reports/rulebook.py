"""One sentence for each rule, for formats that carry a catalogue of their rules."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

SENTENCES: Mapping[str, str] = MappingProxyType(
    {
        "max_queries": "A test sends more statements than its budget allows.",
        "max_columns": "A result has more columns than its budget allows.",
        "max_rows": "One statement fetches more rows than its budget allows.",
        "max_query_time": "One statement takes longer than its budget allows.",
        "max_db_time": "All statements together take longer than their budget allows.",
        "max_connections": "More pool connections are checked out at one time than the budget allows.",
        "max_transaction": "A transaction holds more statements, or lasts longer, than its budget allows.",
        "max_cost": "The planner's estimated cost of one statement is above its budget.",
        "no_repeated_queries": "The same statement with the same parameters runs again although nothing was written.",
        "no_n_plus_one": "One query is sent for each row of an earlier result.",
        "no_write_loops": "Rows are written one by one in a loop, where one statement would do.",
        "only_columns": "A result column is loaded that is not among those expected.",
        "forbid_columns": "A result column is loaded that must not be.",
        "uses_index": "The plan of a statement does not use the index that it should.",
        "no_full_scans": "A statement reads a whole table because no index can serve it.",
        "no_sorts": "A statement sorts rows although an index could deliver them in order.",
        "no_unbounded_selects": "A SELECT has no limit, and its result grows with the table.",
        "no_antipatterns": "A statement is written in a way that databases cannot serve well.",
        "read_only": "A statement writes where only reads are expected.",
        "no_connection_leaks": "A connection is still checked out after the test and its fixtures have finished.",
        "no_unused_columns": "Mapped columns are loaded and never read.",
        "no_unused_loads": "Relationships or entities are loaded and never read.",
        "no_unindexed_foreign_keys": "A foreign key has no index that starts with its columns.",
        "no_row_explosion": "The joins of one result multiply its rows.",
        "constant_queries": "The number of queries grows with the number of rows.",
    }
)


def sentence(rule: str) -> str:
    """What a finding of this rule says; for another plugin's rule, its name as words."""
    return SENTENCES.get(rule) or f"{rule.replace('_', ' ').capitalize()}."
