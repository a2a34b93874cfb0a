"""What a claim costs, and its plan, where there is a lot to look at.

    python -m benchmarks.claim_plan

A million finished tasks, a tenth as many pending ones in ten queues, and as many delayed ones that
would be first: how long a claim takes there, after 20,000 claims that no VACUUM followed, beside
claims that are not committed, and while an old snapshot keeps PostgreSQL from forgetting dead rows.
Commits do not wait for the disk here.
Then a search, without an index and with one of trigrams, and what that one costs.
"""

from __future__ import annotations

import statistics
import time
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Any

import psycopg2
from sqlalchemy.dialects import postgresql

from app.db import Database, Query, Timeouts
from app.models import Task
from app.repositories import TaskQueue, TaskRepository
from app.repositories.task_claims import claim as claim_statement
from benchmarks.processes import cpu_of
from benchmarks.queue_tables import AGENT, rows, server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection

QUEUES = [f"queue-{number}" for number in range(10)]
TASKS = 1_200_000
CLAIMS = 20_000
TIMES = 60
CASES = [(limit, queues) for limit in (1, 10) for queues in (1, 3, 10)]
LEASE = 3600

_FILL = """
SET session_replication_role = replica;
ALTER TABLE tasks SET (autovacuum_enabled = false);
ALTER TABLE task_attempts SET (autovacuum_enabled = false);
INSERT INTO tasks (id, kind, queue, priority, input, run_after, status, attempt, claimed_by_id,
    output, started_at, completed_at, created_at)
SELECT uuidv7(make_interval(secs => n - {total})), 'reply', 'queue-' || n / 12 % 10,
    CASE WHEN state = 'delayed' THEN 0 ELSE n / 120 % 10 END,
    jsonb_build_object('invoice', n, 'note', 'Please look into invoice ' || n
        || CASE WHEN n % 100003 = 7 THEN ', the quixotic one,' ELSE '' END
        || ', which was paid twice, and write to the customer'),
    CASE WHEN state = 'delayed' THEN now() + '1 day' ELSE now() - make_interval(secs => n) END,
    CASE WHEN state = 'finished' THEN 'completed' ELSE 'pending' END,
    (state = 'finished')::int, CASE WHEN state = 'finished' THEN '{agent}'::uuid END,
    CASE WHEN state = 'finished' THEN '{{"ok": true}}'::jsonb END,
    CASE WHEN state = 'finished' THEN now() END, CASE WHEN state = 'finished' THEN now() END,
    now() + make_interval(secs => n - {total})
FROM generate_series(1, {total}) AS n, LATERAL (SELECT CASE n % 12
    WHEN 10 THEN 'pending' WHEN 11 THEN 'delayed' ELSE 'finished' END) AS its (state);
INSERT INTO task_attempts (task_id, number, agent_id, started_at, ended_at, outcome)
SELECT id, 1, claimed_by_id, started_at, completed_at, 'completed'
FROM tasks WHERE status = 'completed';
"""

# Without the list of pending entries: a later VACUUM would pay for it, unseen here.
_BY_WORD = """
CREATE INDEX by_word ON tasks USING gin (CAST(input AS text) gin_trgm_ops) WITH (fastupdate = off)
"""


