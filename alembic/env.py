"""How migrations run: one transaction each, under lock and statement timeouts.

app/db/migrations.py passes the connection in; `alembic` by itself reads the settings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic import context

from app.db.migrations import migration_connection
from app.models import Base

if TYPE_CHECKING:
    from sqlalchemy import Connection


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        compare_server_default=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def offline() -> None:
    context.configure(
        dialect_name="postgresql", target_metadata=Base.metadata, transaction_per_migration=True
    )
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    offline()
elif (given := context.config.attributes.get("connection")) is not None:
    run(given)
else:
    from app import create_app

    with migration_connection(create_app().extensions["database"].url) as opened:
        run(opened)
