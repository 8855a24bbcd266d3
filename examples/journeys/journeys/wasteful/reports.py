"""Figures for people."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload

from journeys.schemas import Dashboard, JourneyActivity, TenantReport
from journeys.wasteful.models import Contact, Journey, Message, NodeExecution, Tenant


async def dashboard(session: AsyncSession, tenant_id: int) -> Dashboard:
    """What a tenant has."""
    # Nothing joins the three tables: the database counts distinct values over every combination of their rows.
    figures = await session.execute(
        select(
            func.count(Contact.id.distinct()).label("contacts"),
            func.count(Message.id.distinct()).label("messages"),
            func.count(NodeExecution.id.distinct()).label("executions"),
        ).where(Contact.tenant_id == tenant_id, Message.tenant_id == tenant_id, NodeExecution.tenant_id == tenant_id)
    )
    return Dashboard.model_validate(figures.one())


async def activity(session: AsyncSession, tenant_id: int) -> list[JourneyActivity]:
    """How much belongs to each journey of a tenant."""
    journeys = await session.scalars(
        select(Journey)
        .where(Journey.tenant_id == tenant_id)
        .order_by(Journey.id)
        .options(joinedload(Journey.nodes), joinedload(Journey.messages))
    )
    return [
        JourneyActivity(id=journey.id, name=journey.name, nodes=len(journey.nodes), messages=len(journey.messages))
        for journey in journeys.unique()
    ]


async def nightly(session: AsyncSession) -> list[TenantReport]:
    """One line for each tenant."""
    lines = []
    for tenant in (await session.scalars(select(Tenant).order_by(Tenant.id))).all():
        contacts = await session.scalar(select(func.count(Contact.id)).where(Contact.tenant_id == tenant.id))
        lines.append(TenantReport(name=tenant.name, contacts=contacts or 0))
    return lines
