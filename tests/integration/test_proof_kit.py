"""The proof kit finds the services that it is there to find, and leaves nothing behind."""

from __future__ import annotations

from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from app.db import Database, Query, retry
from app.db.errors import Contention, OutcomeUnknown
from app.db.testing import (
    NO_DIFFERENCE,
    Faults,
    RoundTrips,
    Snapshot,
    all_or_nothing,
)
from tests.library import BOOKS, SHELVES, TABLES, Book, Shelf
from tests.roles import as_role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.usefixtures("patient")


@dataclass(frozen=True)
class Stocktaking:
    """Each method puts one more book on a new shelf; only the first two do so in one unit."""

    database: Database

    def in_one_unit(self) -> None:
        with self.database.session() as session:
            shelf = SHELVES.add(session, Shelf(name="new"))
            session.flush()
            BOOKS.insert_many(
                session.connection(), [{"title": "T", "isbn": "9", "shelf_id": shelf.id}]
            )

    @retry
    def retried(self) -> None:
        self.in_one_unit()

    def commits_in_the_middle(self) -> None:
        with self.database.session() as session:
            shelf = SHELVES.add(session, Shelf(name="new"))
        with self.database.session() as session:
            BOOKS.add(session, Book(title="T", isbn="9", shelf_id=shelf.id))

    def repeats_what_may_be_done(self) -> None:
        try:
            self._add_shelf()
        except OutcomeUnknown:
            self._add_shelf()

    def skips(self) -> None:
        """Without a savepoint: what was done before the error stays."""
        with self.database.session() as session:
            SHELVES.add(session, Shelf(name="new"))
        with suppress(Contention):
            self._add_shelf()

    def changes_a_version_twice(self) -> None:
        try:
            self._rename()
        except OutcomeUnknown:
            self._rename()

    def _add_shelf(self) -> None:
        with self.database.connect() as connection:
            SHELVES.insert_many(connection, [{"name": "new"}])

    def _rename(self) -> None:
        with self.database.connect() as connection:
            connection.exec_driver_sql("UPDATE library_shelves SET name = name || '.'")


@pytest.fixture
def stocktaking(library: Database) -> Stocktaking:
    with library.connect() as connection:
        SHELVES.insert_many(connection, [{"name": "old"}])
        BOOKS.insert_many(connection, [{"title": "T", "isbn": "1"}])
    return Stocktaking(library)


@pytest.fixture
def snapshot(stocktaking: Stocktaking) -> Iterator[Snapshot]:
    snapshot = Snapshot(stocktaking.database.url, TABLES)
    yield snapshot
    snapshot.close()


def test_a_service_that_works_in_one_unit_passes(
    stocktaking: Stocktaking, snapshot: Snapshot
) -> None:
    """Its two INSERTs and COMMIT are failed in four ways; the rows are put back."""
    proof = all_or_nothing(
        stocktaking.in_one_unit, database=stocktaking.database, snapshot=snapshot
    )
    assert proof.messages == 3
    assert [row.split()[0] for row in proof.difference.added] == [*TABLES]
    assert proof.difference.removed == []
    assert snapshot.difference() == NO_DIFFERENCE


def test_a_role_that_cannot_put_rows_back_is_refused_before_the_call(
    stocktaking: Stocktaking, snapshot: Snapshot
) -> None:
    """The message names the role and the right that it lacks, and no row has changed."""
    database = stocktaking.database
    with closing(Snapshot(as_role(database.url, "pg_read_all_data"), TABLES)) as reading:
        missing = "The role pg_read_all_data may not set session_replication_role"
        with pytest.raises(PermissionError, match=missing):
            all_or_nothing(stocktaking.in_one_unit, database=database, snapshot=reading)
    assert snapshot.difference() == NO_DIFFERENCE


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"how": "unique_violation"}, "how='unique_violation' must be an SQLSTATE"),
        ({"how": "drop_after"}, "or DROP_AFTER \\('drop after'\\)"),
        ({"at": "ROLLBACK"}, "at='ROLLBACK' must be the number of a message, or 'COMMIT'"),
    ],
)
def test_a_fault_that_does_not_exist_is_refused(
    library: Database, arguments: dict[str, str], message: str
) -> None:
    """Otherwise a test would pass for a reason of its own."""
    with pytest.raises(ValueError, match=message):
        Faults(library, **arguments)  # type: ignore[arg-type] # `at` and `how` alone


