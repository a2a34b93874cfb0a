"""Creates, starts and stops the PostgreSQL cluster of a data directory. Takes no locks."""

from __future__ import annotations

import os
import shlex
import shutil
import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from . import folders, postmaster
from .account import Account, choose_account
from .binaries import find_bindir, major_version, reachable_copy
from .errors import EmbeddedServerError

if TYPE_CHECKING:
    from pathlib import Path
    from subprocess import CompletedProcess

    from .names import Names

_DATA = "postgres"
# Children of a crashed server may hold its memory until their statement ends.
_START_SECONDS = 20
_RECOVERY_SECONDS = 300
_BUILTIN_LOCALE_SINCE = 17


def holds_cluster(directory: Path) -> bool:
    """Whether this data directory holds a cluster; raises OSError where it cannot be read."""
    return (directory / _DATA / "PG_VERSION").exists()


@dataclass
class Cluster:
    """`directory` is the data directory; `settings` are given to the server at its start."""

    directory: Path
    names: Names
    settings: dict[str, str]

    @property
    def data(self) -> Path:
        """The cluster's folder; a link where its account cannot reach the data directory."""
        return self.directory / _DATA

    @property
    def exists(self) -> bool:
        return holds_cluster(self.directory)

    @property
    def is_running(self) -> bool:
        return self.exists and postmaster.running(self._real_data) is not None

    @property
    def answers(self) -> bool:
        folder = self._socket_folder
        if not folders.is_private(folder, self.data.stat().st_uid):
            return False
        return postmaster.answers(folders.socket_in(folder), self.names.user)

    def url(self, database: str | None = None) -> str:
        """The URL of the service's own database, or of the one that is named."""
        user, name, host = (
            quote(part, safe="")
            for part in (self.names.user, database or self.names.database, str(self._socket_folder))
        )
        return f"postgresql://{user}@/{name}?host={host}&port=5432"

    def create(self, lock: int) -> None:
        """Run initdb in a side folder and rename that, so that a partial cluster is never used.

        initdb inherits the file descriptor `lock`, and so holds its flock until initdb ends: it
        goes on for a moment if this process is killed.
        """
        if self.data.is_symlink():
            raise EmbeddedServerError(
                f"The target of the link {self.data} is missing: restore it, or remove the link."
            )
        home = self._make_home()
        if not holds_cluster(home):
            side = home / "postgres.new"
            shutil.rmtree(side, ignore_errors=True)
            folders.make_private(side, self._account)
            self._initdb(side, lock)
            side.rename(home / _DATA)
        if home != self.directory:
            self.data.symlink_to(home / _DATA)

    def start(self) -> None:
        """Start the server unless it answers; wait for one that is starting or recovering.

        Raises EmbeddedServerError if it does not answer in time.
        """
        began = time.monotonic()
        while not self.answers:
            alive = postmaster.running(self._real_data) is not None
            if time.monotonic() - began > (_RECOVERY_SECONDS if alive else _START_SECONDS):
                raise EmbeddedServerError(f"PostgreSQL does not start: see {self._log}")
            if alive or self._launch().returncode != 0:
                time.sleep(0.1)

    def stop(self) -> None:
        if self.exists:
            postmaster.stop(self._real_data)

    @cached_property
    def _account(self) -> Account:
        """Chosen by the owner of the data. It may change that owner, so the server must not run."""
        owner = self.data.stat().st_uid if self.exists else None
        account = choose_account(owner)
        if owner not in (None, account.uid):
            self._change_owner(account)
        return account

    @cached_property
    def _bindir(self) -> Path:
        version = int((self.data / "PG_VERSION").read_text()) if self.exists else None
        found = find_bindir(version)
        if self._account.reaches(found / "postgres"):
            return found
        return reachable_copy(found, self.names.shared_home)

    @property
    def _real_data(self) -> Path:
        return self.data.resolve()

    @property
    def _log(self) -> Path:
        return self._real_data.with_name("postgres.log")

    @property
    def _socket_folder(self) -> Path:
        """The folder of the socket; private, because every process that reaches it can log in."""
        return folders.socket_folder(
            self._real_data.parent, self.directory, self.names.socket_prefix
        )

    def _run(self, program: str, *arguments: str | Path, **options: Any) -> CompletedProcess[str]:
        return self._account.run(self._bindir / program, *arguments, **options)

    def _make_home(self) -> Path:
        if self._account.reaches(self.directory):
            return self.directory
        with folders.locked_home(self.names.shared_home) as shared:
            home = shared / folders.digest(self.directory)
            folders.make_private(home, self._account)
        return home

    def _initdb(self, side: Path, lock: int) -> None:
        locale = ["--locale=C.UTF-8"]
        if major_version(self._bindir) >= _BUILTIN_LOCALE_SINCE:
            locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        arguments = ["-U", self.names.user, "--auth=trust", "-E", "UTF8", *locale]
        done = self._run("initdb", "-D", side, *arguments, pass_fds=[lock])
        if done.returncode != 0:
            raise EmbeddedServerError(f"PostgreSQL can't be set up: {done.stdout.strip()}")

    def _launch(self) -> CompletedProcess[str]:
        folders.make_private(self._socket_folder, self._account)
        self._log.touch(mode=0o600)
        os.chown(self._log, self._account.uid, self._account.gid)
        postmaster.forget_stale(self._real_data, folders.socket_in(self._socket_folder))
        settings = {
            "unix_socket_directories": str(self._socket_folder),
            "listen_addresses": "",
            "port": "5432",
            "client_connection_check_interval": "1s",
            # Statements and details hold personal data; the service logs its errors itself.
            "log_min_error_statement": "panic",
            "log_error_verbosity": "terse",
            **self.settings,
        }
        # Not by pg_ctl's own -D and -l: it writes them between double quotes into a shell command.
        options = ["-D", str(self._real_data)]
        for name, value in settings.items():
            options += ["-c", f"{name}={value}"]
        return self._run(
            *("pg_ctl", "start", "-w", "-t", "5", "-l", self._log.name, "-o", shlex.join(options)),
            cwd=self._log.parent,
            env={"PGDATA": str(self._real_data)},
        )

    def _change_owner(self, account: Account) -> None:
        if os.geteuid() != 0:
            raise EmbeddedServerError(f"{self.data} belongs to another user: {self.names.advice}.")
        if not account.reaches(self._real_data.parent):
            raise EmbeddedServerError(
                f"{self.data} was made in a user namespace. They are blocked here, and the account "
                f"{account.uid} can't reach it: {self.names.advice}."
            )
        if folders.is_private(self._socket_folder, 0):
            shutil.rmtree(self._socket_folder)
        folders.change_owner(self._real_data, account)
