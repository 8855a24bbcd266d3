"""Authors and their books."""

from __future__ import annotations

from sqlalchemy import ForeignKey
from sqlalchemy.ext.asyncio import AsyncAttrs
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

AUTHORS = 200
BOOKS_PER_AUTHOR = 3


class Base(AsyncAttrs, DeclarativeBase):
    """Base of all models; `awaitable_attrs` for the asynchronous workloads."""


class Author(Base):
    """One author; `biography` and `country` make the row as wide as usual ones are."""

    __tablename__ = "author"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    country: Mapped[str]
    biography: Mapped[str | None]
    books: Mapped[list[Book]] = relationship(back_populates="author", order_by="Book.id")


class Book(Base):
    """One book of one author."""

    __tablename__ = "book"

    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("author.id"), index=True)
    title: Mapped[str]
    price: Mapped[int]
    author: Mapped[Author] = relationship(back_populates="books")


class Sale(Base):
    """A row to write."""

    __tablename__ = "sale"

    id: Mapped[int] = mapped_column(primary_key=True)
    book_id: Mapped[int]
    amount: Mapped[int]


def author_rows() -> list[dict[str, object]]:
    """The rows that every database of the benchmarks starts with."""
    return [{"id": n, "name": f"author {n}", "country": "FI", "biography": "x" * 40} for n in range(1, AUTHORS + 1)]


def book_rows() -> list[dict[str, object]]:
    """The books of `author_rows`, a few for each."""
    count = AUTHORS * BOOKS_PER_AUTHOR
    return [
        {"id": n + 1, "author_id": n // BOOKS_PER_AUTHOR + 1, "title": f"book {n}", "price": n} for n in range(count)
    ]
