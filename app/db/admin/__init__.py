"""Administration of a service's database: its migrations, its roles, and their rights."""

from .errors import MigrationError
from .grants import Access, grant
from .migrations import Migrations, migration_connection, revision_of
from .rendering import render_item
from .roles import Roles

__all__ = [
    "Access",
    "MigrationError",
    "Migrations",
    "Roles",
    "grant",
    "migration_connection",
    "render_item",
    "revision_of",
]
