"""Alembic, run from code: on one connection, one run at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, NullPool, create_engine, event, make_url, text

from ..driver_errors import translate
from .errors import MigrationError

# Other statements queue behind one that waits for a lock, so it gives up soon.
_TIMEOUTS = "SET LOCAL lock_timeout = '4s'; SET LOCAL statement_timeout = '60s'"

_LOCK = text("SELECT pg_advisory_xact_lock(:key)")
_ENCODING = text("SELECT current_setting('server_encoding')")
_HAS_REVISION = text("SELECT to_regclass('alembic_version')")
_REVISION = text("SELECT version_num FROM alembic_version")


@dataclass(frozen=True)
class Migrations:
    """The migrations of a service, whose Alembic is set up in the file `ini`.

    The service's env.py finds a connection in `context.config.attributes["connection"]` and runs
    on it. Each run holds the advisory lock `lock`, a number that the service uses for nothing else.
    """

    ini: Path
    lock: int

    def upgrade(self, url: str, revision: str = "head") -> None:
        """Raises MigrationError, also for a database that cannot store every text."""
        with migration_connection(url) as connection:
            _check_encoding(connection)
        self._run(url, "upgrade", revision)

    def downgrade(self, url: str, revision: str) -> None:
        self._run(url, "downgrade", revision)

    def check(self, url: str) -> None:
        """Raises MigrationError where the models and the schema differ."""
        self._run(url, "check")

    def revision(self, url: str, message: str, *, autogenerate: bool) -> None:
        """Write a new migration; with `autogenerate`, of how models and schema differ."""
        self._run(url, "revision", message, autogenerate=autogenerate)

    @staticmethod
    def current(url: str) -> str | None:
        """The revision of the database, None if it has no schema yet."""
        with migration_connection(url) as connection:
            return revision_of(connection)

    def head(self) -> str:
        """The newest revision that the code knows."""
        from . import alembic_commands  # noqa: PLC0415 - see there

        return alembic_commands.head(self.ini)

    def _run(self, url: str, command: str, *arguments: str, **options: object) -> None:
        from . import alembic_commands  # noqa: PLC0415 - see there

        with self._one_at_a_time(url), migration_connection(url) as connection:
            alembic_commands.run(self.ini, connection, command, *arguments, **options)

    @contextmanager
    def _one_at_a_time(self, url: str) -> Iterator[None]:
        with _engine(url).begin() as connection:
            connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
            connection.execute(_LOCK, {"key": self.lock})
            yield


@contextmanager
def migration_connection(url: str) -> Iterator[Connection]:
    """A connection of its own, whose every transaction has the timeouts of a migration."""
    engine = _engine(url)
    event.listen(engine, "begin", _set_timeouts)
    with engine.connect() as connection:
        yield connection


def revision_of(connection: Connection) -> str | None:
    """The revision of the database, None if it has no schema yet."""
    if connection.execute(_HAS_REVISION).scalar_one() is None:
        return None
    revision: str | None = connection.execute(_REVISION).scalar_one_or_none()
    return revision


def _check_encoding(connection: Connection) -> None:
    """`initdb` in the C locale makes SQL_ASCII databases, and there the first accent would fail."""
    encoding = connection.execute(_ENCODING).scalar_one()
    if encoding != "UTF8":
        raise MigrationError(
            f"The encoding of the database is {encoding}, and it must be UTF8: create one with "
            "ENCODING 'UTF8' TEMPLATE template0."
        )


def _engine(url: str) -> Engine:
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg2"), poolclass=NullPool)
    event.listen(engine, "handle_error", lambda context: translate(context, {}))
    return engine


def _set_timeouts(connection: Connection) -> None:
    connection.exec_driver_sql(_TIMEOUTS)
