"""The use cases. Each public method is one unit of work, and is run again after a conflict."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session
from unitwork import Database, Page, Query, Record, Sort, retry
from unitwork.errors import UnknownReference

from library.errors import (
    AlreadyReturned,
    CopyLeft,
    InUse,
    NoCopyLeft,
    NotFound,
    TooManyLoans,
)
from library.models import Book, Loan, Member, Reservation
from library.repositories import (
    BookRepository,
    LoanRepository,
    MemberRepository,
    ReservationRepository,
)

LOAN_PERIOD = timedelta(days=28)
MOST_LOANS = 5
KEPT_FOR = timedelta(days=7)
_BATCH = 100


@dataclass(frozen=True)
class Service:
    """The database, and the repositories, which keep no state. A test may give others."""

    database: Database
    books: BookRepository = BookRepository()
    members: MemberRepository = MemberRepository()
    loans: LoanRepository = LoanRepository()
    reservations: ReservationRepository = ReservationRepository()


class BookService(Service):
    @retry
    def add(self, values: Mapping[str, Any]) -> Book:
        """`values` has title, isbn, and copies or not. Raises Invalid and NotUnique."""
        with self.database.session() as session:
            return self.books.add(session, Book(**values))

    @retry
    def get(self, key: UUID) -> Record:
        with self.database.connect(read_only=True) as connection:
            record = self.books.record(connection, key)
        if record is None:
            raise NotFound(f"No book has the id {key}.")
        return record

    @retry
    def page(self, query: Query) -> Page[Record]:
        with self.database.connect(read_only=True) as connection:
            return self.books.records(connection, query)

    @retry
    def update(
        self, key: UUID, values: Mapping[str, Any], expected: Collection[int] | None
    ) -> Book:
        """Change the fields in `values`. Raises VersionMismatch if `expected` lacks its version."""
        with self.database.session() as session:
            book = self.books.get(session, key, lock=True)
            if book is None:
                raise NotFound(f"No book has the id {key}.")
            self.books.update(session, book, values, expected=expected)
            return book

    @retry
    def remove(self, key: UUID) -> None:
        """Raises InUse while a copy is on loan or reserved."""
        with self.database.connect() as connection:
            if tables := self.books.dependants(connection, key):
                raise InUse(f"The book has open {' and '.join(tables)}.")
            if self.books.soft_delete(connection, key) is None:
                raise NotFound(f"No book has the id {key}.")


class MemberService(Service):
    @retry
    def join(self, values: Mapping[str, Any]) -> Member:
        """`values` has name and email. Raises Invalid and NotUnique."""
        with self.database.session() as session:
            return self.members.add(session, Member(**values))

    @retry
    def leave(self, key: UUID) -> None:
        """Raises InUse while the member has a book or waits for one."""
        with self.database.connect() as connection:
            if tables := self.members.dependants(connection, key):
                raise InUse(f"The member has open {' and '.join(tables)}.")
            if self.members.soft_delete(connection, key) is None:
                raise NotFound(f"No member has the id {key}.")


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
            if self.books.get(session, book_id, lock=True) is None:
                raise UnknownReference("book_id")
            if self.members.get(session, member_id, lock=True) is None:
                raise UnknownReference("member_id")
            if self.loans.count_open(connection, member_id) >= MOST_LOANS:
                raise TooManyLoans(f"A member has at most {MOST_LOANS} books on loan.")
            self.reservations.close(connection, book_id, member_id, now)
            if self.books.free_copies(connection, book_id) < 1:
                # The reservation stays open: the unit rolls back.
                raise NoCopyLeft("All copies of the book are on loan or set aside.")
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
                raise AlreadyReturned("The book was returned already.")
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

    def _found(self, session: Session, key: UUID, *, lock: bool = False) -> Loan:
        loan = self.loans.get(session, key, lock=lock)
        if loan is None:
            raise NotFound(f"No loan has the id {key}.")
        return loan


class ReservationService(Service):
    @retry
    def reserve(self, book_id: UUID, member_id: UUID) -> Reservation:
        """Queue for a book that has no free copy.

        Raises UnknownReference, CopyLeft, and NotUnique where the member is in the queue already.
        """
        with self.database.session() as session:
            if self.books.get(session, book_id, lock=True) is None:
                raise UnknownReference("book_id")
            connection = session.connection()
            if self.reservations.missing_references(connection, {"member_id": member_id}):
                raise UnknownReference("member_id")
            if self.books.free_copies(connection, book_id) > 0:
                raise CopyLeft("A copy of the book is free: borrow it.")
            return self.reservations.add(session, Reservation(book_id=book_id, member_id=member_id))

    @retry
    def expire(self) -> int:
        """Close up to 100 reservations whose member has not come, and set the copies aside anew.

        Returns how many were closed. It passes over rows that another unit holds.
        """
        now = datetime.now(UTC)
        ready: dict[str, Any] = {"ready_at__lt": now - KEPT_FOR, "closed_at__is_null": True}
        with self.database.connect() as connection:
            expired = self.reservations.claim(connection, {"closed_at": now}, limit=_BATCH, **ready)
            for reservation in expired:
                self.reservations.set_aside(connection, reservation["book_id"], now)
            return len(expired)
