"""What is never so at the desk, whatever was done to it, in any order and at the same time."""

from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.client import Client, problem

if TYPE_CHECKING:
    from collections.abc import Callable

    Histories = Callable[[int], "History"]
    Sql = Callable[..., list[tuple[Any, ...]]]

QUEUES = ["a", "b"]
NEVER = {
    "a pending task is addressed to an agent that cannot claim it": """
        SELECT tasks.id FROM tasks LEFT JOIN agents ON agents.id = tasks.agent_id
        WHERE tasks.deleted_at IS NULL AND status = 'pending' AND agent_id IS NOT NULL
        AND (agents.deleted_at IS NOT NULL OR NOT is_active OR queue <> ALL (queues))""",
    "an inactive or deleted agent has a conversation that is not closed": """
        SELECT conversations.id FROM conversations JOIN agents ON agents.id = assignee_id
        WHERE conversations.deleted_at IS NULL AND status <> 'closed'
        AND (agents.deleted_at IS NOT NULL OR NOT is_active)""",
    "a task or to-do is about a merged conversation": """
        SELECT child.id FROM conversations JOIN (
            SELECT id, conversation_id FROM tasks WHERE deleted_at IS NULL
            UNION ALL SELECT id, conversation_id FROM todos WHERE deleted_at IS NULL
        ) AS child ON child.conversation_id = conversations.id
        WHERE merged_into_id IS NOT NULL""",
    "an inactive or deleted agent runs a task": """
        SELECT tasks.id FROM tasks JOIN agents ON agents.id = claimed_by_id
        WHERE tasks.deleted_at IS NULL AND status = 'running'
        AND (agents.deleted_at IS NOT NULL OR NOT is_active)""",
    "an active agent has an inactive or deleted user": """
        SELECT agents.id FROM agents JOIN users ON users.id = user_id
        WHERE agents.deleted_at IS NULL AND agents.is_active
        AND (users.deleted_at IS NOT NULL OR NOT users.is_active)""",
    "a task is deeper than the limit": """
        WITH RECURSIVE tree AS (
            SELECT id, 1 AS level FROM tasks WHERE parent_id IS NULL
            UNION ALL
            SELECT tasks.id, level + 1 FROM tree JOIN tasks ON parent_id = tree.id
            WHERE deleted_at IS NULL
        ) SELECT id FROM tree WHERE level > 5""",
    "a live task is below a deleted one": """
        SELECT child.id FROM tasks AS child JOIN tasks AS parent ON parent.id = child.parent_id
        WHERE child.deleted_at IS NULL AND parent.deleted_at IS NOT NULL""",
    "a version has no event": """
        SELECT id FROM (
            SELECT id, version FROM tasks UNION ALL SELECT id, version FROM conversations
            UNION ALL SELECT id, version FROM agents UNION ALL SELECT id, version FROM todos
        ) AS things WHERE version <> (SELECT count(*) FROM events WHERE object_id = things.id)""",
}


