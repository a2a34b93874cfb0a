"""Tasks as a resource: what a new task takes and shows. Claims are in test_claims."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.client import Client, codes, problem
from tests.desk import TASK
from tests.tasks import create_task

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.db.testing import RoundTrips


NOWHERE = "01a00000-0000-7000-8000-000000000000"


def test_a_new_task_has_every_field(staff: Client) -> None:
    """It is pending, may be claimed at once, and what was not given has its default."""
    answer = staff.post("/v1/tasks", TASK)
    assert (answer.status_code, answer.headers["ETag"]) == (201, '"1"')
    assert answer.headers["Location"] == f"/v1/tasks/{answer.json['id']}"
    created = answer.json
    bookkeeping = {"id", "version", "created_at", "updated_at"}
    assert {name: value for name, value in created.items() if name not in bookkeeping} == {
        **TASK,
        "priority": 5,
        "conversation_id": None,
        "parent_id": None,
        "agent_id": None,
        "input": {},
        "metadata": {},
        "run_after": created["created_at"],
        "max_attempts": 3,
        "dedupe_key": None,
        "status": "pending",
        "attempt": 0,
        "cancel_requested": False,
        "claimed_by_id": None,
        "output": None,
        "error": None,
        "progress": None,
        "lease_expires_at": None,
        "started_at": None,
        "completed_at": None,
    }
    assert staff.get(answer.headers["Location"]).json == created


def test_a_task_keeps_what_it_was_given(
    staff: Client, hire: Callable[..., Client], conversation: dict[str, Any]
) -> None:
    """Every field that a client may set comes back as it was sent."""
    given = {
        "kind": "k" * 64,
        "queue": "a1._-" + "z" * 59,
        "priority": 0,
        "conversation_id": conversation["id"],
        "parent_id": create_task(staff)["id"],
        "agent_id": hire(queues=["a1._-" + "z" * 59]).user_id,
        "input": {"a": [1, 2.5, None, {"b": "\N{SNOWMAN}"}]},
        "metadata": {"trace": "x"},
        "run_after": "2031-02-03T04:05:06Z",
        "max_attempts": 100,
        "dedupe_key": "d" * 255,
    }
    created = staff.create("/v1/tasks", given)
    assert {name: created[name] for name in given} == given
    assert staff.get(f"/v1/tasks/{created['id']}").json == created


VARIOUS: list[Any] = [1, True, ["work"], {}]
NO_OBJECTS: list[Any] = ["{}", [], 1, True]
WRONG: list[tuple[str, Any, str]] = [
    *[("queue", value, "format") for value in ("Work", "-a", ".a", "a b", "a/b", "a\n", "\xe9")],
    *[("queue", value, "format") for value in ("", " ", "a" * 65)],
    *[("queue", value, "type") for value in VARIOUS],
    *[("kind", value, "length") for value in ("", "\t", "k" * 65)],
    ("kind", 1, "type"),
    *[(name, None, "null") for name in ("kind", "queue", "priority", "max_attempts", "run_after")],
    *[("priority", value, "range") for value in (-1, 10, 10**18)],
    *[("priority", value, "type") for value in (True, False, "7", 1.5)],
    *[("max_attempts", value, "range") for value in (0, -1, 101)],
    *[("max_attempts", value, "type") for value in (True, "3", 2.5)],
    *[("input", value, "type") for value in NO_OBJECTS],
    *[("metadata", value, "type") for value in NO_OBJECTS],
    *[("dedupe_key", value, "length") for value in ("", " ", "d" * 256)],
    ("dedupe_key", 5, "type"),
    *[
        ("run_after", value, "format")
        for value in ("2026-01-01T00:00:00", "2026-02-30T00:00:00Z", "tomorrow", "2026-01-01", "")
    ],
    ("run_after", 1_700_000_000, "type"),
    *[
        (name, value, code)
        for name in ("conversation_id", "parent_id", "agent_id")
        for value, code in (("x", "format"), (5, "type"), (NOWHERE, "unknown-reference"))
    ],
    ("kind", "a\x00b", "invalid-character"),
]


@pytest.mark.parametrize(("field", "value", "code"), WRONG)
def test_a_wrong_value_is_pointed_at(staff: Client, field: str, value: Any, code: str) -> None:
    """POST and PATCH alike refuse it, and nothing is made or changed."""
    created = staff.post("/v1/tasks", {**TASK, field: value})
    assert problem(created) == (422, "validation-error")
    assert codes(created) == {f"/{field}": code}
    assert staff.get("/v1/tasks").json["items"] == []
    task = create_task(staff)
    patched = staff.patch(f"/v1/tasks/{task['id']}", {field: value})
    assert problem(patched) == (422, "validation-error")
    assert codes(patched) == {f"/{field}": code}
    assert staff.get(f"/v1/tasks/{task['id']}").json == task


def test_what_is_required_is_named(staff: Client) -> None:
    """A task without kind and queue is none, and a null object is not an empty one."""
    answer = staff.post("/v1/tasks", {"input": None, "metadata": None})
    assert codes(answer) == {
        "/kind": "required",
        "/queue": "required",
        "/input": "null",
        "/metadata": "null",
    }


@pytest.mark.parametrize(
    "field",
    [
        *("id", "version", "created_at", "updated_at", "deleted_at", "status", "attempt"),
        *("output", "error", "progress", "cancel_requested", "claimed_by_id"),
        *("lease_expires_at", "started_at", "completed_at"),
    ],
)
def test_what_the_server_sets_is_read_only(staff: Client, field: str) -> None:
    """A status comes of actions alone, and so does all that goes with it."""
    assert codes(staff.post("/v1/tasks", {**TASK, field: "x"})) == {f"/{field}": "read-only-field"}
    task = create_task(staff)
    answer = staff.patch(f"/v1/tasks/{task['id']}", {"priority": 1, field: task.get(field)})
    assert problem(answer) == (422, "validation-error")
    assert codes(answer) == {f"/{field}": "read-only-field"}
    assert staff.get(f"/v1/tasks/{task['id']}").json == task


@pytest.mark.parametrize(
    "field",
    [
        "nope",
        "lease_token",
        "attempts_forgiven",
        "dedupe_scope",
        "lane",
        "metadata_",
        "open_subtasks",
    ],
)
def test_there_are_no_other_fields(staff: Client, field: str) -> None:
    """Neither those that nobody knows nor those that are none of a client's business."""
    assert codes(staff.post("/v1/tasks", {**TASK, field: "x"})) == {f"/{field}": "unknown-field"}
    task = create_task(staff)
    assert field not in task
    assert codes(staff.patch(f"/v1/tasks/{task['id']}", {field: 1})) == {
        f"/{field}": "unknown-field"
    }


