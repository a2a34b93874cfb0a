"""Messages: numbered, read in order, never changed, by whom they say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg2
import pytest

from tests.client import Client, codes, problem
from tests.conversations import IN, NOBODY, NOTE, OUT, messages_of
from tests.desk import TASK

if TYPE_CHECKING:
    from collections.abc import Callable

    Sql = Callable[..., list[tuple[Any, ...]]]
    Start = Callable[..., str]


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
    assert [item["author"]["name"] for item in messages_of(staff, path)] == ["Ann", "Anna"]


def test_a_message_is_one_event_without_its_body(staff: Client, start: Start) -> None:
    """What was written stands in one place alone, where it can be erased."""
    message = staff.create(f"{start()}/messages", {**NOTE, "external_id": "m-1"})
    [event] = staff.get(f"/v1/events?object_id={message['id']}").json["items"]
    assert (event["action"], event["object_type"]) == ("created", "messages")
    assert (event["actor"]["id"], event["changes"]["seq"]["after"]) == (staff.user_id, 1)
    assert event["changes"]["external_id"]["after"] == "m-1"
    assert "body" not in event["changes"]


def test_a_note_leaves_the_version(staff: Client, start: Start) -> None:
    """The counter of messages is nobody's change; the ETag shows it after the version."""
    path = start()
    before = staff.get(path)
    for body in (NOTE, IN):
        staff.create(f"{path}/messages", body)
    after = staff.get(path)
    assert after.json == before.json
    assert [answer.headers["ETag"] for answer in (before, after)] == ['"1:0"', '"1:2"']


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
    assert messages_of(staff, path) == [message]


def test_the_database_refuses_a_number_twice(staff: Client, start: Start, sql: Sql) -> None:
    """Nor is there a number 0."""
    path = start()
    for _ in range(2):
        staff.create(f"{path}/messages", NOTE)
    with pytest.raises(psycopg2.errors.UniqueViolation):
        sql("UPDATE messages SET seq = 1")
    with pytest.raises(psycopg2.errors.CheckViolation):
        sql("UPDATE messages SET seq = 0 WHERE seq = 1")


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
