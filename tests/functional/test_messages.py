"""Messages: numbered without a gap, delivered once, never changed, by whom they say."""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest

from tests.client import Client, codes, problem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.client import Answer

    Sql = Callable[..., list[tuple[Any, ...]]]
    Start = Callable[..., str]

PATH = "/v1/conversations"
NOBODY = "01a00000-0000-7000-8000-000000000000"
TASK = {"kind": "reply", "queue": "work"}
IN = {"direction": "inbound", "body": "Hello?"}
OUT = {"direction": "outbound", "body": "Hello!"}
NOTE = {"direction": "note", "body": "Hm."}
WAITING = (
    "SELECT pid FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@pytest.fixture
def customer(staff: Client) -> str:
    """The id of a customer."""
    created: str = staff.create("/v1/customers", {"reference": "C-1", "name": "Ann"})["id"]
    return created


@pytest.fixture
def new(customer: str) -> dict[str, Any]:
    """What opens a conversation."""
    return {"customer_id": customer, "subject": "Help", "channel": "email"}


@pytest.fixture
def start(staff: Client, new: dict[str, Any]) -> Start:
    """Open a conversation; answers its path."""
    return lambda **values: f"{PATH}/{staff.create(PATH, {**new, **values})['id']}"


def _at_once(calls: Sequence[Callable[[], Answer]]) -> list[Answer]:
    """The answers to calls that all wait for each other to begin."""
    ready = threading.Barrier(len(calls))

    def run(call: Callable[[], Answer]) -> Answer:
        ready.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def _messages(client: Client, path: str) -> list[dict[str, Any]]:
    """All of them, page by page."""
    url, items = f"{path}/messages?limit=100", []
    while True:
        answer = client.get(url).json
        items += answer["items"]
        if answer["next_cursor"] is None:
            return items
        url = f"{path}/messages?limit=100&cursor={answer['next_cursor']}"


# One message


def test_a_new_message_has_every_field(staff: Client, start: Start) -> None:
    """It can be read again where Location says, under an ETag."""
    path = start()
    answer = staff.post(f"{path}/messages", {**OUT, "external_id": "m-1"})
    created = answer.json
    assert (answer.status_code, answer.headers["ETag"]) == (201, '"1"')
    assert answer.headers["Location"] == f"/v1/messages/{created['id']}"
    read = staff.get(answer.headers["Location"])
    assert (read.status_code, read.json, read.headers["ETag"]) == (200, created, '"1"')
    assert staff.get(answer.headers["Location"], if_none_match='"1"').status_code == 304
    bookkeeping = {"id", "version", "created_at", "updated_at"}
    assert {name: value for name, value in created.items() if name not in bookkeeping} == {
        **OUT,
        "conversation_id": path.rpartition("/")[2],
        "original_conversation_id": None,
        "seq": 1,
        "author": {"type": "user", "id": staff.user_id, "name": "Staff"},
        "external_id": "m-1",
    }


def test_who_wrote_it(
    staff: Client, start: Start, customer: str, hire: Callable[..., Client]
) -> None:
    """What comes in is the customer's, whoever hands it in; the rest is the caller's."""
    path, bot = start(task=TASK), hire("bot")
    bot.post("/v1/tasks/claim", {})
    ann = {"type": "customer", "id": customer, "name": "Ann"}
    person = {"type": "user", "id": staff.user_id, "name": "Staff"}
    program = {"type": "agent", "id": bot.user_id, "name": "bot"}
    for client, body, author in (
        (staff, IN, ann),
        (staff, OUT, person),
        (staff, NOTE, person),
        (bot, OUT, program),
        (bot, NOTE, program),
    ):
        assert client.create(f"{path}/messages", body)["author"] == author


def test_an_author_keeps_the_name_of_then(staff: Client, start: Start, customer: str) -> None:
    """Whatever the customer is called later."""
    path = start(message={"body": "Hello?"})
    staff.patch(f"/v1/customers/{customer}", {"name": "Anna"})
    staff.create(f"{path}/messages", IN)
    assert [item["author"]["name"] for item in _messages(staff, path)] == ["Ann", "Anna"]


def test_a_message_is_one_event_without_its_body(staff: Client, start: Start) -> None:
    """What was written stands in one place alone, where it can be erased."""
    message = staff.create(f"{start()}/messages", {**NOTE, "external_id": "m-1"})
    [event] = staff.get(f"/v1/events?object_id={message['id']}").json["items"]
    assert (event["action"], event["object_type"]) == ("created", "messages")
    assert (event["actor"]["id"], event["changes"]["seq"]["after"]) == (staff.user_id, 1)
    assert event["changes"]["external_id"]["after"] == "m-1"
    assert "body" not in event["changes"]


def test_a_note_moves_no_version(staff: Client, start: Start) -> None:
    """The counter of messages is nobody's change; the ETag shows it after the version."""
    path = start()
    before = staff.get(path)
    for body in (NOTE, IN):
        staff.create(f"{path}/messages", body)
    after = staff.get(path)
    assert after.json == before.json
    assert [answer.headers["ETag"] for answer in (before, after)] == ['"1:0"', '"1:2"']


ACTIONS: dict[str, dict[str, Any]] = {
    "assign": {"agent_id": None, "reason": "x"},
    "snooze": {"until": "2999-01-01T00:00:00Z"},
    "resolve": {"message": {"body": "Bye."}},
    "reopen": {},
    "close": {},
    "merge": {"into": ""},
    "patch": {"subject": "New"},
    "delete": {},
}


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("query", ["", "?fields=id", "?expand=customer"])
def test_an_action_waits_for_nothing_new_to_be_said(
    staff: Client, start: Start, action: str, query: str
) -> None:
    """412 under an ETag from before a message, on every route and of every kind of answer."""
    path, other = start(), start()
    if action == "reopen":
        staff.post(f"{path}/resolve")
    body = {"into": other.rpartition("/")[2]} if action == "merge" else ACTIONS[action]

    def act(etag: str) -> Answer:
        if action == "patch":
            return staff.patch(path, body, if_match=etag)
        if action == "delete":
            return staff.delete(path, if_match=etag)
        return staff.post(f"{path}/{action}", body, if_match=etag)

    stale = staff.get(f"{path}{query}").headers["ETag"]
    staff.create(f"{path}/messages", NOTE)
    before = staff.get(f"{path}{query}")
    assert problem(act(stale)) == (412, "precondition-failed")
    assert problem(staff.get(path, if_match=stale)) == (412, "precondition-failed")
    assert len(_messages(staff, path)) == 1
    assert staff.get(f"{path}{query}").headers["ETag"] == before.headers["ETag"] != stale
    assert staff.get(f"{path}{query}", if_none_match=stale).status_code == 200
    current = before.headers["ETag"]
    assert staff.get(f"{path}{query}", if_none_match=current).status_code == 304
    assert act(f"{stale}, {current}").status_code in (200, 204)


def test_an_etag_is_the_same_whoever_answers(staff: Client, new: dict[str, Any]) -> None:
    """POST, its repeat, PATCH and actions, with the number of the message that they add."""
    body = {**new, "message": {"body": "Hello?", "external_id": "m-1"}}
    opened, again = staff.post(PATH, body), staff.post(PATH, body)
    path = f"{PATH}/{opened.json['id']}"
    answers = [
        (opened, '"1:1"'),
        (again, '"1:1"'),
        (staff.patch(path, {"subject": "New"}, if_match='"1:1"'), '"2:1"'),
        (staff.post(f"{path}/assign", {"agent_id": None, "reason": "x"}), '"3:1"'),
        (staff.post(f"{path}/resolve", {"message": {"body": "Bye."}}, if_match='"3:1"'), '"4:2"'),
    ]
    for answer, etag in answers:
        assert answer.headers["ETag"] == etag, answer.text
    assert staff.get(path).headers["ETag"] == '"4:2"'
    assert staff.delete(path, if_match='"4:2"').status_code == 204
    restored = staff.post(f"{path}/restore", if_match='"5:2"')
    assert (restored.status_code, restored.headers["ETag"]) == (200, '"6:2"')


def test_a_version_alone_asks_for_no_message(staff: Client, start: Start) -> None:
    """As a list shows it; what is no ETag of a conversation never fits."""
    path = start()
    staff.create(f"{path}/messages", NOTE)
    (listed,) = staff.get(PATH).json["items"]
    for wrong in ('"1:0"', '"1:2"', '"1:"', '"1:1:x"', '"1:-1"', '"2"', 'W/"1:1"', '"1:01x"'):
        answer = staff.patch(path, {"subject": "New"}, if_match=wrong)
        assert problem(answer) == (412, "precondition-failed"), wrong
    etag = f'"{listed["version"]}"'
    assert staff.patch(path, {"subject": "New"}, if_match=etag).status_code == 200


def test_a_message_takes_no_notice_of_if_match(staff: Client, start: Start) -> None:
    """Its ETag is its own, and it changes no other message."""
    path = start()
    answer = staff.post(f"{path}/messages", NOTE, if_match='"7:7"')
    assert (answer.status_code, answer.headers["ETag"]) == (201, '"1"')


@pytest.mark.parametrize(
    ("values", "mistakes"),
    [
        ({"body": None}, {"/body": "null"}),
        ({"body": ""}, {"/body": "length"}),
        ({"body": " \n\t"}, {"/body": "length"}),
        ({"body": "a" * 100_001}, {"/body": "length"}),
        ({"body": 1}, {"/body": "type"}),
        ({"body": "a\0b"}, {"/body": "invalid-character"}),
        ({"external_id": "a\0b"}, {"/external_id": "invalid-character"}),
        ({"external_id": ""}, {"/external_id": "length"}),
        ({"external_id": "a" * 256}, {"/external_id": "length"}),
        ({"external_id": 1}, {"/external_id": "type"}),
        ({"direction": "up"}, {"/direction": "choice"}),
        ({"direction": "Inbound"}, {"/direction": "choice"}),
        ({"direction": None}, {"/direction": "null"}),
        ({"seq": 7}, {"/seq": "read-only-field"}),
        ({"author": {"type": "customer"}}, {"/author": "read-only-field"}),
        ({"conversation_id": NOBODY}, {"/conversation_id": "read-only-field"}),
        ({"original_conversation_id": None}, {"/original_conversation_id": "read-only-field"}),
        ({"id": NOBODY}, {"/id": "read-only-field"}),
        ({"author_name": "x"}, {"/author_name": "unknown-field"}),
        ({"channel": "email"}, {"/channel": "unknown-field"}),
    ],
)
def test_what_is_wrong_is_pointed_at(
    staff: Client, start: Start, values: dict[str, Any], mistakes: dict[str, str]
) -> None:
    """422, and the next message still has number 1."""
    path = start()
    answer = staff.post(f"{path}/messages", {**NOTE, **values})
    assert problem(answer) == (422, "validation-error")
    assert codes(answer) == mistakes
    assert staff.create(f"{path}/messages", NOTE)["seq"] == 1


def test_a_message_needs_a_body_and_a_direction(staff: Client, start: Start) -> None:
    """Nothing is guessed; a lone surrogate is no text."""
    path = f"{start()}/messages"
    assert codes(staff.post(path, {})) == {"/body": "required", "/direction": "required"}
    raw = b'{"direction": "note", "body": "\\ud800"}'
    assert codes(staff.send("POST", path, raw=raw)) == {"/body": "invalid-character"}


@pytest.mark.parametrize(
    "body", ["a" * 100_000, "\N{GRINNING FACE}" * 100_000, " x\r\n\u2028\u202e\ufeff "]
)
def test_what_was_written_is_kept_to_the_letter(staff: Client, start: Start, body: str) -> None:
    """Up to a hundred thousand characters of any script, with the space around them."""
    message = staff.create(f"{start()}/messages", {**IN, "body": body, "external_id": "m" * 255})
    assert message["body"] == body
    assert staff.get(f"/v1/messages/{message['id']}").json == message


# Never changed


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "POST"])
def test_a_message_is_only_read(admin: Client, staff: Client, start: Start, method: str) -> None:
    """Every other method is 405, whoever asks; and there is no list of all."""
    message = staff.create(f"{start()}/messages", IN)
    path = f"/v1/messages/{message['id']}"
    answer = admin.send(method, path, {"body": "x"})
    assert problem(answer) == (405, "method-not-allowed")
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}
    assert problem(admin.post(f"{path}/restore")) == (404, "not-found")
    assert problem(admin.get("/v1/messages")) == (404, "not-found")
    assert staff.get(path).json == message


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE messages SET body = 'x'",
        "UPDATE messages SET author_name = 'x'",
        "UPDATE messages SET author_id = NULL",
        "UPDATE messages SET direction = 'note'",
        "UPDATE messages SET external_id = NULL",
        "UPDATE messages SET channel = 'chat'",
        "UPDATE messages SET created_at = now()",
        "UPDATE messages SET id = gen_random_uuid()",
        "DELETE FROM messages",
        "TRUNCATE messages",
        "TRUNCATE conversations CASCADE",
    ],
)
def test_the_database_keeps_messages_as_they_are(
    staff: Client, start: Start, sql: Sql, statement: str
) -> None:
    """Also from whoever comes with SQL of their own."""
    path = start()
    message = staff.create(f"{path}/messages", {**IN, "external_id": "m-1"})
    with pytest.raises(psycopg2.errors.IntegrityConstraintViolation, match="never changed"):
        sql(statement)
    assert _messages(staff, path) == [message]


