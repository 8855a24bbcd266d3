"""Messages: rendering, sending, searching, exporting."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from sqlalchemy import ColumnElement, literal_column, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from journeys.mended.models import Message, Setting
from journeys.provider import deliver
from journeys.schemas import MessageLine, RenderedMessage

BATCH = 200


async def _settings(session: AsyncSession, tenant_id: int) -> dict[str, str]:
    configured = await session.execute(select(Setting.key, Setting.value).where(Setting.tenant_id == tenant_id))
    return {setting.key: setting.value for setting in configured}


def _is_queued() -> ColumnElement[bool]:
    # Spelt out, not bound: only then can the partial index serve.
    return Message.status == literal_column("'queued'")


async def render_outbox(session: AsyncSession, tenant_id: int) -> list[RenderedMessage]:
    """The messages that wait, as they will leave the house."""
    settings = await _settings(session, tenant_id)
    waiting = select(Message.id, Message.body).where(Message.tenant_id == tenant_id, _is_queued()).order_by(Message.id)
    return [
        RenderedMessage(id=message.id, sender=settings["sender"], text=f"{message.body}\n{settings['footer']}")
        for message in await session.execute(waiting)
    ]


async def mark_sent(session: AsyncSession, message_ids: list[int]) -> int:
    """Mark these messages as sent; returns how many there were."""
    update_all = update(Message).where(Message.id.in_(message_ids)).values(status="sent").returning(Message.id)
    marked = (await session.scalars(update_all)).all()
    await session.commit()
    return len(marked)


async def send(session: AsyncSession, tenant_id: int) -> int:
    """Send what waits; returns how many the provider took."""
    waiting = select(Message.id, Message.body).where(Message.tenant_id == tenant_id, _is_queued()).order_by(Message.id)
    messages = (await session.execute(waiting)).all()
    # Nothing is open while the provider works.
    await session.commit()
    sent = [message.id for message in messages if await deliver(message.body)]
    return await mark_sent(session, sent)


async def sent_on(session: AsyncSession, tenant_id: int, day: date) -> list[MessageLine]:
    """The messages of one day."""
    midnight = datetime.combine(day, time())
    messages = await session.execute(
        select(Message.id, Message.subject, Message.status)
        .where(
            Message.tenant_id == tenant_id, Message.sent_at >= midnight, Message.sent_at < midnight + timedelta(days=1)
        )
        .order_by(Message.sent_at, Message.id)
    )
    return [MessageLine.model_validate(message) for message in messages]


async def waiting(session: AsyncSession, tenant_id: int, limit: int) -> list[MessageLine]:
    """The oldest messages that wait."""
    messages = await session.execute(
        select(Message.id, Message.subject, Message.status)
        .where(Message.tenant_id == tenant_id, _is_queued())
        .order_by(Message.id)
        .limit(limit)
    )
    return [MessageLine.model_validate(message) for message in messages]


async def export(session: AsyncSession, tenant_id: int) -> list[MessageLine]:
    """All messages of a tenant, read in batches."""
    page = select(Message.id, Message.subject, Message.status).where(Message.tenant_id == tenant_id)
    lines: list[MessageLine] = []
    last = 0
    # Each batch starts where the last one ended.
    while batch := (await session.execute(page.where(Message.id > last).order_by(Message.id).limit(BATCH))).all():
        lines += [MessageLine.model_validate(message) for message in batch]
        last = lines[-1].id
    return lines
