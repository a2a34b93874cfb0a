"""A primary and a streaming standby of its own, for tests that stop, pause and restart it."""

from __future__ import annotations

import shutil
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2

from app.embedded import EmbeddedServer, EmbeddedServerError
from app.embedded.cluster import Cluster

_SETTINGS = {"fsync": "off", "wal_retrieve_retry_interval": "100ms"}


class Standby:
    """`primary_url` and `url` are those of the two servers; `start` copies the primary at first."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="caseload-test-"))
        self._folder.chmod(0o711)  # so that PostgreSQL's account, if root needs one, gets there
        for name in ("primary", "standby"):
            (self._folder / name).mkdir(mode=0o711)
        self._primary = EmbeddedServer(self._folder / "primary", settings=_SETTINGS)
        self.primary_url = self._primary.url()
        self._standby = Cluster(self._folder / "standby", self._primary.names, _SETTINGS)
        self.url = self._copy_primary()

    def start(self) -> None:
        self._standby.start()

    def stop(self) -> None:
        self._standby.stop()

    def stop_primary(self) -> None:
        self._primary.cluster.stop()

    def start_primary(self) -> None:
        self._primary.cluster.start()

    def remove(self) -> None:
        self.stop()
        self._primary.release()
        shutil.rmtree(self._folder)

    def run(self, statement: str, *, on_primary: bool = False) -> Any:
        """The first value of what the statement returns."""
        url = self.primary_url if on_primary else self.url
        with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            cursor.execute(statement)
            return cursor.fetchall()[0][0] if cursor.description else None

    def catch_up(self) -> None:
        """Wait until the standby has replayed what is on the primary now."""
        position = self.run("SELECT pg_current_wal_insert_lsn()", on_primary=True)
        self.wait_for(f"SELECT pg_last_wal_replay_lsn() >= '{position}'")

    def wait_for(self, condition: str) -> None:
        """Wait until the standby says that it is so."""
        deadline = time.monotonic() + 60
        while not self.run(condition):
            assert time.monotonic() < deadline, condition
            time.sleep(0.02)

    def _copy_primary(self) -> str:
        primary, data = self._primary.cluster, self._standby.directory / "postgres"
        options = ["--write-recovery-conf", "--checkpoint=fast", "--no-sync"]
        source = primary.url("postgres").partition("&")[0]
        done = primary._run("pg_basebackup", "-D", data, "-d", source, *options)
        if done.returncode != 0:
            raise EmbeddedServerError(done.stdout)
        self.start()
        return self._standby.url()
