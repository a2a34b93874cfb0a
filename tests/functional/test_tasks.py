"""Tasks as a resource: made, found, changed and deleted. Claims are in test_claims."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from app.db.listing import format_timestamp
from tests.client import Client, codes, problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    from app.db.testing import RoundTrips

    Sql = Callable[..., list[tuple[Any, ...]]]

WORK = {"kind": "reply", "queue": "work"}
NOWHERE = "01a00000-0000-7000-8000-000000000000"


def make(client: Client, **values: Any) -> dict[str, Any]:
    return client.create("/v1/tasks", {**WORK, **values})


def claim(agent: Client, **body: Any) -> dict[str, Any]:
    """The one task that is there to claim."""
    answer = agent.post("/v1/tasks/claim", body)
    assert answer.status_code == 200, answer.text
    (task,) = answer.json["items"]
    claimed: dict[str, Any] = task
    return claimed


def ids(client: Client, query: str) -> set[str]:
    answer = client.get(f"/v1/tasks?{query}")
    assert answer.status_code == 200, answer.text
    return {task["id"] for task in answer.json["items"]}


def events(client: Client, key: str) -> list[dict[str, Any]]:
    """What happened to it, the first first."""
    found = client.get(f"/v1/events?object_id={key}&object_type=tasks&sort=occurred_at&limit=100")
    items: list[dict[str, Any]] = found.json["items"]
    return items


@pytest.fixture
def conversation(staff: Client) -> dict[str, Any]:
    customer = staff.create("/v1/customers", {"reference": "C-1", "name": "Ann"})
    values = {"customer_id": customer["id"], "subject": "Help", "channel": "web"}
    return staff.create("/v1/conversations", values)


def test_a_new_task_has_every_field(staff: Client) -> None:
    """It is pending, may be claimed at once, and what was not given has its default."""
    answer = staff.post("/v1/tasks", WORK)
    assert (answer.status_code, answer.headers["ETag"]) == (201, '"1"')
    assert answer.headers["Location"] == f"/v1/tasks/{answer.json['id']}"
    created = answer.json
    bookkeeping = {"id", "version", "created_at", "updated_at"}
    assert {name: value for name, value in created.items() if name not in bookkeeping} == {
        **WORK,
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
        "parent_id": make(staff)["id"],
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
    created = staff.post("/v1/tasks", {**WORK, field: value})
    assert problem(created) == (422, "validation-error")
    assert codes(created) == {f"/{field}": code}
    assert staff.get("/v1/tasks").json["items"] == []
    task = make(staff)
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
    assert codes(staff.post("/v1/tasks", {**WORK, field: "x"})) == {f"/{field}": "read-only-field"}
    task = make(staff)
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
    assert codes(staff.post("/v1/tasks", {**WORK, field: "x"})) == {f"/{field}": "unknown-field"}
    task = make(staff)
    assert field not in task
    assert codes(staff.patch(f"/v1/tasks/{task['id']}", {field: 1})) == {
        f"/{field}": "unknown-field"
    }


def test_a_known_dedupe_key_leads_to_the_task_that_has_it(staff: Client) -> None:
    """200 with the pending task as it is, and no second one, however the rest differs."""
    first = staff.post("/v1/tasks", {**WORK, "dedupe_key": "k", "input": {"a": 1}})
    again = staff.post("/v1/tasks", {**WORK, "dedupe_key": "k", "input": {"a": 2}})
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json == first.json
    assert again.headers["Location"] == first.headers["Location"]
    assert again.headers["ETag"] == first.headers["ETag"]
    assert ids(staff, "") == {first.json["id"]}
    assert [event["action"] for event in events(staff, first.json["id"])] == ["created"]


def test_a_running_task_still_has_its_dedupe_key(
    staff: Client, hire: Callable[..., Client]
) -> None:
    """The one that runs is answered too, without the token under which it does."""
    task = make(staff, dedupe_key="k")
    claim(hire())
    again = staff.post("/v1/tasks", {**WORK, "dedupe_key": "k"})
    assert (again.status_code, again.json["id"]) == (200, task["id"])
    assert again.json["status"] == "running"
    assert "lease_token" not in again.json


@pytest.mark.parametrize("end", ["complete", "fail", "cancel", "delete"])
def test_a_dedupe_key_is_free_again(staff: Client, hire: Callable[..., Client], end: str) -> None:
    """Once its task has ended or is deleted a new one is made."""
    task = make(staff, dedupe_key="k")
    path = f"/v1/tasks/{task['id']}"
    if end == "delete":
        staff.delete(path)
    elif end == "cancel":
        staff.post(f"{path}/cancel")
    else:
        agent = hire()
        body = {"lease_token": claim(agent)["lease_token"]}
        body |= {"output": 1} if end == "complete" else {"error": "x", "retry": False}
        assert agent.post(f"{path}/{end}", body).status_code == 200
    assert make(staff, dedupe_key="k")["id"] != task["id"]


def test_a_key_that_is_taken_can_not_be_patched_in(staff: Client) -> None:
    """Two open tasks never have the same; null takes it away."""
    make(staff, dedupe_key="k")
    path = f"/v1/tasks/{make(staff, dedupe_key='l')['id']}"
    answer = staff.patch(path, {"dedupe_key": "k"})
    assert problem(answer) == (409, "already-exists")
    assert codes(answer) == {"/dedupe_key": "already-exists"}
    assert staff.patch(path, {"dedupe_key": None}).json["dedupe_key"] is None


def test_many_creates_at_once_make_one_task(app: Flask, staff: Client, sql: Sql) -> None:
    """Of 50 with one dedupe_key a single one is 201; all the others are answered with its task."""
    start = threading.Barrier(10)

    def create(number: int) -> tuple[int, str]:
        client = Client(app, staff.token)
        start.wait(60)
        answer = client.post("/v1/tasks", {**WORK, "dedupe_key": "k", "input": {"n": number}})
        return answer.status_code, answer.json["id"]

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(create, range(50)))
    assert sorted(status for status, _ in answers) == [200] * 49 + [201]
    assert len({key for _, key in answers}) == 1
    assert sql("SELECT count(*) FROM tasks") == [(1,)]
    assert sql("SELECT count(*) FROM events WHERE object_type = 'tasks'") == [(1,)]


def test_a_delayed_task_waits(staff: Client, hire: Callable[..., Client]) -> None:
    """Nobody gets it before run_after, and then it is there by itself."""
    moment = datetime.now(UTC) + timedelta(seconds=0.8)
    task = make(staff, run_after=format_timestamp(moment))
    agent = hire()
    assert agent.post("/v1/tasks/claim").json == {"items": []}
    threading.Event().wait(1)
    claimed = claim(agent)
    assert claimed["id"] == task["id"]
    assert claimed["started_at"] > task["run_after"]


def test_patch_changes_what_is_pending(staff: Client, hire: Callable[..., Client]) -> None:
    """Each field that was given can be given anew; of objects the named members are."""
    bot = hire(queues=["elsewhere"]).user_id
    task = make(staff, input={"a": 1, "b": {"c": 2}}, metadata={"m": 1})
    path = f"/v1/tasks/{task['id']}"
    patch = {
        "kind": "other",
        "queue": "elsewhere",
        "priority": 0,
        "agent_id": bot,
        "run_after": "2031-02-03T04:05:06Z",
        "max_attempts": 1,
        "dedupe_key": "k",
    }
    objects = {"input": {"a": None, "b": {"d": 3}}, "metadata": None}
    answer = staff.patch(path, {**patch, **objects}, if_match='"1"')
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"2"')
    merged = {"input": {"b": {"c": 2, "d": 3}}, "metadata": {}}
    moved = {"version": 2, "updated_at": answer.json["updated_at"]}
    assert answer.json == {**task, **patch, **merged, **moved}
    assert staff.get(path).json == answer.json
    cleared = staff.patch(path, {"agent_id": None, "dedupe_key": None}).json
    assert (cleared["agent_id"], cleared["dedupe_key"]) == (None, None)


def test_an_empty_patch_changes_nothing(staff: Client) -> None:
    """Not even the ETag; nor do values that are there already; a stale version is 412."""
    task = make(staff)
    path = f"/v1/tasks/{task['id']}"
    for patch in ({}, {"priority": 5, "input": {}}):
        answer = staff.patch(path, patch)
        assert (answer.status_code, answer.json) == (200, task)
    stale = staff.patch(path, {"priority": 1}, if_match='"7"')
    assert problem(stale) == (412, "precondition-failed")
    assert len(events(staff, task["id"])) == 1


ENDED = {"completed": ["delete"], "failed": ["delete", "requeue"]}
ENDED["cancelled"] = ENDED["failed"]
RUNNING = ["cancel", "complete", "fail", "heartbeat", "release"]


def bring_to(staff: Client, agent: Client, status: str) -> dict[str, Any]:
    """A task in this status."""
    path = f"/v1/tasks/{make(staff)['id']}"
    if status == "cancelled":
        staff.post(f"{path}/cancel")
    elif status != "pending":
        token = claim(agent)["lease_token"]
        if status == "completed":
            agent.post(f"{path}/complete", {"lease_token": token, "output": None})
        if status == "failed":
            agent.post(f"{path}/fail", {"lease_token": token, "error": "x", "retry": False})
    task: dict[str, Any] = staff.get(path).json
    assert task["status"] == status
    return task


@pytest.mark.parametrize("status", [*ENDED, "running"])
def test_only_pending_tasks_are_changed(
    staff: Client, hire: Callable[..., Client], status: str
) -> None:
    """409 says from where, and what would be allowed; the task stays as it is."""
    task = bring_to(staff, hire(), status)
    path = f"/v1/tasks/{task['id']}"
    answer = staff.patch(path, {"priority": 1})
    assert problem(answer) == (409, "invalid-transition")
    assert answer.json["from"] == status
    assert answer.json["allowed"] == ENDED.get(status, RUNNING)
    assert staff.get(path).json == task
    assert staff.patch(path, {}).json == task


@pytest.mark.parametrize("status", ["pending", *ENDED])
def test_what_does_not_run_is_deleted_and_restored(
    staff: Client, hire: Callable[..., Client], status: str
) -> None:
    """204, then 404 to everything; restored it is the same again, and claimable if it was."""
    agent = hire()
    task = bring_to(staff, agent, status)
    path = f"/v1/tasks/{task['id']}"
    assert staff.delete(path).status_code == 204
    gone = [staff.get(path), staff.patch(path, {}), staff.delete(path)]
    gone += [staff.post(f"{path}/{action}") for action in ("cancel", "requeue")]
    gone += [staff.get(f"{path}/{part}") for part in ("subtasks", "attempts")]
    assert [problem(answer) for answer in gone] == [(404, "not-found")] * 7
    assert ids(staff, "") == set()
    assert agent.post("/v1/tasks/claim").json["items"] == []
    restored = staff.post(f"{path}/restore")
    changed = {"version": task["version"] + 2, "updated_at": restored.json["updated_at"]}
    assert (restored.status_code, restored.json) == (200, {**task, **changed})
    assert problem(staff.post(f"{path}/restore")) == (409, "not-deleted")
    assert len(agent.post("/v1/tasks/claim").json["items"]) == (status == "pending")


def test_a_running_task_is_not_deleted(staff: Client, hire: Callable[..., Client]) -> None:
    """Not under the hands of whoever runs it: 409, and the lease goes on."""
    agent = hire()
    task = bring_to(staff, agent, "running")
    answer = staff.delete(f"/v1/tasks/{task['id']}")
    assert problem(answer) == (409, "invalid-transition")
    assert (answer.json["from"], answer.json["allowed"]) == ("running", RUNNING)
    assert staff.get(f"/v1/tasks/{task['id']}").json == task


def test_a_delete_may_depend_on_the_version(staff: Client) -> None:
    """412 to a stale If-Match, and the task is still there."""
    path = f"/v1/tasks/{make(staff)['id']}"
    assert problem(staff.delete(path, if_match='"2"')) == (412, "precondition-failed")
    assert staff.delete(path, if_match='"1"').status_code == 204
    assert problem(staff.post(f"{path}/restore", if_match='"1"')) == (412, "precondition-failed")
    assert staff.post(f"{path}/restore", if_match='"2"').status_code == 200


def test_a_task_is_not_restored_where_its_key_was_taken(staff: Client) -> None:
    """409, and it stays deleted until the key is free again."""
    path = f"/v1/tasks/{make(staff, dedupe_key='k')['id']}"
    staff.delete(path)
    taker = make(staff, dedupe_key="k")
    answer = staff.post(f"{path}/restore")
    assert problem(answer) == (409, "already-exists")
    assert codes(answer) == {"/dedupe_key": "already-exists"}
    staff.post(f"/v1/tasks/{taker['id']}/cancel")
    assert staff.post(f"{path}/restore").status_code == 200


def test_tasks_are_found_by_what_they_are_about(
    staff: Client, hire: Callable[..., Client], conversation: dict[str, Any]
) -> None:
    """By conversation, agent, queue, kind, priority, status and who runs them."""
    agent = hire(queues=["work", "other"])
    about = make(staff, conversation_id=conversation["id"], priority=9)["id"]
    addressed = make(staff, agent_id=agent.user_id, queue="other")["id"]
    urgent = make(staff, kind="call", priority=0)["id"]
    assert claim(agent)["id"] == urgent
    every = {about, addressed, urgent}
    for query, found in {
        f"conversation_id={conversation['id']}": {about},
        "conversation_id__is_null=true": {addressed, urgent},
        f"agent_id={agent.user_id}": {addressed},
        f"claimed_by_id={agent.user_id}": {urgent},
        "claimed_by_id__is_null=true": {about, addressed},
        "status=running": {urgent},
        "status__in=pending,running": every,
        "status__ne=pending": {urgent},
        "queue=other": {addressed},
        "queue__contains=OTH": {addressed},
        "kind=call": {urgent},
        "priority=0": {urgent},
        "priority__gte=5": {about, addressed},
        "priority__lt=9": {addressed, urgent},
        "lease_expires_at__is_null=false": {urgent},
        "started_at__is_null=true&status=pending": {about, addressed},
        "dedupe_key__is_null=true": every,
        "status=completed": set(),
    }.items():
        assert ids(staff, query) == found, query


def test_tasks_are_found_by_their_input(staff: Client) -> None:
    """Every word of q is in it somewhere, whatever the case; % and _ are no wildcards."""
    percent = make(staff, input={"note": "100% sure"})["id"]
    under = make(staff, input={"note": "snake_case", "deep": [{"x": "Needle"}]})["id"]
    make(staff, input={"note": "plain"}, metadata={"note": "Needle"})
    for query, found in {
        "%": {percent},
        "_": {under},
        "needle": {under},
        "NEEDLE snake": {under},
        "needle sure": set(),
        "100% SURE": {percent},
        "nowhere": set(),
    }.items():
        assert ids(staff, f"q={quote(query)}") == found, query


def test_tasks_are_found_by_date(staff: Client, sql: Sql) -> None:
    """From one moment on, up to another one, and between the two."""
    days = {}
    for day in (1, 2, 3):
        days[day] = make(staff, run_after=f"2031-01-0{day}T12:00:00Z")["id"]
        sql("UPDATE tasks SET created_at = %s WHERE id = %s", f"2026-01-0{day}T12:00Z", days[day])
    between = "created_at__gte=2026-01-02T12:00:00Z&created_at__lt=2026-01-03T12:00:00Z"
    assert ids(staff, between) == {days[2]}
    assert ids(staff, "created_at__gt=2026-01-02T12:00:00Z") == {days[3]}
    assert ids(staff, "created_at__lte=2026-01-02T14:00:00%2B02:00") == {days[1], days[2]}
    assert ids(staff, "run_after__gte=2031-01-03T12:00:00Z") == {days[3]}
    for wrong in ("created_at__gte=2026-01-02", "created_at__gte=2026-01-02T12:00:00"):
        assert problem(staff.get(f"/v1/tasks?{wrong}")) == (400, "invalid-parameter")


@pytest.mark.parametrize(
    "query",
    [
        *("priority=x", "priority=1.5", "priority=true", "conversation_id=x", "attempt=1"),
        *("lane=work", "lease_token=x", "metadata=1", "status__gt=a", "sort=kind", "sort=lane"),
        *("input__contains=a", "parent_id__is_null=1", "limit=101", "cursor=x"),
    ],
)
def test_what_can_not_be_asked_is_refused(staff: Client, query: str) -> None:
    """Unknown filters, operators, sorts and values that do not fit."""
    assert staff.get(f"/v1/tasks?{query}").status_code == 400


def test_tasks_are_sorted_and_paged(staff: Client) -> None:
    """By priority, then the newest first, a page at a time, none twice and none left out."""
    made = [make(staff, priority=number % 3)["id"] for number in range(7)]
    expected = sorted(range(7), key=lambda number: (number % 3, -number))
    found: list[str] = []
    path = "/v1/tasks?sort=priority,-created_at&limit=3&include_total=true"
    cursor: str | None = ""
    while cursor is not None:
        page = staff.get(path + cursor).json
        assert page["total"] == 7
        found += [task["id"] for task in page["items"]]
        cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"
    assert found == [made[number] for number in expected]


def test_attempts_say_how_often_it_was_tried(
    staff: Client, hire: Callable[..., Client], sql: Sql
) -> None:
    """Numbered from 1, with who, when and how it ended; the running one has not ended."""
    bot, other = hire("bot"), hire("other")
    path = f"/v1/tasks/{make(staff, max_attempts=9)['id']}"
    assert staff.get(f"{path}/attempts").json == {"items": [], "next_cursor": None}
    token = claim(bot)["lease_token"]
    bot.post(f"{path}/fail", {"lease_token": token, "error": "no luck"})
    sql("UPDATE tasks SET run_after = now()")
    other.post(f"{path}/release", {"lease_token": claim(other)["lease_token"]})
    third = claim(bot)
    found = staff.get(f"{path}/attempts").json["items"]
    assert [
        (item["number"], item["agent_id"], item["outcome"], item["error"]) for item in found
    ] == [
        (1, bot.user_id, "failed", "no luck"),
        (2, other.user_id, "released", None),
        (3, bot.user_id, None, None),
    ]
    assert found[2]["started_at"] == third["started_at"]
    assert found[0]["started_at"] < found[0]["ended_at"] < found[1]["started_at"]
    assert found[2]["ended_at"] is None
    newest = staff.get(f"{path}/attempts?sort=-number&limit=1").json
    assert newest["items"] == [found[2]]
    rest = staff.get(f"{path}/attempts?sort=-number&limit=1&cursor={newest['next_cursor']}").json
    assert rest["items"] == [found[1]]
    assert staff.get(f"{path}/attempts?outcome=released").json["items"] == [found[1]]
    for query in ("task_id=x", f"task_id={uuid4()}", "q=x", "include_deleted=true", "sort=error"):
        assert problem(staff.get(f"{path}/attempts?{query}")) == (400, "invalid-parameter")
    assert problem(staff.get(f"/v1/tasks/{uuid4()}/attempts")) == (404, "not-found")


def test_every_action_is_one_event(staff: Client, hire: Callable[..., Client], sql: Sql) -> None:
    """From its making to its end, by whoever did it, each with what it changed."""
    agent = hire()
    path = f"/v1/tasks/{make(staff, metadata={'m': 1})['id']}"
    staff.patch(path, {"metadata": {"m": 2}, "priority": 1})
    first = claim(agent)
    agent.post(f"{path}/heartbeat", {"lease_token": first["lease_token"], "progress": {"p": 1}})
    failed = agent.post(f"{path}/fail", {"lease_token": first["lease_token"], "error": "boom"}).json
    sql("UPDATE tasks SET run_after = %s", "2026-01-01T00:00Z")
    second = claim(agent)
    agent.post(f"{path}/release", {"lease_token": second["lease_token"]})
    third = claim(agent)
    body = {"lease_token": third["lease_token"], "output": {"done": [1]}}
    done = agent.post(f"{path}/complete", body).json
    staff.delete(path)
    staff.post(f"{path}/restore")
    found = events(staff, done["id"])
    actions = ["created", "updated", "claimed", "retried", "claimed", "released", "claimed"]
    assert [event["action"] for event in found] == [*actions, "completed", "deleted", "restored"]
    assert {event["actor"]["id"] for event in found[:2]} == {staff.user_id}
    assert {event["actor"]["id"] for event in found[2:8]} == {agent.user_id}
    assert {event["actor"]["type"] for event in found[2:8]} == {"agent"}
    changes = [event["changes"] for event in found]
    assert changes[0]["metadata"] == {"before": None, "after": {"m": 1}}
    assert changes[1] == {
        "metadata": {"before": {"m": 1}, "after": {"m": 2}},
        "priority": {"before": 5, "after": 1},
    }
    assert changes[2] == {
        "status": {"before": "pending", "after": "running"},
        "attempt": {"before": 0, "after": 1},
        "claimed_by_id": {"before": None, "after": agent.user_id},
        "started_at": {"before": None, "after": first["started_at"]},
    }
    assert changes[3] == {
        "status": {"before": "running", "after": "pending"},
        "run_after": {"before": first["run_after"], "after": failed["run_after"]},
        "claimed_by_id": {"before": agent.user_id, "after": None},
        "error": {"before": None, "after": "boom"},
    }
    assert changes[4]["error"] == {"before": "boom", "after": None}
    assert changes[5] == {
        "status": {"before": "running", "after": "pending"},
        "claimed_by_id": {"before": agent.user_id, "after": None},
    }
    assert changes[7] == {
        "status": {"before": "running", "after": "completed"},
        "output": {"before": None, "after": {"done": [1]}},
        "completed_at": {"before": None, "after": done["completed_at"]},
    }


def test_the_events_of_a_cancelled_task(staff: Client, hire: Callable[..., Client]) -> None:
    """A wish to cancel is one, that it came true another, and so is the requeue."""
    agent = hire()
    path = f"/v1/tasks/{make(staff)['id']}"
    token = claim(agent)["lease_token"]
    staff.post(f"{path}/cancel")
    staff.post(f"{path}/cancel")
    agent.post(f"{path}/release", {"lease_token": token})
    task = staff.post(f"{path}/requeue").json
    found = events(staff, task["id"])
    actions = ["created", "claimed", "cancel-requested", "cancelled", "requeued"]
    assert [event["action"] for event in found] == actions
    assert found[2]["changes"] == {"cancel_requested": {"before": False, "after": True}}
    assert found[3]["changes"]["status"] == {"before": "running", "after": "cancelled"}
    assert found[4]["changes"]["status"] == {"before": "cancelled", "after": "pending"}


def test_no_event_tells_a_lease_token(staff: Client, hire: Callable[..., Client], sql: Sql) -> None:
    """Nor does any answer but that of the claim: who reads may not act."""
    agent = hire()
    task = make(staff)
    token = claim(agent)["lease_token"]
    path = f"/v1/tasks/{task['id']}"
    for seen in (path, "/v1/tasks", f"{path}/attempts", "/v1/events", f"{path}/subtasks"):
        text = staff.get(seen).text
        assert token not in text
        assert "lease_token" not in text
    assert sql("SELECT count(*) FROM events WHERE changes::text LIKE %s", f"%{token}%") == [(0,)]


def test_a_task_knows_what_it_is_about(staff: Client, conversation: dict[str, Any]) -> None:
    """A conversation that is deleted is no reference for a new task; with tasks it stays."""
    other = staff.create(
        "/v1/conversations",
        {"customer_id": conversation["customer_id"], "subject": "x", "channel": "web"},
    )
    assert staff.delete(f"/v1/conversations/{other['id']}").status_code == 204
    answer = staff.post("/v1/tasks", {**WORK, "conversation_id": other["id"]})
    assert codes(answer) == {"/conversation_id": "unknown-reference"}
    make(staff, conversation_id=conversation["id"])
    answer = staff.delete(f"/v1/conversations/{conversation['id']}")
    assert problem(answer) == (409, "in-use")


def test_a_create_takes_few_round_trips(staff: Client, round_trips: RoundTrips) -> None:
    """As with every resource: BEGIN with the INSERT, the event, COMMIT."""
    staff.get("/v1/me")
    round_trips.take()
    make(staff)
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
