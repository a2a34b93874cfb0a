"""Objects that refer to each other, for tests of what is shown in full."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.client import Client

if TYPE_CHECKING:
    Body = dict[str, Any]


CUSTOMERS, AGENTS, TASKS = "/v1/customers", "/v1/agents", "/v1/tasks"
CONVERSATIONS = "/v1/conversations"


def create_conversation(staff: Client, customer: Body, **values: Any) -> Body:
    body = {"customer_id": customer["id"], "subject": "Help", "channel": "email", **values}
    return staff.create(CONVERSATIONS, body)


def create_task(staff: Client, **values: Any) -> Body:
    return staff.create(TASKS, {"kind": "reply", "queue": "work", **values})
