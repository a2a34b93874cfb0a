"""The use cases. Each public method is one unit of work, and is run again after a conflict."""

from library.services.books import BookService
from library.services.loans import LoanService
from library.services.members import MemberService
from library.services.reservations import ReservationService

__all__ = ["BookService", "LoanService", "MemberService", "ReservationService"]
