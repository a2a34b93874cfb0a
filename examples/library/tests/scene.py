"""Rows for the tests: a book with one copy, on loan to Ann, for which Bob waits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from library.services import BookService, LoanService, MemberService, ReservationService

if TYPE_CHECKING:
    from uuid import UUID

    from unitwork import Database


@dataclass(frozen=True)
class Scene:
    """`lent` is the book that Ann has, and `free` one that nobody has."""

    lent: UUID
    free: UUID
    ann: UUID
    bob: UUID
    cid: UUID
    loan: UUID


def prepare(database: Database) -> Scene:
    books, members = BookService(database), MemberService(database)
    lent, free = (
        books.add({"title": title, "isbn": isbn}).id
        for title, isbn in (("Emma", "9780141439587"), ("Persuasion", "9780141439686"))
    )
    ann, bob, cid = (
        members.join({"name": name, "email": f"{name}@x.example"}).id
        for name in ("ann", "bob", "cid")
    )
    loan = LoanService(database).lend(lent, ann)
    ReservationService(database).reserve(lent, bob)
    return Scene(lent, free, ann, bob, cid, loan.id)
