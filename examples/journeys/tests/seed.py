"""The rows that every test starts with: a tenant with some of everything, one with many messages, a new one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from types import ModuleType
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

START = datetime(2026, 3, 2, 9, 0)
Rows = list[dict[str, Any]]

JOURNEYS = ("Welcome", "Birthday", "Reminder", "Survey", "Farewell", "Thanks")
NODES = ("Start", "Wait", "Write", "Call")


def seed(session: Session, models: ModuleType) -> None:
    """Insert all rows into empty tables."""
    for model, rows in _rows(models):
        session.execute(insert(model), rows)


def _rows(models: ModuleType) -> Iterator[tuple[type, Rows]]:
    yield models.Tenant, [{"id": 1, "name": "Acme"}, {"id": 2, "name": "Bulk"}, {"id": 3, "name": "New"}]
    yield (
        models.Setting,
        [
            {"tenant_id": tenant, "key": key, "value": f"{key} of {tenant}"}
            for tenant in (1, 2, 3)
            for key in ("sender", "footer")
        ],
    )
    yield (
        models.Segment,
        [
            {"id": number, "tenant_id": 1, "name": f"Segment {number}", "rules": {"city": number}}
            for number in range(1, 5)
        ],
    )
    yield models.Contact, [_contact(number) for number in range(1, 66)]
    yield models.Journey, _journeys()
    yield models.Node, _nodes()
    yield models.NodeExecution, _executions()
    yield models.Message, [_message(number) for number in range(1, 1441)]
    yield models.CallLog, [_call(number) for number in range(1, 124)]


def _contact(number: int) -> dict[str, Any]:
    domain = ("example.com", "example.org")[number % 2]
    return {
        "id": number,
        "tenant_id": 1 if number <= 60 else 2,
        "segment_id": number % 4 + 1 if number <= 60 else None,
        "name": f"Contact {number}",
        "email": f"contact{number}@{domain}",
        "views": 0,
        "details": {"plan": ("free", "free", "pro")[number % 3], "notes": "n" * 200},
    }


def _journeys() -> Rows:
    acme: Rows = [
        {"id": number, "tenant_id": 1, "name": name, "status": "running" if number <= 4 else "draft", "definition": {}}
        for number, name in enumerate(JOURNEYS, start=1)
    ]
    return [*acme, {"id": 7, "tenant_id": 2, "name": "Bulk", "status": "running", "definition": {}}]


def _nodes() -> Rows:
    return [
        {"journey_id": journey, "name": name, "position": position, "configuration": {}}
        for journey in range(1, 8)
        for position, name in enumerate(NODES)
    ]


def _executions() -> Rows:
    return [
        {"tenant_id": 1, "node_id": number % 24 + 1, "contact_id": number % 60 + 1, "status": "done", "payload": {}}
        for number in range(120)
    ]


def _message(number: int) -> dict[str, Any]:
    acme = number <= 240
    queued = number <= 10
    return {
        "id": number,
        "tenant_id": 1 if acme else 2,
        "journey_id": number % 6 + 1 if acme else 7,
        "contact_id": number % 50 + 1 if acme else number % 5 + 61,
        "status": "queued" if queued else "sent",
        "subject": f"Subject {number}",
        "body": f"Body {number}",
        "sent_at": None if queued else START + timedelta(hours=number),
    }


def _call(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "contact_id": 1 if number <= 120 else 2,
        "started_at": START + timedelta(minutes=37 * number),
        "seconds": number,
        "details": {"codec": "opus", "quality": [number] * 50},
        "transcript": f"Call {number}. " + "Hello? " * 100,
    }
