"""Call logs: long rows, and many of them."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from journeys.db import Database
from journeys.mended.models import CallLog
from journeys.schemas import Call

PAGE = 20


async def recent(session: AsyncSession, contact_id: int) -> list[Call]:
    """The newest calls with a contact."""
    calls = await session.execute(
        select(CallLog.id, CallLog.started_at, CallLog.seconds)
        .where(CallLog.contact_id == contact_id)
        .order_by(CallLog.started_at.desc())
        .limit(PAGE)
    )
    return [Call.model_validate(call) for call in calls]


async def count(session: AsyncSession, contact_id: int) -> int:
    """How many calls there were with a contact."""
    counted = await session.scalar(select(func.count()).select_from(CallLog).where(CallLog.contact_id == contact_id))
    return counted or 0


async def transcripts(session: AsyncSession, contact_id: int) -> list[str]:
    """What was said in the newest calls."""
    newest = (
        select(CallLog.transcript)
        .where(CallLog.contact_id == contact_id)
        .order_by(CallLog.started_at.desc())
        .limit(PAGE)
    )
    return list(await session.scalars(newest))


async def seconds(session: AsyncSession, contact_id: int) -> int:
    """How long all calls with a contact were together."""
    return await session.scalar(select(func.sum(CallLog.seconds)).where(CallLog.contact_id == contact_id)) or 0


async def transcript(database: Database, call_id: int) -> str | None:
    """What was said in one call."""
    async with database.sessions() as session:
        return await session.scalar(select(CallLog.transcript).where(CallLog.id == call_id))
