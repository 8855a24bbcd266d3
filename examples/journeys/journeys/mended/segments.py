"""Segments: their sizes, and who is in them."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from journeys.db import Database
from journeys.mended import contacts
from journeys.mended.models import Contact, Segment
from journeys.schemas import ContactName, SegmentSize


async def sizes(session: AsyncSession, tenant_id: int) -> list[SegmentSize]:
    """How many contacts each segment of a tenant has."""
    segments = await session.execute(
        select(Segment.id, Segment.name, func.count(Contact.id).label("contacts"))
        .outerjoin(Contact, Contact.segment_id == Segment.id)
        .where(Segment.tenant_id == tenant_id)
        .group_by(Segment.id)
        .order_by(Segment.id)
    )
    return [SegmentSize.model_validate(segment) for segment in segments]


async def preview(database: Database, contact_ids: list[int]) -> list[ContactName]:
    """The contacts that a segment would hold, in the order asked for."""
    async with database.sessions() as session:
        return await contacts.lookup(session, contact_ids)
