"""Tasks that are broken up: no cycles, not too deep, and none ends before what is below it."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg2
import pytest
from psycopg2 import errors

from app import create_app
from app.settings import Settings
from tests.client import Client, codes, problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask import Flask

    from tests.client import Answer

    Hire = Callable[..., Client]
    Sql = Callable[..., list[tuple[Any, ...]]]

WORK = {"kind": "reply", "queue": "work"}
COUNTED_WRONG = """
SELECT id FROM tasks AS parent WHERE open_subtasks <> (
    SELECT count(*) FROM tasks AS child WHERE child.parent_id = parent.id
    AND status IN ('pending', 'running') AND deleted_at IS NULL)
"""


@pytest.fixture(autouse=True)
def counts_are_right(staff: Client, sql: Sql) -> Iterator[None]:
    """Whatever was done: the counters are what counting finds, and nothing done is above open."""
    yield
    assert sql(COUNTED_WRONG) == []
    assert sql("SELECT id FROM tasks WHERE status = 'completed' AND open_subtasks > 0") == []


def make(client: Client, parent: str | None = None, **values: Any) -> str:
    """The id of a new task."""
    key: str = client.create("/v1/tasks", {**WORK, "parent_id": parent, **values})["id"]
    return key


def claim(agent: Client, **body: Any) -> dict[str, dict[str, Any]]:
    """All that is there to claim, by id."""
    answer = agent.post("/v1/tasks/claim", {"limit": 100, **body})
    assert answer.status_code == 200, answer.text
    return {task["id"]: task for task in answer.json["items"]}


def act(agent: Client, task: dict[str, Any], verb: str, **body: Any) -> Answer:
    sent = {"lease_token": task["lease_token"], **body}
    return agent.post(f"/v1/tasks/{task['id']}/{verb}", sent)


def complete(agent: Client, task: dict[str, Any]) -> Answer:
    return act(agent, task, "complete", output=None)


def status(client: Client, key: str) -> str:
    found: str = client.get(f"/v1/tasks/{key}").json["status"]
    return found


def end(staff: Client, agent: Client, key: str, how: str) -> None:
    """Bring a task that is just now pending to this end."""
    if how == "cancelled":
        staff.post(f"/v1/tasks/{key}/cancel")
    else:
        task = claim(agent)[key]
        if how == "completed":
            complete(agent, task)
        else:
            act(agent, task, "fail", error="x", retry=False)
    assert status(staff, key) == how


def test_sub_tasks_are_listed(staff: Client) -> None:
    """Those directly below, the oldest first; deleted ones are not among them."""
    parent = make(staff)
    path = f"/v1/tasks/{parent}/subtasks"
    assert staff.get(path).json == {"items": [], "next_cursor": None}
    children = [make(staff, parent, priority=number) for number in (3, 1, 2)]
    make(staff, children[0])
    found = staff.get(path).json["items"]
    assert [task["id"] for task in found] == children
    assert found[0] == staff.get(f"/v1/tasks/{children[0]}").json
    ordered = staff.get(f"{path}?sort=priority&limit=2&include_total=true").json
    assert [task["id"] for task in ordered["items"]] == children[1:]
    assert ordered["total"] == 3
    staff.delete(f"/v1/tasks/{children[1]}")
    left = staff.get(f"{path}?status=pending&priority__gte=2").json["items"]
    assert [task["id"] for task in left] == [children[0], children[2]]
    for query in (f"parent_id={parent}", "parent_id__is_null=true", "nope=1"):
        assert problem(staff.get(f"{path}?{query}")) == (400, "invalid-parameter")
    assert problem(staff.get(f"/v1/tasks/{uuid4()}/subtasks")) == (404, "not-found")


def test_only_admins_see_deleted_sub_tasks(admin: Client, staff: Client) -> None:
    """In this list as in all others."""
    parent = make(staff)
    child = make(staff, parent)
    staff.delete(f"/v1/tasks/{child}")
    path = f"/v1/tasks/{parent}/subtasks?include_deleted=true"
    assert problem(staff.get(path)) == (403, "forbidden")
    assert [task["id"] for task in admin.get(path).json["items"]] == [child]


def test_a_task_is_not_completed_before_what_is_below_it(staff: Client, hire: Hire) -> None:
    """409 while a sub-task is pending or running; then its lease is as good as before."""
    agent, parent = hire(), make(staff)
    held = claim(agent)[parent]
    children = [make(staff, parent) for _ in range(2)]
    assert problem(complete(agent, held)) == (409, "open-subtasks")
    running = claim(agent)
    assert problem(complete(agent, held)) == (409, "open-subtasks")
    assert status(staff, parent) == "running"
    assert complete(agent, running[children[0]]).status_code == 200
    assert problem(complete(agent, held)) == (409, "open-subtasks")
    assert complete(agent, running[children[1]]).status_code == 200
    assert complete(agent, held).json["status"] == "completed"


@pytest.mark.parametrize("how", ["completed", "failed", "cancelled", "deleted", "moved"])
def test_what_has_ended_below_is_in_nobody_s_way(staff: Client, hire: Hire, how: str) -> None:
    """However it ended; nor is one that is deleted or belongs to another task now."""
    agent, parent = hire(), make(staff)
    held = claim(agent)[parent]
    child = make(staff, parent)
    if how == "deleted":
        staff.delete(f"/v1/tasks/{child}")
    elif how == "moved":
        assert staff.patch(f"/v1/tasks/{child}", {"parent_id": None}).status_code == 200
    else:
        end(staff, agent, child, how)
    assert complete(agent, held).status_code == 200


def test_a_retried_sub_task_is_still_open(staff: Client, hire: Hire, sql: Sql) -> None:
    """Failed once, released, lost: it is pending or running again, and counts once."""
    agent, parent = hire(), make(staff)
    held = claim(agent)[parent]
    child = make(staff, parent)
    act(agent, claim(agent)[child], "fail", error="x")
    sql("UPDATE tasks SET run_after = now()")
    act(agent, claim(agent)[child], "release")
    claim(agent)
    sql("UPDATE tasks SET lease_expires_at = now() WHERE id = %s", child)
    again = claim(agent)[child]
    assert problem(complete(agent, held)) == (409, "open-subtasks")
    complete(agent, again)
    assert complete(agent, held).status_code == 200


@pytest.mark.parametrize("how", ["failed", "cancelled"])
def test_a_parent_may_end_badly_before_its_sub_tasks(staff: Client, hire: Hire, how: str) -> None:
    """Only completing waits for them; cancelling takes them along."""
    agent, parent = hire(), make(staff)
    held = claim(agent)[parent]
    child = make(staff, parent)
    if how == "failed":
        assert act(agent, held, "fail", error="x", retry=False).json["status"] == "failed"
        assert status(staff, child) == "pending"
    else:
        staff.post(f"/v1/tasks/{parent}/cancel")
        assert act(agent, held, "release").json["status"] == "cancelled"
        assert status(staff, child) == "cancelled"


@pytest.mark.parametrize("how", ["completed", "failed", "cancelled"])
def test_nothing_new_comes_below_what_has_ended(staff: Client, hire: Hire, how: str) -> None:
    """Not a new task, not one that is moved, restored or requeued there."""
    agent, parent = hire(), make(staff)
    other, gone, ended = make(staff), make(staff, parent), make(staff, parent)
    staff.delete(f"/v1/tasks/{gone}")
    staff.post(f"/v1/tasks/{ended}/cancel")
    staff.post(f"/v1/tasks/{other}/cancel")
    end(staff, agent, parent, how)
    loose = make(staff)
    answers = [
        staff.post("/v1/tasks", {**WORK, "parent_id": parent}),
        staff.patch(f"/v1/tasks/{loose}", {"parent_id": parent}),
        staff.post(f"/v1/tasks/{gone}/restore"),
        staff.post(f"/v1/tasks/{ended}/requeue"),
    ]
    assert [problem(answer) for answer in answers] == [(409, "parent-finished")] * 4
    assert status(staff, ended) == "cancelled"
    assert staff.get(f"/v1/tasks/{loose}").json["parent_id"] is None


def test_what_has_ended_may_be_restored_below_what_has_ended(staff: Client) -> None:
    """It is no open sub-task, so it is in nobody's way."""
    parent = make(staff)
    child = make(staff, parent)
    staff.post(f"/v1/tasks/{child}/cancel")
    staff.delete(f"/v1/tasks/{child}")
    staff.post(f"/v1/tasks/{parent}/cancel")
    assert staff.post(f"/v1/tasks/{child}/restore").status_code == 200


