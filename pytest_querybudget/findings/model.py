"""A finding: facts only. Each rule adds the facts it needs and says them in `message` and `fix`."""

from __future__ import annotations

import hashlib
from typing import ClassVar

from pytest_querybudget.findings.loaders import LoaderCure
from pytest_querybudget.recording.places import Place
from pytest_querybudget.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What was seen before and after a cure was tried, or why it could not be tried.

    `verdict` is `"proven"`, `"refuted"` or `"untried"`; `text` is one sentence for a person;
    `before` and `after` are plans or counts as text, `index` the index that the plan after uses.
    """

    verdict: str
    text: str
    before: str | None = None
    after: str | None = None
    index: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One waste at one place.

    `location` is the access that sends the statements, `origin` the query that brought in what is looped over,
    `chain` the application's frames from the access outwards, `count` how many statements were sent.
    `declared_only` marks what the test function's own lines do: it is shown, and fails only where the
    test itself declares the rule.
    """

    rule: ClassVar[str]

    sql: str
    tables: tuple[str, ...]
    count: int
    location: Place | None = None
    origin: Place | None = None
    chain: tuple[Place, ...] = ()
    relationship: str | None = None
    proof: Proof | None = None
    declared_only: bool = False

    @property
    def message(self) -> str:
        """What is wrong, in one sentence."""
        raise NotImplementedError

    @property
    def fix(self) -> str | None:
        """The change to make, as code where code can say it."""
        return None

    @property
    def evidence(self) -> tuple[str, ...]:
        """What the message leaves out, line by line."""
        return ()

    @property
    def loaders(self) -> LoaderCure | None:
        """The loader options of the fix, where it is made of them: what `--querybudget-prove` tries."""
        return None

    @property
    def no_loaders(self) -> str | None:
        """Why a finding of this kind has no loader option to try, where another of its kind would have one."""
        return None

    @property
    def identity(self) -> str:
        """What makes this the same finding on another day: neither the line nor the count, nor the columns.

        Rule, tables or relationship, path and function.
        """
        subject = self.relationship or ",".join(sorted(self.tables)) or self.sql
        place = f"{self.location.path}::{self.location.function}" if self.location else ""
        return hashlib.blake2b(f"{self.rule}\0{subject}\0{place}".encode(errors="replace"), digest_size=8).hexdigest()
