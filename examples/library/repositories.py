"""The queries. A repository names its model, and what a list may be filtered and sorted by."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, bindparam, func, select
from unitwork import BulkWriter, Inserter, MassWriter, Repository, filters_on, sorts_on

from library.models import Book, Loan, Member, Reservation

# Built once: building a statement costs as much as running it.
_books, _loans, _reservations = Book.__table__, Loan.__table__, Reservation.__table__
_ON_LOAN = (
    select(func.count())
    .where(_loans.c.book_id == _books.c.id, _loans.c.returned_at.is_(None))
    .scalar_subquery()
)
_SET_ASIDE = (
    select(func.count())
    .where(_reservations.c.book_id == _books.c.id)
    .where(_reservations.c.ready_at.is_not(None), _reservations.c.closed_at.is_(None))
    .scalar_subquery()
)
_FREE_COPIES = select(_books.c.copies - _ON_LOAN - _SET_ASIDE).where(
    _books.c.id == bindparam("book_id")
)


class BookRepository(Repository[Book]):
    model = Book
    filters = filters_on(Book.title, Book.isbn)
    sorts = sorts_on(Book.title)
    searched = Book.title + " " + Book.isbn

    def free_copies(self, connection: Connection, book_id: UUID) -> int:
        """The copies that are neither on loan nor set aside for a reservation."""
        free: int = connection.execute(_FREE_COPIES, {"book_id": book_id}).scalar_one()
        return free


class MemberRepository(Repository[Member]):
    model = Member
    filters = filters_on(Member.email)


class LoanRepository(Inserter[Loan], BulkWriter[Loan]):
    model = Loan
    filters = filters_on(Loan.member_id, Loan.due_at, Loan.returned_at)
    sorts = sorts_on(Loan.due_at)

    def count_open(self, connection: Connection, member_id: UUID) -> int:
        """The books that a member has."""
        return self.count(connection, member_id=member_id, returned_at__is_null=True)


class ReservationRepository(Inserter[Reservation], MassWriter[Reservation]):
    model = Reservation
    filters = filters_on(
        Reservation.book_id, Reservation.member_id, Reservation.ready_at, Reservation.closed_at
    )
    sorts = sorts_on(Reservation.created_at)

    def close(self, connection: Connection, book_id: UUID, member_id: UUID, now: datetime) -> None:
        """Close the member's reservation of the book, if there is one."""
        mine: dict[str, Any] = {"book_id": book_id, "member_id": member_id}
        self.update_where(
            connection, {"closed_at": now}, at_most=1, closed_at__is_null=True, **mine
        )

    def set_aside(self, connection: Connection, book_id: UUID, now: datetime) -> None:
        """Set a copy aside for the member who waits longest, if one does."""
        waiting: dict[str, Any] = {"ready_at__is_null": True, "closed_at__is_null": True}
        self.claim(connection, {"ready_at": now}, limit=1, book_id=book_id, **waiting)
