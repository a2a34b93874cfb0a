from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from app.db import Database
from app.db.errors import ApplicationError
from app.embedded import EmbeddedServer, Names, folders, postmaster
from app.settings import ROOT

_IS_ROOT = os.geteuid() == 0
_NOBODY = 65534
_HOLD = """
import os, select, sys
from pathlib import Path
from app.embedded import EmbeddedServer, EmbeddedServerError, folders
options = {}
exec(sys.argv[2])
try:
    print(EmbeddedServer(Path(sys.argv[1]), **options).url(), flush=True)
except EmbeddedServerError as error:
    raise SystemExit(f"refused: {error}")
exec(sys.argv[3])
# A signal that comes just before a read blocks would wait for the read to end.
while not select.select([sys.stdin], [], [], 0.1)[0]:
    pass
sys.stdin.read()
"""


class Holder(subprocess.Popen[str]):
    """A process that uses the embedded server until it is told to leave."""

    def read(self) -> str:
        assert self.stdout is not None
        return self.stdout.readline().strip()

    @cached_property
    def said(self) -> str:
        """The server's URL, or why there is none."""
        return self.read()

    def leave(self) -> str:
        """Returns what it says at the end, after `said`."""
        assert self.said is not None  # it must not be told before it holds anything
        return self.communicate(timeout=60)[0]


Hold = Callable[..., Holder]


@pytest.fixture
def base() -> Iterator[Path]:
    """Where an unprivileged account gets to; pytest's own folders are closed to it."""
    path = Path(tempfile.mkdtemp(prefix="caseload-embedded-"))
    path.chmod(0o711)
    yield path
    for file in path.rglob("postmaster.pid"):
        postmaster.stop(file.parent.resolve())
    shutil.rmtree(path)


@pytest.fixture
def directory(base: Path) -> Path:
    return base / "data"


@pytest.fixture
def hold(base: Path) -> Iterator[Hold]:
    """Start a Holder that runs `before` ahead of asking for the server, and `after` having it."""
    holders = []

    def hold(directory: Path, before: str = "", after: str = "") -> Holder:
        holder = Holder(
            [sys.executable, "-c", _HOLD, directory, before, after],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
        )
        holders.append(holder)
        return holder

    yield hold
    for holder in holders:
        if holder.returncode is None:
            holder.leave()
        with holder:
            pass  # closes its pipes


def pid_of(directory: Path) -> int | None:
    return postmaster.running((directory / "postgres").resolve())


def query(url: str, statement: str = "SELECT 1") -> Any:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone() if cursor.description else None


def crash(directory: Path) -> None:
    pid = pid_of(directory)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while pid_of(directory) == pid:
        time.sleep(0.01)


def test_the_last_one_out_stops_the_server(hold: Hold, directory: Path) -> None:
    """Several who come at once share one server, which ends with the last of them."""
    holders = [hold(directory) for _ in range(3)]
    assert len({holder.said for holder in holders}) == 1
    server = pid_of(directory)
    assert holders[0].leave() + holders[1].leave() == ""
    assert (query(holders[2].said), pid_of(directory)) == ((1,), server)
    holders[2].leave()
    assert pid_of(directory) is None


def test_a_killed_holder_has_no_claim(hold: Hold, directory: Path) -> None:
    """What it left running is adopted by the next holder, and ends with that one."""
    killed = hold(directory)
    assert query(killed.said) == (1,)
    server = pid_of(directory)
    killed.kill()
    killed.wait()
    adopting = hold(directory)
    assert (adopting.said, pid_of(directory)) == (killed.said, server)
    adopting.leave()
    assert pid_of(directory) is None


def test_ctrl_c_does_not_reach_the_server(hold: Hold, directory: Path) -> None:
    """Who started it is interrupted, with all its process group: others go on using it."""
    first = hold(directory)
    assert query(first.said) == (1,)
    second = hold(directory)
    assert second.said == first.said
    os.killpg(first.pid, signal.SIGINT)
    first.wait()
    assert query(second.said) == (1,)


def test_a_forked_child_does_not_keep_its_parents_lease(hold: Hold, directory: Path) -> None:
    """SIGTERM ends the parent and with it the server, while a child lives on."""
    parent = hold(directory, after="if child := os.fork(): print(child, flush=True)")
    assert parent.said
    child = int(parent.read())
    parent.terminate()
    assert parent.wait() == 128 + signal.SIGTERM
    assert pid_of(directory) is None
    os.kill(child, signal.SIGKILL)  # fails if it does not live any more