def test_the_database_refuses_a_number_twice(staff: Client, start: Start, sql: Sql) -> None:
    """Nor is there a number 0."""
    path = start()
    for _ in range(2):
        staff.create(f"{path}/messages", NOTE)
    with pytest.raises(psycopg2.errors.UniqueViolation):
        sql("UPDATE messages SET seq = 1")
    with pytest.raises(psycopg2.errors.CheckViolation):
        sql("UPDATE messages SET seq = 0 WHERE seq = 1")


# Who may write what


def test_viewers_read_and_do_not_write(viewer: Client, staff: Client, start: Start) -> None:
    """The list and one alike."""
    path = start()
    message = staff.create(f"{path}/messages", NOTE)
    assert viewer.get(f"{path}/messages").json["items"] == [message]
    assert viewer.get(f"/v1/messages/{message['id']}").json == message
    assert problem(viewer.post(f"{path}/messages", NOTE)) == (403, "forbidden")


def test_a_program_does_not_write_in_a_customers_name(
    start: Start, hire: Callable[..., Client]
) -> None:
    """Not even about the task that it runs."""
    path, bot = start(task=TASK), hire("bot")
    bot.post("/v1/tasks/claim", {})
    assert problem(bot.post(f"{path}/messages", IN)) == (403, "forbidden")
    assert bot.get(f"{path}/messages").json["items"] == []