def test_a_task_knows_what_it_is_about(staff: Client, conversation: dict[str, Any]) -> None:
    """A conversation that is deleted is no reference for a new task; with tasks it stays."""
    other = staff.create(
        "/v1/conversations",
        {"customer_id": conversation["customer_id"], "subject": "x", "channel": "web"},
    )
    assert staff.delete(f"/v1/conversations/{other['id']}").status_code == 204
    answer = staff.post("/v1/tasks", {**TASK, "conversation_id": other["id"]})
    assert codes(answer) == {"/conversation_id": "unknown-reference"}
    create_task(staff, conversation_id=conversation["id"])
    answer = staff.delete(f"/v1/conversations/{conversation['id']}")
    assert problem(answer) == (409, "in-use")


def test_a_create_takes_few_round_trips(staff: Client, round_trips: RoundTrips) -> None:
    """As with every resource: BEGIN with the INSERT, the event, COMMIT."""
    staff.get("/v1/me")
    round_trips.take()
    create_task(staff)
    sent = round_trips.take()
    assert len(sent) == 3
    assert "INSERT INTO tasks" in sent[0]


def test_nothing_unknown_is_found(staff: Client) -> None:
    """An id that never was, or that is none, is 404 to every route."""
    for key in (uuid4(), "x", "A0000000-0000-7000-8000-000000000000"):
        path = f"/v1/tasks/{key}"
        answers = [staff.get(path), staff.patch(path, {}), staff.delete(path)]
        answers += [staff.post(f"{path}/{verb}") for verb in ("restore", "cancel", "requeue")]
        answers += [staff.get(f"{path}/subtasks"), staff.get(f"{path}/attempts")]
        assert {problem(answer) for answer in answers} == {(404, "not-found")}