def test_a_call_that_only_reads_passes(stocktaking: Stocktaking, snapshot: Snapshot) -> None:
    """It changes nothing, failed or not."""

    def read() -> None:
        with stocktaking.database.connect(read_only=True) as connection:
            BOOKS.records(connection, Query())

    proof = all_or_nothing(read, database=stocktaking.database, snapshot=snapshot)
    assert (proof.messages, proof.difference) == (1, NO_DIFFERENCE)


def test_a_service_that_is_retried_comes_through(
    stocktaking: Stocktaking, snapshot: Snapshot
) -> None:
    """`retried` asks for it: without @retry a conflict reaches the caller."""
    database = stocktaking.database
    all_or_nothing(stocktaking.retried, database=database, snapshot=snapshot, retried=True)
    with pytest.raises(AssertionError, match="was not run again after Contention"):
        all_or_nothing(stocktaking.in_one_unit, database=database, snapshot=snapshot, retried=True)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (Stocktaking.commits_in_the_middle, "raised .* and changed .*library_shelves"),
        (Stocktaking.repeats_what_may_be_done, "ended well and changed"),
        (Stocktaking.skips, "and changed .*library_shelves"),
        (Stocktaking.changes_a_version_twice, "ended well and changed"),
    ],
)
def test_a_service_that_does_half_of_its_work_or_twice_is_caught(
    stocktaking: Stocktaking,
    snapshot: Snapshot,
    call: Callable[[Stocktaking], None],
    said: str,
) -> None:
    """The error says what was changed, and at which message."""
    with pytest.raises(AssertionError, match=said) as caught:
        all_or_nothing(lambda: call(stocktaking), database=stocktaking.database, snapshot=snapshot)
    assert "failed by" in str(caught.value)
    assert snapshot.difference() == NO_DIFFERENCE


def test_with_a_step_commit_is_failed_all_the_same(
    stocktaking: Stocktaking, snapshot: Snapshot
) -> None:
    """A long call that commits in the middle cannot hide between two messages."""
    with pytest.raises(AssertionError, match="changed"):
        all_or_nothing(
            stocktaking.repeats_what_may_be_done,
            database=stocktaking.database,
            snapshot=snapshot,
            step=100,
        )


def test_a_call_that_sends_nothing_proves_nothing(
    stocktaking: Stocktaking, snapshot: Snapshot
) -> None:
    """A test that forgets to call its service does not pass."""
    with pytest.raises(AssertionError, match="sends nothing"):
        all_or_nothing(lambda: None, database=stocktaking.database, snapshot=snapshot)


def test_a_query_per_row_is_reported(stocktaking: Stocktaking) -> None:
    """One statement that is sent twice."""
    with RoundTrips(stocktaking.database) as round_trips:
        for _ in range(2):
            with stocktaking.database.connect(read_only=True) as connection:
                BOOKS.records(connection, Query())
    with pytest.raises(AssertionError, match="sent more than once"):
        round_trips.check_no_repeats()
    assert len(round_trips.take()) == 2
    round_trips.check_no_repeats()


def test_connections_are_as_before_afterwards(stocktaking: Stocktaking) -> None:
    """What is sent later is neither listed nor failed."""
    with RoundTrips(stocktaking.database) as round_trips, Faults(stocktaking.database) as faults:
        stocktaking.in_one_unit()
    with RoundTrips(stocktaking.database) as outer:
        with Faults(stocktaking.database, 1, "40001"):
            pass
        with stocktaking.database.connect(read_only=True) as connection:
            BOOKS.records(connection, Query())
    assert len(outer) == 1
    assert len(faults.seen) == 3
    assert round_trips == []  # the innermost block has the cursors
