"""What is loaded with what: a fixed number of statements for any number of rows, none later."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from sqlalchemy.exc import InvalidRequestError

from app.db import Query, Sort
from app.domain.conversations import NewConversation
from app.domain.messages import NewMessage
from app.domain.tasks import NewTask
from app.errors import NotFound
from app.services import (
    AgentService,
    ConversationOpener,
    ConversationService,
    CustomerService,
    MessageService,
    TaskService,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.db import Database
    from app.db.testing import RoundTrips
    from app.models import Conversation

    Converse = Callable[..., Conversation]

TASK = NewTask(kind="reply", queue="work")


@pytest.fixture
def conversations(database: Database) -> ConversationService:
    return ConversationService.as_system(database)


@pytest.fixture
def tasks(database: Database) -> TaskService:
    return TaskService.as_system(database)


@pytest.fixture
def new_conversation(database: Database) -> Converse:
    """Open a conversation of a new customer, assigned to a new agent."""

    def make(messages: int = 0, tasks: int = 0) -> Conversation:
        name = uuid4().hex
        customer = CustomerService.as_system(database).create({"reference": name, "name": name})
        agent = AgentService.as_system(database).create({"name": name, "kind": "ai"})
        new = NewConversation(
            customer_id=customer.id, assignee_id=agent.id, subject=name, channel="email"
        )
        conversation = ConversationOpener.as_system(database).open(new)[0]
        for number in range(messages):
            message = NewMessage(body=f"{number}")
            MessageService.as_system(database).post(conversation.id, message)
        for number in range(tasks):
            task = replace(TASK, conversation_id=conversation.id, input={"number": number})
            TaskService.as_system(database).submit(task)
        return conversation

    return make


def _numbers(tasks: list[Any]) -> list[int]:
    return [task.input["number"] for task in tasks]


@pytest.mark.parametrize("count", [1, 2, 40])
def test_a_whole_conversation_takes_five_statements(
    conversations: ConversationService,
    new_conversation: Converse,
    round_trips: RoundTrips,
    count: int,
) -> None:
    """With customer, assignee, messages in order and tasks in order, and nothing is read later."""
    key = new_conversation(messages=count, tasks=count).id
    new_conversation(messages=1, tasks=1)  # which is not in it
    round_trips.take()
    whole = conversations.whole(key)
    assert len(round_trips) == 5
    round_trips.check_no_repeats()
    round_trips.take()
    assert whole.assignee is not None
    assert whole.customer.name == whole.assignee.name == whole.subject
    assert [message.seq for message in whole.messages] == list(range(1, count + 1))
    assert [message.body for message in whole.messages] == [f"{n}" for n in range(count)]
    assert _numbers(whole.tasks) == list(range(count))
    assert round_trips.take() == []


def test_a_conversation_with_nothing_is_whole_too(
    conversations: ConversationService, new_conversation: Converse, round_trips: RoundTrips
) -> None:
    """Nobody's and empty: None and empty lists, which are not looked for again."""
    key = new_conversation().id
    conversations.update(key, {"assignee_id": None})
    round_trips.take()
    whole = conversations.whole(key)
    assert len(round_trips.take()) <= 5
    assert (whole.assignee, whole.messages, whole.tasks) == (None, [], [])
    assert round_trips.take() == []


def test_deleted_tasks_are_in_no_collection(
    conversations: ConversationService, new_conversation: Converse, tasks: TaskService
) -> None:
    """A restored one is again."""
    key = new_conversation(tasks=3).id
    gone = conversations.whole(key).tasks[1].id
    tasks.remove(gone)
    assert _numbers(conversations.whole(key).tasks) == [0, 2]
    tasks.restore(gone)
    assert _numbers(conversations.whole(key).tasks) == [0, 1, 2]


def test_a_deleted_assignee_is_still_told_of(
    conversations: ConversationService, new_conversation: Converse, database: Database
) -> None:
    """Who it was must not look like nobody, where the row still refers to one."""
    key = new_conversation().id
    with database.connect() as connection:
        agents = AgentService.as_system(database).repository
        found = conversations.repository.record(connection, key)
        assert found is not None
        agents.soft_delete(connection, found["assignee_id"])
    for loaded in (conversations.whole(key), conversations.with_people(Query()).items[0]):
        assert loaded.assignee is not None
        assert loaded.assignee.deleted_at is not None


def test_a_missing_conversation_is_not_found(
    conversations: ConversationService, new_conversation: Converse
) -> None:
    """Neither one that never was nor one that was deleted."""
    gone = new_conversation().id
    conversations.remove(gone)
    for key in (gone, uuid4()):
        with pytest.raises(NotFound):
            conversations.whole(key)


@pytest.mark.parametrize("count", [1, 50])
def test_a_page_with_people_takes_three_statements(
    conversations: ConversationService,
    new_conversation: Converse,
    round_trips: RoundTrips,
    count: int,
) -> None:
    """Each with its own customer and assignee; what was not asked for is an error, not a read."""
    made = [new_conversation(messages=1, tasks=1).id for _ in range(count + 1)]
    round_trips.take()
    page = conversations.with_people(Query(sort=(Sort("number"),), limit=count))
    assert len(round_trips) == 3
    round_trips.check_no_repeats()
    round_trips.take()
    assert [item.id for item in page.items] == made[:count]
    assert page.next is not None
    for item in page.items:
        assert item.assignee is not None
        assert item.customer.name == item.assignee.name == item.subject
        for lazy in ("messages", "tasks"):
            with pytest.raises(InvalidRequestError):
                getattr(item, lazy)
    assert round_trips.take() == []


def test_pages_with_people_follow_each_other(
    conversations: ConversationService, new_conversation: Converse
) -> None:
    """Without gap or repeat, as any page does, and without the deleted ones."""
    made = [new_conversation().id for _ in range(5)]
    conversations.remove(made.pop(2))
    query = Query(sort=(Sort("number"),), limit=3)
    first = conversations.with_people(query)
    second = conversations.with_people(replace(query, after=first.next))
    found = [item.id for item in (*first.items, *second.items)]
    assert (found, second.next) == (made, None)


@pytest.mark.parametrize("count", [0, 1, 40])
def test_a_task_with_its_subtasks_takes_two_statements(
    tasks: TaskService, round_trips: RoundTrips, count: int
) -> None:
    """The oldest first, one level down, without those that were deleted."""
    parent = tasks.submit(TASK)[0]
    other = tasks.submit(TASK)[0]
    tasks.submit(replace(TASK, parent_id=other.id))
    child = replace(TASK, parent_id=parent.id)
    for number in range(count):
        made = tasks.submit(replace(child, input={"number": number}))[0]
        tasks.submit(replace(TASK, parent_id=made.id))
    tasks.remove(tasks.submit(child)[0].id)
    round_trips.take()
    task = tasks.with_subtasks(parent.id)
    assert len(round_trips.take()) == 2
    assert _numbers(task.subtasks) == list(range(count))
    for subtask in task.subtasks:
        with pytest.raises(InvalidRequestError):
            subtask.subtasks  # noqa: B018 - reading it is the test
    assert round_trips.take() == []


def test_a_missing_task_is_not_found(tasks: TaskService) -> None:
    """As everywhere, deleted ones included."""
    gone = tasks.submit(TASK)[0].id
    tasks.remove(gone)
    for key in (gone, uuid4()):
        with pytest.raises(NotFound):
            tasks.with_subtasks(key)
