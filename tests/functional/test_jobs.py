"""What time brings about happens by itself, under a real gunicorn with two workers."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.client import Client

    Run = Callable[..., subprocess.CompletedProcess[str]]
    Sql = Callable[..., list[tuple[Any, ...]]]

ROOT = Path(__file__).parents[2]


@pytest.fixture
def serving(environment: dict[str, str], admin: Client) -> Iterator[None]:
    """gunicorn on the test's database, looking for jobs all the time."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = str(free.getsockname()[1])
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "wsgi:app"],
        cwd=ROOT,
        env={**environment, "PORT": port, "CASELOAD_JOB_INTERVAL": "0.1"},
        start_new_session=True,
    )
    yield
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def snoozed(admin: Client, sql: Sql, count: int) -> None:
    """Conversations that are snoozed until just now."""
    customer = admin.create("/v1/customers", {"reference": "A", "name": "Ann"})
    for _ in range(count):
        new = {"customer_id": customer["id"], "subject": "Later", "channel": "web"}
        key = admin.create("/v1/conversations", new)["id"]
        until = {"until": "2100-01-01T00:00:00Z"}
        assert admin.post(f"/v1/conversations/{key}/snooze", until).status_code == 200
    sql("UPDATE conversations SET snoozed_until = now()")


def expired(admin: Client, hire: Callable[..., Client], sql: Sql) -> str:
    """A running task whose lease has run out; returns its id."""
    key: str = admin.create("/v1/tasks", {"kind": "x", "queue": "work"})["id"]
    assert len(hire().post("/v1/tasks/claim").json["items"]) == 1
    sql("UPDATE tasks SET lease_expires_at = now()")
    return key


@pytest.mark.usefixtures("serving")
def test_the_service_runs_its_jobs_itself(
    admin: Client, hire: Callable[..., Client], sql: Sql
) -> None:
    """Snoozed conversations wake and lost tasks come back, once, though two workers look."""
    task = expired(admin, hire, sql)
    snoozed(admin, sql, 5)
    until(lambda: admin.get(f"/v1/tasks/{task}").json["status"] == "pending")
    until(lambda: sql("SELECT count(*) FROM conversations WHERE status = 'open'") == [(5,)])
    counted = "SELECT count(*) FROM events WHERE action = %s"
    assert [sql(counted, action) for action in ("woken", "lease-lost")] == [[(5,)], [(1,)]]


def test_a_command_runs_them_too(
    flask: Run, admin: Client, hire: Callable[..., Client], sql: Sql
) -> None:
    """For those who would rather have a timer of their own; the second time finds nothing."""
    expired(admin, hire, sql)
    snoozed(admin, sql, 2)
    none = "0 transactions expired, 0 idempotency keys removed, 0 rate limits removed\n"
    done = flask("jobs", "run")
    assert (done.returncode, done.stdout) == (
        0,
        f"1 leases taken back, 2 conversations woken, {none}",
    )
    assert flask("jobs", "run").stdout == f"0 leases taken back, 0 conversations woken, {none}"