def test_a_program_sees_only_what_its_tasks_refer_to(
    staff: Client, start: Start, hire: Callable[..., Client]
) -> None:
    """And is not told whether anything else is there."""
    mine, other, bot = start(task=TASK), start(), hire("bot")
    bot.post("/v1/tasks/claim", {})
    secret = staff.create(f"{other}/messages", {**IN, "external_id": "m-1"})
    own = staff.create(f"{mine}/messages", IN)
    assert bot.get(f"/v1/messages/{own['id']}").json == own
    refused = [
        bot.get(f"/v1/messages/{secret['id']}"),
        bot.get(f"/v1/messages/{NOBODY}"),
        bot.get(f"{other}/messages"),
        bot.post(f"{other}/messages", OUT),
        bot.get(f"{PATH}/{NOBODY}/messages"),
        bot.post(f"{PATH}/{NOBODY}/messages", OUT),
    ]
    assert [problem(answer) for answer in refused] == [(403, "forbidden")] * len(refused)


def test_a_program_sets_no_external_id(
    staff: Client, start: Start, hire: Callable[..., Client]
) -> None:
    """So it neither learns which are known, nor takes that of a mail which is still to come."""
    mine, other, bot = start(task=TASK), start(), hire("bot")
    bot.post("/v1/tasks/claim", {})
    staff.create(f"{other}/messages", {**IN, "body": "secret", "external_id": "m-1"})
    answers = [
        bot.post(f"{mine}/messages", {**body, "external_id": name})
        for name in ("m-1", "m-2")
        for body in (OUT, NOTE)
    ]
    for answer in answers:
        assert problem(answer) == (422, "validation-error")
        assert codes(answer) == {"/external_id": "not-allowed"}
    assert len({answer.json["detail"] for answer in answers}) == 1
    assert bot.post(f"{mine}/messages", {**OUT, "external_id": None}).status_code == 201
    assert staff.post(f"{mine}/messages", {**IN, "external_id": "m-2"}).status_code == 201


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
    assert _messages(staff, target) == []


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
    assert len(_messages(staff, target)) == 1


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


