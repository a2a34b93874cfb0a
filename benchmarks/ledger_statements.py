"""What `TransactionService.create` sends for a transfer, word for word, and what goes into it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

LOCK = """
BEGIN ISOLATION LEVEL READ COMMITTED;
SET LOCAL statement_timeout = 15000;
SET LOCAL lock_timeout = 5000;
SET LOCAL idle_in_transaction_session_timeout = 30000;
WITH changing AS (
    SELECT id, customer_id, currency, status, stores_balance FROM accounts
    WHERE id = ANY(%(keys)s::UUID[]) AND stores_balance ORDER BY id FOR NO KEY UPDATE
), staying AS (
    SELECT id, customer_id, currency, status, stores_balance FROM accounts
    WHERE id = ANY(%(keys)s::UUID[]) AND NOT stores_balance ORDER BY id FOR SHARE
)
SELECT * FROM changing UNION ALL SELECT * FROM staying"""

MAKE = """
WITH made AS (
    INSERT INTO transactions (id, kind, description, status, conversation_id, task_id,
        reverses_id, reference, content_hash, expires_at, needs_approval, post_when_approved,
        created_by_kind, created_by_id, created_by_name, posted_at)
    VALUES (%(id)s::UUID, %(kind)s, %(description)s, %(status)s, %(conversation_id)s::UUID,
        %(task_id)s::UUID, %(reverses_id)s::UUID, %(reference)s, %(content_hash)s, %(expires_at)s,
        %(needs_approval)s, %(post_when_approved)s, %(created_by_kind)s, %(created_by_id)s::UUID,
        %(created_by_name)s, statement_timestamp())
    ON CONFLICT (reference) WHERE reference IS NOT NULL DO NOTHING
    RETURNING transactions.id, transactions.version, transactions.kind, transactions.description,
        transactions.status, transactions.conversation_id, transactions.task_id,
        transactions.reverses_id, transactions.reference, transactions.content_hash,
        transactions.expires_at, transactions.posted_at, transactions.needs_approval,
        transactions.post_when_approved, transactions.approved_by_id, transactions.created_by_kind,
        transactions.created_by_id, transactions.created_by_name, transactions.created_at,
        transactions.updated_at
), legs AS (
    INSERT INTO entries (transaction_id, account_id, currency, amount)
    SELECT made.id, leg.account_id, leg.currency, leg.amount
    FROM made, jsonb_to_recordset(%(legs)s::JSONB)
        AS leg (id uuid, account_id uuid, currency text, amount bigint, position int)
    ORDER BY leg.position
)
SELECT * FROM made"""

_ROWS = """jsonb_to_recordset(%(rows)s::JSONB) AS rows(id UUID, actor_kind TEXT, actor_id UUID,
    actor_name TEXT, action TEXT, object_type TEXT, object_id UUID, changes JSONB, request_id TEXT,
    personal JSONB)"""
RECORD = f"""
WITH added AS (INSERT INTO events (id, actor_kind, actor_id, actor_name, action, object_type,
        object_id, changes, request_id)
    SELECT rows.id AS id, rows.actor_kind AS actor_kind, rows.actor_id AS actor_id,
        rows.actor_name AS actor_name, rows.action AS action, rows.object_type AS object_type,
        rows.object_id AS object_id, rows.changes AS changes, rows.request_id AS request_id
    FROM {_ROWS})
INSERT INTO event_personal_values (event_id, changes) SELECT rows.id, rows.personal
FROM {_ROWS} WHERE jsonb_typeof(rows.personal) = %(object)s"""


def transaction(source: UUID, target: UUID, amount: int) -> dict[str, Any]:
    legs = [(source, -amount), (target, amount)]
    return {
        "id": uuid7(),
        "kind": "transfer",
        "description": "",
        "status": "posted",
        **dict.fromkeys(("conversation_id", "task_id", "reverses_id", "reference")),
        **dict.fromkeys(("content_hash", "expires_at", "created_by_id")),
        "needs_approval": False,
        "post_when_approved": False,
        "created_by_kind": "system",
        "created_by_name": "system",
        "legs": _json(
            {"id": uuid7(), "account_id": key, "currency": "GBP", "amount": n, "position": place}
            for place, (key, n) in enumerate(legs)
        ),
    }


def event(key: UUID, posted_at: datetime) -> str:
    row = {
        "actor_kind": "system",
        "actor_id": None,
        "actor_name": "system",
        "action": "created",
        "object_type": "transactions",
        "object_id": key,
        "changes": {
            "kind": _first("transfer"),
            "description": None,
            "status": _first("posted"),
            "posted_at": _first(posted_at),
            "needs_approval": _first(False),  # noqa: FBT003 - any value
            "created_by_kind": _first("system"),
            "created_by_name": None,
        },
        "personal": {"description": _first(""), "created_by_name": _first("system")},
        "request_id": None,
        "id": uuid7(),
    }
    return _json([row])


def _first(value: Any) -> dict[str, Any]:
    return {"before": None, "after": value}


def _json(rows: Any) -> str:
    return orjson.dumps(list(rows), option=orjson.OPT_UTC_Z).decode()
