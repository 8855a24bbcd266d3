"""What silences a finding: a marker on the test, or a comment in the source."""

from __future__ import annotations

import ast
import datetime as dt
import linecache
import os
import re
from collections.abc import Iterable
from dataclasses import field
from fnmatch import fnmatchcase
from pathlib import Path

from pytest_querybudget.findings.model import Finding
from pytest_querybudget.recording.model import StackLike
from pytest_querybudget.recording.places import Place
from pytest_querybudget.values import dataclass

_COMMENT = re.compile(r"#\s*querybudget:\s*allow\[([^\]]*)\]\s*(.*)")
_UNTIL = re.compile(r"\buntil[= ](\d{4}-\d{2}-\d{2})\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """Why a finding does not fail."""

    reason: str
    source: str
    until: dt.date | None = None


@dataclass(frozen=True, slots=True)
class Comment:
    """A `# querybudget: allow[...]` comment: the rules it names, where it stands, and what is wrong with it."""

    rules: tuple[str, ...]
    reason: str
    until: dt.date | None
    path: str
    line: int
    mistake: str = ""

    def covers(self, rule: str) -> bool:
        """Whether it names a rule."""
        return not self.mistake and (rule in self.rules or "*" in self.rules)


@dataclass(slots=True)
class SourceComments:
    """Reads comments of application files, and remembers which of them silenced something.

    `root` is the directory that places are relative to, `today` the day on which end dates are judged.
    """

    root: Path
    today: dt.date
    used: set[Comment] = field(default_factory=set)
    seen: set[Comment] = field(default_factory=set)
    files: dict[str, dict[int, Comment]] = field(default_factory=dict)
    # Those without a comment, as most are.
    quiet: set[str] = field(default_factory=set)
    spans: dict[str, list[Span]] = field(default_factory=dict)

    def find(self, finding: Finding) -> Allowed | None:
        """Return the comment that silences a finding: on a line of its chain, or on a `def` around its line."""
        if finding.location is None:
            return None
        for comment in self.around((finding.location, *finding.chain)):
            if comment.covers(finding.rule) and (comment.until is None or comment.until >= self.today):
                self.used.add(comment)
                return Allowed(reason=comment.reason, source=f"{comment.path}:{comment.line}", until=comment.until)
        return None

    def note_sender(self, stack: StackLike) -> None:
        """Remember that the lines of a stack sent something: an allowance there had its chance."""
        paths = stack.paths
        if not self.quiet.issuperset(paths) and any(self._comments(each) for each in paths):
            self.seen.update(self.around(stack.places))

    def noted(self) -> list[Comment]:
        """Return the comments that had their chance, because their lines sent something."""
        return sorted(self.seen | self.used, key=lambda each: (each.path, each.line))

    def around(self, places: Iterable[Place]) -> list[Comment]:
        """Return the comments on these lines, and on the `def` of the first one."""
        found = []
        for index, place in enumerate(places):
            comments = self._comments(place.path)
            if not comments:
                continue
            lines = [place.line] if index else self._covering(place)
            found += [comments[line] for line in lines if line in comments]
        return found

    def _comments(self, path: str) -> dict[int, Comment]:
        known = self.files.get(path)
        if known is None:
            known = self.files[path] = {}
            for number, text in enumerate(self._lines(path), 1):
                if "querybudget" in text and (match := _COMMENT.search(text)):
                    known[number] = _comment(match, path, number)
            if not known:
                self.quiet.add(path)
        return known

    def _lines(self, path: str) -> list[str]:
        return linecache.getlines(os.path.join(self.root, path))

    def _covering(self, place: Place) -> list[int]:
        """Return the lines of the statement around a line, and of the `def` of the innermost function around it."""
        spans = self.spans.get(place.path)
        if spans is None:
            spans = self.spans[place.path] = _spans("".join(self._lines(place.path)))
        lines = [place.line]
        for kind in ("statement", "function"):
            inside = [each for each in spans if each.kind == kind and each.start <= place.line <= each.end]
            if inside:
                nearest = max(inside, key=lambda each: (each.start, -each.end))
                lines += range(nearest.start, nearest.head + 1)
        return list(dict.fromkeys(lines))


@dataclass(frozen=True, slots=True)
class Span:
    """The lines of a function or of a statement without a body; a comment counts on `start` to `head`."""

    kind: str
    start: int
    head: int
    end: int


def _spans(text: str) -> list[Span]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return []
    spans = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            start = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            # A body on the line of its `def` leaves that line to both.
            head = max(node.lineno, node.body[0].lineno - 1)
            spans.append(Span("function", start, head, node.end_lineno or node.lineno))
        elif isinstance(node, ast.stmt) and not hasattr(node, "body"):
            end = node.end_lineno or node.lineno
            spans.append(Span("statement", node.lineno, end, end))
    return spans


def _comment(match: re.Match[str], path: str, number: int) -> Comment:
    rules = tuple(each.strip() for each in match.group(1).split(",") if each.strip())
    reason = match.group(2).strip()
    given = _UNTIL.search(reason)
    until, mistake = None, ""
    if given is not None:
        try:
            until = dt.date.fromisoformat(given.group(1))
        except ValueError:
            mistake = f"{given.group(1)} is no date"
    return Comment(rules, reason, until, path, number, mistake)


def matches(finding: Finding, pattern: str) -> bool:
    """Return whether a glob matches what a finding is about: its SQL, tables, relationship or place."""
    if pattern == "*":
        return True
    subjects = [finding.sql, finding.relationship or "", *finding.tables]
    if finding.location is not None:
        subjects += [finding.location.path, finding.location.function, str(finding.location)]
    return any(fnmatchcase(each, pattern) for each in subjects)