def test_a_requeued_sub_task_is_open_again(staff: Client, hire: Hire) -> None:
    """Below a task that is open, which then can't be completed before it."""
    agent, parent = hire(), make(staff)
    held = claim(agent)[parent]
    child = make(staff, parent)
    staff.post(f"/v1/tasks/{child}/cancel")
    assert staff.post(f"/v1/tasks/{child}/requeue").status_code == 200
    assert problem(complete(agent, held)) == (409, "open-subtasks")


def test_a_task_with_sub_tasks_is_not_deleted(staff: Client) -> None:
    """409 in-use until they are; and they do not come back before it does."""
    parent = make(staff)
    child = make(staff, parent)
    assert problem(staff.delete(f"/v1/tasks/{parent}")) == (409, "in-use")
    staff.delete(f"/v1/tasks/{child}")
    assert staff.delete(f"/v1/tasks/{parent}").status_code == 204
    assert problem(staff.post(f"/v1/tasks/{child}/restore")) == (409, "parent-deleted")
    answer = staff.post("/v1/tasks", {**WORK, "parent_id": parent})
    assert codes(answer) == {"/parent_id": "unknown-reference"}
    staff.post(f"/v1/tasks/{parent}/restore")
    assert staff.post(f"/v1/tasks/{child}/restore").status_code == 200


