"""How PostgreSQL finds the next tasks: off one index, in order, and locking none that it leaves."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from psycopg2.extensions import cursor as Cursor  # noqa: N812 - psycopg2 names its class so
from uuid_utils.compat import uuid7

from app.db.testing.cursors import cursors
from app.repositories import TaskQueue
from app.services import AgentService

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from sqlalchemy import Connection

    from app.db import Database

    Sql = Callable[..., list[tuple[Any, ...]]]

FILL = """
INSERT INTO tasks (id, kind, queue, priority, agent_id, run_after, status, completed_at, created_at)
SELECT gen_random_uuid(), 'x', (ARRAY['work', 'mail', 'calls'])[n %% 3 + 1],
    CASE WHEN {late} THEN 0 ELSE n %% 10 END,
    CASE n %% 50 WHEN 0 THEN %s::uuid END,
    CASE WHEN {late} THEN now() + interval '1 day' ELSE now() - n * interval '1 second' END,
    '{status}', {completed_at}, now() - n * interval '1 second'
FROM generate_series(1, {count}) AS n
"""
QUEUES = ["work", "mail", "calls"]
PENDING = {"status": "pending", "completed_at": "NULL", "late": "n %% 5 < 3", "count": 5000}
FINISHED = {"status": "completed", "completed_at": "now()", "late": "false", "count": 20_000}


@pytest.fixture
def agent(database: Database, sql: Sql, vacuum: Callable[[str], None]) -> UUID:
    """Of three queues, in which 20,000 tasks have ended, 3,000 are put off, and 2,000 are due."""
    values = {"name": "bot", "kind": "ai", "queues": QUEUES}
    key = AgentService.as_system(database).create(values).id
    for group in (FINISHED, PENDING):
        sql(FILL.format(**group), str(key))
    vacuum("tasks")
    return key


def claim(
    connection: Connection, agent: UUID, limit: int, queues: list[str] | None = None
) -> list[dict[str, Any]]:
    chosen = QUEUES if queues is None else queues
    return TaskQueue().claim(connection, agent, chosen, limit=limit, lease_seconds=60)


def nodes(plan: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[dict[str, Any]]:
    """Every node of a plan, with the types of those above it, the nearest last."""
    yield {**plan, "above": above}
    for child in plan.get("Plans", ()):
        yield from nodes(child, (*above, plan["Node Type"]))


class ExplainingCursor(Cursor):
    """Explains the claim, undoes that, and then executes it."""

    plans: ClassVar[list[dict[str, Any]]] = []

    def execute(self, query: Any, vars: Any = None) -> None:  # noqa: A002 - psycopg2's name
        begin, found, claim = query.partition("\nWITH taken")
        if found:
            explained = f"{begin} SAVEPOINT before; EXPLAIN (ANALYZE, FORMAT JSON) {found}{claim}"
            super().execute(explained, vars)
            self.plans.append(self.fetchall()[0][0][0]["Plan"])
            super().execute("ROLLBACK TO before")
            begin = ""
        super().execute(begin + found + claim, vars)


@pytest.fixture
def plan_of(database: Database, agent: UUID) -> Callable[..., list[dict[str, Any]]]:
    """The nodes of the plan of a claim."""

    def plan_of(queues: list[str], limit: int) -> list[dict[str, Any]]:
        ExplainingCursor.plans.clear()
        with cursors(database, ExplainingCursor), database.connect() as connection:
            claim(connection, agent, limit, queues)
        return list(nodes(ExplainingCursor.plans[0]))

    return plan_of


def test_a_claim_reads_the_index_in_order(plan_of: Callable[..., list[dict[str, Any]]]) -> None:
    """Each lane is read in the order of the index and merged; no row is sorted below the limit."""
    for queues, limit in product((["work"], QUEUES), (1, 5, 100)):
        plan = plan_of(queues, limit)
        scans = [node for node in plan if node.get("Index Name") == "ix_tasks_claim"]
        assert {node["Node Type"] for node in scans} <= {"Index Only Scan", "Index Scan"}
        assert len(scans) == 2 * len(queues)
        for scan in scans:
            assert "Merge Append" in scan["above"]
            below_limit = scan["above"][scan["above"].index("Limit") :]
            assert not {"Sort", "Incremental Sort", "Materialize"} & set(below_limit)
        assert "Seq Scan" not in {node["Node Type"] for node in plan}


def test_a_claim_looks_at_few_rows(plan_of: Callable[..., list[dict[str, Any]]]) -> None:
    """As many as it takes, and one more of each lane and level: none of those that are put off."""
    for limit in (1, 5, 100):
        plan = plan_of(QUEUES, limit)
        read = sum(
            node["Actual Rows"] * node["Actual Loops"]
            for node in plan
            if node.get("Index Name") == "ix_tasks_claim"
        )
        assert read <= limit + 6 * 10  # before PostgreSQL 18 a mean per loop, rounded
        (locked,) = (node for node in plan if node["Node Type"] == "LockRows")
        assert locked["Actual Rows"] * locked["Actual Loops"] == limit


def test_a_claim_locks_what_it_takes(database: Database, agent: UUID, sql: Sql) -> None:
    """While it is not committed the next in order can be claimed, and nothing waits."""
    order = sql(
        "SELECT id::text FROM tasks WHERE status = 'pending' AND run_after <= now()"
        " ORDER BY priority, run_after, id LIMIT 13"
    )
    expected = [key for (key,) in order]

    def claim_next() -> list[str]:
        with database.connect() as other:
            return [str(task["id"]) for task in claim(other, agent, 3)]

    with database.connect() as connection:
        first = [str(task["id"]) for task in claim(connection, agent, 5)]
        free = sql(
            "SELECT id::text FROM tasks WHERE status = 'pending' AND run_after <= now()"
            " ORDER BY priority, run_after, id LIMIT 8 FOR UPDATE SKIP LOCKED"
        )
        assert first == expected[:5]
        assert [key for (key,) in free] == expected[5:]
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(claim_next).result(5) == expected[5:8]
        total = "SELECT count(*) FROM (SELECT id FROM tasks FOR UPDATE SKIP LOCKED) AS free"
        assert sql(total) == [(25_000 - 5,)]


def test_who_takes_less_than_there_is_leaves_the_rest(
    database: Database, agent: UUID, sql: Sql
) -> None:
    """Claims one after the other go through all that is due, each task once, in order."""
    due = "status = 'pending' AND run_after <= now()"
    order = sql(f"SELECT id::text FROM tasks WHERE {due} ORDER BY priority, run_after, id")
    found: list[str] = []
    while True:
        with database.connect() as connection:
            claimed = claim(connection, agent, 100)
        if not claimed:
            break
        found += [str(task["id"]) for task in claimed]
    assert found == [key for (key,) in order]
    assert len(found) == 2000


def test_a_claim_by_an_agent_of_many_queues_is_one_statement(
    database: Database, agent: UUID
) -> None:
    """Fifty queues are a hundred lanes, and still one statement."""
    queues = [*QUEUES, *(f"q{number}" for number in range(47))]
    with database.connect() as connection:
        assert len(claim(connection, agent, 7, queues)) == 7
        assert claim(connection, uuid7(), 7, ["nobody-s"]) == []
