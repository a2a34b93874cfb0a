"""A private PostgreSQL server, for a machine that has none set up."""

from app.db.embedded.errors import EmbeddedServerError
from app.db.embedded.server import EmbeddedServer

__all__ = ["EmbeddedServer", "EmbeddedServerError"]
