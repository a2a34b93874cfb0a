"""Checks that contenders give the same answers, and leave the same rows behind."""

from __future__ import annotations

import json
import re
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg2

from benchmarks.peers.contenders import CASELOAD
from benchmarks.peers.scenario import play

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.peers.client import Answer
    from benchmarks.peers.seed import Seed
    from benchmarks.peers.servers import Served

_HEADERS = ("content-type", "etag", "link", "location")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z")
_CURSOR = re.compile(r'cursor=[^&>"]+|(?<="next_cursor": ")[^"]+')

_ROWS = {
    "events": """
        SELECT to_jsonb(events) - '{id,xid,epoch,occurred_at,request_id}'::text[]
            || jsonb_build_object('personal', personal.changes, 'has_request_id',
                request_id IS NOT NULL)
        FROM events LEFT JOIN event_personal_values AS personal ON event_id = events.id
        WHERE actor_kind <> 'system' ORDER BY events.id""",
    "customers": """
        SELECT to_jsonb(customers) - '{id,created_at,updated_at}'::text[] FROM customers
        WHERE reference LIKE 'check-%' ORDER BY reference""",
    "balances": """
        SELECT to_jsonb(accounts) - '{created_at,updated_at}'::text[] FROM accounts
        WHERE balance <> 0 ORDER BY id""",
    "transactions": """
        SELECT to_jsonb(transactions) - '{id,created_at,updated_at,posted_at}'::text[]
        FROM transactions ORDER BY id""",
    "entries": """
        SELECT to_jsonb(entries) - '{id,transaction_id,seq,created_at}'::text[] FROM entries
        ORDER BY seq""",
    "tasks": """
        SELECT to_jsonb(tasks) - '{id,created_at,updated_at,run_after,started_at,completed_at,
            available_at,lease_expires_at}'::text[]
        FROM tasks ORDER BY id""",
    "attempts": """
        SELECT to_jsonb(task_attempts) - '{id,task_id,started_at,ended_at}'::text[]
            || jsonb_build_object('has_ended', ended_at IS NOT NULL)
        FROM task_attempts ORDER BY started_at""",
}


def differences(contenders: Sequence[Served], seed: Seed) -> list[str]:
    """Play the same scenario on each, and compare what came of it with Caseload's."""
    found = {each.contender.name: _played(each, seed) for each in contenders}
    model = found.get(CASELOAD.name, next(iter(found.values())))
    return [
        f"{name}, {step}:\n    {has.get(step)}\n    {model.get(step)}"
        for name, has in found.items()
        for step in {**model, **has}
        if has.get(step) != model.get(step)
    ]


def _played(served: Served, seed: Seed) -> dict[str, str]:
    """Each answer and each row as text, by what was asked for."""
    steps: dict[str, str] = {}
    try:
        steps |= {step: _plain(_shown(answer)) for step, answer in play(served.port, seed)}
    except (KeyError, ValueError) as error:  # an answer has not what the next request needs
        raise RuntimeError(f"{served.contender.name}:\n{served.log.read_text()}") from error
    with closing(psycopg2.connect(served.url)) as connection, connection.cursor() as cursor:
        for name, statement in _ROWS.items():
            cursor.execute(statement)
            for number, (row,) in enumerate(cursor.fetchall()):
                steps[f"row {number} of {name}"] = _plain(row)
    return steps


def _shown(answer: Answer) -> dict[str, Any]:
    """Without the words of a problem, which are free; of its errors, what they point to."""
    body = answer.body
    if answer.status >= 400:
        pointers = sorted(
            error["pointer"] for error in body.get("errors", []) if "pointer" in error
        )
        body = {"type": body["type"], "status": body["status"], "pointers": pointers}
    headers = {name: answer.headers.get(name) for name in _HEADERS}
    headers["scheme"] = answer.headers.get("www-authenticate", "").partition(" ")[0]
    return {"status": answer.status, "headers": headers, "body": body}


def _plain(found: object) -> str:
    """As JSON, with the same text for each new id, time and cursor. Ids are numbered."""
    ids: dict[str, str] = {}
    text = json.dumps(found, sort_keys=True)
    text = _UUID.sub(lambda match: ids.setdefault(match[0], f"<id {len(ids)}>"), text)
    return _CURSOR.sub("<cursor>", _TIME.sub("<time>", text))