@pytest.mark.parametrize("moment", ["initdb", "migration"])
def test_a_creation_that_was_killed_is_repaired(hold: Hold, directory: Path, moment: str) -> None:
    """Whoever comes next gets a whole, migrated database, though initdb may still be writing."""
    suicide = "options['prepare'] = lambda url: os.kill(os.getpid(), 9)"
    killed = hold(directory, suicide if moment == "migration" else "")
    while moment == "initdb" and not (directory / "postgres.new" / "base").exists():
        time.sleep(0.005)
    if moment == "initdb":
        killed.kill()
    assert killed.wait() == -signal.SIGKILL
    migrating = "from app.administration import MIGRATIONS; options['prepare'] = MIGRATIONS.upgrade"
    url = hold(directory, migrating).said
    assert query(url, "SELECT count(*) FROM alembic_version") == (1,)
    assert not (directory / "postgres.new").exists()


def test_a_crashed_server_recovers_under_its_holders(hold: Hold, directory: Path) -> None:
    """A Database that uses it starts it again, for itself and for others; nothing is lost."""
    other = hold(directory)
    query(other.said, "CREATE TABLE kept AS SELECT 1")
    server = EmbeddedServer(directory)
    database = Database(server.url)
    with database.connect() as connection:
        connection.exec_driver_sql("INSERT INTO kept SELECT 1")
    crash(directory)
    while pid_of(directory) is None:
        # Its pooled connection dies now or soon: an orphan of the crashed server may still answer.
        with suppress(ApplicationError), database.connect() as connection:
            connection.exec_driver_sql("SELECT 1")
    with database.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM kept").scalar_one() == 2
    assert query(other.said) == (1,)
    database.dispose()
    server.release()


def test_a_stale_pid_file_is_no_hindrance(hold: Hold, directory: Path) -> None:
    """Not even where it names a process that lives and has nothing to do with PostgreSQL."""
    unrelated = hold(directory)
    assert unrelated.said
    crash(directory)
    for file in ("postgres/postmaster.pid", "run/.s.PGSQL.5432.lock"):
        _, rest = (directory / file).read_text().split("\n", 1)
        (directory / file).write_text(f"{unrelated.pid}\n{rest}")
    assert query(hold(directory).said) == (1,)


@pytest.mark.parametrize(
    "names", [Names(), Names(user="o d@d%", database='a "b"/c?%')], ids=["default", "given"]
)
def test_the_caller_names_user_and_database(directory: Path, names: Names) -> None:
    """Any name that initdb takes will do."""
    server = EmbeddedServer(directory, names)
    found = query(server.url(), "SELECT current_user::text, current_database()::text")
    server.release()
    assert found == (names.user, names.database)


def test_a_full_server_is_a_running_one(directory: Path) -> None:
    """Where no connection is to be had, nobody waits for the server to start."""
    server = EmbeddedServer(directory, settings={"max_connections": "4"})
    connections = [psycopg2.connect(server.url()) for _ in range(4)]
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(server.url())
    for connection in connections:
        connection.close()
    server.release()


def test_leaving_a_removed_folder_is_quiet(hold: Hold, directory: Path) -> None:
    """The server ends by itself when its data are gone; its holders end without a traceback."""
    holder = hold(directory)
    assert holder.said
    server = pid_of(directory)
    shutil.rmtree(directory)
    assert holder.leave() == ""
    assert server is not None
    os.kill(server, signal.SIGQUIT)  # it would find out within a minute


@pytest.mark.parametrize("trap", ["link", "folder"] if _IS_ROOT else ["link"])
def test_a_trap_in_tmp_is_refused(hold: Hold, base: Path, trap: str) -> None:
    """What somebody put where the socket of a long path belongs is neither used nor changed."""
    directory = base / ("x" * 100)
    place = folders.socket_folder(directory, directory, Names().socket_prefix)
    if trap == "link":
        place.symlink_to(base)
    else:
        place.mkdir(mode=0o777)
        os.chown(place, _NOBODY, _NOBODY)
    found = place.lstat()
    assert hold(directory).said == f"refused: {place} belongs to another user: remove it."
    assert (place.lstat().st_uid, place.lstat().st_mode) == (found.st_uid, found.st_mode)
    place.unlink() if trap == "link" else place.rmdir()
