"""The PostgreSQL that the tests run on: TEST_DATABASE_URL, or a throw-away server of their own.

One migrated template database per run; every worker's database is a copy of it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg2

from app.administration import MIGRATIONS
from app.embedded import EmbeddedServer

# Nothing here has to survive a crash. A test that needs statistics makes them itself: autovacuum
# would make others at any time, and its snapshots keep VACUUM from marking pages as visible.
_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
}


class TestServer:
    __test__ = False

    def __init__(self, *, throw_away: bool = False) -> None:
        """`throw_away`: a new server also where TEST_DATABASE_URL names one."""
        self._embedded: EmbeddedServer | None = None
        self._directory: Path | None = None
        self._databases: list[str] = []
        given = None if throw_away else os.environ.get("TEST_DATABASE_URL")
        self._server_url = given or self._start()
        self._prefix = f"caseload_test_{os.getpid()}"

    def create_template(self) -> str:
        """The URL of a new, migrated database that nobody is connected to."""
        url = self._create(f"{self._prefix}_template")
        MIGRATIONS.upgrade(url)
        return url

    def create_empty(self) -> str:
        """The URL of a new database with nothing in it."""
        return self._create(f"{self._prefix}_empty_{len(self._databases)}")

    def stop(self) -> None:
        for name in self._databases:
            _run(self._server_url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        if self._embedded is not None and self._directory is not None:
            self._embedded.release()
            shutil.rmtree(self._directory)

    def _create(self, name: str) -> str:
        self._databases.append(name)
        _run(self._server_url, f'CREATE DATABASE "{name}"')
        return on_database(self._server_url, name)

    def _start(self) -> str:
        self._directory = Path(tempfile.mkdtemp(prefix="caseload-test-"))
        self._directory.chmod(0o711)  # so that PostgreSQL's account, if root needs one, gets there
        self._embedded = EmbeddedServer(self._directory, settings=_SETTINGS)
        return self._embedded.url()


def copy_template(template_url: str, suffix: str) -> str:
    """The URL of a database of one's own, a copy of the template."""
    template = urlsplit(template_url).path.removeprefix("/")
    name = f"{template.removesuffix('_template')}_{suffix}"
    _run(on_database(template_url, "postgres"), f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    return on_database(template_url, name)


def create_beside(template_url: str, suffix: str, options: str = "") -> str:
    """The URL of a new database on the template's server, with nothing in it."""
    name = f"{urlsplit(template_url).path.removeprefix('/').removesuffix('_template')}_{suffix}"
    _run(on_database(template_url, "postgres"), f'CREATE DATABASE "{name}" {options}')
    return on_database(template_url, name)


def drop(url: str) -> None:
    name = urlsplit(url).path.removeprefix("/")
    _run(on_database(url, "postgres"), f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def on_database(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def _run(url: str, statement: str) -> None:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(statement)
