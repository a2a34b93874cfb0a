"""A private PostgreSQL server, for a machine that has none set up."""

from app.embedded.errors import EmbeddedServerError
from app.embedded.server import EmbeddedServer

__all__ = ["EmbeddedServer", "EmbeddedServerError"]