@pytest.fixture
def bob(staff: Client) -> str:
    """The id of another customer."""
    created: str = staff.create("/v1/customers", {"reference": "C-2", "name": "Bob"})["id"]
    return created


def test_another_message_under_a_known_external_id_is_refused(
    admin: Client, staff: Client, start: Start, new: dict[str, Any], bob: str
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
        staff.post(PATH, {**new, **whose, "message": {"body": body, "external_id": name}})
        for whose, body, name in (
            ({}, "Other", "m-1"),
            ({"customer_id": bob}, IN["body"], "m-1"),
            ({"customer_id": bob}, IN["body"], "m-2"),
        )
    ]
    told = {(answer.json["title"], answer.json["detail"]) for answer in (*answers, *opened)}
    assert len(told) == 1
    for answer in (*answers, *opened):
        assert problem(answer) == (409, "external-id-reused")
        assert first["id"] not in answer.text
    assert {str(codes(answer)) for answer in answers} == {"{'/external_id': 'external-id-reused'}"}
    assert codes(opened[0]) == {"/message/external_id": "external-id-reused"}
    assert staff.get("/v1/events?include_total=true").json["total"] == before


def test_a_mail_whose_external_id_is_taken_gets_through_under_another(
    staff: Client, new: dict[str, Any], start: Start
) -> None:
    """Also where its conversation was deleted: refused is not lost, and repeats stay one."""
    body = {**new, "message": {"body": "Hello?", "external_id": "<1@mail>"}}
    gone = staff.create(PATH, body)
    assert staff.delete(f"{PATH}/{gone['id']}").status_code == 204
    assert problem(staff.post(PATH, body)) == (409, "external-id-reused")
    assert problem(staff.post(f"{PATH}/{gone['id']}/messages", IN)) == (404, "not-found")
    renamed = {**new, "message": {"body": "Hello?", "external_id": "<1@mail>#2"}}
    opened, again = staff.post(PATH, renamed), staff.post(PATH, renamed)
    assert (opened.status_code, again.status_code, again.json) == (201, 200, opened.json)
    assert len(_messages(staff, f"{PATH}/{opened.json['id']}")) == 1
    assert staff.post(f"{PATH}/{gone['id']}/restore").status_code == 200
    assert staff.post(PATH, body).json["id"] == gone["id"]


