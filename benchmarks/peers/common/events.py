"""The values of events, built in Python as a user of an ORM would."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from benchmarks.peers.common.actors import Actor

Changes = Mapping[str, tuple[Any, Any]]
"""The values before and after, by field."""

PERSONAL = {
    "customers": frozenset({"reference", "name", "email", "phone", "attributes"}),
    "transactions": frozenset({"description", "created_by_name"}),
    "tasks": frozenset({"input", "metadata", "output"}),
}
"""The fields whose values are in the side row of an event, by table."""

TABLES = {"Customer": "customers", "Transaction": "transactions", "Task": "tasks"}
"""By the name of the model."""

CUSTOMER_FIELDS = ("reference", "name", "email", "phone", "attributes")
TASK_FIELDS = (
    "kind",
    "queue",
    "priority",
    "input",
    "metadata",
    "run_after",
    "max_attempts",
    "status",
    "attempt",
    "cancel_requested",
)


def event_of(
    cause: tuple[Actor, str], action: str, row: Any, changes: Changes
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The columns of the event of a row, and its personal changes, which may be none.

    The cause is the actor and the id of the request. The row has its id and version.
    """
    actor, request_id = cause
    table = TABLES[type(row).__name__]
    shown: dict[str, Any] = {}
    personal: dict[str, Any] = {}
    for name, (before, after) in changes.items():
        change = {"before": _plain(before), "after": _plain(after)}
        (personal if name in PERSONAL[table] else shown)[name] = change
    event = {
        "id": uuid7(),
        "actor_kind": actor.kind,
        "actor_id": UUID(actor.id),
        "actor_name": actor.name,
        "action": action,
        "object_type": table,
        "object_id": row.id,
        "object_version": row.version,
        "changes": shown | dict.fromkeys(personal),
        "request_id": request_id,
    }
    return event, personal


def first_values(row: Any, fields: Collection[str]) -> dict[str, tuple[None, Any]]:
    """The changes of a new row: what is not null, from null."""
    values = {name: getattr(row, name) for name in fields}
    return {name: (None, value) for name, value in values.items() if value is not None}


def timestamp(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return timestamp(value)
    return str(value) if isinstance(value, UUID) else value