def test_cancelling_takes_along_what_is_below(staff: Client, hire: Hire) -> None:
    """Through all levels: pending ones at once, running ones when they are given back."""
    agent, top = hire(), make(staff)
    pending, running = make(staff, top), make(staff, top, queue="work", priority=0)
    held = claim(agent, limit=1)[running]
    below_pending, below_running = make(staff, pending), make(staff, running)
    deepest = make(staff, below_running)
    ended = make(staff, top)
    staff.delete(f"/v1/tasks/{ended}")
    other = make(staff)
    assert staff.post(f"/v1/tasks/{top}/cancel").json["status"] == "cancelled"
    for key in (pending, below_pending, below_running, deepest):
        assert status(staff, key) == "cancelled"
    assert status(staff, other) == "pending"
    now = staff.get(f"/v1/tasks/{running}").json
    assert (now["status"], now["cancel_requested"]) == ("running", True)
    assert act(agent, held, "heartbeat").json["cancel_requested"] is True
    assert act(agent, held, "fail", error="x").json["status"] == "cancelled"
    events = staff.get(f"/v1/events?object_id={deepest}&sort=occurred_at").json["items"]
    assert [event["action"] for event in events] == ["created", "cancelled"]


def test_a_running_task_that_is_to_be_cancelled_takes_its_sub_tasks_along(
    staff: Client, hire: Hire
) -> None:
    """At once, so that its holder has nothing to wait for and may complete it after all."""
    agent, parent = hire(), make(staff)
    held = claim(agent)[parent]
    child = make(staff, parent)
    staff.post(f"/v1/tasks/{parent}/cancel")
    assert status(staff, child) == "cancelled"
    assert complete(agent, held).json["status"] == "completed"


def test_what_ended_before_is_not_cancelled(staff: Client, hire: Hire) -> None:
    """Completed and failed sub-tasks stay what they are."""
    agent, parent = hire(), make(staff)
    held = claim(agent)[parent]
    done, failed = make(staff, parent), make(staff, parent)
    running = claim(agent)
    complete(agent, running[done])
    act(agent, running[failed], "fail", error="x", retry=False)
    act(agent, held, "release")
    staff.post(f"/v1/tasks/{parent}/cancel")
    assert (status(staff, done), status(staff, failed)) == ("completed", "failed")


def chain(client: Client, length: int) -> list[str]:
    """Tasks below each other, the top first."""
    keys: list[str] = []
    for _ in range(length):
        keys.append(make(client, keys[-1] if keys else None))
    return keys


def test_tasks_are_five_levels_deep_at_most(staff: Client) -> None:
    """422 for the sixth, whether it is made there, moved there, or comes with what is moved."""
    keys, pair = chain(staff, 5), chain(staff, 2)
    answers = [
        staff.post("/v1/tasks", {**WORK, "parent_id": keys[4]}),
        staff.patch(f"/v1/tasks/{pair[1]}", {"parent_id": keys[4]}),
        staff.patch(f"/v1/tasks/{pair[0]}", {"parent_id": keys[3]}),
    ]
    for answer in answers:
        assert problem(answer) == (422, "validation-error")
        assert codes(answer) == {"/parent_id": "range"}
    assert staff.get(f"/v1/tasks/{pair[0]}").json["version"] == 1
    assert staff.patch(f"/v1/tasks/{pair[0]}", {"parent_id": keys[2]}).status_code == 200
    assert staff.get("/v1/tasks?include_total=true").json["total"] == 7


