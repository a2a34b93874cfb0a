"""Transfers: a transaction with its entries, which move the balances, and its event."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import orjson
from uuid_utils import uuid7

from benchmarks.peers.common.refusals import Refused
from benchmarks.peers.floor import bodies
from benchmarks.peers.floor.database import query

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

    from benchmarks.peers.floor.application import Answer
    from benchmarks.peers.floor.callers import Caller

_AMOUNT = re.compile(r"-?(?:0|[1-9][0-9]{0,12})\.[0-9]{2}")
_KINDS = ("transfer", "deposit", "withdrawal", "fee", "refund")
_FIELDS = {
    "kind": lambda value: value in _KINDS,
    "description": bodies.text(500, shortest=0),
    "entries": lambda value: isinstance(value, list) and 2 <= len(value) <= 100,
}
_ENTRY_FIELDS = {"account_id": bodies.text(36, shortest=36), "amount": bodies.json_object}
_AMOUNT_FIELDS = {
    "amount": lambda value: isinstance(value, str) and _AMOUNT.fullmatch(value) is not None,
    "currency": lambda value: value in ("EUR", "GBP", "USD"),
}

# Accounts are locked in the order of their ids; where one is missing, nothing is inserted.
_CREATE = """
WITH locked AS MATERIALIZED (
    SELECT id FROM accounts WHERE id = ANY(%(accounts)s::uuid[]) ORDER BY id FOR NO KEY UPDATE
), made AS (
    INSERT INTO transactions (id, kind, description, status, posted_at, created_by_kind,
        created_by_id, created_by_name)
    SELECT %(id)s, %(kind)s, %(description)s, 'posted', statement_timestamp(), %(actor_kind)s,
        %(actor_id)s, %(actor_name)s
    WHERE (SELECT count(*) FROM locked) = cardinality(%(accounts)s::uuid[])
    RETURNING id, version, created_at, updated_at, posted_at
), legs AS (
    INSERT INTO entries (transaction_id, account_id, currency, amount)
    SELECT made.id, account_id, currency, amount
    FROM made, jsonb_to_recordset(%(legs)s)
        AS leg (account_id uuid, currency text, amount bigint, position int)
    ORDER BY position
), added AS (
    INSERT INTO events (id, actor_kind, actor_id, actor_name, action, object_type, object_id,
        object_version, changes, request_id)
    SELECT %(event_id)s, %(actor_kind)s, %(actor_id)s, %(actor_name)s, 'created', 'transactions',
        id, version, %(changes)s::jsonb || jsonb_build_object('posted_at', jsonb_build_object(
            'before', NULL,
            'after', to_char(posted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))),
        %(request_id)s
    FROM made
), personal AS (
    INSERT INTO event_personal_values (event_id, changes)
    SELECT %(event_id)s, %(personal)s FROM made
)
SELECT * FROM made
"""
_KNOWN = "SELECT id FROM accounts WHERE id = ANY(%(accounts)s::uuid[])"


def create(caller: Caller, environ: WSGIEnvironment) -> Answer:
    caller.actor.require_writer()
    body = bodies.read(environ)
    bodies.check(body, _FIELDS, ("kind", "entries"))
    legs = [_leg(number, entry) for number, entry in enumerate(body["entries"])]
    if sum(leg["amount"] for leg in legs):
        raise Refused(422, "validation-error", "/entries")
    description = body.get("description", "")
    bound = {
        **caller.columns,
        "id": str(uuid7()),
        "event_id": str(uuid7()),
        "accounts": list({leg["account_id"] for leg in legs}),
        "kind": body["kind"],
        "description": description,
        "legs": orjson.dumps(legs).decode(),
        "changes": _changes(caller, body),
        "personal": _json(description=description, created_by_name=caller.actor.name),
    }
    rows = query(_CREATE, bound)
    if not rows:
        raise _unknown_accounts(legs)
    key, version, created_at, updated_at, posted_at = rows[0]
    made = {
        "id": key,
        "version": version,
        "created_at": created_at,
        "updated_at": updated_at,
        "kind": body["kind"],
        "description": description,
        "entries": body["entries"],
        "reference": None,
        "conversation_id": None,
        "task_id": None,
        "expires_at": None,
        "status": "posted",
        "posted_at": posted_at,
        "reverses_id": None,
        "reversed_by_id": None,
        "needs_approval": False,
        "approved_by_id": None,
        "created_by": {"type": "user", "id": caller.actor.id, "name": caller.actor.name},
    }
    return 201, made, [("ETag", f'"{version}"'), ("Location", f"/v1/transactions/{key}")]


def _leg(number: int, entry: Any) -> dict[str, Any]:
    at = f"/entries/{number}"
    if not isinstance(entry, dict):
        raise Refused(422, "validation-error", at)
    bodies.check(entry, _ENTRY_FIELDS, ("account_id", "amount"), at)
    amount = entry["amount"]
    bodies.check(amount, _AMOUNT_FIELDS, ("amount", "currency"), f"{at}/amount")
    return {
        "account_id": entry["account_id"],
        "currency": amount["currency"],
        "amount": int(amount["amount"].replace(".", "")),
        "position": number,
    }


def _unknown_accounts(legs: list[dict[str, Any]]) -> Refused:
    wanted = {"accounts": [leg["account_id"] for leg in legs]}
    known = {row[0] for row in query(_KNOWN, wanted)}
    wrong = [number for number, leg in enumerate(legs) if leg["account_id"] not in known]
    return Refused(422, "validation-error", *(f"/entries/{n}/account_id" for n in wrong))


def _changes(caller: Caller, body: dict[str, Any]) -> str:
    """The changes of the event, but for `posted_at`; null stands for what is personal."""
    shown = {
        "kind": body["kind"],
        "status": "posted",
        "needs_approval": False,
        "created_by_kind": "user",
        "created_by_id": caller.actor.id,
        "entries": body["entries"],
    }
    return orjson.dumps(_from_null(shown) | {"description": None, "created_by_name": None}).decode()


def _json(**values: object) -> str:
    return orjson.dumps(_from_null(values)).decode()


def _from_null(values: dict[str, object]) -> dict[str, object]:
    return {name: {"before": None, "after": value} for name, value in values.items()}