def test_a_repeat_with_its_idempotency_key_is_answered_as_before(
    staff: Client, new: dict[str, Any]
) -> None:
    """A gateway whose first answer was lost gets that, also when the conversation is deleted."""
    body = {**new, "message": {"body": "Hello?", "external_id": "m-1"}}
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


def test_a_conversation_is_opened_once(staff: Client, new: dict[str, Any]) -> None:
    """A first message that is known leads to the conversation it is in, whatever else is sent."""
    message = {"body": "Hello?", "external_id": "m-1"}
    opened = staff.create(PATH, {**new, "message": message})
    again = staff.post(PATH, {**new, "subject": "Other", "message": message, "task": TASK})
    assert (again.status_code, again.json) == (200, opened)
    assert again.headers["Location"].endswith(opened["id"])
    for name in ("conversations", "tasks"):
        total = staff.get(f"/v1/{name}?include_total=true").json["total"]
        assert total == (1 if name == "conversations" else 0)
    target = f"{PATH}/{staff.create(PATH, new)['id']}"
    staff.post(f"{PATH}/{opened['id']}/merge", {"into": target.rpartition("/")[2]})
    moved = staff.post(PATH, {**new, "message": message})
    assert (moved.status_code, moved.json) == (200, staff.get(target).json)


def test_fifty_deliveries_to_one_conversation(desk: Client, start: Start) -> None:
    """One is new, all are answered with it, and the next message is number 2."""
    path, body = start(), {**IN, "external_id": "m-1"}
    answers = _at_once([lambda: desk.post(f"{path}/messages", body)] * 50)
    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: 49}
    assert len({answer.data for answer in answers}) == 1
    assert [item["id"] for item in _messages(desk, path)] == [answers[0].json["id"]]
    assert desk.create(f"{path}/messages", NOTE)["seq"] == 2


