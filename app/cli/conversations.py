"""`flask conversations`: lists and shows conversations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from app.cli.kit.commands import Group, service
from app.cli.kit.output import (
    as_json,
    as_record,
    print_fields,
    print_json,
    print_table,
    print_text,
)
from app.cli.kit.types import Text
from app.db import Query
from app.db.listing import parse_uuid
from app.domain.conversations import ConversationStatus
from app.errors import NotFound
from app.services import ConversationService

if TYPE_CHECKING:
    from app.db import Record
    from app.models import Conversation

conversations = Group("conversations", help="Conversations between customers and the desk.")

_LONGEST_NUMBER = 18


@conversations.command("list")
@click.option("--status", type=click.Choice([status.value for status in ConversationStatus]))
@click.option("--search", type=Text(), help="Words in the subject.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=25, show_default=True)
@as_json
def list_conversations(
    status: str | None, search: str | None, limit: int, *, as_json: bool
) -> None:
    """List conversations with their customers and assignees, the newest first."""
    filters = {} if status is None else {"status": status}
    query = Query(filters=filters, search=search, limit=limit)
    rows = [_with_people(found) for found in service(ConversationService).with_people(query).items]
    if as_json:
        print_json(rows)
    else:
        print_table(
            rows, ["number", "status", "priority", "customer", "assignee", "subject", "created_at"]
        )


@conversations.command("show")
@click.argument("conversation", type=Text(64))
@as_json
def show(conversation: str, *, as_json: bool) -> None:
    """Show the conversation with the id or number CONVERSATION, its messages and tasks."""
    found = _find(conversation)
    messages = [as_record(message) for message in found.messages]
    tasks = [as_record(task) for task in found.tasks]
    if as_json:
        parts = {"messages": messages, "tasks": tasks}
        print_json({**_with_people(found), **parts})
        return
    print_fields(_with_people(found))
    if messages:
        print_text("\nMessages")
        print_table(messages, ["seq", "created_at", "direction", "author_name", "body"])
    if tasks:
        print_text("\nTasks")
        print_table(tasks, ["id", "queue", "kind", "status", "attempt"])


def _with_people(found: Conversation) -> Record:
    assignee = None if found.assignee is None else found.assignee.name
    return {**as_record(found), "customer": found.customer.name, "assignee": assignee}


def _find(text: str) -> Conversation:
    conversations = service(ConversationService)
    try:
        return conversations.whole(parse_uuid(text))
    except ValueError:  # not an id: a number, then
        found: Conversation | None = None
    if text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER:
        found = conversations.find(number=int(text))
    if found is None:
        raise NotFound("conversations", text)
    return conversations.whole(found.id)
