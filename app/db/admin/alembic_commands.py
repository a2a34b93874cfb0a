"""Alembic's commands. Imported only where one runs: Alembic takes longer to load than the layer."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError

from .errors import MigrationError

if TYPE_CHECKING:
    from sqlalchemy import Connection


def run(ini: Path, connection: Connection, name: str, *arguments: str, **options: object) -> None:
    """Run the command of this name on the connection, with what it takes after its Config.

    Raises MigrationError.
    """
    config = Config(ini)
    config.attributes["connection"] = connection
    try:
        getattr(command, name)(config, *arguments, **options)
    except CommandError as error:
        raise MigrationError(str(error)) from error
    except AttributeError as error:  # Alembic looks up all functions before it calls the first
        if error.name not in ("upgrade", "downgrade") or not isinstance(error.obj, ModuleType):
            raise
        raise MigrationError(
            f"The migration {Path(str(error.obj.__file__)).name} has no function `{error.name}`, so"
            " nothing was run. Write it, or restore a backup from before."
        ) from error


@cache
def head(ini: Path) -> str:
    """The newest revision of the migrations; raises LookupError where there are none."""
    found = ScriptDirectory.from_config(Config(ini)).get_current_head()
    if found is None:
        raise LookupError("There are no migrations.")
    return found
