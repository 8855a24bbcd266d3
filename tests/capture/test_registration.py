"""Suites that clear SQLAlchemy's listeners."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session, events

from pytest_querybudget.capture.listener import Capture
from pytest_querybudget.capture.registration import Registration
from pytest_querybudget.capture.source import Source
from pytest_querybudget.capture.stacks import StackReader


@pytest.fixture
def registration(tmp_path: Path) -> Registration:
    def fail(error: BaseException) -> None:
        raise error

    return Registration(Capture(StackReader(Source(tmp_path)), fail))


def test_a_suite_may_clear_listeners_again_and_again(registration: Registration) -> None:
    """SQLAlchemy finds what it clears by weak references: they must be to one and the same object each time.

    Something may hold what was listening a while longer: a session's own collection, or the traceback of a failure.
    """
    registration.add()
    try:
        for _ in range(3):
            held = list(Session.dispatch.before_flush._clslevel[Session])
            events.SessionEvents._clear()
            assert registration.renew()
            assert held
            del held
            assert not registration.renew()
    finally:
        registration.remove()
    assert not event.contains(Session, "before_flush", registration.capture.sessions.on_flush)