class Bench:
    def __init__(self, url: str) -> None:
        self.url, self.queue, self.tasks = url, TaskQueue(), TaskRepository()
        self.database = Database(url, timeouts=Timeouts(statement=600, idle=600))

    def backend(self) -> int:
        with self.database.connect() as connection:
            pid: int = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        return pid

    def claim(self, connection: Connection, limit: int, queues: int) -> list[dict[str, Any]]:
        return self.queue.claim(
            connection, AGENT, QUEUES[:queues], limit=limit, lease_seconds=LEASE
        )

    def times(self, title: str) -> None:
        """Of a claim with its BEGIN and COMMIT, by limit and number of queues."""
        pid, cells = self.backend(), [title]
        for limit, queues in CASES:
            taken, backend = [], cpu_of(pid)
            for _ in range(TIMES):
                began = time.perf_counter()
                with self.database.connect() as connection:
                    claimed = self.claim(connection, limit, queues)
                taken.append((time.perf_counter() - began) * 1000)
                assert len(claimed) == limit
            backend = (cpu_of(pid) - backend) / TIMES * 1000
            cells.append(f"{backend:.1f} / {statistics.median(taken):.1f}")
        print(f"| {' | '.join(cells)} |", flush=True)

    def work(self, tasks: int, *, limit: int = 10, queues: int = 10) -> tuple[float, float]:
        """Claim and complete so many; returns the CPU per task, client's and server's, in us."""
        pid = self.backend()
        client, backend = time.process_time(), cpu_of(pid)
        for _ in range(tasks // limit):
            with self.database.connect() as connection:
                claimed = self.claim(connection, limit, queues)
            for task in claimed:
                with self.database.connect() as connection:
                    self.queue.complete(connection, task["id"], task["lease_token"], {"ok": True})
        return tuple(
            spent / tasks * 1e6 for spent in (time.process_time() - client, cpu_of(pid) - backend)
        )  # type: ignore[return-value] # two of them

    def insert(self, tasks: int) -> float:
        """The server's CPU per new task, in us, one unit of work each."""
        pid = self.backend()
        backend = cpu_of(pid)
        for kind, _, priority, input_ in rows(tasks):
            with self.database.connect() as connection:
                row = {"kind": kind, "queue": QUEUES[0], "priority": priority, "input": input_}
                self.tasks.insert_many(connection, [row])
        return (cpu_of(pid) - backend) / tasks * 1e6

    def search(self, word: str) -> str:
        taken = []
        for _ in range(3):
            began = time.perf_counter()
            with self.database.connect(read_only=True) as connection:
                found = self.tasks.records(connection, Query(search=word)).items
            taken.append((time.perf_counter() - began) * 1000)
        return f"{statistics.median(taken):,.0f} ms for {len(found)} found"

    def plan(self, limit: int, queues: int) -> str:
        lanes = [*QUEUES[:queues], *(f"{queue}/{AGENT}" for queue in QUEUES[:queues])]
        bound: dict[str, Any] = {f"lane_{n}": lane for n, lane in enumerate(lanes)}
        bound |= {"agent": AGENT, "limit": limit, "lease": LEASE}
        statement = claim_statement(len(lanes)).statement.bindparams(**bound)
        sql = str(
            statement.compile(
                dialect=postgresql.dialect(),  # type: ignore[no-untyped-call] # SQLAlchemy's
                compile_kwargs={"literal_binds": True},
            )
        )
        with connected(self.url) as cursor:
            for _ in range(2):  # the first one reads the catalogs
                cursor.execute(f"BEGIN; EXPLAIN (ANALYZE, BUFFERS) {sql}")
                lines = [line for (line,) in cursor.fetchall()]
                cursor.execute("ROLLBACK")
        return "\n".join(lines)


@contextmanager
def connected(url: str) -> Iterator[Any]:
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = 0")
            yield cursor


@contextmanager
def held_claims(bench: Bench, many: int) -> Iterator[None]:
    """So many others that have claimed ten each, and have not committed."""
    with ExitStack() as stack:
        for _ in range(many):
            other = Database(bench.url, timeouts=Timeouts(statement=600, idle=600))
            stack.callback(other.dispose)
            bench.claim(stack.enter_context(other.connect()), 10, 10)
        yield


@contextmanager
def old_snapshot(url: str) -> Iterator[None]:
    with connected(url) as cursor:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM agents")
        yield
        cursor.execute("COMMIT")


def claims(bench: Bench, sql: Callable[[str], None]) -> None:
    heading = [f"{limit}, {queues} queues" for limit, queues in CASES]
    print(f"\n| ms, server's CPU / until the answer | {' | '.join(heading)} |\n{'|---' * 7}|")
    bench.times("after VACUUM")
    with held_claims(bench, 8):
        bench.times("beside 80 uncommitted claims")
    bench.work(CLAIMS)
    bench.times("after 20,000 more, no VACUUM")
    sql("VACUUM ANALYZE tasks")
    with old_snapshot(bench.url):
        bench.work(CLAIMS)
        bench.times("the same under an old snapshot")
    sql("VACUUM ANALYZE tasks")


def trigrams(bench: Bench, sql: Callable[[str], None]) -> None:
    def costs() -> str:
        sql("VACUUM ANALYZE tasks")
        client, backend = bench.work(2_000, limit=1, queues=1)
        return f"{client:,.0f} | {backend:,.0f} | {bench.insert(2_000):,.0f}"

    print("\n| us per task | claim+complete, client | server | insert, server |\n|---|---|---|---|")
    name = Task.__tablename__
    for _ in range(2):
        print(f"| no index | {costs()} |", flush=True)
        began = time.perf_counter()
        sql(_BY_WORD)
        took = time.perf_counter() - began
        print(f"| GIN | {costs()} |", flush=True)
        found = bench.search("quixotic")
        with connected(bench.url) as cursor:
            cursor.execute(
                f"SELECT pg_size_pretty(pg_relation_size('by_word')),"
                f" pg_size_pretty(pg_relation_size('{name}'))"
            )
            sizes = cursor.fetchone()
        sql("DROP INDEX by_word")
    print(f"\nBuilt in {took:.0f} s; {sizes[0]}, the table {sizes[1]}; a search: {found}")


def main() -> None:
    with server({"synchronous_commit": "off"}) as urls, connected(urls["caseload"]) as cursor:
        sql = cursor.execute
        began = time.perf_counter()
        sql(_FILL.format(total=TASKS, agent=AGENT))
        sql("RESET session_replication_role")
        sql("VACUUM ANALYZE tasks")
        sql("VACUUM ANALYZE task_attempts")
        print(f"{TASKS:,} tasks, filled in {time.perf_counter() - began:.0f} s")
        bench = Bench(urls["caseload"])
        try:
            for limit, queues in ((1, 1), (10, 3)):
                print(f"\nlimit {limit}, {queues} queues\n\n{bench.plan(limit, queues)}")
            claims(bench, sql)
            print(f"\nSearch for a rare word, no index: {bench.search('quixotic')}", flush=True)
            trigrams(bench, sql)
        finally:
            bench.database.dispose()


if __name__ == "__main__":
    main()