def test_fifty_deliveries_to_two_conversations(desk: Client, start: Start) -> None:
    """The message is in one of them, and neither has a gap."""
    paths, body = [start(), start()], {**IN, "external_id": "m-1"}
    calls = [lambda path=path: desk.post(f"{path}/messages", body) for path in paths * 25]
    answers = _at_once(calls)
    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: 49}
    assert len({answer.data for answer in answers}) == 1
    assert sum(len(_messages(desk, path)) for path in paths) == 1
    for path in paths:
        desk.create(f"{path}/messages", NOTE)
        numbers = [item["seq"] for item in _messages(desk, path)]
        assert numbers == list(range(1, len(numbers) + 1))


def test_twenty_deliveries_of_different_words(desk: Client, start: Start) -> None:
    """The first is new, its repeats get it, and all that say something else are refused."""
    paths = [start(), start()]

    def send(number: int) -> Answer:
        body = {**IN, "body": f"Hello {number % 2}", "external_id": "m-1"}
        return desk.post(f"{paths[number // 2 % 2]}/messages", body)

    answers = _at_once([partial(send, number) for number in range(20)])
    counted = Counter(answer.status_code for answer in answers)
    assert counted == {201: 1, 200: 9, 409: 10}
    (written,) = [message for path in paths for message in _messages(desk, path)]
    for number, answer in enumerate(answers):
        if written["body"] == f"Hello {number % 2}":
            assert answer.json == written
        else:
            assert problem(answer) == (409, "external-id-reused")
            assert written["id"] not in answer.text


def test_twenty_openings_of_two_customers_with_one_external_id(
    desk: Client, new: dict[str, Any], bob: str, sql: Sql
) -> None:
    """One conversation is left, and the other customer's are refused."""
    message = {"body": "Hello?", "external_id": "m-1"}
    bodies = [{**new, "message": message}, {**new, "customer_id": bob, "message": message}]
    answers = _at_once([partial(desk.post, PATH, bodies[n % 2]) for n in range(20)])
    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: 9, 409: 10}
    assert sql("SELECT count(*) FROM conversations") == [(1,)]
    for answer in answers[0::2] if answers[0].status_code == 409 else answers[1::2]:
        assert problem(answer) == (409, "external-id-reused")


def test_fifty_openings_with_one_first_message(desk: Client, new: dict[str, Any], sql: Sql) -> None:
    """One conversation, one message, one task; all are answered with the same id."""
    body = {**new, "message": {"body": "Hello?", "external_id": "m-1"}, "task": TASK}
    answers = _at_once([lambda: desk.post(PATH, body)] * 50)
    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: 49}
    assert len({answer.json["id"] for answer in answers}) == 1
    for table in ("conversations", "messages", "tasks"):
        assert sql(f"SELECT count(*) FROM {table}") == [(1,)]


def test_an_opening_that_is_overtaken_leaves_no_empty_conversation(
    desk: Client, start: Start, new: dict[str, Any], sql: Sql, database_url: str
) -> None:
    """Its message came into another one after it had looked: it is answered with that one."""
    other, message = start(), {**IN, "external_id": "m-1"}
    with (
        ThreadPoolExecutor(1) as pool,
        closing(psycopg2.connect(database_url)) as holder,
        holder.cursor() as cursor,
    ):
        cursor.execute("SELECT FROM customers FOR UPDATE")
        opening = pool.submit(desk.post, PATH, {**new, "message": message})
        while not sql(WAITING):
            assert not opening.done()
            time.sleep(0.01)
        assert desk.post(f"{other}/messages", message).status_code == 201
        holder.rollback()
        answer = opening.result()
    assert (answer.status_code, answer.json["id"]) == (200, other.rpartition("/")[2])
    assert sql("SELECT count(*) FROM conversations") == [(1,)]


