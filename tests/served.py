"""Caseload as gunicorn serves it on a database of its own, and members of the desk with tokens."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import psycopg2

from app.administration import EMBEDDED, MIGRATIONS
from app.db import Database
from app.domain.actors import Role
from app.domain.tokens import NewToken
from app.embedded import EmbeddedServer, postmaster
from app.services import AgentService, TokenService, UserService
from app.settings import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from uuid import UUID


@dataclass(frozen=True)
class Member:
    """Who may call the desk; an agent claims from its queues."""

    id: UUID
    token: str
    queues: tuple[str, ...] = ()


@dataclass
class Desk:
    """`folder` is for the files of whoever puts load on it."""

    url: str
    port: int
    folder: Path
    gunicorn: subprocess.Popen[bytes]
    database: Database = field(init=False)

    def __post_init__(self) -> None:
        self.database = Database(self.url)

    def sql(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with (
            closing(psycopg2.connect(self.url)) as connection,
            connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def hire(self, name: str, queues: Sequence[str]) -> Member:
        values = {"name": name, "kind": "ai", "queues": list(queues)}
        agent = AgentService.as_system(self.database).create(values)
        token = self._token(agent_id=agent.id)
        return Member(agent.id, token, tuple(queues))

    def employ(self, name: str, role: Role = Role.STAFF) -> Member:
        values = {"email": f"{name}@desk.example", "name": name, "role": role}
        user = UserService.as_system(self.database).create(values)
        return Member(user.id, self._token(user_id=user.id))

    def kill_server(self, number: int) -> bool:
        """One of gunicorn's workers, at once; another one is started by gunicorn itself."""
        master = self.gunicorn.pid
        children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
        if not children:
            return False
        with suppress(ProcessLookupError):
            os.kill(int(children[number % len(children)]), signal.SIGKILL)
        return True

    def kill_database(self) -> bool:
        """The postmaster of a server of its own, at once; the service starts it again."""
        pid = postmaster.running((self.folder / "data" / "postgres").resolve())
        if pid is None:
            return False
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return True

    @property
    def log(self) -> str:
        """What gunicorn and its workers wrote."""
        return (self.folder / "gunicorn.log").read_text()

    @property
    def errors(self) -> set[str]:
        """The names of the exceptions whose tracebacks are in the log."""
        lines = iter(self.log.splitlines())
        tracebacks = (line for line in lines if line.startswith("Traceback"))
        ends = (next(line for line in lines if not line.startswith(" ")) for _ in tracebacks)
        return {end.partition(":")[0] for end in ends}

    def _token(self, **whose: Any) -> str:
        return TokenService.as_system(self.database).issue(NewToken(name="load", **whose))[1]


@contextmanager
def desk_of_its_own() -> Iterator[Desk]:
    """On a throw-away server with the settings that hold by default, the durable ones too."""
    with tempfile.TemporaryDirectory(prefix="caseload-load-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # so that PostgreSQL's account, if root needs one, gets there
        server = EmbeddedServer(folder / "data", EMBEDDED, prepare=MIGRATIONS.upgrade)
        try:
            with desk_on(server.url(), folder, CASELOAD_DATA_DIR=str(folder / "data")) as desk:
                yield desk
        finally:
            server.release()


@contextmanager
def desk_on(
    url: str, folder: Path, application: str = "wsgi:app", **settings: str
) -> Iterator[Desk]:
    """On a migrated database that the settings lead to."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("CASELOAD_", "DATABASE_"))}
    with (folder / "gunicorn.log").open("wb") as log:
        gunicorn = subprocess.Popen(  # noqa: S603 - it is our own
            (sys.executable, "-m", "gunicorn", application),
            env=kept | {"PORT": str(port), "CASELOAD_WORKERS": "2"} | settings,
            cwd=ROOT,
            stdout=log,
            stderr=log,
            start_new_session=True,  # a Ctrl-C is for whoever started all this
        )
    desk = Desk(url, port, folder, gunicorn)
    try:
        _wait_until_ready(desk)
        yield desk
    finally:
        desk.database.dispose()
        gunicorn.terminate()
        gunicorn.wait()


def _wait_until_ready(desk: Desk) -> None:
    while True:
        with suppress(OSError), urlopen(f"http://127.0.0.1:{desk.port}/readyz"):
            return
        if desk.gunicorn.poll() is not None:
            raise RuntimeError(desk.log)
        time.sleep(0.02)
