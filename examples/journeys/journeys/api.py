"""The routes, the same for both versions of the queries behind them."""

# Which version answers is chosen when the application is created, so its functions have no static type here.
# mypy: disable-error-code=no-any-return

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from types import ModuleType
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Body, Depends, FastAPI, HTTPException, Request
from sqlalchemy.ext.asyncio import AsyncSession

from journeys.db import Database
from journeys.schemas import (
    Call,
    ContactCard,
    ContactName,
    Dashboard,
    Imported,
    JourneyActivity,
    JourneySummary,
    JourneyTree,
    MessageLine,
    NewContact,
    RenderedMessage,
    SegmentSize,
    TenantReport,
)

router = APIRouter()
T = TypeVar("T")


def _queries(request: Request) -> Any:
    return request.app.state.version


def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


async def _session(request: Request) -> AsyncIterator[AsyncSession]:
    async with _database(request).sessions() as session:
        yield session


Queries = Annotated[Any, Depends(_queries)]
Db = Annotated[Database, Depends(_database)]
Session = Annotated[AsyncSession, Depends(_session)]
Ids = Annotated[list[int], Body()]


def _found(answer: T | None) -> T:
    if answer is None:
        raise HTTPException(status_code=404)
    return answer


@router.get("/tenants/{tenant_id}/journeys")
async def list_journeys(tenant_id: int, queries: Queries, session: Session) -> list[JourneySummary]:
    """The journeys of a tenant, each with the names of its nodes."""
    return await queries.journeys.list_journeys(session, tenant_id)


@router.get("/journeys/{journey_id}")
async def read_journey(journey_id: int, queries: Queries, session: Session) -> JourneyTree:
    """One journey with everything below it."""
    return _found(await queries.journeys.read_journey(session, journey_id))


@router.post("/journeys/{journey_id}/enrol")
async def enrol(journey_id: int, contact_ids: Ids, queries: Queries, session: Session) -> int:
    """Put contacts on the first node of a journey."""
    return await queries.journeys.enrol(session, journey_id, contact_ids)


@router.post("/tenants/{tenant_id}/pause")
async def pause(tenant_id: int, queries: Queries, session: Session) -> list[str]:
    """Pause the running journeys of a tenant."""
    return await queries.journeys.pause(session, tenant_id)


@router.get("/tenants/{tenant_id}/contacts")
async def contact_names(tenant_id: int, queries: Queries, session: Session) -> list[ContactName]:
    """The names of a tenant's contacts."""
    return await queries.contacts.names(session, tenant_id)


@router.get("/contacts/{contact_id}")
async def read_contact(contact_id: int, queries: Queries, session: Session) -> ContactCard:
    """One contact."""
    return _found(await queries.contacts.read(session, contact_id))


@router.post("/contacts/lookup")
async def lookup(contact_ids: Ids, queries: Queries, session: Session) -> list[ContactName]:
    """Several contacts, in the order asked for."""
    return await queries.contacts.lookup(session, contact_ids)


@router.post("/tenants/{tenant_id}/contacts")
async def import_contacts(tenant_id: int, rows: list[NewContact], queries: Queries, session: Session) -> Imported:
    """Create the contacts whose address is not known yet."""
    return await queries.contacts.import_contacts(session, tenant_id, rows)


@router.get("/tenants/{tenant_id}/contacts/by-email")
async def contact_by_email(tenant_id: int, email: str, queries: Queries, session: Session) -> ContactCard:
    """The contact with this address."""
    return _found(await queries.contacts.find_by_email(session, tenant_id, email))


@router.get("/tenants/{tenant_id}/contacts/by-domain")
async def contacts_by_domain(tenant_id: int, domain: str, queries: Queries, session: Session) -> list[ContactName]:
    """The contacts whose address ends with this domain."""
    return await queries.contacts.by_domain(session, tenant_id, domain)


@router.get("/tenants/{tenant_id}/contacts/by-plan")
async def contacts_by_plan(tenant_id: int, plan: str, queries: Queries, session: Session) -> list[ContactName]:
    """The contacts on this plan."""
    return await queries.contacts.by_plan(session, tenant_id, plan)


