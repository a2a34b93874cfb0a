"""Many agents that claim and end tasks at once share them and lose none."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from uuid import UUID

from tests.client import Client, problem
from tests.task_queue import EXPIRE, LOST, act, claim, claim_ids, make

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    Hire = Callable[..., Client]
    Sql = Callable[..., list[tuple[Any, ...]]]


def test_many_who_claim_at_once_share_the_tasks(
    app: Flask, staff: Client, hire: Hire, sql: Sql
) -> None:
    """Each is claimed exactly once, none is left, and nobody is told too early that none is."""
    count, crew = 200, 8
    agents = [hire(f"bot-{number}", queues=["work", "mail"]) for number in range(crew)]
    sql(
        "INSERT INTO tasks (id, kind, queue, priority, run_after, created_at)"
        " SELECT gen_random_uuid(), 'x', CASE n %% 2 WHEN 0 THEN 'work' ELSE 'mail' END, n %% 10,"
        " now() - n * interval '1 second', now() - n * interval '1 second'"
        " FROM generate_series(1, %s) AS n",
        count,
    )
    start, lock, left = threading.Barrier(crew), threading.Lock(), count
    too_early: list[int] = []

    def work(number: int) -> list[str]:
        nonlocal left
        client, limit, mine = Client(app, agents[number].token), number % 5 + 1, []
        start.wait(60)
        while True:
            with lock:
                left -= limit
            found = claim_ids(client, limit=limit)
            with lock:
                if len(found) < limit and left >= 0:
                    too_early.append(left)  # so many were nobody's, nor just being claimed
                left += limit - len(found)
            mine += found
            if not found:
                return mine

    with ThreadPoolExecutor(crew) as pool:
        claimed = list(pool.map(work, range(crew)))
    assert too_early == []
    assert len({key for mine in claimed for key in mine}) == count
    assert sum(map(len, claimed)) == count
    assert sum(bool(mine) for mine in claimed) > 1
    assert sql("SELECT DISTINCT status, attempt FROM tasks") == [("running", 1)]
    assert sql("SELECT count(*), count(DISTINCT task_id) FROM task_attempts") == [(count, count)]
    holders = sql("SELECT claimed_by_id::text, count(*) FROM tasks GROUP BY 1")
    expected = {agent.user_id: len(mine) for agent, mine in zip(agents, claimed, strict=True)}
    assert dict(holders) == {key: held for key, held in expected.items() if held}


def test_many_who_claim_and_end_tasks_at_once_lose_none(
    app: Flask, staff: Client, hire: Hire, sql: Sql
) -> None:
    """With leases that run out in between: each task ends once, by who held it last."""
    agents = [hire(f"bot-{number}") for number in range(6)]
    keys = [make(staff, max_attempts=50) for _ in range(40)]
    completed: list[str] = []
    stop = threading.Event()

    def work(agent: Client) -> None:
        client = Client(app, agent.token)
        while not stop.is_set():
            for task in claim(client, limit=3):
                if UUID(task["lease_token"]).int % 4 == 0:
                    continue  # it is forgotten, and its lease runs out
                answer = act(client, task, "complete", output=agent.user_id)
                if answer.status_code == 200:
                    completed.append(task["id"])
                else:
                    assert problem(answer) == LOST

    with ThreadPoolExecutor(6) as pool:
        workers = [pool.submit(work, agent) for agent in agents]
        for _ in range(200):
            sql(EXPIRE)
            if len(completed) >= len(keys) or any(worker.done() for worker in workers):
                break
            stop.wait(0.05)
        stop.set()
        for worker in workers:
            worker.result()
    assert sorted(completed) == sorted(keys)
    wrong = sql(
        "SELECT count(*) FROM tasks JOIN task_attempts AS a ON a.task_id = tasks.id"
        " WHERE status <> 'completed' OR output #>> '{}' <> claimed_by_id::text"
        " OR (number = attempt) <> (outcome = 'completed')"
        " OR (number < attempt) <> (outcome = 'lost')"
    )
    assert wrong == [(0,)]
