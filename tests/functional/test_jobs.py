"""What time brings about: by the service itself and by a command, in batches that take turns."""

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

import psycopg2
import pytest

from app.db.errors import (
    ConnectionLost,
    Contention,
    DatabaseUnreachable,
    LockTimeout,
    PoolExhausted,
    StatementTimeout,
)
from app.repositories import TaskQueue
from app.scheduler import JobLog
from app.services.jobs import JobService, JobsReport
from tests.bank import Bank

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.db import Database
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
    deadline = time.monotonic() + 60
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


# In batches, by turns


def lose_leases(sql: Sql, agent: Client, count: int) -> None:
    """Running tasks whose lease has run out."""
    sql(
        "INSERT INTO tasks (id, kind, queue, status, attempt, claimed_by_id, lease_token,"
        " lease_seconds, lease_expires_at, started_at) SELECT gen_random_uuid(), 'x', 'work',"
        " 'running', 1, %s, gen_random_uuid(), 60, now() - interval '1 minute', now()"
        " FROM generate_series(1, %s)",
        agent.user_id,
        count,
    )
    sql(
        "INSERT INTO task_attempts (task_id, number, agent_id, started_at)"
        " SELECT id, 1, claimed_by_id, started_at FROM tasks WHERE status = 'running'"
    )


def hold_until_now(admin: Client, sql: Sql) -> None:
    """A pending transaction whose time is over."""
    bank = Bank(admin)
    bank.transfer(bank.cash, bank.open(), "1", pending=True, expires_at="2100-01-01T00:00:00Z")
    sql("ALTER TABLE transactions DISABLE TRIGGER transactions_guard")
    sql("UPDATE transactions SET expires_at = now() WHERE status = 'pending'")
    sql("ALTER TABLE transactions ENABLE TRIGGER transactions_guard")


def test_thousands_of_lost_leases_keep_no_other_job_waiting(
    database: Database, admin: Client, hire: Callable[..., Client], sql: Sql
) -> None:
    """They come back a thousand in a unit of work, and the other jobs have their turn between."""
    lose_leases(sql, hire(), 2500)
    snoozed(admin, sql, 2)
    hold_until_now(admin, sql)
    report = JobService.as_system(database).run_due()
    assert report.failed == {}
    assert list(report.done.values())[:3] == [2500, 2, 1]
    units = sql(
        "SELECT array_agg(DISTINCT action), count(*) FROM events"
        " WHERE action IN ('lease-lost', 'woken', 'expired') GROUP BY xid ORDER BY xid"
    )
    lost = ["lease-lost"]
    assert units == [(lost, 1000), (["woken"], 2), (["expired"], 1), (lost, 1000), (lost, 500)]


def test_unused_rate_limits_go_in_batches(database: Database, sql: Sql) -> None:
    """All of them, a thousand in a statement."""
    sql(
        "INSERT INTO rate_limits (token_id, spent, told, updated_at)"
        " SELECT gen_random_uuid(), 0, 0, now() - interval '2 hours' FROM generate_series(1, 1500)"
    )
    jobs = JobService.as_system(database)
    assert jobs.remove_unused_rate_limits() == 1000
    assert jobs.run_due().done["rate limits removed"] == 500


# One process at a time


def test_a_job_runs_in_one_process_at_a_time(
    database: Database,
    database_url: str,
    admin: Client,
    hire: Callable[..., Client],
    sql: Sql,
) -> None:
    """While another process is at it a job is passed over, and the others run."""
    jobs = JobService.as_system(database)
    expired(admin, hire, sql)
    snoozed(admin, sql, 1)
    with closing(psycopg2.connect(database_url)) as other, other.cursor() as cursor:
        held = "SELECT pg_advisory_xact_lock(hashtextextended('job: leases taken back', 0))"
        cursor.execute(held)
        done = jobs.run_due().done
        assert (done["leases taken back"], done["conversations woken"]) == (0, 1)
        other.rollback()
        assert jobs.run_due().done["leases taken back"] == 1


# Failures


@pytest.mark.parametrize("error", [StatementTimeout, LockTimeout, Contention, ZeroDivisionError])
def test_a_job_fails_alone(
    database: Database,
    admin: Client,
    sql: Sql,
    monkeypatch: pytest.MonkeyPatch,
    error: type[Exception],
) -> None:
    """The others run, and the report says which one failed and why."""
    monkeypatch.setattr(TaskQueue, "rescue", raising(error("Too slow.")))
    snoozed(admin, sql, 1)
    report = JobService.as_system(database).run_due()
    assert report.done["conversations woken"] == 1
    assert [(job, type(found)) for job, found in report.failed.items()] == [
        ("leases taken back", error)
    ]


@pytest.mark.parametrize("error", [DatabaseUnreachable, ConnectionLost, PoolExhausted])
def test_without_a_database_no_job_goes_on(
    database: Database, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    """The error is raised at once: the other jobs would wait for the same."""
    monkeypatch.setattr(TaskQueue, "rescue", raising(error("Away.")))
    with pytest.raises(error):
        JobService.as_system(database).run_due()


def raising(error: Exception) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


def test_the_command_says_which_job_failed(
    flask: Run, database_url: str, admin: Client, hire: Callable[..., Client], sql: Sql
) -> None:
    """In one line, after the others have run; the exit code is that of the error."""
    expired(admin, hire, sql)
    keys = sql("UPDATE idempotency_keys SET expires_at = now() RETURNING key_hash")
    with closing(psycopg2.connect(database_url)) as other, other.cursor() as cursor:
        cursor.execute("LOCK TABLE events IN SHARE MODE")
        done = flask("jobs", "run", CASELOAD_LOCK_TIMEOUT="0.1")
    assert done.returncode == 5
    assert done.stderr.startswith("Error: leases taken back: ")
    assert done.stderr.count("\n") == 1
    assert f" {len(keys)} idempotency keys removed" in done.stdout


def test_each_failure_is_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """With the job's name and the error, however often it repeats; another error at once."""
    now = [1000.0]
    log = JobLog(clock=lambda: now[0])

    def run(error: Exception, seconds: float) -> list[str]:
        now[0] += seconds
        caplog.clear()
        log.run(lambda: JobsReport({}, {"conversations woken": error}))
        return [record.getMessage() for record in caplog.records]

    slow = StatementTimeout("Too slow.")
    expected = ["The job 'conversations woken' failed: StatementTimeout('Too slow.')"]
    assert run(slow, 0) == expected
    assert run(slow, 59) == []
    assert run(slow, 2) == expected
    assert run(ZeroDivisionError("x"), 0) == [
        "The job 'conversations woken' failed: ZeroDivisionError('x')"
    ]
    assert caplog.records[0].exc_info
    assert run(slow, 61) == expected


def test_an_absent_database_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """And again when it went away anew."""
    log = JobLog()
    away = raising(DatabaseUnreachable("Away."))
    log.run(away)
    log.run(away)
    assert caplog.messages == ["The jobs wait for the database: Away."]
    log.run(lambda: JobsReport({}))
    log.run(away)
    assert len(caplog.messages) == 2
