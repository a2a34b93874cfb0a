"""The database that the commands use: its name for messages, and whether it exists."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import make_url

from app.db.errors import DatabaseUnreachable
from app.embedded import holds_cluster

if TYPE_CHECKING:
    from app.settings import Settings


def place(settings: Settings) -> str:
    """The data directory of the embedded server, or else the database's host, port and name.

    The port only where the URL has one: two servers on one host differ in nothing else.
    """
    if settings.database_url is None:
        return _folder(settings.data_dir)
    url = make_url(settings.database_url)
    host = url.host or url.query.get("host", "")
    if host and url.port:
        host = f"{host}:{url.port}"
    return f"{host}/{url.database or ''}" if host else str(url.database)


def check_exists(settings: Settings) -> None:
    """Raise DatabaseUnreachable where the data directory holds no database; creates none."""
    if settings.database_url is None and not _holds_data(settings.data_dir):
        raise DatabaseUnreachable(
            f"No database in {_folder(settings.data_dir)}: make one with make run or flask demo, "
            "or set CASELOAD_DATA_DIR."
        )


def _holds_data(directory: Path) -> bool:
    try:
        return holds_cluster(directory)
    except OSError:  # another user's: using the server will report it
        return True


def _folder(path: Path) -> str:
    """The path, relative to the working directory where it is below that."""
    here = Path.cwd()
    shown = path.relative_to(here) if path.is_relative_to(here) else path
    return f"{str(shown).rstrip('/')}/"
