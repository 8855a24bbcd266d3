"""Contacts: names, cards, look-ups, imports, searches."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from journeys.schemas import ContactCard, ContactName, Imported, NewContact
from journeys.wasteful.models import Contact, Message


async def names(session: AsyncSession, tenant_id: int) -> list[ContactName]:
    """The names of a tenant's contacts."""
    contacts = await session.scalars(select(Contact).where(Contact.tenant_id == tenant_id).order_by(Contact.id))
    return [ContactName(id=contact.id, name=contact.name) for contact in contacts]


async def read(session: AsyncSession, contact_id: int) -> ContactCard | None:
    """One contact."""
    contact = await session.get(Contact, contact_id)
    if contact is None:
        return None
    contact.views += 1
    card = ContactCard.model_validate(contact)
    await session.commit()
    return card


async def lookup(session: AsyncSession, contact_ids: list[int]) -> list[ContactName]:
    """Several contacts, in the order asked for; unknown ones are left out."""
    found = [await session.get(Contact, contact_id) for contact_id in contact_ids]
    return [ContactName(id=contact.id, name=contact.name) for contact in found if contact is not None]


async def import_contacts(session: AsyncSession, tenant_id: int, rows: list[NewContact]) -> Imported:
    """Create the contacts whose address is not known yet."""
    created = []
    for row in rows:
        known = select(Contact).where(Contact.tenant_id == tenant_id, Contact.email == row.email)
        if (await session.scalars(known)).first() is not None:
            continue
        contact = Contact(tenant_id=tenant_id, name=row.name, email=row.email, details={})
        session.add(contact)
        await session.commit()
        await session.refresh(contact)
        created.append(contact.email)
    return Imported(created=created, known=len(rows) - len(created))


async def find_by_email(session: AsyncSession, tenant_id: int, email: str) -> ContactCard | None:
    """The contact with this address, however it is capitalised."""
    contact = await session.scalar(
        select(Contact).where(Contact.tenant_id == tenant_id, func.lower(Contact.email) == email.lower())
    )
    return None if contact is None else ContactCard.model_validate(contact)


async def by_domain(session: AsyncSession, tenant_id: int, domain: str) -> list[ContactName]:
    """The contacts whose address ends with this domain."""
    contacts = await session.execute(
        select(Contact.id, Contact.name)
        .where(Contact.tenant_id == tenant_id, Contact.email.like(f"%@{domain}"))
        .order_by(Contact.id)
    )
    return [ContactName.model_validate(contact) for contact in contacts]


async def by_plan(session: AsyncSession, tenant_id: int, plan: str) -> list[ContactName]:
    """The contacts on this plan, which is a key of their JSON metadata."""
    contacts = await session.execute(
        select(Contact.id, Contact.name)
        .where(Contact.tenant_id == tenant_id, Contact.details["plan"].as_string() == plan)
        .order_by(Contact.id)
    )
    return [ContactName.model_validate(contact) for contact in contacts]


async def not_written_to(session: AsyncSession, tenant_id: int) -> list[ContactName]:
    """The contacts who never got a message."""
    contacts = await session.execute(
        select(Contact.id, Contact.name)
        .where(Contact.tenant_id == tenant_id, Contact.id.not_in(select(Message.contact_id)))
        .order_by(Contact.id)
    )
    return [ContactName.model_validate(contact) for contact in contacts]
