from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from unitwork import retry
from unitwork.errors import UnknownReference

from library.errors import CopyLeft
from library.models import Reservation
from library.services.service import Service

if TYPE_CHECKING:
    from uuid import UUID

KEPT_FOR = timedelta(days=7)
_BATCH = 100


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
                raise CopyLeft
            return self.reservations.add(session, Reservation(book_id=book_id, member_id=member_id))

    @retry
    def expire(self) -> int:
        """Close up to 100 reservations whose member has not come, and set the copies aside anew.

        Returns how many were closed. It passes over rows that another unit holds.
        """
        now = datetime.now(UTC)
        with self.database.connect() as connection:
            expired = self.reservations.claim(
                connection,
                {"closed_at": now},
                limit=_BATCH,
                ready_at__lt=now - KEPT_FOR,
                closed_at__is_null=True,
            )
            for reservation in expired:
                self.reservations.set_aside(connection, reservation["book_id"], now)
            return len(expired)
