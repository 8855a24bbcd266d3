"""Call logs: long rows, and many of them."""

from __future__ import annotations

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import undefer

from journeys.db import Database
from journeys.schemas import Call
from journeys.wasteful.models import CallLog

PAGE = 20


async def recent(session: AsyncSession, contact_id: int) -> list[Call]:
    """The newest calls with a contact."""
    calls = await session.scalars(
        select(CallLog).where(CallLog.contact_id == contact_id).order_by(CallLog.started_at.desc())
    )
    return [Call.model_validate(call) for call in calls.all()[:PAGE]]


async def count(session: AsyncSession, contact_id: int) -> int:
    """How many calls there were with a contact."""
    return len((await session.scalars(select(CallLog).where(CallLog.contact_id == contact_id))).all())


async def transcripts(session: AsyncSession, contact_id: int) -> list[str]:
    """What was said in the newest calls."""
    newest = select(CallLog).where(CallLog.contact_id == contact_id).order_by(CallLog.started_at.desc()).limit(PAGE)
    return [await call.awaitable_attrs.transcript for call in await session.scalars(newest)]


async def seconds(session: AsyncSession, contact_id: int) -> int:
    """How long all calls with a contact were together."""
    everything = text("SELECT * FROM call_logs WHERE contact_id = :contact_id")
    calls = await session.execute(everything, {"contact_id": contact_id})
    return sum(call.seconds for call in calls)


async def transcript(database: Database, call_id: int) -> str | None:
    """What was said in one call."""
    session = database.sessions()
    call = await session.get(CallLog, call_id, options=[undefer(CallLog.transcript)])
    if call is None:
        # This way out forgets to close the session: its connection never returns to the pool.
        return None
    said = call.transcript
    await session.close()
    return said
