"""Models, migrations and the database agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unitwork import Base, check_tables, violations

from library.database import MIGRATIONS

if TYPE_CHECKING:
    from unitwork import Database


def test_models_and_migrations_agree(database: Database) -> None:
    """Alembic finds no difference, and every table has its trigger."""
    MIGRATIONS.check(database.url)
    with database.connect(read_only=True) as connection:
        assert check_tables(connection, Base.metadata) == []


def test_migrations_can_be_taken_back(database: Database) -> None:
    """And run again."""
    MIGRATIONS.downgrade(database.url, "base")
    MIGRATIONS.upgrade(database.url)
    assert MIGRATIONS.current(database.url) == MIGRATIONS.head()


def test_every_constraint_has_its_error() -> None:
    """A violation that nobody knows would be a bug to the client."""
    assert all(make_error().code for make_error in violations(Base.metadata).values())
