from __future__ import annotations

from typing import TYPE_CHECKING

from app.administration import MIGRATIONS
from app.db import check_tables
from app.db.admin import revision_of
from app.db.errors import Unavailable
from app.models import Base

if TYPE_CHECKING:
    from app.db import Database

_PATIENCE = 2.0  # seconds


class SchemaMismatch(Unavailable):
    """The database's schema is not the one that this code knows."""

    code = "schema-mismatch"


def check_ready(database: Database) -> None:
    """Raises Unavailable where requests could not be served."""
    with database.connect(read_only=True, timeout=_PATIENCE) as connection:
        found = revision_of(connection)
        if found != MIGRATIONS.head():
            raise SchemaMismatch(f"The schema is at {found}, not at {MIGRATIONS.head()}.")
        if missing := check_tables(connection, Base.metadata):
            raise SchemaMismatch(" ".join(missing))
