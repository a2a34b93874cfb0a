"""No task is below more others than the setting allows: on every path, and in every race."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest

from tests.client import Client, codes, problem
from tests.desk import TASK, DeskWork

if TYPE_CHECKING:
    from collections.abc import Callable

    Hire = Callable[..., Client]
    Sql = Callable[..., list[tuple[Any, ...]]]

MOST = 5
TOO_DEEP = (409, "task-too-deep")
DEEPEST = """
WITH RECURSIVE tree AS (
    SELECT id, 1 AS level FROM tasks WHERE parent_id IS NULL AND deleted_at IS NULL
    UNION ALL
    SELECT tasks.id, level + 1 FROM tree JOIN tasks ON parent_id = tree.id
    WHERE deleted_at IS NULL
)
SELECT max(level) FROM tree
"""


@pytest.fixture
def at_work(staff: Client) -> DeskWork:
    return DeskWork(staff)


def chain(at_work: DeskWork, length: int, top: str | None = None) -> list[str]:
    """Tasks below each other, the top first; the first is below `top`."""
    keys: list[str] = []
    for _ in range(length):
        keys.append(at_work.task(parent_id=keys[-1] if keys else top))
    return keys


def move(at_work: DeskWork, key: str, parent: str | None) -> tuple[int, str]:
    answer = at_work.client.patch(f"/v1/tasks/{key}", {"parent_id": parent})
    return (200, "") if answer.status_code == 200 else problem(answer)


def test_a_task_does_not_come_back_deeper_than_it_could_be_made(
    at_work: DeskWork, sql: Sql
) -> None:
    """409: what is above it was moved down while it was deleted. Moved up again, it comes back."""
    above, (top, middle, low) = chain(at_work, 3), chain(at_work, 3)
    at_work.delete("tasks", low)
    assert move(at_work, top, above[-1]) == (200, "")
    refused = at_work.restore("tasks", low)
    assert problem(refused) == TOO_DEEP
    assert "5 levels" in refused.json["detail"]
    assert sql(DEEPEST) == [(MOST,)]
    assert move(at_work, middle, above[-1]) == (200, "")
    assert at_work.restore("tasks", low).status_code == 200
    assert sql(DEEPEST) == [(MOST,)]


def test_a_deleted_chain_comes_back_as_far_as_there_is_room(at_work: DeskWork, sql: Sql) -> None:
    """One after the other from its top, until the next would be too deep."""
    above, keys = chain(at_work, 3), chain(at_work, 4)
    for key in reversed(keys[1:]):
        at_work.delete("tasks", key)
    assert move(at_work, keys[0], above[-1]) == (200, "")
    found = [at_work.restore("tasks", key) for key in keys[1:]]
    assert found[0].status_code == 200
    assert problem(found[1]) == TOO_DEEP
    assert problem(found[2]) == (409, "parent-deleted")
    assert sql(DEEPEST) == [(MOST,)]


def test_many_are_not_made_too_deep(at_work: DeskWork, sql: Sql) -> None:
    """422 at each item that would be; a chain that was moved down counts as it is now."""
    above, low = chain(at_work, 3), chain(at_work, 2)
    items = [{**TASK, "parent_id": parent} for parent in (low[1], above[0], low[1])]
    assert move(at_work, low[0], above[2]) == (200, "")
    refused = at_work.client.post("/v1/tasks/bulk", {"items": items})
    assert codes(refused) == {f"/items/{n}/parent_id": "range" for n in (0, 2)}
    assert sql(DEEPEST) == [(MOST,)]


@pytest.mark.parametrize("door", ["one", "bulk", "restore", "by an agent"])
def test_a_new_leaf_races_a_move_of_what_is_above(
    at_work: DeskWork, hire: Hire, sql: Sql, door: str
) -> None:
    """Whoever comes first, the other is refused; never is a task on level 6."""
    agent, outcomes = hire(queues=["bot"]), set()
    for _ in range(12):
        above, (top, low) = chain(at_work, 3), chain(at_work, 2)
        parent = at_work.task(parent_id=None, queue="bot") if door == "by an agent" else low
        if door == "by an agent":
            assert move(at_work, parent, top) == (200, "")
            assert agent.post("/v1/tasks/claim").json["items"][0]["id"] == parent
        gone = at_work.task(parent_id=parent)
        at_work.delete("tasks", gone)
        start = threading.Barrier(2)
        below = {**TASK, "parent_id": parent}

        def add(start: Any = start, gone: str = gone, below: Any = below) -> int:
            start.wait(60)
            if door == "restore":
                return at_work.restore("tasks", gone).status_code
            if door == "bulk":
                return at_work.client.post("/v1/tasks/bulk", {"items": [below]}).status_code
            client = agent if door == "by an agent" else at_work.client
            return client.post("/v1/tasks", below).status_code

        def move_top(start: Any = start, top: str = top, to: str = above[-1]) -> int:
            start.wait(60)
            return move(at_work, top, to)[0]

        with ThreadPoolExecutor(2) as pool:
            added, moved = pool.submit(add), pool.submit(move_top)
            outcomes.add((added.result(), moved.result()))
        assert sql(DEEPEST)[0][0] <= MOST
    done, refused = (200, 409) if door == "restore" else (201, 422)
    assert outcomes <= {(done, 422), (refused, 200)}


def test_two_moves_at_once_do_not_add_up(at_work: DeskWork, sql: Sql) -> None:
    """One moves the upper part down, the other puts something below: one of them is refused."""
    for _ in range(10):
        a, b, c = (chain(at_work, 2) for _ in range(3))
        start = threading.Barrier(2)

        def go(pair: tuple[str, str], start: Any = start) -> int:
            start.wait(60)
            return move(at_work, *pair)[0]

        with ThreadPoolExecutor(2) as pool:
            found = sorted(pool.map(go, [(b[0], a[1]), (c[0], b[1])]))
        assert found == [200, 422]
        assert sql(DEEPEST)[0][0] <= MOST


def test_leaves_do_not_wait_for_each_other(at_work: DeskWork, database_url: str) -> None:
    """Who adds a task below another shares the lock that a move takes alone."""
    one, other = at_work.task(), at_work.task()
    with psycopg2.connect(database_url) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(7203116)")
        assert at_work.task(parent_id=one)
        with ThreadPoolExecutor(1) as pool:
            moved = pool.submit(move, at_work, other, one)
            while True:
                cursor.execute(
                    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
                )
                if cursor.fetchone() == (1,):
                    break
            assert not moved.done()
            holder.rollback()
            assert moved.result() == (200, "")


def test_only_the_new_place_counts(at_work: DeskWork) -> None:
    """A chain at the limit may be turned over: each move is checked where it leads."""
    keys = chain(at_work, MOST)
    assert move(at_work, keys[4], None) == (200, "")
    for upper, lower in pairwise(keys[:3]):
        assert move(at_work, lower, upper) == (200, "")
    assert move(at_work, keys[0], keys[4]) == (200, "")
    assert move(at_work, at_work.task(), keys[3]) == (422, "validation-error")
