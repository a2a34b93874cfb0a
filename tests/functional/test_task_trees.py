"""The tree of tasks: not too deep and without cycles, also for who writes past the service."""

from __future__ import annotations

import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg2
import pytest
from psycopg2 import errors

from app import create_app
from app.settings import Settings
from tests.client import Client, codes, problem
from tests.desk import TASK
from tests.subtasks import add_task, chain

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    Hire = Callable[..., Client]
    Sql = Callable[..., list[tuple[Any, ...]]]

pytestmark = pytest.mark.usefixtures("counts_are_right")


def test_tasks_are_five_levels_deep_at_most(staff: Client) -> None:
    """422 for the sixth, whether it is made there, moved there, or comes with what is moved."""
    keys, pair = chain(staff, 5), chain(staff, 2)
    answers = [
        staff.post("/v1/tasks", {**TASK, "parent_id": keys[4]}),
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
    answer = client.post("/v1/tasks", {**TASK, "parent_id": keys[1]})
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
    add_task(staff)
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
