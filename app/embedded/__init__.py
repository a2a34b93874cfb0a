"""A private PostgreSQL server, for a machine that has none set up. Needs psycopg2, nothing else."""

from .binaries import find_bindir
from .cluster import holds_cluster
from .errors import EmbeddedServerError
from .names import Names
from .server import EmbeddedServer

__all__ = ["EmbeddedServer", "EmbeddedServerError", "Names", "find_bindir", "holds_cluster"]
