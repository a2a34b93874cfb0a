"""How migrations run: on the connection that `unitwork.admin.Migrations` gives."""

from alembic import context
from unitwork import Base
from unitwork.admin import render_item

import library.models  # noqa: F401 - its tables are in the metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    compare_server_default=True,
    render_item=render_item,
)
with context.begin_transaction():
    context.run_migrations()
