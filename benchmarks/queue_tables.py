"""The tables that hold the tasks to be worked off: Caseload's, procrastinate's, and one by hand."""

from __future__ import annotations

import json
import random
import shutil
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg2
from procrastinate.contrib.psycopg2 import Psycopg2Connector
from procrastinate.jobs import Job
from procrastinate.manager import JobManager
from procrastinate.schema import SchemaManager
from psycopg2.extras import execute_values
from uuid_utils.compat import uuid7

from app.administration import MIGRATIONS
from app.db import Database
from app.embedded import EmbeddedServer
from app.repositories import TaskRepository

if TYPE_CHECKING:
    from collections.abc import Iterator

QUEUE = "billing"
AGENT = UUID("01900000-0000-7000-8000-000000000001")
_FIELDS = ("kind", "queue", "priority", "input")

# Caseload's columns, without what a queue by hand would leave out: checks, foreign keys, triggers.
_BY_HAND = """
CREATE TABLE tasks (
    id uuid PRIMARY KEY, version int NOT NULL DEFAULT 1, kind text NOT NULL, queue text NOT NULL,
    priority smallint NOT NULL, conversation_id uuid, parent_id uuid, agent_id uuid,
    input jsonb NOT NULL, metadata jsonb NOT NULL DEFAULT '{}',
    run_after timestamptz NOT NULL DEFAULT now(), max_attempts smallint NOT NULL DEFAULT 3,
    dedupe_key text, status text NOT NULL DEFAULT 'pending', attempt int NOT NULL DEFAULT 0,
    attempts_forgiven int NOT NULL DEFAULT 0, cancel_requested bool NOT NULL DEFAULT false,
    claimed_by_id uuid, output jsonb, error text, progress jsonb, lease_token uuid,
    lease_seconds int, lease_expires_at timestamptz, started_at timestamptz,
    completed_at timestamptz, created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(), deleted_at timestamptz
) WITH (fillfactor = 80);
CREATE INDEX ON tasks (queue, priority, run_after, id) WHERE status = 'pending';
CREATE INDEX ON tasks (created_at, id);
CREATE TABLE task_attempts (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), task_id uuid NOT NULL, number int NOT NULL,
    agent_id uuid NOT NULL, started_at timestamptz NOT NULL DEFAULT now(), ended_at timestamptz,
    outcome text, error text
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX ON task_attempts (task_id, number);
"""


@contextmanager
def server(settings: dict[str, str] | None = None) -> Iterator[dict[str, str]]:
    """A throw-away one, as durable as PostgreSQL is by default; yields the URL of each database."""
    directory = Path(tempfile.mkdtemp(prefix="caseload-bench-"))
    directory.chmod(0o711)
    embedded = EmbeddedServer(directory, prepare=MIGRATIONS.upgrade, settings=settings)
    try:
        url = embedded.url()
        urls = {"caseload": url}
        _run(
            url,
            "INSERT INTO agents (id, name, kind, queues, last_seen_at)"
            f" VALUES ('{AGENT}', 'Bench', 'ai', '{{{QUEUE}}}', 'infinity')",
        )
        for name in ("procrastinate", "by_hand"):
            _run(url, f"CREATE DATABASE {name}")
            urls[name] = embedded.cluster.url(name)
        _run(urls["by_hand"], _BY_HAND)
        with closing(_connector(urls["procrastinate"])) as connector:
            SchemaManager(connector).apply_schema()
        yield urls
    finally:
        embedded.release()
        shutil.rmtree(directory)


def rows(count: int) -> Iterator[tuple[str, str, int, dict[str, Any]]]:
    """Kind, queue, priority and input."""
    dice = random.Random(count)  # noqa: S311 - for no secret
    for number in range(count):
        note = f"Please look into invoice {number}, which was paid twice, and write to the customer"
        yield "reply", QUEUE, dice.randrange(10), {"invoice": number, "note": note}


def fill(urls: dict[str, str], name: str, count: int) -> None:
    """Empty the tables, then make that many tasks."""
    _FILL[name](urls[name], count)


def _fill_caseload(url: str, count: int) -> None:
    _run(
        url,
        "ALTER TABLE events DISABLE TRIGGER events_append_only;"
        "TRUNCATE tasks, task_attempts, events, event_personal_values;"
        "ALTER TABLE events ENABLE TRIGGER events_append_only;",
    )
    with closing_database(url) as database, database.connect() as connection:
        TaskRepository().copy(connection, _FIELDS, rows(count))
    _run(url, "VACUUM ANALYZE")


def _fill_by_hand(url: str, count: int) -> None:
    _run(url, "TRUNCATE tasks, task_attempts")
    values = [(str(uuid7()), *row, json.dumps(input_)) for *row, input_ in rows(count)]
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        execute_values(cursor, f"INSERT INTO tasks (id, {', '.join(_FIELDS)}) VALUES %s", values)
    _run(url, "VACUUM ANALYZE")


def _fill_procrastinate(url: str, count: int) -> None:
    _run(url, "TRUNCATE procrastinate_jobs, procrastinate_events RESTART IDENTITY CASCADE")
    jobs = [
        Job(
            id=None,
            queue=queue,
            task_name=kind,
            priority=9 - priority,
            lock=None,
            queueing_lock=None,
            task_kwargs=input_,
        )
        for kind, queue, priority, input_ in rows(count)
    ]
    with closing(_connector(url)) as connector:
        JobManager(connector).batch_defer_jobs(jobs)
    _run(url, "VACUUM ANALYZE")


_FILL = {
    "caseload": _fill_caseload,
    "by_hand": _fill_by_hand,
    "procrastinate": _fill_procrastinate,
}


@contextmanager
def closing_database(url: str) -> Iterator[Database]:
    database = Database(url)
    try:
        yield database
    finally:
        database.dispose()


def _connector(url: str) -> Psycopg2Connector:
    connector = Psycopg2Connector(dsn=url)
    connector.open()
    return connector


def _run(url: str, sql: str) -> None:
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(sql)
