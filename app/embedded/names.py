"""The names and paths that a service gives to its embedded server."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Names:
    """A data directory keeps the user and the database it was created with: do not change them.

    `shared_home`: root's folder for data and programs, where PostgreSQL's account cannot reach
    those of the service. `socket_prefix`: begins the name of the socket's folder in /tmp, for data
    directories whose path is too long for a socket. `advice`: ends the messages about a data
    directory that cannot be used.
    """

    user: str = "postgres"
    database: str = "postgres"
    shared_home: Path = Path("/var/lib/embedded-postgres")
    socket_prefix: str = "embedded-postgres"
    advice: str = "use another directory"
