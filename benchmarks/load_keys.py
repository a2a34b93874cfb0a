"""Fifty clients send one request under one Idempotency-Key, while processes of the service die."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from http import HTTPStatus
from threading import Event, Thread
from uuid import uuid4

from benchmarks.load_http import Answer, Connection
from benchmarks.load_messages import at_once, new_conversation, new_customer
from benchmarks.load_report import Report
from tests.served import Desk

_PARALLEL = 50
_NOTES = """
SELECT count(*), count(DISTINCT body) FROM messages
JOIN conversations ON conversations.id = conversation_id WHERE subject = %s
"""


def one_key(desk: Desk, rounds: int = 50, *, kill_every: float | None = None) -> Report:
    """Notes, which nothing but the key keeps from being written again."""
    name = "one-key"
    report, began = Report(name), time.monotonic()
    token = desk.employ(name).token
    path = f"/v1/conversations/{new_conversation(desk, new_customer(desk, name), name)}/messages"
    over = Event()
    killed: list[bool] = []
    killer = Thread(target=_kill, args=(desk, kill_every, over, killed))
    killer.start()
    try:
        told = [at_once(desk, token, _sender(path, f"{n}"), _PARALLEL) for n in range(rounds)]
    finally:
        over.set()
        killer.join()
    tries = sum(answer.tries for answers in told for answer in answers)
    report.note(posts=rounds * _PARALLEL, tries=tries, servers_killed=sum(killed))
    report.note(seconds=f"{time.monotonic() - began:.1f}")
    alike = [len({(answer.status, answer.body["id"]) for answer in answers}) for answers in told]
    report.expect("different answers in a round", sorted(set(alike)), [1])
    statuses = {answer.status for answers in told for answer in answers}
    report.expect("statuses", statuses, {HTTPStatus.CREATED})
    report.expect("notes, and those that differ", desk.sql(_NOTES, name), [(rounds, rounds)])
    return report


def _sender(path: str, text: str) -> Callable[[Connection, int], list[Answer]]:
    key = str(uuid4())
    body = {"direction": "note", "body": text}

    def send(connection: Connection, _: int) -> list[Answer]:
        return [connection.call("POST", path, body, key=key)]

    return send


def _kill(desk: Desk, every: float | None, over: Event, killed: list[bool]) -> None:
    """Where processes start slowly, one has to serve again before the next is killed."""
    while every is not None and not over.wait(every):
        killed.append(desk.kill_server(len(killed)))
        with closing(Connection(desk.port, "")) as connection:
            connection.get("/livez")