def test_the_firm_decides_how_deep(app: Flask, staff: Client, database_url: str) -> None:
    """With a depth of 2 a sub-task has none."""
    settings = Settings(database_url=database_url, given_secret_key="k" * 32, max_task_depth=2)
    other = create_app(settings)
    client = Client(other, staff.token)
    keys = chain(client, 2)
    answer = client.post("/v1/tasks", {**WORK, "parent_id": keys[1]})
    other.extensions["database"].dispose()
    assert codes(answer) == {"/parent_id": "range"}


def test_no_task_is_below_itself(staff: Client) -> None:
    """409 task-cycle: not directly, not through others, and nothing is moved."""
    keys = chain(staff, 4)
    for above, below in ((0, 0), (3, 3), (0, 1), (0, 3), (1, 2)):
        path = f"/v1/tasks/{keys[above]}"
        before = staff.get(path).json
        answer = staff.patch(path, {"parent_id": keys[below]})
        assert problem(answer) == (409, "task-cycle")
        assert staff.get(path).json == before
    assert staff.patch(f"/v1/tasks/{keys[3]}", {"parent_id": keys[0]}).status_code == 200
    assert staff.patch(f"/v1/tasks/{keys[2]}", {"parent_id": keys[3]}).status_code == 200


@pytest.mark.parametrize("length", [1, 2])
def test_two_opposite_moves_at_once_make_no_cycle(
    app: Flask, staff: Client, sql: Sql, length: int
) -> None:
    """One is done, the other refused; also where neither touches a row of the other."""
    for _ in range(2):
        one, two = chain(staff, length), chain(staff, length)
        start = threading.Barrier(2)

        def move(pair: tuple[str, str], start: Any = start) -> tuple[int, str]:
            client = Client(app, staff.token)
            start.wait(60)
            answer = client.patch(f"/v1/tasks/{pair[0]}", {"parent_id": pair[1]})
            return (200, "") if answer.status_code == 200 else problem(answer)

        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(move, [(one[0], two[-1]), (two[0], one[-1])]))
        assert sorted(found) == [(200, ""), (409, "task-cycle")]


def test_completing_a_parent_races_a_new_sub_task(app: Flask, staff: Client, hire: Hire) -> None:
    """Exactly one of the two is done: never a finished task above an open one."""
    agent, outcomes = hire(), Counter[tuple[int, int]]()
    for _ in range(25):
        parent = make(staff)
        held = claim(agent)[parent]
        start = threading.Barrier(2)

        def finish(held: Any = held, start: Any = start) -> int:
            client = Client(app, agent.token)
            start.wait(60)
            return complete(client, held).status_code

        def add(parent: str = parent, start: Any = start) -> int:
            client = Client(app, staff.token)
            start.wait(60)
            return client.post("/v1/tasks", {**WORK, "parent_id": parent}).status_code

        with ThreadPoolExecutor(2) as pool:
            pair = pool.submit(finish), pool.submit(add)
            outcomes[pair[0].result(), pair[1].result()] += 1
        staff.post(f"/v1/tasks/{parent}/cancel")
    assert outcomes.keys() <= {(200, 409), (409, 201)}, outcomes


def test_cancelling_races_completing_without_a_deadlock(
    app: Flask, staff: Client, hire: Hire, sql: Sql
) -> None:
    """Parents are locked before what is below them: nobody waits in a circle, nothing is lost."""
    agent = hire()
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    before = sql(deadlocks)
    for _ in range(10):
        parent = make(staff)
        children = [make(staff, parent) for _ in range(3)]
        running = claim(agent)
        start = threading.Barrier(5)

        def cancel(parent: str = parent, start: Any = start) -> int:
            client = Client(app, staff.token)
            start.wait(60)
            return client.post(f"/v1/tasks/{parent}/cancel").status_code

        def finish(task: dict[str, Any], verb: str, start: Any = start) -> int:
            client = Client(app, agent.token)
            body = {"output": 1} if verb == "complete" else {"error": "x", "retry": False}
            start.wait(60)
            return act(client, task, verb, **body).status_code

        def remove(key: str, start: Any = start) -> int:
            client = Client(app, staff.token)
            start.wait(60)
            return client.delete(f"/v1/tasks/{key}").status_code

        idle = make(staff, parent)
        with ThreadPoolExecutor(5) as pool:
            found = [
                pool.submit(cancel),
                pool.submit(finish, running[children[0]], "complete"),
                pool.submit(finish, running[children[1]], "complete"),
                pool.submit(finish, running[children[2]], "fail"),
                pool.submit(remove, idle),
            ]
            assert [each.result() for each in found] == [200, 200, 200, 200, 204]
        act(agent, running[parent], "release")
    threading.Event().wait(1.1)  # until the statistics are written
    assert sql(deadlocks) == before