@router.get("/tenants/{tenant_id}/contacts/not-written-to")
async def contacts_not_written_to(tenant_id: int, queries: Queries, session: Session) -> list[ContactName]:
    """The contacts who never got a message."""
    return await queries.contacts.not_written_to(session, tenant_id)


@router.get("/tenants/{tenant_id}/outbox")
async def outbox(tenant_id: int, queries: Queries, session: Session) -> list[RenderedMessage]:
    """The messages that wait, as they will leave the house."""
    return await queries.messages.render_outbox(session, tenant_id)


@router.post("/messages/mark-sent")
async def mark_sent(message_ids: Ids, queries: Queries, session: Session) -> int:
    """Mark messages as sent."""
    return await queries.messages.mark_sent(session, message_ids)


@router.post("/tenants/{tenant_id}/send")
async def send(tenant_id: int, queries: Queries, session: Session) -> int:
    """Send what waits."""
    return await queries.messages.send(session, tenant_id)


@router.get("/tenants/{tenant_id}/messages/sent-on/{day}")
async def messages_sent_on(tenant_id: int, day: date, queries: Queries, session: Session) -> list[MessageLine]:
    """The messages of one day."""
    return await queries.messages.sent_on(session, tenant_id, day)


@router.get("/tenants/{tenant_id}/messages/waiting")
async def messages_waiting(tenant_id: int, queries: Queries, session: Session, limit: int = 5) -> list[MessageLine]:
    """The oldest messages that wait."""
    return await queries.messages.waiting(session, tenant_id, limit)


@router.get("/tenants/{tenant_id}/messages/export")
async def export_messages(tenant_id: int, queries: Queries, session: Session) -> list[MessageLine]:
    """All messages of a tenant."""
    return await queries.messages.export(session, tenant_id)


@router.get("/tenants/{tenant_id}/segments")
async def segment_sizes(tenant_id: int, queries: Queries, session: Session) -> list[SegmentSize]:
    """How many contacts each segment has."""
    return await queries.segments.sizes(session, tenant_id)


@router.post("/segments/preview")
async def segment_preview(contact_ids: Ids, queries: Queries, database: Db) -> list[ContactName]:
    """The contacts that a segment would hold."""
    return await queries.segments.preview(database, contact_ids)


@router.get("/contacts/{contact_id}/calls")
async def recent_calls(contact_id: int, queries: Queries, session: Session) -> list[Call]:
    """The newest calls with a contact."""
    return await queries.calls.recent(session, contact_id)


@router.get("/contacts/{contact_id}/calls/count")
async def count_calls(contact_id: int, queries: Queries, session: Session) -> int:
    """How many calls there were with a contact."""
    return await queries.calls.count(session, contact_id)


@router.get("/contacts/{contact_id}/calls/transcripts")
async def call_transcripts(contact_id: int, queries: Queries, session: Session) -> list[str]:
    """What was said in the newest calls."""
    return await queries.calls.transcripts(session, contact_id)


@router.get("/contacts/{contact_id}/calls/seconds")
async def call_seconds(contact_id: int, queries: Queries, session: Session) -> int:
    """How long all calls with a contact were together."""
    return await queries.calls.seconds(session, contact_id)


@router.get("/calls/{call_id}/transcript")
async def call_transcript(call_id: int, queries: Queries, database: Db) -> str:
    """What was said in one call."""
    return _found(await queries.calls.transcript(database, call_id))


@router.get("/tenants/{tenant_id}/dashboard")
async def dashboard(tenant_id: int, queries: Queries, session: Session) -> Dashboard:
    """What a tenant has."""
    return await queries.reports.dashboard(session, tenant_id)


@router.get("/tenants/{tenant_id}/activity")
async def activity(tenant_id: int, queries: Queries, session: Session) -> list[JourneyActivity]:
    """How much belongs to each journey."""
    return await queries.reports.activity(session, tenant_id)


@router.get("/reports/nightly")
async def nightly(queries: Queries, session: Session) -> list[TenantReport]:
    """One line for each tenant."""
    return await queries.reports.nightly(session)


def create_app(version: ModuleType, database: Database) -> FastAPI:
    """The application over `database`, with the queries of `version`."""
    app = FastAPI(title="Journeys")
    app.state.version = version
    app.state.database = database
    app.include_router(router)
    return app
