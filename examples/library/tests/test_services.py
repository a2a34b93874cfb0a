"""The rules, and that each use case does all of its work or nothing."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from unitwork import Base
from unitwork.errors import NotUnique, UnknownReference
from unitwork.testing import NO_DIFFERENCE, RoundTrips, Snapshot, all_or_nothing

from library.errors import AlreadyReturned, InUse, NoCopyLeft, TooManyLoans
from library.services import (
    MOST_LOANS,
    BookService,
    LoanService,
    MemberService,
    ReservationService,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from unitwork import Database

    from library.tests.scene import Scene

CALLS: dict[str, Callable[[Database, Scene], object]] = {
    "add a book": lambda db, _: BookService(db).add({"title": "Sanditon", "isbn": "9780141439000"}),
    "update a book": lambda db, scene: BookService(db).update(scene.free, {"copies": 2}, [1]),
    "remove a book": lambda db, scene: BookService(db).remove(scene.free),
    "join": lambda db, _: MemberService(db).join({"name": "Dot", "email": "dot@x.example"}),
    "leave": lambda db, scene: MemberService(db).leave(scene.cid),
    "lend": lambda db, scene: LoanService(db).lend(scene.free, scene.cid),
    "give back": lambda db, scene: LoanService(db).give_back(scene.loan),
    "reserve": lambda db, scene: ReservationService(db).reserve(scene.lent, scene.cid),
}
TIME_PASSES = "UPDATE reservations SET ready_at = ready_at - interval '8 days'"


def prove(database: Database, call: Callable[[], object]) -> None:
    """Each message to PostgreSQL fails in four ways; conflicts never reach the caller."""
    snapshot = Snapshot(database.url, list(Base.metadata.tables))
    proof = all_or_nothing(call, database=database, snapshot=snapshot, retried=True)
    snapshot.close()
    assert proof.difference != NO_DIFFERENCE


@pytest.mark.parametrize("name", CALLS)
def test_a_call_that_fails_anywhere_does_all_or_nothing(
    database: Database, scene: Scene, name: str
) -> None:
    """Every use case that writes."""
    prove(database, lambda: CALLS[name](database, scene))


def test_expiry_that_fails_anywhere_does_all_or_nothing(database: Database, scene: Scene) -> None:
    """A reservation is not closed unless the copy goes to the next."""
    ReservationService(database).reserve(scene.lent, scene.cid)
    LoanService(database).give_back(scene.loan)
    with database.connect() as connection:
        connection.exec_driver_sql(TIME_PASSES)
    prove(database, ReservationService(database).expire)


def test_the_first_in_the_queue_gets_the_copy(database: Database, scene: Scene) -> None:
    """When Ann gives the book back, it is set aside for Bob."""
    loans = LoanService(database)
    loans.give_back(scene.loan)
    with pytest.raises(NoCopyLeft):
        loans.lend(scene.lent, scene.cid)
    assert loans.lend(scene.lent, scene.bob).version == 1
    with pytest.raises(AlreadyReturned):
        loans.give_back(scene.loan)


def test_a_copy_that_is_not_fetched_goes_to_the_next(database: Database, scene: Scene) -> None:
    """Bob does not come; Cid, who waits too, gets the copy."""
    reservations, loans = ReservationService(database), LoanService(database)
    reservations.reserve(scene.lent, scene.cid)
    loans.give_back(scene.loan)
    assert reservations.expire() == 0
    with database.connect() as connection:
        connection.exec_driver_sql(
            "UPDATE reservations SET ready_at = ready_at - interval '8 days'"
        )
    assert reservations.expire() == 1
    with pytest.raises(NoCopyLeft):
        loans.lend(scene.lent, scene.bob)
    loans.lend(scene.lent, scene.cid)


def test_the_last_copy_is_lent_once(database: Database, scene: Scene) -> None:
    """Two members ask for it at the same moment."""
    refused: list[Exception] = []
    ready = threading.Barrier(2)

    def lend(member: object) -> None:
        ready.wait()
        try:
            LoanService(database).lend(scene.free, member)  # type: ignore[arg-type] # an id
        except NoCopyLeft as error:
            refused.append(error)

    threads = [threading.Thread(target=lend, args=(member,)) for member in (scene.bob, scene.cid)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1


def test_a_member_has_a_limited_number_of_books(database: Database, scene: Scene) -> None:
    """And the same book once."""
    books, loans = BookService(database), LoanService(database)
    for number in range(MOST_LOANS):
        book = books.add({"title": "T", "isbn": f"978000000000{number}", "copies": 3})
        loans.lend(book.id, scene.bob)
    with pytest.raises(TooManyLoans):
        loans.lend(scene.free, scene.bob)
    loans.lend(book.id, scene.cid)
    with pytest.raises(NotUnique):
        loans.lend(book.id, scene.cid)


def test_what_is_in_use_stays(database: Database, scene: Scene) -> None:
    """A book on loan is not removed, and nobody borrows one that was."""
    with pytest.raises(InUse, match="loans and reservations"):
        BookService(database).remove(scene.lent)
    with pytest.raises(InUse, match="loans"):
        MemberService(database).leave(scene.ann)
    BookService(database).remove(scene.free)
    with pytest.raises(UnknownReference):
        LoanService(database).lend(scene.free, scene.cid)


def test_lending_takes_seven_messages(database: Database, scene: Scene) -> None:
    """BEGIN travels with the first statement; no statement is sent twice."""
    with RoundTrips(database) as round_trips:
        LoanService(database).lend(scene.free, scene.cid)
    round_trips.check_no_repeats()
    assert len(round_trips) == 7
