"""Records and bodies of three resources, and the dicts that one would write by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from uuid_utils.compat import uuid7

NOW = datetime.now(UTC)


def base() -> dict[str, Any]:
    times = {"created_at": NOW, "updated_at": NOW, "deleted_at": None}
    return {"id": uuid7(), "version": 1, **times}


def customer() -> dict[str, Any]:
    names = {"reference": "C-1043", "name": "Ann Example", "email": "ann@firm.example"}
    return {**base(), **names, "phone": None, "attributes": {"plan": "basic"}}


def task() -> dict[str, Any]:
    return {
        **base(),
        "kind": "reply",
        "queue": "mail",
        "priority": 5,
        "agent_id": None,
        "metadata_": {},
        "input": {"invoice": 7},
        "run_after": NOW,
        "max_attempts": 3,
        "dedupe_key": None,
        "conversation_id": uuid7(),
        "parent_id": None,
        "status": "completed",
        "attempt": 1,
        "cancel_requested": False,
        "claimed_by_id": uuid7(),
        "output": {"ok": True},
        "error": None,
        "progress": None,
        "lease_expires_at": None,
        "started_at": NOW,
        "completed_at": NOW,
    }


def conversation() -> dict[str, Any]:
    return {
        **base(),
        "number": 1043,
        "customer_id": uuid7(),
        "subject": "Charged twice",
        "channel": "email",
        "priority": "normal",
        "tags": ["billing", "refund"],
        "assignee_id": uuid7(),
        "assignment_reason": None,
        "status": "open",
        "status_changed_at": NOW,
        "snoozed_until": None,
        "first_response_due_at": NOW,
        "first_responded_at": None,
        "resolution_due_at": NOW,
        "merged_into_id": None,
    }


def dump_customer(record: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": record["id"],
        "version": record["version"],
        "created_at": record["created_at"],
        "updated_at": record["updated_at"],
        "deleted_at": record["deleted_at"],
        "reference": record["reference"],
        "name": record["name"],
        "email": record["email"],
        "phone": record["phone"],
        "attributes": record["attributes"],
    }


def dump_task(record: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": record["id"],
        "version": record["version"],
        "created_at": record["created_at"],
        "updated_at": record["updated_at"],
        "deleted_at": record["deleted_at"],
        "kind": record["kind"],
        "queue": record["queue"],
        "priority": record["priority"],
        "agent_id": record["agent_id"],
        "input": record["input"],
        "metadata": record["metadata_"],
        "run_after": record["run_after"],
        "max_attempts": record["max_attempts"],
        "dedupe_key": record["dedupe_key"],
        "conversation_id": record["conversation_id"],
        "parent_id": record["parent_id"],
        "status": record["status"],
        "attempt": record["attempt"],
        "cancel_requested": record["cancel_requested"],
        "claimed_by_id": record["claimed_by_id"],
        "output": record["output"],
        "error": record["error"],
        "progress": record["progress"],
        "lease_expires_at": record["lease_expires_at"],
        "started_at": record["started_at"],
        "completed_at": record["completed_at"],
    }


def dump_conversation(record: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": record["id"],
        "version": record["version"],
        "created_at": record["created_at"],
        "updated_at": record["updated_at"],
        "deleted_at": record["deleted_at"],
        "number": record["number"],
        "customer_id": record["customer_id"],
        "subject": record["subject"],
        "channel": record["channel"],
        "priority": record["priority"],
        "tags": record["tags"],
        "assignee_id": record["assignee_id"],
        "assignment_reason": record["assignment_reason"],
        "status": record["status"],
        "status_changed_at": record["status_changed_at"],
        "snoozed_until": record["snoozed_until"],
        "first_response_due_at": record["first_response_due_at"],
        "first_responded_at": record["first_responded_at"],
        "resolution_due_at": record["resolution_due_at"],
        "merged_into_id": record["merged_into_id"],
    }


CUSTOMER = {
    "reference": "C-1043",
    "name": "Ann Example",
    "email": "ann@firm.example",
    "phone": None,
    "attributes": {"plan": "basic"},
}
TASK = {
    "kind": "reply",
    "queue": "mail",
    "priority": 5,
    "input": {"invoice": 7},
    "run_after": "2026-11-21T06:16:19Z",
    "conversation_id": str(uuid7()),
}
CONVERSATION = {
    "customer_id": str(uuid7()),
    "subject": "Charged twice",
    "channel": "email",
    "priority": "normal",
    "tags": ["billing", "refund"],
}
