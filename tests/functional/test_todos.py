"""To-dos: reminders that members of staff set themselves and each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.client import Client, codes, problem

if TYPE_CHECKING:
    from collections.abc import Callable

NOWHERE = "01a00000-0000-7000-8000-000000000000"


def make(client: Client, **values: Any) -> dict[str, Any]:
    return client.create("/v1/todos", {"description": "Call Ann", **values})


def found(client: Client, query: str) -> list[str]:
    answer = client.get(f"/v1/todos?{query}")
    assert answer.status_code == 200, answer.text
    return [todo["description"] for todo in answer.json["items"]]


@pytest.fixture
def conversation(staff: Client) -> str:
    customer = staff.create("/v1/customers", {"reference": "C-1", "name": "Ann"})
    values = {"customer_id": customer["id"], "subject": "Help", "channel": "web"}
    key: str = staff.create("/v1/conversations", values)["id"]
    return key


def test_a_new_to_do_is_the_maker_s_own(staff: Client) -> None:
    """Open, due at no time and about nothing, unless it says otherwise."""
    answer = staff.post("/v1/todos", {"description": "Call Ann"})
    assert (answer.status_code, answer.headers["ETag"]) == (201, '"1"')
    bookkeeping = {"id", "version", "created_at", "updated_at"}
    assert {name: value for name, value in answer.json.items() if name not in bookkeeping} == {
        "description": "Call Ann",
        "completed": False,
        "due_at": None,
        "user_id": staff.user_id,
        "conversation_id": None,
    }
    assert staff.get(answer.headers["Location"]).json == answer.json


def test_a_to_do_can_be_somebody_else_s(admin: Client, staff: Client, conversation: str) -> None:
    """With a time in UTC and the conversation that it is about."""
    made = make(
        staff,
        user_id=admin.user_id,
        due_at="2026-07-01T10:00:00+02:00",
        conversation_id=conversation,
        completed=True,
    )
    assert made["user_id"] == admin.user_id
    assert made["due_at"] == "2026-07-01T08:00:00Z"
    assert (made["conversation_id"], made["completed"]) == (conversation, True)


def test_a_to_do_is_changed_deleted_and_restored(admin: Client, staff: Client) -> None:
    """As every resource is, each change one event."""
    todo = make(staff, due_at="2026-07-01T10:00:00Z")
    path = f"/v1/todos/{todo['id']}"
    answer = staff.patch(path, {"completed": True, "due_at": None, "user_id": admin.user_id})
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"2"')
    changed = {"completed": True, "due_at": None, "user_id": admin.user_id, "version": 2}
    assert answer.json == {**todo, **changed, "updated_at": answer.json["updated_at"]}
    assert staff.patch(path, {}).json == answer.json
    assert problem(staff.patch(path, {"completed": False}, if_match='"1"'))[0] == 412
    assert staff.delete(path).status_code == 204
    for gone in (staff.get(path), staff.patch(path, {}), staff.delete(path)):
        assert problem(gone) == (404, "not-found")
    assert found(staff, "") == []
    assert staff.post(f"{path}/restore").json["version"] == 4
    assert problem(staff.post(f"{path}/restore")) == (409, "not-deleted")
    events = staff.get(f"/v1/events?object_id={todo['id']}&sort=occurred_at").json["items"]
    assert [event["action"] for event in events] == ["created", "updated", "deleted", "restored"]
    assert events[1]["changes"]["completed"] == {"before": False, "after": True}


def test_to_dos_are_found(admin: Client, staff: Client, conversation: str) -> None:
    """By whose they are, whether they are done, when they are due and what they are about."""
    make(staff, description="early", due_at="2026-07-01T10:00:00Z")
    make(staff, description="late 100%", due_at="2026-07-02T10:00:00Z", completed=True)
    make(staff, description="never", user_id=admin.user_id, conversation_id=conversation)
    for query, expected in {
        "sort=created_at": ["early", "late 100%", "never"],
        "": ["never", "late 100%", "early"],
        "sort=-due_at&due_at__is_null=false": ["late 100%", "early"],
        "completed=true": ["late 100%"],
        "completed=false&sort=created_at": ["early", "never"],
        "due_at__lt=2026-07-02T10:00:00Z": ["early"],
        "due_at__gte=2026-07-01T10:00:00Z&due_at__lt=2026-07-03T00:00:00Z&sort=due_at": [
            "early",
            "late 100%",
        ],
        "due_at__is_null=true": ["never"],
        f"user_id={admin.user_id}": ["never"],
        f"user_id={staff.user_id}&completed=false": ["early"],
        f"conversation_id={conversation}": ["never"],
        "q=EARL": ["early"],
        "q=%25": ["late 100%"],
        "q=_": [],
        "description__contains=nev": ["never"],
    }.items():
        assert found(staff, query) == expected, query


def test_to_dos_without_a_time_are_paged_too(staff: Client) -> None:
    """Sorted by when they are due, none twice and none left out."""
    for number in range(5):
        due = {"due_at": f"2026-07-0{number + 1}T00:00:00Z"} if number % 2 else {}
        make(staff, description=str(number), **due)
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = staff.get(f"/v1/todos?sort=due_at&limit=2{cursor}").json
        seen += [todo["description"] for todo in page["items"]]
        cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"
    assert sorted(seen) == ["0", "1", "2", "3", "4"]
    assert [number for number in seen if number in "13"] == ["1", "3"]


WRONG: list[tuple[str, Any, str]] = [
    *[("description", value, "length") for value in ("", " ", "x" * 2001)],
    ("description", 5, "type"),
    ("description", "a\x00", "invalid-character"),
    *[(name, None, "null") for name in ("description", "completed", "user_id")],
    *[("completed", value, "type") for value in (1, 0, "true", "yes")],
    *[("due_at", value, "format") for value in ("2026-07-01", "2026-07-01T10:00:00", "soon", "")],
    ("due_at", "2026-02-30T10:00:00Z", "format"),
    ("due_at", 5, "type"),
    *[(name, "x", "format") for name in ("user_id", "conversation_id")],
    *[(name, NOWHERE, "unknown-reference") for name in ("user_id", "conversation_id")],
    ("id", NOWHERE, "read-only-field"),
    ("version", 1, "read-only-field"),
    ("priority", 1, "unknown-field"),
]


@pytest.mark.parametrize(("field", "value", "code"), WRONG)
def test_a_wrong_value_is_pointed_at(staff: Client, field: str, value: Any, code: str) -> None:
    """POST and PATCH alike refuse it, and nothing is made or changed."""
    created = staff.post("/v1/todos", {"description": "x", field: value})
    assert problem(created) == (422, "validation-error")
    assert codes(created) == {f"/{field}": code}
    todo = make(staff)
    patched = staff.patch(f"/v1/todos/{todo['id']}", {field: value})
    assert codes(patched) == {f"/{field}": code}
    assert staff.get("/v1/todos").json["items"] == [todo]


@pytest.mark.parametrize(
    "query", ["completed=1", "completed__gt=true", "due_at=x", "sort=completed", "priority=1"]
)
def test_what_can_not_be_asked_is_refused(staff: Client, query: str) -> None:
    """Values that do not fit, and filters and sorts that are none."""
    assert problem(staff.get(f"/v1/todos?{query}")) == (400, "invalid-parameter")


def test_what_a_to_do_is_about_stays(admin: Client, staff: Client, conversation: str) -> None:
    """A user and a conversation with to-dos are not deleted: 409 in-use."""
    todo = make(admin, user_id=staff.user_id, conversation_id=conversation)
    for path in (f"/v1/users/{staff.user_id}", f"/v1/conversations/{conversation}"):
        refused = admin.delete(path)
        assert problem(refused) == (409, "in-use")
        assert refused.json["errors"][0]["detail"] == "todos"
    admin.delete(f"/v1/todos/{todo['id']}")
    assert admin.delete(f"/v1/conversations/{conversation}").status_code == 204
    assert problem(admin.post(f"/v1/todos/{todo['id']}/restore")) == (409, "parent-deleted")


def test_viewers_read_and_agents_do_not(
    staff: Client, viewer: Client, hire: Callable[..., Client]
) -> None:
    """To-dos are no business of agents, and a viewer changes none."""
    todo = make(staff)
    path = f"/v1/todos/{todo['id']}"
    assert viewer.get(path).json == todo
    refused = [viewer.post("/v1/todos", {"description": "x"}), viewer.patch(path, {})]
    agent = hire()
    refused += [agent.get(path), agent.get("/v1/todos"), agent.post("/v1/todos", {})]
    assert {problem(answer) for answer in refused} == {(403, "forbidden")}
