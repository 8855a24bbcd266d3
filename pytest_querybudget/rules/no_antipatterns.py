"""The rule `no_antipatterns`."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_querybudget.findings.model import Finding
from pytest_querybudget.recording.model import Recording
from pytest_querybudget.rules.antipatterns import PATTERNS, Case
from pytest_querybudget.rules.base import OptionError, Options, Rule, name_options, no_arguments
from pytest_querybudget.rules.loops import is_own
from pytest_querybudget.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Antipattern(Finding):
    """A statement that is written in a way that databases cannot serve well."""

    rule = "no_antipatterns"

    pattern: str
    text: str
    cure: str | None = None

    @property
    def message(self) -> str:
        """What is written, under the name by which it can be left out."""
        return f"{self.text} [{self.pattern}]"

    @property
    def fix(self) -> str | None:
        """What to write instead."""
        return self.cure

    @property
    def identity(self) -> str:
        """As of every finding, with the pattern: one statement may have several."""
        place = f"{self.location.path}::{self.location.function}" if self.location else ""
        subject = ",".join(sorted(self.tables)) or self.sql
        text = f"{self.rule}\0{self.pattern}\0{subject}\0{place}"
        return hashlib.blake2b(text.encode(errors="replace"), digest_size=8).hexdigest()


class NoAntipatterns(Rule):
    """No SELECT may be written in a way that databases cannot serve well.

    ## What it does

    Fails a test that sends a SELECT in which one of the patterns below is found. They are seen in the statement itself,
    whatever the planner does with it today.

    ## Why is this bad

    Each of them is fast on the table of a test and slow on that of a customer, and each has another form that is not.

    ## Example

    ```python
    @pytest.mark.no_antipatterns
    def test_contacts_without_a_message(session):
        session.scalars(select(Contact).where(Contact.id.not_in(select(Message.contact_id)))).all()
    ```

    ## Use instead

    ```python
    session.scalars(select(Contact).where(~exists().where(Message.contact_id == Contact.id))).all()
    ```

    ## Options

    - names of patterns to leave out, with underscores or hyphens: `no_antipatterns("select_star", "deep_offset")`.

    ## When to allow it

    A pattern that is right at one place is allowed there, with a comment on the line:
    `# querybudget: allow[no_antipatterns] the table of countries is shuffled on purpose`.

    ## What it cannot know

    How large a table is, and which indexes a database has that the model does not declare. Writes are not looked at.
    """

    name = "no_antipatterns"
    takes = "names of patterns to leave out"

    @property
    def documentation(self) -> str:
        """The page of this rule, with all patterns."""
        parts = [f"### `{each.name}`\n\n{each.documentation}" for each in PATTERNS]
        return "\n\n".join((inspect.cleandoc(self.__doc__ or ""), "## The patterns", *parts))

    def parse(self, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Options:
        """Take the names of patterns to leave out."""
        no_arguments(self, (), keywords)
        names = tuple(each.replace("-", "_") for each in name_options(self, "names of patterns", arguments))
        known = [each.name for each in PATTERNS]
        for given, name in zip(arguments, names, strict=True):
            if name not in known:
                raise OptionError(f"{self.name} got {given!r}, but knows the patterns {', '.join(known)}")
        if len(set(names)) == len(known):
            raise OptionError(f"{self.name} leaves out all patterns, so that it could never fail")
        return Options(patterns=names)

    def check(self, recording: Recording, options: Options) -> Iterator[Finding]:
        """Yield each pattern of each SELECT."""
        patterns = [each for each in PATTERNS if each.name not in options.patterns]
        for window in recording.select(options.phase):
            for statement in window:
                if statement.shape.kind != "select":
                    continue
                structure = statement.shape.facts.structure()
                if structure.top is None:
                    continue
                case = Case(statement, window, structure, structure.top)
                for pattern in patterns:
                    for hit in pattern.find(case):
                        yield Antipattern(
                            sql=statement.shape.facts.sql,
                            tables=statement.shape.tables,
                            count=statement.count,
                            location=statement.location,
                            chain=statement.stack.places,
                            declared_only=is_own(statement),
                            pattern=pattern.name,
                            text=hit.message,
                            cure=hit.fix,
                        )