@dataclass
class History:
    """Random requests of one client, on all that there is. Any may be refused, none may fail."""

    admin: Client
    people: list[Client]
    sql: Sql
    random: random.Random
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)

    def one_of(self, table: str, where: str = "true") -> str:
        rows = self.sql(f"SELECT id::text FROM {table} WHERE {where} ORDER BY id")
        return str(self.random.choice(rows)[0]) if rows else "01a00000-0000-7000-8000-000000000000"

    def send(self, name: str, method: str, path: str, body: Any = None) -> None:
        answer = self.admin.send(method, path, body)
        assert answer.status_code < 500, (name, answer.text)
        if answer.status_code >= 400:
            problem(answer)
        self.answers[name, answer.status_code] += 1

    def step(self) -> None:
        getattr(self, self.random.choice([name for name in dir(self) if name.startswith("do_")]))()

    def agent(self) -> str:
        return self.one_of("agents", "deleted_at IS NULL")

    def maybe(self, value: Any) -> Any:
        return value if self.random.random() < 0.7 else None

    def do_make_task(self) -> None:
        body = {
            "kind": "k",
            "queue": self.random.choice(QUEUES),
            "agent_id": self.maybe(self.agent()),
            "parent_id": self.maybe(self.one_of("tasks")),
            "conversation_id": self.maybe(self.one_of("conversations")),
        }
        if self.random.random() < 0.5:
            self.send("make task", "POST", "/v1/tasks", body)
        else:
            self.send("make tasks", "POST", "/v1/tasks/bulk", {"items": [body, body]})

    def do_make_todo(self) -> None:
        body = {"description": "x", "conversation_id": self.one_of("conversations")}
        self.send("make to-do", "POST", "/v1/todos", body)

    def do_open(self) -> None:
        body = {
            "customer_id": self.one_of("customers"),
            "subject": "x",
            "channel": "web",
            "assignee_id": self.maybe(self.agent()),
        }
        self.send("open", "POST", "/v1/conversations", body)

    def do_assign(self) -> None:
        path = f"/v1/conversations/{self.one_of('conversations')}/assign"
        self.send("assign", "POST", path, {"agent_id": self.agent(), "reason": "x"})

    def do_merge(self) -> None:
        path = f"/v1/conversations/{self.one_of('conversations')}/merge"
        self.send("merge", "POST", path, {"into": self.one_of("conversations")})

    def do_end_conversation(self) -> None:
        verb = self.random.choice(["close", "resolve", "resolve", "reopen", "reopen"])
        self.send(verb, "POST", f"/v1/conversations/{self.one_of('conversations')}/{verb}")

    def do_change_task(self) -> None:
        name, value = self.random.choice(
            [
                ("agent_id", self.agent()),
                ("queue", self.random.choice(QUEUES)),
                ("parent_id", self.one_of("tasks")),
                ("parent_id", self.one_of("tasks")),
                ("parent_id", None),
            ]
        )
        key = self.one_of("tasks", "status = 'pending'")
        self.send(f"change {name}", "PATCH", f"/v1/tasks/{key}", {name: value})

    def do_work(self) -> None:
        person = self.random.choice(self.people)
        answer = person.post("/v1/tasks/claim", {"limit": 2})
        assert answer.status_code in (200, 401, 403), answer.text
        for task in answer.json["items"] if answer.status_code == 200 else ():
            body = {"lease_token": task["lease_token"], "error": "x", "retry": False}
            if self.random.random() < 0.5:
                self.send("fail", "POST", f"/v1/tasks/{task['id']}/fail", body)
        self.answers["claim", answer.status_code] += 1

    def do_end_task(self) -> None:
        verb = self.random.choice(["cancel", "requeue", "requeue"])
        where = "status IN ('failed', 'cancelled')" if verb == "requeue" else "true"
        self.send(verb, "POST", f"/v1/tasks/{self.one_of('tasks', where)}/{verb}")

    def do_delete(self) -> None:
        table = self.random.choice(["tasks", "tasks", "todos", "conversations", "agents"])
        key = self.one_of(table, "deleted_at IS NULL")
        self.send(f"delete {table}", "DELETE", f"/v1/{table}/{key}")

    def do_restore(self) -> None:
        table = self.random.choice(["tasks", "todos", "conversations", "agents"])
        key = self.one_of(table, "deleted_at IS NOT NULL")
        self.send(f"restore {table}", "POST", f"/v1/{table}/{key}/restore")

    do_restore_more = do_restore

    def do_deactivate_agent(self) -> None:
        body = {"reassign_to": self.maybe(self.agent())}
        self.send("deactivate", "POST", f"/v1/agents/{self.agent()}/deactivate", body)

    def do_change_agent(self) -> None:
        choices: list[dict[str, Any]] = [{"is_active": True}, {"queues": ["a"]}, {"queues": QUEUES}]
        body = self.random.choice(choices)
        self.send(f"change {' '.join(body)}", "PATCH", f"/v1/agents/{self.agent()}", body)

    do_change_agent_more = do_change_agent

    def do_change_user(self) -> None:
        user = self.random.choice(self.people).user_id
        is_active = self.random.random() < 0.6
        if not is_active and self.random.random() < 0.5:
            self.send("deactivate users", "POST", "/v1/users/deactivate", {"ids": [user]})
        else:
            self.send("change user", "PATCH", f"/v1/users/{user}", {"is_active": is_active})

    def do_link(self) -> None:
        user = self.maybe(self.random.choice(self.people).user_id)
        self.send("link", "PATCH", f"/v1/agents/{self.agent()}", {"user_id": user})


@pytest.fixture
def histories(
    admin: Client,
    sign_in: Callable[..., Client],
    hire: Callable[..., Client],
    sql: Sql,
) -> Callable[[int], History]:
    people = [sign_in("staff", f"person-{n}") for n in range(3)]
    for number, person in enumerate(people):
        hire(f"agent-{number}", QUEUES, kind="human", user_id=person.user_id)
    for number in range(2):
        hire(f"bot-{number}", QUEUES[: number + 1])
        admin.create("/v1/customers", {"reference": f"C-{number}", "name": "Ann"})

    def history(seed: int) -> History:
        return History(admin, people, sql, random.Random(seed))  # noqa: S311 - no secret

    return history


def broken(sql: Sql) -> dict[str, int]:
    return {rule: len(rows) for rule, query in NEVER.items() if (rows := sql(query))}


@pytest.mark.parametrize("seed", range(3))
def test_one_client_breaks_no_rule(histories: Histories, sql: Sql, seed: int) -> None:
    """Looked at again and again, for a later change may hide what an earlier one did."""
    history = histories(seed)
    for _ in range(20):
        for _ in range(15):
            history.step()
        assert broken(sql) == {}, history.answers
    assert len({name for name, status in history.answers if status < 300}) > 15, history.answers


def test_four_clients_at_once_break_no_rule(histories: Histories, sql: Sql) -> None:
    """Nor is any request answered 5xx: where two wait for each other, one is run again."""
    together = [histories(seed) for seed in range(4)]

    def work(history: History) -> None:
        for _ in range(25):
            history.step()

    with ThreadPoolExecutor(4) as pool:
        for _ in range(4):
            list(pool.map(work, together))
            assert broken(sql) == {}
    answers = sum((history.answers for history in together), Counter[tuple[str, int]]())
    assert len({name for name, status in answers if status < 300}) > 15, answers
