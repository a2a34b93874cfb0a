"""Calls of the services of the desk: agents, tasks and conversations."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from app.db import Query, Sort
from app.domain.actors import Actor, ActorKind, Role
from app.domain.conversations import (
    BatchAssignment,
    ConversationBatch,
    NewConversation,
    Resolution,
)
from app.domain.messages import NewMessage
from app.domain.tasks import NewTask, TaskCompletion
from app.domain.tokens import NewToken
from app.services import (
    AgentService,
    ConversationBatchService,
    ConversationLifecycle,
    ConversationMerger,
    ConversationOpener,
    ConversationResolver,
    ConversationService,
    MessageService,
    TaskBatchService,
    TaskLeaseService,
    TaskQueueService,
    TaskService,
    TodoService,
    TokenService,
    UserService,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.db import Database

    Call = Callable[[], object]


LATER = datetime(2100, 1, 1, tzinfo=UTC)


def user(email: str, role: Role = Role.STAFF) -> dict[str, Any]:
    return {"email": email, "name": "Ada", "role": role}


def prepare_work(database: Database, customer: Any) -> dict[str, Call]:
    """Agents, tasks and to-dos."""
    agents, tasks = AgentService.as_system(database), TaskService.as_system(database)
    batches = TaskBatchService.as_system(database)
    todos, tokens = TodoService.as_system(database), TokenService.as_system(database)
    owner = UserService.as_system(database).create(user("eve@x.example")).id
    talk, _ = ConversationOpener.as_system(database).open(
        NewConversation(customer_id=customer, subject="work", channel="web")
    )
    bot = agents.create({"name": "bot", "kind": "ai", "queues": ["work"]}).id
    heir = agents.create({"name": "heir", "kind": "ai", "queues": ["work"]}).id
    idle, gone = (agents.create({"name": name, "kind": "ai"}).id for name in ("idle", "gone"))
    tokens.issue(NewToken(agent_id=idle, name="t"))
    agents.remove(gone)
    ConversationLifecycle.as_system(database).assign(talk.id, bot)
    queue = TaskQueueService(
        database=database, actor=Actor(ActorKind.AGENT, bot, "bot", Role.AGENT)
    )

    def new(kind: str, **values: Any) -> Any:
        return tasks.submit(NewTask(kind=kind, queue="work", **values))[0].id

    def run(kind: str, **values: Any) -> tuple[Any, str]:
        """A running task and its token."""
        new(kind, priority=0, **values)
        (held,) = queue.claim(lease_seconds=3600)
        return held["id"], str(held["lease_token"])

    parent = run("parent")
    child, below = run("child", parent_id=parent[0]), new("below", parent_id=parent[0])
    run("lost")
    run("spent", max_attempts=1)
    failed = run("failed")
    leases = queue.related(TaskLeaseService)
    leases.fail(*failed, "x", retry=False)
    new("addressed", agent_id=bot)
    new("pending", dedupe_key="k")
    removed, loose = new("removed"), new("loose")
    tasks.remove(removed)
    todo, done = (todos.create({"description": "x", "user_id": owner}).id for _ in range(2))
    todos.remove(done)
    return {
        "agents.create": lambda: agents.create({"name": "new", "kind": "ai", "user_id": owner}),
        "agents.update": lambda: agents.update(bot, {"is_active": False}),
        "agents.deactivate": lambda: agents.deactivate(bot, reassign_to=heir),
        "agents.remove": lambda: agents.remove(idle),
        "agents.restore": lambda: agents.restore(gone),
        "agents.pending_tasks": lambda: agents.pending_tasks(bot),
        "agents.for_worker": lambda: agents.for_worker("bot", ["other"], own=True),
        "batches.create_many": lambda: batches.create_many(
            [
                NewTask(
                    kind="x",
                    queue="work",
                    parent_id=parent[0],
                    dedupe_key=f"b{n}",
                    agent_id=heir,
                    conversation_id=talk.id,
                )
                for n in range(3)
            ]
        ),
        "tasks.submit": lambda: tasks.submit(
            NewTask(kind="x", queue="work", parent_id=parent[0], dedupe_key="l")
        ),
        "tasks.subtasks": lambda: tasks.subtasks(parent[0], Query()),
        "tasks.attempts": lambda: tasks.attempts(parent[0], Query(sort=(Sort("number"),))),
        "tasks.with_subtasks": lambda: tasks.with_subtasks(parent[0]),
        "tasks.update": lambda: tasks.update(loose, {"parent_id": parent[0], "priority": 1}),
        "tasks.remove": lambda: tasks.remove(below),
        "tasks.restore": lambda: tasks.restore(removed),
        "queue.claim": lambda: queue.claim(limit=3),
        "leases.heartbeat": lambda: leases.heartbeat(*child, progress={"a": 1}),
        "leases.complete": lambda: leases.complete(*child, {"a": 1}),
        "leases.fail": lambda: leases.fail(*child, "x"),
        "leases.release": lambda: leases.release(*child),
        "tasks.cancel": lambda: tasks.cancel(parent[0]),
        "tasks.requeue": lambda: tasks.requeue(failed[0]),
        "queue.rescue": TaskQueueService.as_system(database).rescue,
        "queue.stats": TaskQueueService.as_system(database).stats,
        "todos.create": lambda: todos.create({"description": "x", "user_id": owner}),
        "todos.update": lambda: todos.update(todo, {"completed": True}),
        "todos.remove": lambda: todos.remove(todo),
        "todos.restore": lambda: todos.restore(done),
    }


def prepare_talks(database: Database, customer: Any) -> dict[str, Call]:
    """Conversations and their messages."""
    talks = ConversationService.as_system(database)
    lifecycle = ConversationLifecycle.as_system(database)
    crowds = ConversationBatchService.as_system(database)
    messages = MessageService.as_system(database)
    agent = AgentService.as_system(database).create({"name": "desk", "kind": "human"}).id

    opener = ConversationOpener.as_system(database)
    resolver = ConversationResolver.as_system(database)
    opened = NewConversation(customer_id=customer, subject="new", channel="web")

    def new(subject: str, **values: Any) -> Any:
        new = replace(opened, subject=subject, message=NewMessage(body="Hello"), **values)
        return opener.open(new)[0].id

    talk, other, asleep = new("talk", assignee_id=agent), new("other"), new("asleep")
    lifecycle.snooze(asleep, LATER)
    resolved, gone, going = new("resolved"), new("gone"), new("going")
    resolver.resolve(resolved)
    talks.remove(gone)
    about = NewTask(kind="talk", queue="desk", conversation_id=talk)
    held, _ = TaskService.as_system(database).submit(about)
    AgentService.as_system(database).update(agent, {"queues": ["desk"]})
    actor = Actor(ActorKind.AGENT, agent, "desk", Role.AGENT)
    (claimed,) = TaskQueueService(database=database, actor=actor).claim()
    complete = TaskCompletion(id=held.id, lease_token=str(claimed["lease_token"]))
    message = messages.page(talk, Query())[0].items[0]["id"]
    return {
        "conversations.of_customer": lambda: talks.of_customer(customer, Query(), total=True),
        "conversations.whole": lambda: talks.whole(talk),
        "conversations.with_people": lambda: talks.with_people(Query()),
        "conversations.update": lambda: talks.update(talk, {"priority": "urgent"}),
        "conversations.remove": lambda: talks.remove(going),
        "conversations.restore": lambda: talks.restore(gone),
        "crowds.assign": lambda: crowds.assign(
            BatchAssignment(
                filter={"subject__in": ["talk", "other"]},
                agent_id=None,
                reason="x",
                expected_count=2,
            )
        ),
        "crowds.resolve": lambda: crowds.resolve(
            ConversationBatch(filter={"subject": "asleep"}, expected_count=1)
        ),
        "opener.open": lambda: opener.open(
            replace(
                opened,
                message=NewMessage(body="x", external_id="new"),
                task=NewTask(kind="x", queue="work", dedupe_key="m"),
            )
        ),
        "lifecycle.assign": lambda: lifecycle.assign(talk, None, reason="x"),
        "lifecycle.snooze": lambda: lifecycle.snooze(talk, LATER),
        "resolver.resolve": lambda: resolver.resolve(
            talk, Resolution(message=NewMessage(body="Bye"), complete_task=complete)
        ),
        "lifecycle.reopen": lambda: lifecycle.reopen(resolved),
        "lifecycle.close": lambda: lifecycle.close(talk),
        "merger.merge": lambda: ConversationMerger.as_system(database).merge(talk, other),
        "lifecycle.wake_due": lifecycle.wake_due,
        "messages.get": lambda: messages.get(message),
        "messages.page": lambda: messages.page(talk, Query()),
        "messages.post": lambda: messages.post(resolved, NewMessage(body="x", external_id="y")),
    }
