"""What makes a test, a finding or a statement the same one on another day and on another machine."""

from __future__ import annotations

import hashlib
import re

from pytest_querybudget.reports.document import FindingEntry, Location, StatementEntry
from pytest_querybudget.reports.text import one_line

# An application in site-packages (tox installs it there) or under src/ is the application in the checkout.
_WHERE_INSTALLED = re.compile(r"^(?:.*/)?(?:site-packages|dist-packages|src)/")
_SQL_LENGTH = 80
# Of these kinds a place may send one for each table: the next table makes it no other statement.
_WHATEVER_TABLES = frozenset({"ddl", "other"})


def of_test(nodeid: str) -> str:
    """The node id as a key; half a surrogate pair, which no UTF-8 file can hold, is spelled out."""
    return nodeid.encode(errors="backslashreplace").decode()


def of_finding(finding: FindingEntry) -> str:
    """Rule, tables or relationship, path and function, to be read by a person.

    Neither line nor count nor column: `no_n_plus_one Order.customer app/orders.py::list_orders`.
    """
    subject = finding.relationship or ",".join(sorted(finding.tables)) or one_line(finding.sql)[:_SQL_LENGTH]
    return of_test(" ".join(filter(None, (finding.rule, subject, of_place(finding.location)))))


def of_statement(statement: StatementEntry) -> str:
    """Six hexadecimal digits for kind, tables, path and function: short, as a line holds one for each statement."""
    tables = () if statement.kind in _WHATEVER_TABLES else sorted(statement.tables)
    parts = (statement.kind, ",".join(tables), of_place(statement.location))
    return hashlib.blake2b("\0".join(parts).encode(errors="replace"), digest_size=3).hexdigest()


def of_place(location: Location | None) -> str:
    """`app/orders.py::list_orders`, the same for an installed application and for a checkout."""
    if location is None:
        return ""
    return f"{_WHERE_INSTALLED.sub('', location.path)}::{location.function}"
