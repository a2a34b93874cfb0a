"""One customer, a page of them, and new ones, one or a thousand at a time."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import orjson
from uuid_utils import uuid7

from benchmarks.peers.common.refusals import Refused
from benchmarks.peers.floor import bodies
from benchmarks.peers.floor.database import query

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

    from benchmarks.peers.floor.application import Answer
    from benchmarks.peers.floor.callers import Caller

_COLUMNS = (
    "id",
    "version",
    "created_at",
    "updated_at",
    "reference",
    "name",
    "email",
    "phone",
    "attributes",
)
_LISTED = ", ".join(_COLUMNS)
_FIELDS = {
    "reference": bodies.text(64),
    "name": bodies.text(200),
    "email": bodies.optional(bodies.email),
    "phone": bodies.optional(bodies.text(40)),
    "attributes": bodies.json_object,
}
_REQUIRED = ("reference", "name")

_GET = f"SELECT {_LISTED} FROM customers WHERE id = %(id)s AND deleted_at IS NULL"
_PAGE = f"""
SELECT {_LISTED} FROM customers WHERE deleted_at IS NULL {{after}}
ORDER BY created_at DESC, id DESC LIMIT %(limit)s
"""
_FIRST = _PAGE.format(after="")
_NEXT = _PAGE.format(after="AND (created_at, id) < (%(created_at)s, %(id)s)")

# All fields of a customer are personal: the event names them, and its side row has the values.
# Fields that are null are in neither.
_CREATE = f"""
WITH given AS (
    SELECT * FROM jsonb_to_recordset(%(rows)s) AS given (
        id uuid, event_id uuid, reference text, name text, email text, phone text, attributes jsonb)
), made AS (
    INSERT INTO customers (id, reference, name, email, phone, attributes)
    SELECT id, reference, name, email, phone, coalesce(attributes, '{{}}') FROM given
    RETURNING {_LISTED}
), added AS (
    INSERT INTO events (id, actor_kind, actor_id, actor_name, action, object_type, object_id,
        object_version, changes, request_id)
    SELECT event_id, %(actor_kind)s, %(actor_id)s, %(actor_name)s, 'created', 'customers', id,
        version, '{{"reference": null, "name": null, "attributes": null}}'::jsonb
        || CASE WHEN made.email IS NULL THEN '{{}}' ELSE '{{"email": null}}'::jsonb END
        || CASE WHEN made.phone IS NULL THEN '{{}}' ELSE '{{"phone": null}}'::jsonb END,
        %(request_id)s
    FROM given JOIN made USING (id)
), personal AS (
    INSERT INTO event_personal_values (event_id, changes)
    SELECT event_id, jsonb_build_object(
        'reference', jsonb_build_object('before', NULL, 'after', made.reference),
        'name', jsonb_build_object('before', NULL, 'after', made.name),
        'attributes', jsonb_build_object('before', NULL, 'after', made.attributes))
        || CASE WHEN made.email IS NULL THEN '{{}}' ELSE jsonb_build_object(
            'email', jsonb_build_object('before', NULL, 'after', made.email)) END
        || CASE WHEN made.phone IS NULL THEN '{{}}' ELSE jsonb_build_object(
            'phone', jsonb_build_object('before', NULL, 'after', made.phone)) END
    FROM given JOIN made USING (id)
)
SELECT {_LISTED} FROM made
"""


def get(key: str) -> Answer:
    rows = query(_GET, {"id": key})
    if not rows:
        raise Refused(404, "not-found")
    return 200, _customer(rows[0]), [("ETag", f'"{rows[0][1]}"')]


def page(_: Caller, environ: WSGIEnvironment) -> Answer:
    given = parse_qs(environ.get("QUERY_STRING", ""))
    limit = int(given.get("limit", ["25"])[0])
    bound: dict[str, object] = {"limit": limit + 1}
    statement = _FIRST
    if "cursor" in given:
        created_at, key = orjson.loads(urlsafe_b64decode(given["cursor"][0]))
        bound |= {"created_at": created_at, "id": key}
        statement = _NEXT
    rows = query(statement, bound)
    cursor, headers = None, []
    if len(rows) > limit:
        last = rows[limit - 1]
        cursor = urlsafe_b64encode(orjson.dumps((last[2], last[0]))).decode()
        link = f'</v1/customers?limit={limit}&cursor={cursor}>; rel="next"'
        headers = [("Link", link)]
    return 200, {"items": [_customer(row) for row in rows[:limit]], "next_cursor": cursor}, headers


def create(caller: Caller, environ: WSGIEnvironment) -> Answer:
    caller.actor.require_writer()
    body = bodies.read(environ)
    bodies.check(body, _FIELDS, _REQUIRED)
    (row,) = _insert(caller, [body])
    headers = [("ETag", f'"{row[1]}"'), ("Location", f"/v1/customers/{row[0]}")]
    return 201, _customer(row), headers


def create_many(caller: Caller, environ: WSGIEnvironment) -> Answer:
    caller.actor.require_writer()
    items = bodies.read(environ)["items"]
    for number, item in enumerate(items):
        bodies.check(item, _FIELDS, _REQUIRED, f"/items/{number}")
    return 201, {"items": [_customer(row) for row in _insert(caller, items)]}, []


def _insert(caller: Caller, items: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    for item in items:
        item["id"], item["event_id"] = str(uuid7()), str(uuid7())
    rows = orjson.dumps(items).decode()
    return query(_CREATE, {"rows": rows, **caller.columns})


def _customer(row: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip(_COLUMNS, row, strict=True))
