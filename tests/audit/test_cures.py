"""The cures of the audit, applied to the code as they are printed: what was wasted is gone, and the answer the same."""

from __future__ import annotations

import re
from typing import Any

from tests.audit.test_cases import PARSED, write
from tests.plugin.suites import Suite

# What a cure says in words, and the code that comes of it.
BY_HAND = {
    "given_text": ("SELECT * FROM orders", "SELECT id, number, version, customer_id FROM orders"),
    "counted": ("len(session.scalars(select(Order)).all())", "session.scalar(select(func.count()).select_from(Order))"),
    "one_of_two_entities": ("select(Order, Customer)", "select(Order, Order.id)"),
    "positions_of_core": ("select(Order.__table__)", 'select(*Order.__table__.c["number", "id"])'),
    "positions_of_core_by_an_entity": ("select(Order)", "select(Order.number)"),
    "positions_of_core_by_column": (
        "select(table.c.number, table.c.note, table.c.terms)",
        'select(*table.c["number", "note"])',
    ),
    "positions_of_core_streamed": ('c["number", "note"]', 'c["number", "id"]'),
}


def _closing(text: str, start: int) -> int:
    """Return where the parenthesis that opens at `start` is closed."""
    depth = 0
    for place in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[place], 0)
        if not depth:
            return place
    raise AssertionError(text)


def _added(line: str, options: str) -> str:
    """Add options to the query of a line: to its SELECT, or to the query that it is given by name."""
    if "select(other)" in line:
        options = options.replace("alias_of_Order", "other")
    found = re.search(r"\b(?:select|query)\(", line)
    if found is None:
        return re.sub(r"(session\.scalars\()(\w+)", rf"\g<1>\g<2>.options({options})", line, count=1)
    end = _closing(line, found.end() - 1) + 1
    return f"{line[:end]}.options({options}){line[end:]}"


def _left_out(line: str, option: str) -> str:
    """Take an option out of a query, with what hangs on it."""
    option = option.replace("alias_of_Order", "other")
    start = line.index(option)
    end = start + len(option)
    while line[end] == ".":
        end = _closing(line, line.index("(", end)) + 1
    line = line[:start].removesuffix(", ") + line[end:]
    return line.replace(".options()", "").replace(", options=[]", "")


def _not_selected(line: str, names: str) -> str:
    """Take columns out of a SELECT."""
    for each in re.findall(r"\w+\.(\w+)", names):
        line = re.sub(rf", \w+\.{each}(?:\.label\(\"\w+\"\))?", "", line, count=1)
    return line


def applied(source: list[str], name: str, fix: str) -> None:
    """Change the code of an application as a cure says."""
    (number,) = {int(each) - 1 for each in re.findall(r" at application\.py:(\d+)", fix)} or {0}
    number = number or next(i for i, line in enumerate(source) if line.startswith(f"def run_{name}("))
    line = source[number]
    if name in BY_HAND:
        old, new = BY_HAND[name]
        number = next(i for i in range(number + 2, number - 3, -1) if old in source[i])
        source[number] = source[number].replace(old, new)
    elif options := re.match(r"Add \.options\((.*)\) to the query at", fix):
        source[number] = _added(line, options[1])
    elif options := re.match(r"Pass options=\[(.*)\] to session\.get\(\) at", fix):
        end = _closing(line, line.index("session.get(") + len("session.get"))
        given = line[:end].removesuffix("]") if "options=[" in line else f"{line[:end]}, options=["
        source[number] = f"{given}{', ' if given[-1] != '[' else ''}{options[1]}]{line[end:]}"
    elif option := re.match(r"Leave (.*) out of the query at", fix):
        source[number] = _left_out(line, option[1])
    elif names := re.match(r"Leave (.*) out of the SELECT at", fix):
        source[number] = _not_selected(line, names[1])
    assert source[number] != line, f"{name}: {fix}\n{line}"


def _unused(test: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in test["findings"] if each["rule"].startswith("no_unused")]


def test_printed_cures_cure(warehouse: Suite) -> None:
    """With the change that is printed, a test passes, sends no more, and the same is not found again."""
    write(warehouse)
    before = warehouse.run("", "--querybudget-audit")
    path = warehouse.path / "application.py"
    source = path.read_text("utf-8").split("\n")
    wasteful = {name: found for name in PARSED if (found := _unused(before.tests[f"test_{name}"]))}
    for name, (finding,) in wasteful.items():
        applied(source, name, finding["fix"])
    path.write_text("\n".join(source), "utf-8")
    after = warehouse.run("", "--querybudget-audit")
    assert after.counts == before.counts, after.text
    for name, (finding,) in wasteful.items():
        test = f"test_{name}"
        left = [each["message"] for each in _unused(after.tests[test])]
        assert finding["message"] not in left, f"{name}: {left}"
        assert not left, f"{name}: {left}"
        assert after.queries(test) <= before.queries(test), name
