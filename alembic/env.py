"""Runs the migrations: one transaction each, under lock and statement timeouts.

Each migration also grants the rights of Caseload's roles, in its own transaction: triggers that it
creates write with the rights of the service, which runs at the same time.

app/db/admin/alembic_commands.py passes the connection in; `alembic` by itself reads the settings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alembic import context

from app.administration import ROLES
from app.db.admin import grant, migration_connection, render_item
from app.models import Base
from app.models.privileges import table_privileges

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy import Connection


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        compare_server_default=True,
        render_item=render_item,
        transaction_per_migration=True,
        on_version_apply=grant_after_step,
    )
    with context.begin_transaction():
        context.run_migrations()
    if "destination_rev" in context.get_context().opts:  # `check` and `revision` have none
        # The roles may be newer than the newest migration.
        grant(connection, ROLES, table_privileges())
        connection.commit()


def grant_after_step(ctx: MigrationContext, *_: Any, **__: Any) -> None:
    if ctx.connection is not None:
        grant(ctx.connection, ROLES, table_privileges())


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
