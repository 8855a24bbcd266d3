"""Figures for people."""

from __future__ import annotations

from sqlalchemy import ScalarSelect, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from journeys.mended.models import Contact, Journey, Message, Node, NodeExecution, Tenant
from journeys.schemas import Dashboard, JourneyActivity, TenantReport


async def dashboard(session: AsyncSession, tenant_id: int) -> Dashboard:
    """What a tenant has."""
    figures = await session.execute(
        select(
            _count_of(Contact, tenant_id).label("contacts"),
            _count_of(Message, tenant_id).label("messages"),
            _count_of(NodeExecution, tenant_id).label("executions"),
        )
    )
    return Dashboard.model_validate(figures.one())


def _count_of(model: type[Contact | Message | NodeExecution], tenant_id: int) -> ScalarSelect[int]:
    return select(func.count()).select_from(model).where(model.tenant_id == tenant_id).scalar_subquery()


async def activity(session: AsyncSession, tenant_id: int) -> list[JourneyActivity]:
    """How much belongs to each journey of a tenant."""
    nodes = select(func.count()).select_from(Node).where(Node.journey_id == Journey.id).scalar_subquery()
    messages = select(func.count()).select_from(Message).where(Message.journey_id == Journey.id).scalar_subquery()
    journeys = await session.execute(
        select(Journey.id, Journey.name, nodes.label("nodes"), messages.label("messages"))
        .where(Journey.tenant_id == tenant_id)
        .order_by(Journey.id)
    )
    return [JourneyActivity.model_validate(journey) for journey in journeys]


async def nightly(session: AsyncSession) -> list[TenantReport]:
    """One line for each tenant."""
    lines = []
    for tenant in (await session.scalars(select(Tenant).order_by(Tenant.id))).all():
        # One small statement for each tenant lets the others through; there are few tenants, and it is night.
        counted = select(func.count(Contact.id)).where(Contact.tenant_id == tenant.id)
        contacts = await session.scalar(counted)  # querybudget: allow[no_n_plus_one] short locks matter more here
        lines.append(TenantReport(name=tenant.name, contacts=contacts or 0))
    return lines
