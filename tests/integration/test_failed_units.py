"""What an error that the caller catches does to the unit of work, and how the unit reports it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, insert, select, text
from sqlalchemy.exc import DBAPIError
from uuid_utils.compat import uuid7

from app.db import UnitRolledBack
from tests.library import BOOKS, Book

if TYPE_CHECKING:
    from app.db import Database, Isolation

TABLE = Book.__table__
COUNT = select(func.count()).select_from(TABLE)


def find_missing(library: Database, isolation: Isolation | None = None) -> None:
    with library.connect(read_only=True, isolation=isolation):
        raise LookupError


@pytest.mark.parametrize("isolation", [None, "REPEATABLE READ"])
def test_a_read_only_unit_goes_on_after_a_read_that_failed(
    library: Database, isolation: Isolation | None
) -> None:
    """Nothing can have been written, so there is nothing to undo."""
    with library.session(read_only=True, isolation=isolation) as session:
        with pytest.raises(LookupError):
            find_missing(library, isolation)
        assert BOOKS.get(session, uuid7()) is None


def test_a_read_only_unit_goes_on_after_a_statement_that_failed(library: Database) -> None:
    """Without an isolation each statement is a transaction of its own."""
    with library.connect(read_only=True) as connection:
        with pytest.raises(DBAPIError):
            connection.execute(text("SELECT 1 / 0"))
        assert connection.scalar(COUNT) == 0


def test_a_read_only_transaction_ends_with_a_statement_that_failed(library: Database) -> None:
    """PostgreSQL refuses all further statements, and the unit names the first cause."""
    with pytest.raises(UnitRolledBack, match="DataError") as caught:
        with library.connect(read_only=True, isolation="REPEATABLE READ") as connection:
            with pytest.raises(DBAPIError):
                connection.execute(text("SELECT 1 / 0"))
            connection.scalar(COUNT)
    assert isinstance(caught.value.__cause__, DBAPIError)


def test_a_read_only_unit_does_not_outlive_its_connection(library: Database) -> None:
    """It has no other one."""
    end = select(func.pg_terminate_backend(func.pg_backend_pid()))
    with pytest.raises(UnitRolledBack), library.connect(read_only=True) as connection:
        with pytest.raises(Exception, match=r"lost|shutting down"):
            connection.execute(end)
        connection.scalar(COUNT)


def test_a_failed_read_undoes_a_unit_that_writes(library: Database) -> None:
    """The error names the function that caught the first error, and the way out."""

    def read_and_go_on() -> None:
        with suppress(LookupError):
            find_missing(library)

    with pytest.raises(UnitRolledBack, match=r"savepoint\(\)") as caught:
        with library.connect() as connection:
            connection.execute(insert(TABLE), {"id": uuid7(), "title": "a", "isbn": "a"})
            read_and_go_on()
    assert "LookupError was caught in" in str(caught.value)
    assert "read_and_go_on" in str(caught.value)
    with library.connect(read_only=True) as connection:
        assert connection.scalar(COUNT) == 0
