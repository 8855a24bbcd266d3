"""What a test of a shop goes through: each line sends a statement of its own, once."""

from __future__ import annotations

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session, joinedload, selectinload

from bookshop.models import Author, Book, Sale

STATEMENTS = 12


def visit(session: Session, number: int) -> int:
    """Look around, buy a book, and give it back; returns how many sales there are."""
    author = session.scalars(select(Author).where(Author.id == number % 200 + 1)).one()
    books = session.scalars(select(Book).where(Book.author_id == author.id).order_by(Book.id)).all()
    cheap = session.scalars(select(Book).options(joinedload(Book.author)).order_by(Book.price).limit(5)).all()
    session.scalars(select(Author).options(selectinload(Author.books)).where(Author.id <= 3)).all()
    priced = session.execute(select(func.min(Book.price), func.max(Book.price))).one()
    sale = buy(session, books[0], priced[0])
    session.execute(update(Sale).where(Sale.id == sale.id).values(amount=len(cheap)))
    session.refresh(sale)
    sales = sales_of(session, books[0])
    session.execute(delete(Sale).where(Sale.id == sale.id))
    return sales + session.scalar(select(func.count(Author.id)))


def buy(session: Session, book: Book, amount: int) -> Sale:
    """Write a sale."""
    sale = Sale(book_id=book.id, amount=amount)
    session.add(sale)
    session.flush()
    return sale


def sales_of(session: Session, book: Book) -> int:
    """How many times a book was sold."""
    return session.scalar(select(func.count()).where(Sale.book_id == book.id)) or 0
