"""A message that is delivered again is written once, and only where it belongs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.client import Client, codes, problem
from tests.conversations import IN, NOBODY, NOTE, OUT, PATH, messages_of
from tests.desk import TASK

if TYPE_CHECKING:
    from collections.abc import Callable

    Start = Callable[..., str]


# Where nothing is written any more


def test_nothing_is_written_where_it_has_ended(staff: Client, start: Start) -> None:
    """Closed and merged are conflicts, deleted and unknown are not there."""
    closed, merged, deleted, target = start(), start(), start(), start()
    staff.post(f"{closed}/close")
    staff.post(f"{merged}/merge", {"into": target.rpartition("/")[2]})
    staff.delete(deleted)
    for body in (IN, OUT, NOTE):
        answer = staff.post(f"{closed}/messages", body)
        assert problem(answer) == (409, "invalid-transition")
        assert (answer.json["from"], answer.json["allowed"]) == ("closed", [])
        answer = staff.post(f"{merged}/messages", body)
        assert problem(answer) == (409, "conversation-merged")
        assert answer.json["merged_into_id"] == target.rpartition("/")[2]
        for path in (deleted, f"{PATH}/{NOBODY}"):
            assert problem(staff.post(f"{path}/messages", body)) == (404, "not-found")
    assert messages_of(staff, target) == []


def test_a_repeat_gets_its_message_whatever_became_of_it(staff: Client, start: Start) -> None:
    """Who delivers again after the conversation was closed or merged is told where it is."""
    closed, merged, target = start(), start(), start()
    first = staff.create(f"{closed}/messages", {**IN, "external_id": "m-1"})
    second = staff.create(f"{merged}/messages", {**IN, "external_id": "m-2"})
    staff.post(f"{closed}/close")
    staff.post(f"{merged}/merge", {"into": target.rpartition("/")[2]})
    moved = staff.get(f"/v1/messages/{second['id']}").json
    assert moved["conversation_id"] == target.rpartition("/")[2]
    for path, known in ((closed, first), (merged, moved), (target, moved)):
        answer = staff.post(f"{path}/messages", {**IN, "external_id": known["external_id"]})
        assert (answer.status_code, answer.json) == (200, known)
        assert answer.headers["Location"].endswith(f"/v1/messages/{known['id']}")
    assert staff.get(closed).json["status"] == "closed"
    assert len(messages_of(staff, target)) == 1


# Delivered once


def test_a_repeat_changes_nothing(staff: Client, start: Start) -> None:
    """It is the message of then, with no new number and no event."""
    path = start()
    first = staff.create(f"{path}/messages", {**IN, "external_id": "m-1"})
    staff.post(f"{path}/resolve")
    count = staff.get("/v1/events?include_total=true").json["total"]
    answer = staff.post(f"{path}/messages", {**IN, "external_id": "m-1"})
    assert (answer.status_code, answer.json) == (200, first)
    assert staff.get(path).json["status"] == "resolved"
    assert staff.get("/v1/events?include_total=true").json["total"] == count
    assert staff.create(f"{path}/messages", NOTE)["seq"] == 2


def test_another_message_under_a_known_external_id_is_refused(
    admin: Client, staff: Client, start: Start, opening: dict[str, Any], bob: str
) -> None:
    """409, and the answer is the same whatever differs: it shows nothing of the message known."""
    path, theirs, gone = start(), start(customer_id=bob), start(customer_id=bob)
    first = staff.create(f"{path}/messages", {**IN, "external_id": "m-1"})
    staff.create(f"{gone}/messages", {**IN, "external_id": "m-2"})
    assert staff.delete(gone).status_code == 204
    before = staff.get("/v1/events?include_total=true").json["total"]
    answers = [
        client.post(f"{where}/messages", {**body, "external_id": name})
        for client in (admin, staff)
        for where, body, name in (
            (path, {**IN, "body": "Hello? "}, "m-1"),
            (path, {**IN, "body": "Hello\N{FULLWIDTH QUESTION MARK}"}, "m-1"),
            (path, {**OUT, "body": IN["body"]}, "m-1"),
            (path, {**NOTE, "body": IN["body"]}, "m-1"),
            (theirs, IN, "m-1"),
            (theirs, IN, "m-2"),
            (path, IN, "m-2"),
        )
    ]
    opened = [
        staff.post(PATH, {**opening, **whose, "message": {"body": body, "external_id": name}})
        for whose, body, name in (
            ({}, "Other", "m-1"),
            ({"customer_id": bob}, IN["body"], "m-1"),
            ({"customer_id": bob}, IN["body"], "m-2"),
        )
    ]
    reported = {(answer.json["title"], answer.json["detail"]) for answer in (*answers, *opened)}
    assert len(reported) == 1
    for answer in (*answers, *opened):
        assert problem(answer) == (409, "external-id-reused")
        assert first["id"] not in answer.text
    assert {str(codes(answer)) for answer in answers} == {"{'/external_id': 'external-id-reused'}"}
    assert codes(opened[0]) == {"/message/external_id": "external-id-reused"}
    assert staff.get("/v1/events?include_total=true").json["total"] == before


def test_a_mail_whose_external_id_is_taken_gets_through_under_another(
    staff: Client, opening: dict[str, Any], start: Start
) -> None:
    """Also where its conversation was deleted: refused is not lost, and repeats stay one."""
    body = {**opening, "message": {"body": "Hello?", "external_id": "<1@mail>"}}
    gone = staff.create(PATH, body)
    assert staff.delete(f"{PATH}/{gone['id']}").status_code == 204
    assert problem(staff.post(PATH, body)) == (409, "external-id-reused")
    assert problem(staff.post(f"{PATH}/{gone['id']}/messages", IN)) == (404, "not-found")
    renamed = {**opening, "message": {"body": "Hello?", "external_id": "<1@mail>#2"}}
    opened, again = staff.post(PATH, renamed), staff.post(PATH, renamed)
    assert (opened.status_code, again.status_code, again.json) == (201, 200, opened.json)
    assert len(messages_of(staff, f"{PATH}/{opened.json['id']}")) == 1
    assert staff.post(f"{PATH}/{gone['id']}/restore").status_code == 200
    assert staff.post(PATH, body).json["id"] == gone["id"]


def test_a_repeat_with_its_idempotency_key_is_answered_as_before(
    staff: Client, opening: dict[str, Any]
) -> None:
    """A gateway whose first answer was lost gets that, also when the conversation is deleted."""
    body = {**opening, "message": {"body": "Hello?", "external_id": "m-1"}}
    first = staff.post(PATH, body, idempotency_key="m-1")
    assert staff.delete(f"{PATH}/{first.json['id']}").status_code == 204
    again = staff.post(PATH, body, idempotency_key="m-1")
    assert (first.status_code, again.status_code, again.data) == (201, 201, first.data)


def test_a_repeat_is_compared_with_the_customer_of_today(
    staff: Client, start: Start, bob: str
) -> None:
    """Where a conversation was given another customer, also after it was merged into."""
    source, target = start(), start()
    message = {**IN, "external_id": "m-1"}
    known = staff.create(f"{source}/messages", message)
    staff.post(f"{source}/merge", {"into": target.rpartition("/")[2]})
    staff.patch(target, {"customer_id": bob})
    for path in (source, target, start(customer_id=bob)):
        answer = staff.post(f"{path}/messages", message)
        assert (answer.status_code, answer.json["id"]) == (200, known["id"])
    refused = staff.post(f"{start()}/messages", message)
    assert problem(refused) == (409, "external-id-reused")


def test_an_external_id_is_one_per_channel(staff: Client, start: Start) -> None:
    """The same words in an e-mail and in a chat are two messages; letters are told apart."""
    mail, chat = start(), start(channel="chat")
    made = [
        staff.create(f"{path}/messages", {**IN, "external_id": name})["id"]
        for path, name in ((mail, "m-1"), (chat, "m-1"), (mail, "M-1"), (mail, "m-1 "))
    ]
    assert len(set(made)) == 4
    answer = staff.post(f"{start()}/messages", {**IN, "external_id": "m-1"})
    assert (answer.status_code, answer.json["id"]) == (200, made[0])


def test_a_conversation_is_opened_once(staff: Client, opening: dict[str, Any]) -> None:
    """A first message that is known leads to the conversation it is in, whatever else is sent."""
    message = {"body": "Hello?", "external_id": "m-1"}
    opened = staff.create(PATH, {**opening, "message": message})
    again = staff.post(PATH, {**opening, "subject": "Other", "message": message, "task": TASK})
    assert (again.status_code, again.json) == (200, opened)
    assert again.headers["Location"].endswith(opened["id"])
    for name in ("conversations", "tasks"):
        total = staff.get(f"/v1/{name}?include_total=true").json["total"]
        assert total == (1 if name == "conversations" else 0)
    target = f"{PATH}/{staff.create(PATH, opening)['id']}"
    staff.post(f"{PATH}/{opened['id']}/merge", {"into": target.rpartition("/")[2]})
    moved = staff.post(PATH, {**opening, "message": message})
    assert (moved.status_code, moved.json) == (200, staff.get(target).json)
