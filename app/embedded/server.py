"""The lease on a private PostgreSQL server: the first user starts it, the last one stops it.

Every process that uses the server holds a shared flock on the data directory. The kernel releases
the lock of a killed process. A process that leaves tries for the exclusive lock, gets it if it is
the last one, and stops the server. Another lock serialises starting and stopping, so that a server
that crashed can start again while other processes still hold their shared locks.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import signal
import threading
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

import psycopg2
from psycopg2 import sql
from psycopg2.errors import DuplicateDatabase, UniqueViolation

from .cluster import Cluster
from .errors import EmbeddedServerError
from .names import Names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_NAMES = Names()
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class EmbeddedServer:
    """The PostgreSQL server of a data directory. Opens, creates and starts nothing before `url()`.

    `prepare` is called with the URL of a database that is new and empty, before anyone else can
    use it. `settings` are given to the server at its start, by their names in postgresql.conf.
    """

    def __init__(
        self,
        directory: Path,
        names: Names = _NAMES,
        *,
        prepare: Callable[[str], None] = lambda _: None,
        settings: dict[str, str] | None = None,
    ) -> None:
        self.directory = directory
        self.names = names
        self.cluster = Cluster(directory, names, settings or {})
        self._prepare = prepare
        self._lease: int | None = None
        self._lock = threading.Lock()
        os.register_at_fork(after_in_child=self._forget_lease)
        atexit.register(self._at_exit)
        # Not at the first use, which may be in another thread than the main one.
        _exit_cleanly()

    def url(self) -> str:
        """Start or recover the server unless it runs; return the URL of the service's database.

        Raises EmbeddedServerError.
        """
        try:
            with self._lock:
                self.directory.mkdir(mode=0o711, parents=True, exist_ok=True)
                with self._alone() as lock:
                    self._take_lease()
                    self._ensure_running(lock)
                return self.cluster.url()
        except OSError as error:
            raise EmbeddedServerError(
                f"The data directory can't be used ({error}); {self.names.advice}."
            ) from error

    def release(self) -> None:
        """Give the lease back; the last user stops the server."""
        with self._lock:
            if self._lease is None:
                return
            lease, self._lease = self._lease, None
            try:
                with self._alone():
                    fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    self.cluster.stop()
            except BlockingIOError:
                pass  # another process still uses it
            except FileNotFoundError:
                pass  # the data directory was removed: the server ends by itself
            finally:
                os.close(lease)

    def _at_exit(self) -> None:
        """Release the lease, and stop a server whose last user was killed, as reloaders do."""
        with suppress(OSError):  # data of another user
            if self._lease is None and self.cluster.is_running:
                self._lease = self._shared_lease()
        if self._lease is not None:
            for number in _ENDING:
                signal.signal(number, signal.SIG_IGN)  # it is ending already
            self.release()

    def _take_lease(self) -> None:
        if self._lease is not None:
            return
        self._lease = self._shared_lease()
        _exit_cleanly()

    def _shared_lease(self) -> int:
        lease = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(lease, fcntl.LOCK_SH)
        return lease

    def _forget_lease(self) -> None:
        """Close a forked child's copy of the lease: the parent's lease must end with the parent."""
        self._lock = threading.Lock()
        if self._lease is not None:
            os.close(self._lease)
            self._lease = None

    def _ensure_running(self, lock: int) -> None:
        prepared = self.directory / "prepared"
        if not self.cluster.exists:
            prepared.unlink(missing_ok=True)
            self.cluster.create(lock)
        self.cluster.start()
        if not prepared.exists():
            _create_database(self.cluster.url("postgres"), self.names.database)
            self._prepare(self.cluster.url())
            prepared.touch()

    @contextmanager
    def _alone(self) -> Iterator[int]:
        lock = os.open(self.directory / "server.lock", os.O_RDONLY | os.O_CREAT, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield lock
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)  # a child forked meanwhile may have it open too
            os.close(lock)


def _create_database(url: str, name: str) -> None:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        if cursor.fetchone() is None:
            # A process that was killed meanwhile may have sent the same statement.
            with suppress(DuplicateDatabase, UniqueViolation):
                cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def _exit_cleanly() -> None:
    """Make signals that end the process at once run its exit handlers, which release the lease."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in _ENDING:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _exit)


def _exit(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)
