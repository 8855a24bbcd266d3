"""Putting the tables into `docs/performance.md`, section by section."""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks.tables import Section

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"


def write(sections: list[Section], heading: str, page: Path = PAGE) -> None:
    """Replace what stands between the marks of each section that was run; the others keep their figures.

    Raises:
        ValueError: the page has no marks for a section.
    """
    text = page.read_text(encoding="utf-8")
    for section in sections:
        text = _replaced(text, section.name, _body(section, heading))
    page.write_text(text, encoding="utf-8")


def _body(section: Section, heading: str) -> str:
    tables = "\n\n".join(table.markdown() for table in section.tables)
    goals = "\n".join(f"- {goal}" for goal in section.goals)
    return "\n\n".join(part for part in (f"*{heading}*", tables, goals) if part)


def _replaced(text: str, name: str, body: str) -> str:
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"{PAGE.name} has no place for {name!r}: it needs <!-- {name} --> and <!-- end of {name} -->")
    return pattern.sub(lambda match: f"{match[1]}{body}\n{match[2]}", text)
