"""What all services have: the database, and the repositories, which keep no state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from library.repositories import (
    BookRepository,
    LoanRepository,
    MemberRepository,
    ReservationRepository,
)

if TYPE_CHECKING:
    from unitwork import Database


@dataclass(frozen=True)
class Service:
    """A test may give a service other repositories."""

    database: Database
    books: BookRepository = BookRepository()
    members: MemberRepository = MemberRepository()
    loans: LoanRepository = LoanRepository()
    reservations: ReservationRepository = ReservationRepository()
