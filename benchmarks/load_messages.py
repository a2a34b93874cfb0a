"""Messages under load: delivered once, however often they are sent, and numbered without a gap."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import UUID

from app.domain.conversations import NewConversation
from app.services import ConversationOpener, CustomerService
from benchmarks.load_http import Answer, Connection
from benchmarks.load_report import Report
from tests.served import Desk

Send = Callable[[Connection, int], list[Answer]]

_PARALLEL = 50
_WRITERS = 8
_DIRECTIONS = ("inbound", "outbound", "note")

_GAPS = """
SELECT count(*) FROM (
    SELECT conversations.id, last_seq, count(messages.id) AS messages,
        coalesce(max(seq), 0) AS highest, count(DISTINCT seq) AS numbers
    FROM conversations LEFT JOIN messages ON messages.conversation_id = conversations.id
    WHERE subject = %s GROUP BY conversations.id
) AS found
WHERE messages <> highest OR messages <> numbers OR messages <> last_seq
"""
_MESSAGES = """
SELECT count(*) FROM messages JOIN conversations ON conversations.id = conversation_id
WHERE subject = %s
"""


def one_delivery(desk: Desk, rounds: int = 10) -> Report:
    """Fifty deliveries of one message at once: to one conversation, to several, or to a new one."""
    name = "one-delivery"
    report, began = Report(name), time.monotonic()
    token, customer = desk.employ(name).token, new_customer(desk, name)
    conversations = [new_conversation(desk, customer, name) for _ in range(5)]
    opened: dict[str, Any] = {"customer_id": customer, "subject": f"{name}: new", "channel": "chat"}

    def deliver(way: str, number: int) -> Send:
        message = {"body": "Hello", "external_id": f"{way}-{number}"}
        inbound = {"direction": "inbound", **message}

        def send(connection: Connection, sender: int) -> list[Answer]:
            if way == "a new conversation":
                return [connection.post("/v1/conversations", {**opened, "message": message})]
            key = conversations[sender % 5 if way == "five conversations" else 0]
            return [connection.post(f"/v1/conversations/{key}/messages", inbound)]

        return send

    for way in ("one conversation", "five conversations", "a new conversation"):
        told = [at_once(desk, token, deliver(way, n), _PARALLEL) for n in range(rounds)]
        right = [
            sorted(answer.status for answer in answers) == [200] * (_PARALLEL - 1) + [201]
            for answers in told
        ]
        report.expect(f"{way}: rounds with one 201, else 200", sum(right), rounds)
        alike = [len({answer.body.get("id") for answer in answers}) for answers in told]
        report.expect(f"{way}: ids in a round", sorted(set(alike)), [1])
    report.note(deliveries=3 * rounds * _PARALLEL, seconds=f"{time.monotonic() - began:.1f}")
    report.expect("messages", desk.sql(_MESSAGES, name), [(2 * rounds,)])
    found = desk.sql("SELECT count(*) FROM conversations WHERE subject = %s", opened["subject"])
    report.expect("new conversations", found, [(rounds,)])
    report.expect("their messages", desk.sql(_MESSAGES, opened["subject"]), [(rounds,)])
    gaps = [desk.sql(_GAPS, subject) for subject in (name, opened["subject"])]
    report.expect("conversations with gaps", gaps, [[(0,)], [(0,)]])
    report.expect("tracebacks in the server's log", desk.log.count("Traceback"), 0)
    return report


def gapless(desk: Desk, count: int = 200) -> Report:
    """Eight who write into one conversation at once, all that they can."""
    name = "gapless"
    report, began = Report(name), time.monotonic()
    token = desk.employ(name).token
    key = new_conversation(desk, new_customer(desk, name), name)

    def send(connection: Connection, sender: int) -> list[Answer]:
        path = f"/v1/conversations/{key}/messages"
        return [
            connection.post(path, {"direction": _DIRECTIONS[(sender + n) % 3], "body": f"{n}"})
            for n in range(count)
        ]

    answers = at_once(desk, token, send, _WRITERS)
    seconds = time.monotonic() - began
    report.note(seconds=f"{seconds:.1f}", messages_per_second=f"{len(answers) / seconds:,.0f}")
    report.expect("answers", len(answers), _WRITERS * count)
    report.expect("statuses", sorted({answer.status for answer in answers}), [201])
    numbers = sorted(answer.body.get("seq", 0) for answer in answers)
    whole = list(range(1, _WRITERS * count + 1))
    report.expect("numbers told are 1, 2, 3 and so on", numbers == whole, expected=True)
    stored = desk.sql("SELECT seq FROM messages WHERE conversation_id = %s ORDER BY seq", key)
    report.expect("numbers stored are", [seq for (seq,) in stored] == whole, expected=True)
    report.expect("conversations with gaps", desk.sql(_GAPS, name), [(0,)])
    return report


def at_once(desk: Desk, token: str, send: Send, senders: int) -> list[Answer]:
    """All begin together, each on a connection of its own."""
    barrier = Barrier(senders)

    def sender(number: int) -> list[Answer]:
        connection = Connection(desk.port, token)
        connection.connect()
        barrier.wait()
        try:
            return send(connection, number)
        finally:
            connection.close()

    with ThreadPoolExecutor(senders) as pool:
        return [answer for told in pool.map(sender, range(senders)) for answer in told]


def new_customer(desk: Desk, name: str) -> str:
    values = {"reference": name, "name": "Ann"}
    return str(CustomerService.as_system(desk.database).create(values).id)


def new_conversation(desk: Desk, customer: str, subject: str) -> str:
    new = NewConversation(customer_id=UUID(customer), subject=subject, channel="email")
    return str(ConversationOpener.as_system(desk.database).open(new)[0].id)
