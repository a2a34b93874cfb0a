from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from unitwork import Page, Query, Record, Sort, retry
from unitwork.errors import UnknownReference

from library.errors import AlreadyReturned, NoCopyLeft, NotFound, TooManyLoans
from library.models import Loan
from library.services.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from sqlalchemy.orm import Session

LOAN_PERIOD = timedelta(days=28)
MOST_LOANS = 5


class LoanService(Service):
    @retry
    def lend(self, book_id: UUID, member_id: UUID) -> Loan:
        """Lend a copy; the member's own reservation of the book is closed.

        Locks the book and then the member, so that the last copy is lent once and nobody gets more
        than MOST_LOANS books. Raises UnknownReference, TooManyLoans and NoCopyLeft.
        """
        now = datetime.now(UTC)
        with self.database.session() as session:
            connection = session.connection()
            self._lock(session, book_id, member_id)
            if self.loans.count_open(connection, member_id) >= MOST_LOANS:
                raise TooManyLoans(MOST_LOANS)
            self.reservations.close(connection, book_id, member_id, now)
            if self.books.free_copies(connection, book_id) < 1:
                raise NoCopyLeft  # and the reservation stays open: the unit rolls back
            loan = Loan(book_id=book_id, member_id=member_id, due_at=now + LOAN_PERIOD)
            return self.loans.add(session, loan)

    @retry
    def give_back(self, key: UUID) -> Loan:
        """Take a copy back, and set it aside for the first member in the queue.

        Locks the book first, as `lend` does. Raises NotFound and AlreadyReturned.
        """
        now = datetime.now(UTC)
        with self.database.session() as session:
            loan = self._found(session, key)
            self.books.get(session, loan.book_id, lock=True)
            loan = self._found(session, key, lock=True)  # reads it again
            if loan.returned_at is not None:
                raise AlreadyReturned
            loan.returned_at = now  # ORM; sent before the next statement
            self.reservations.set_aside(session.connection(), loan.book_id, now)  # Core
            return loan

    @retry
    def page(self, query: Query) -> Page[Record]:
        with self.database.connect(read_only=True) as connection:
            return self.loans.records(connection, query)

    def overdue(self) -> Iterator[Record]:
        """Every loan that is overdue, the oldest first, in constant memory."""
        filters = {"returned_at__is_null": True, "due_at__lt": datetime.now(UTC)}
        query = Query(filters, sort=(Sort("due_at"),))
        with self.database.connect(read_only=True, isolation="REPEATABLE READ") as connection:
            yield from self.loans.stream(connection, query)

    def _lock(self, session: Session, book_id: UUID, member_id: UUID) -> None:
        if self.books.get(session, book_id, lock=True) is None:
            raise UnknownReference("book_id")
        if self.members.get(session, member_id, lock=True) is None:
            raise UnknownReference("member_id")

    def _found(self, session: Session, key: UUID, *, lock: bool = False) -> Loan:
        loan = self.loans.get(session, key, lock=lock)
        if loan is None:
            raise NotFound("loan", key)
        return loan
