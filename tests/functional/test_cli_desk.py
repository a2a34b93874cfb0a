"""The desk's commands: agents, tasks and conversations."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.client import Client

    Run = Callable[..., subprocess.CompletedProcess[str]]
    Sql = Callable[..., list[tuple[Any, ...]]]


def read(flask: Run, *arguments: str) -> Any:
    done = flask(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def new_task(admin: Client, **values: Any) -> str:
    key: str = admin.create("/v1/tasks", {"kind": "x", "queue": "work", **values})["id"]
    return key


def test_agents_are_created_listed_and_deactivated(flask: Run, admin: Client) -> None:
    """Who is deactivated hands what waits for them to the heir that is named."""
    one = read(flask, "agents", "create", "one", "--queue=work", "--queue=mail")
    user = "--user=admin@desk.example"
    two = read(flask, "agents", "create", "two", "--kind=human", user, "--queue=work")
    assert (one["queues"], two["kind"], two["user_id"]) == (
        ["work", "mail"],
        "human",
        admin.user_id,
    )
    task = new_task(admin, agent_id=one["id"])
    assert [t["id"] for t in read(flask, "agents", "show", "one")["pending_tasks"]] == [task]
    assert flask("agents", "deactivate", "one", "--reassign-to", "two").returncode == 0
    assert task in flask("agents", "show", "two").stdout
    assert admin.get(f"/v1/tasks/{task}").json["agent_id"] == two["id"]
    listed = flask("agents", "list").stdout.splitlines()
    assert listed[0].split()[:2] == ["ID", "NAME"]
    assert {line.split()[1]: line.split()[-2] for line in listed[1:]} == {
        "one": "False",
        "two": "True",
    }
    assert flask("agents", "create", "two").returncode == 4
    assert flask("agents", "deactivate", "nobody").returncode == 3
    assert flask("agents", "create", "x", "--queue", "No Queue").returncode == 2
    assert flask("agents", "create", "x", "--user", "nobody@desk.example").returncode == 3


def test_tasks_are_listed_as_asked(flask: Run, admin: Client, hire: Callable[..., Client]) -> None:
    """By status, queue, agent, conversation and words of the input."""
    bot = hire("bot", ["work"])
    mine = new_task(admin, agent_id=bot.user_id, input={"note": "100% sure"})
    other = new_task(admin, queue="mail", metadata={"m": 1})
    for arguments, expected in (
        ([], [other, mine]),
        (["--queue=mail"], [other]),
        (["--agent=bot"], [mine]),
        (["--status=running"], []),
        (["--search=100%"], [mine]),
        (["--limit=1"], [other]),
    ):
        assert [task["id"] for task in read(flask, "tasks", "list", *arguments)] == expected
    assert read(flask, "tasks", "list", "--queue=mail")[0]["metadata"] == {"m": 1}
    assert flask("tasks", "list", "--agent=nobody").returncode == 3


def test_a_task_is_shown_with_attempts_and_sub_tasks(
    flask: Run, admin: Client, hire: Callable[..., Client]
) -> None:
    """For people and for machines; the lease token is not among what is shown."""
    parent = new_task(admin)
    child = new_task(admin, parent_id=parent, queue="other")
    token = hire().post("/v1/tasks/claim").json["items"][0]["lease_token"]
    shown = read(flask, "tasks", "show", parent)
    assert shown["status"] == "running"
    assert [attempt["number"] for attempt in shown["attempts"]] == [1]
    assert [subtask["id"] for subtask in shown["subtasks"]] == [child]
    text = flask("tasks", "show", parent).stdout
    assert "Attempts" in text
    assert "Sub-tasks" in text
    assert token not in text + json.dumps(shown)
    assert flask("tasks", "show", str(uuid4())).returncode == 3
    assert flask("tasks", "show", "x").returncode == 2


def test_tasks_are_cancelled_requeued_and_rescued(
    flask: Run, admin: Client, hire: Callable[..., Client], sql: Sql
) -> None:
    """What the state does not allow is a conflict: exit code 4."""
    task, running = new_task(admin), new_task(admin, priority=0)
    hire().post("/v1/tasks/claim")
    assert flask("tasks", "cancel", task, running).stdout.splitlines() == [
        f"Cancelled {task}.",
        f"Asked to cancel {running}.",
    ]
    assert flask("tasks", "cancel", task).returncode == 4
    assert flask("tasks", "requeue", task).returncode == 0
    assert flask("tasks", "requeue", task).returncode == 4
    sql("UPDATE tasks SET lease_expires_at = now() WHERE status = 'running'")
    assert flask("tasks", "rescue").stdout == "Took back 1 tasks.\n"
    counted = read(flask, "tasks", "stats")
    assert [(row["queue"], row["status"], row["count"]) for row in counted] == [
        ("work", "cancelled", 1),
        ("work", "pending", 1),
    ]


@pytest.fixture
def conversation(admin: Client, hire: Callable[..., Client]) -> dict[str, Any]:
    customer = admin.create("/v1/customers", {"reference": "A", "name": "Ann Other"})
    bot = hire("Triage bot", ["work"])
    new = {
        "customer_id": customer["id"],
        "subject": "Lost card",
        "channel": "email",
        "assignee_id": bot.user_id,
        "message": {"body": "My card is gone."},
        "task": {"kind": "answer", "queue": "work"},
    }
    return admin.create("/v1/conversations", new)


def test_conversations_are_listed_with_their_people(
    flask: Run, conversation: dict[str, Any]
) -> None:
    """Customer and assignee by name."""
    (row,) = read(flask, "conversations", "list", "--status=open", "--search=card")
    assert (row["id"], row["customer"], row["assignee"]) == (
        conversation["id"],
        "Ann Other",
        "Triage bot",
    )
    assert read(flask, "conversations", "list", "--status=closed") == []
    assert "Lost card" in flask("conversations", "list").stdout


def test_a_conversation_is_shown_with_messages_and_tasks(
    flask: Run, conversation: dict[str, Any]
) -> None:
    """By its id or by its number."""
    shown = read(flask, "conversations", "show", conversation["id"])
    assert [message["body"] for message in shown["messages"]] == ["My card is gone."]
    assert [task["kind"] for task in shown["tasks"]] == ["answer"]
    text = flask("conversations", "show", str(conversation["number"])).stdout
    assert "My card is gone." in text
    assert "Triage bot" in text
    for missing in (str(uuid4()), "999999", "٣", "x"):
        assert flask("conversations", "show", missing).returncode == 3
