"""The tables. Versions, times and soft deletion come from the base classes."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column
from unitwork import LIVE, DeletableResource, Resource
from unitwork.marks import LIVE_WHILE

_NOT_RETURNED = "returned_at IS NULL"
_OPEN = "closed_at IS NULL"
_ONCE = ("book_id", "member_id")


class Book(DeletableResource):
    """A title, of which the library owns one or more copies."""

    __tablename__ = "books"

    title: Mapped[str]
    isbn: Mapped[str]
    copies: Mapped[int] = mapped_column(default=1, server_default="1")

    __table_args__ = (
        Index("uq_books_isbn", "isbn", unique=True, postgresql_where=LIVE),
        CheckConstraint("char_length(title) BETWEEN 1 AND 300", name="title"),
        CheckConstraint("isbn ~ '^[0-9]{12}[0-9X]$'", name="isbn"),
        CheckConstraint("copies BETWEEN 1 AND 1000", name="copies"),
    )


class Member(DeletableResource):
    __tablename__ = "members"

    name: Mapped[str]
    email: Mapped[str]

    __table_args__ = (
        Index("uq_members_email", "email", unique=True, postgresql_where=LIVE),
        CheckConstraint("char_length(name) BETWEEN 1 AND 200", name="name"),
        CheckConstraint("email = lower(email)", name="email"),
    )


class Loan(Resource):
    """A copy that a member has, or had. Until it is returned, neither row can be deleted."""

    __tablename__ = "loans"

    book_id: Mapped[UUID] = mapped_column(ForeignKey("books.id"))
    member_id: Mapped[UUID] = mapped_column(ForeignKey("members.id"))
    due_at: Mapped[datetime]
    returned_at: Mapped[datetime | None]

    __table_args__ = (
        Index("uq_loans_once", *_ONCE, unique=True, postgresql_where=text(_NOT_RETURNED)),
        Index("ix_loans_due_at", "due_at", "id", postgresql_where=text(_NOT_RETURNED)),
        {"info": {LIVE_WHILE: _NOT_RETURNED}},
    )


class Reservation(Resource):
    """A member's place in the queue for a book.

    `ready_at` says since when a copy is set aside. The reservation is closed when the member gets
    the copy, or has not come for it in time.
    """

    __tablename__ = "reservations"

    book_id: Mapped[UUID] = mapped_column(ForeignKey("books.id"))
    member_id: Mapped[UUID] = mapped_column(ForeignKey("members.id"))
    ready_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]

    __table_args__ = (
        Index("uq_reservations_once", *_ONCE, unique=True, postgresql_where=text(_OPEN)),
        {"info": {LIVE_WHILE: _OPEN}},
    )