def test_many_sub_tasks_end_at_once(app: Flask, staff: Client, hire: Hire) -> None:
    """Each is counted off its parent, whoever comes first, and then the parent completes."""
    agent, parent = hire(), make(staff)
    held = claim(agent)[parent]
    for _ in range(24):
        make(staff, parent)
    running = list(claim(agent).values())

    def finish(task: dict[str, Any]) -> int:
        return complete(Client(app, agent.token), task).status_code

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(finish, running)) == {200}
    assert complete(agent, held).status_code == 200


# What the database itself refuses, whoever writes there


def test_the_database_keeps_the_rules_by_itself(staff: Client, hire: Hire, sql: Sql) -> None:
    """Raw SQL can't complete above an open one, add below an ended one, or close a circle."""
    top, middle, low = chain(staff, 3)
    with pytest.raises(errors.CheckViolation, match="ck_tasks_open_subtasks"):
        sql("UPDATE tasks SET status = 'completed', completed_at = now() WHERE id = %s", top)
    with pytest.raises(errors.CheckViolation) as cycle:
        sql("UPDATE tasks SET parent_id = %s WHERE id = %s", low, top)
    assert cycle.value.diag.constraint_name == "tasks_no_cycle"
    with pytest.raises(errors.CheckViolation):
        sql("UPDATE tasks SET parent_id = id WHERE id = %s", middle)
    staff.post(f"/v1/tasks/{top}/cancel")
    insert = (
        "INSERT INTO tasks (id, kind, queue, parent_id, status, completed_at)"
        " VALUES (gen_random_uuid(), 'x', 'work', %s, %s, %s)"
    )
    with pytest.raises(errors.CheckViolation) as ended:
        sql(insert, top, "pending", None)
    assert ended.value.diag.constraint_name == "tasks_parent_open"
    sql(insert, top, "cancelled", "2026-01-01T00:00Z")
    with pytest.raises(errors.CheckViolation):
        sql("UPDATE tasks SET status = 'pending', completed_at = NULL WHERE id = %s", middle)
    with pytest.raises(errors.ForeignKeyViolation):
        sql(insert, str(uuid4()), "cancelled", "2026-01-01T00:00Z")


@pytest.mark.parametrize(
    ("column", "value", "constraint"),
    [
        ("status", "'done'", "ck_tasks_status"),
        ("status", "'running'", "ck_tasks_lease"),
        ("status", "'completed'", "ck_tasks_completed_at"),
        ("completed_at", "now()", "ck_tasks_completed_at"),
        ("lease_token", "gen_random_uuid()", "ck_tasks_lease"),
        ("lease_expires_at", "now()", "ck_tasks_lease"),
        ("priority", "10", "ck_tasks_priority"),
        ("queue", "'A b'", "ck_tasks_queue"),
        ("queue", "E'a\\n'", "ck_tasks_queue"),
        ("kind", "''", "ck_tasks_kind"),
        ("input", "'[]'", "ck_tasks_input"),
        ("metadata", "'1'", "ck_tasks_metadata"),
        ("max_attempts", "0", "ck_tasks_max_attempts"),
        ("dedupe_key", "''", "ck_tasks_dedupe_key"),
        ("attempts_forgiven", "1", "ck_tasks_attempt"),
        ("open_subtasks", "-1", "ck_tasks_open_subtasks"),
    ],
)
def test_the_database_checks_each_column(
    staff: Client, sql: Sql, column: str, value: str, constraint: str
) -> None:
    """Every rule about one row has a name there."""
    make(staff)
    with pytest.raises(errors.CheckViolation) as refused:
        sql(f"UPDATE tasks SET {column} = {value}")
    assert refused.value.diag.constraint_name == constraint


def test_the_database_sees_two_moves_at_once(
    staff: Client, sql: Sql, database_url: str, wait_for_lock: Callable[[], None]
) -> None:
    """Two transactions that move whole trees below each other: the second waits, and is refused."""
    (a, b), (c, d) = chain(staff, 2), chain(staff, 2)
    move, refused = "UPDATE tasks SET parent_id = %s WHERE id = %s", []

    def second() -> None:
        try:
            sql(move, b, c)
        except errors.CheckViolation as error:
            refused.append(error.diag.constraint_name)

    with closing(psycopg2.connect(database_url)) as first, first.cursor() as cursor:
        cursor.execute(move, (d, a))
        thread = threading.Thread(target=second)
        thread.start()
        wait_for_lock()
        first.commit()
        thread.join(60)
    assert refused == ["tasks_no_cycle"]