def test_numbers_have_no_gap_in_a_crowd(
    desk: Client, start: Start, hire: Callable[..., Client]
) -> None:
    """Eight write twenty each, while repeats, invalid ones and undone ones take no number."""
    paths = [start(task=TASK), start()]
    task = hire("bot").post("/v1/tasks/claim", {}).json["items"][0]
    lost = {"complete_task": {"id": task["id"], "lease_token": NOBODY}, "message": {"body": "x"}}
    answers: list[tuple[int, str]] = []

    def write(writer: int) -> None:
        path = paths[0]
        for number in range(20):
            answer = desk.post(f"{path}/messages", {**NOTE, "body": f"{writer} {number}"})
            assert answer.status_code == 201, answer.text
            shared = {**NOTE, "external_id": f"m-{number}"}
            match number % 5:
                case 0:  # the same one at the same time, into either conversation
                    answer = desk.post(f"{paths[writer % 2]}/messages", shared)
                case 2:
                    answer = desk.post(f"{path}/resolve", lost)
                case 4:
                    answer = desk.post(f"{path}/messages", {**NOTE, "body": ""})
            answers.append((number % 5, str(answer.status_code)))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    counted = Counter(answers)
    assert counted[2, "409"] == counted[4, "422"] == counted[0, "200"] + counted[0, "201"] == 32
    assert counted[0, "201"] == 4
    written = [_messages(desk, path) for path in paths]
    for messages in written:
        assert [item["seq"] for item in messages] == list(range(1, len(messages) + 1))
    bodies = Counter(item["body"] for item in written[0])
    for writer in range(8):
        own = [item["body"] for item in written[0] if item["body"].startswith(f"{writer} ")]
        assert own == [f"{writer} {number}" for number in range(20)]
    assert bodies.total() == 160 + bodies["Hm."]
    assert len(written[1]) == 4 - bodies["Hm."]


# Reading


def test_messages_are_read_in_the_order_they_came(staff: Client, start: Start) -> None:
    """Page by page; or the newest first, filtered, searched and counted."""
    path = start()
    bodies = [IN, OUT, NOTE, {**IN, "body": "100%", "external_id": "m-1"}, OUT]
    made = [staff.create(f"{path}/messages", body) for body in bodies]
    staff.create(f"{start()}/messages", IN)  # which is not in this list
    url = f"{path}/messages"
    first = staff.get(f"{url}?limit=2").json
    second = staff.get(f"{url}?limit=2&cursor={first['next_cursor']}").json
    third = staff.get(f"{url}?limit=2&cursor={second['next_cursor']}").json
    assert [*first["items"], *second["items"], *third["items"]] == made
    assert third["next_cursor"] is None
    for query, found in (
        ("sort=-seq", made[::-1]),
        ("sort=-created_at&limit=1", made[4:]),
        ("direction=outbound", [made[1], made[4]]),
        ("direction__ne=note&seq__gt=1", [made[1], made[3], made[4]]),
        ("author_kind=customer", [made[0], made[3]]),
        (f"author_id={staff.user_id}", [made[1], made[2], made[4]]),
        ("external_id=m-1", [made[3]]),
        ("external_id__is_null=false", [made[3]]),
        ("q=hello!", [made[1], made[4]]),
        ("q=%25", [made[3]]),
    ):
        assert staff.get(f"{url}?{query}").json["items"] == found
    counted = staff.get(f"{url}?include_total=true&limit=1").json
    assert (counted["items"], counted["total"]) == ([made[0]], 5)


@pytest.mark.parametrize(
    "query",
    [
        f"conversation_id={NOBODY}",
        f"conversation_id__ne={NOBODY}",
        "include_deleted=true",
        "body=x",
        "channel=email",
        "author=x",
        "seq=x",
        "seq=99999999999",
        "sort=body",
        "sort=seq,seq",
        "limit=0",
        "q=%00",
    ],
)
def test_what_is_not_declared_can_not_be_asked_for(admin: Client, start: Start, query: str) -> None:
    """400 rather than another list than the one in the path."""
    answer = admin.get(f"{start()}/messages?{query}")
    assert problem(answer) == (400, "invalid-parameter")


def test_a_cursor_belongs_to_its_conversation(staff: Client, start: Start) -> None:
    """It opens no other one's list."""
    paths = [start(), start()]
    for path in paths * 2:
        staff.create(f"{path}/messages", NOTE)
    cursor = staff.get(f"{paths[0]}/messages?limit=1").json["next_cursor"]
    answer = staff.get(f"{paths[1]}/messages?limit=1&cursor={cursor}")
    assert problem(answer) == (400, "invalid-cursor")
