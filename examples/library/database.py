"""The library's database: how it is opened, and how it is migrated."""

from pathlib import Path

from unitwork import Base, Database, Timeouts, violations
from unitwork.admin import Migrations

import library.models  # noqa: F401 - the metadata has its tables then

MIGRATIONS = Migrations(Path(__file__).parent / "alembic.ini", lock=5_110_201)


def open_database(url: str, timeouts: Timeouts | None = None) -> Database:
    """A Database that raises, for each constraint, the error that the tables declare."""
    return Database(url, violations=violations(Base.metadata), timeouts=timeouts)
