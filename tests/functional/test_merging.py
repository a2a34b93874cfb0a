"""Merging: what was in one conversation goes on in another, complete and in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.client import Client, codes, problem
from tests.conversations import NOBODY, PATH
from tests.desk import TASK
from tests.merging import changes_of, merge, messages_of, note, read

if TYPE_CHECKING:
    from collections.abc import Callable

    Start = Callable[..., str]


def test_a_merge_answers_the_target(staff: Client, begin: Start) -> None:
    """The source is closed and says where it goes on; the target has one message more."""
    source, target = begin("a"), begin("b")
    before = staff.get(f"{PATH}/{target}")
    answer = merge(staff, source, target)
    assert (answer.status_code, answer.json) == (200, before.json)
    assert (before.headers["ETag"], answer.headers["ETag"]) == ('"1:1"', '"1:2"')
    assert read(staff, target) == before.json
    merged = read(staff, source)
    assert (merged["status"], merged["merged_into_id"], merged["version"]) == ("closed", target, 2)
    action, changes = changes_of(staff, source)[-1]
    assert action == "merged"
    assert changes["status"] == {"before": "open", "after": "closed"}
    assert changes["merged_into_id"] == {"before": None, "after": target}
    found = staff.get(f"{PATH}?merged_into_id={target}").json["items"]
    assert [item["id"] for item in found] == [source]


def test_the_messages_get_the_next_numbers_in_order(staff: Client, begin: Start) -> None:
    """Each is the same message, knows where it was written, and the next one follows on."""
    source, target = begin("a", "b", "c"), begin("d", "e")
    before = {item["id"]: item for item in messages_of(staff, source)}
    stayed = messages_of(staff, target)
    merge(staff, source, target)
    note(staff, target, "f")
    messages = messages_of(staff, target)
    assert [(item["seq"], item["body"]) for item in messages] == list(
        enumerate(["d", "e", "a", "b", "c", "f"], start=1)
    )
    assert messages[:2] == stayed
    for moved in messages[2:5]:
        changed = {
            "conversation_id": target,
            "original_conversation_id": source,
            "seq": moved["seq"],
            "version": 2,
            "updated_at": moved["updated_at"],
        }
        assert moved == {**before[moved["id"]], **changed}
        assert staff.get(f"/v1/messages/{moved['id']}").json == moved
    assert messages_of(staff, source) == []


def test_the_event_of_a_moved_message_tells_what_changed(staff: Client, begin: Start) -> None:
    """Its conversation, where it was written, and its number unless that is the same."""
    first, second, third = begin("a"), begin(), begin("c")
    [message] = messages_of(staff, first)
    merge(staff, first, second)
    merge(staff, second, third)
    assert changes_of(staff, message["id"])[1:] == [
        (
            "moved",
            {
                "conversation_id": {"before": first, "after": second},
                "original_conversation_id": {"before": None, "after": first},
            },
        ),
        (
            "moved",
            {
                "conversation_id": {"before": second, "after": third},
                "seq": {"before": 1, "after": 2},
            },
        ),
    ]


def test_tasks_and_todos_move_too(staff: Client, begin: Start, hire: Callable[..., Client]) -> None:
    """Whatever their state, each with its event; an agent goes on with its task as before."""
    source, target, bot = begin(task=TASK), begin(task=TASK), hire()
    running = bot.post("/v1/tasks/claim", {}).json["items"][0]
    assert running["conversation_id"] == source
    pending = staff.create("/v1/tasks", {**TASK, "conversation_id": source})
    todo = staff.create("/v1/todos", {"description": "x", "conversation_id": source})
    merge(staff, source, target)
    for path in (f"/v1/tasks/{running['id']}", f"/v1/tasks/{pending['id']}"):
        assert staff.get(path).json["conversation_id"] == target
    assert staff.get(f"/v1/todos/{todo['id']}").json["conversation_id"] == target
    for key in (running["id"], pending["id"], todo["id"]):
        moved = {"conversation_id": {"before": source, "after": target}}
        assert changes_of(staff, key)[-1] == ("moved", moved)
    assert staff.get(f"/v1/tasks?conversation_id={source}").json["items"] == []
    answer = {"direction": "outbound", "body": "Done."}
    assert bot.post(f"{PATH}/{target}/messages", answer).status_code == 201
    done = {"lease_token": running["lease_token"], "output": None}
    assert bot.post(f"/v1/tasks/{running['id']}/complete", done).status_code == 200


def test_a_chain_leads_to_its_end(staff: Client, begin: Start) -> None:
    """Who writes to the first is sent to the last, where all messages are, as first written."""
    first, second, third = begin("a"), begin("b"), begin("c")
    merge(staff, first, second)
    merge(staff, second, third)
    for key in (first, second):
        answer = staff.post(f"{PATH}/{key}/messages", {"direction": "inbound", "body": "x"})
        assert problem(answer) == (409, "conversation-merged")
        assert answer.json["merged_into_id"] == third
        assert read(staff, key)["merged_into_id"] == third
    redirected = {"merged_into_id": {"before": second, "after": third}}
    assert changes_of(staff, first)[-1] == ("redirected", redirected)
    assert [
        (item["seq"], item["body"], item["original_conversation_id"])
        for item in messages_of(staff, third)
    ] == [(1, "c", None), (2, "b", second), (3, "a", first)]


def test_a_known_message_is_found_at_the_end_of_the_chain(staff: Client, begin: Start) -> None:
    """A repeat to any of them, or one that would open a conversation, gets it."""
    message = {"body": "Hello?", "external_id": "m-1"}
    first, second, third = begin(message=message), begin(), begin()
    merge(staff, first, second)
    merge(staff, second, third)
    [known] = messages_of(staff, third)
    for key in (first, second, third):
        answer = staff.post(f"{PATH}/{key}/messages", {"direction": "inbound", **message})
        assert (answer.status_code, answer.json) == (200, known)
    body = {"customer_id": read(staff, third)["customer_id"], "subject": "x", "channel": "email"}
    opened = staff.post(PATH, {**body, "message": message})
    assert (opened.status_code, opened.json["id"]) == (200, third)


def test_what_can_not_be_merged(staff: Client, begin: Start, customer: str) -> None:
    """Into itself, from or into what has ended, of another customer: 409; into nothing: 422."""
    bob = staff.create("/v1/customers", {"reference": "C-2", "name": "Bob"})["id"]
    one, other, foreign = begin("a"), begin("b"), begin(customer_id=bob)
    closed, merged, deleted = begin(), begin(), begin()
    staff.post(f"{PATH}/{closed}/close")
    merge(staff, merged, other)
    staff.delete(f"{PATH}/{deleted}")
    before = {key: (read(staff, key), messages_of(staff, key)) for key in (one, other, foreign)}
    for source, target, name in (
        (one, one, "merge-into-itself"),
        (closed, closed, "merge-into-itself"),
        (one, closed, "invalid-transition"),
        (closed, one, "invalid-transition"),
        (one, merged, "conversation-merged"),
        (merged, one, "conversation-merged"),
        (merged, other, "conversation-merged"),
        (one, foreign, "customer-mismatch"),
        (foreign, one, "customer-mismatch"),
    ):
        assert problem(merge(staff, source, target)) == (409, name)
    assert merge(staff, one, merged).json["merged_into_id"] == other
    assert merge(staff, one, closed).json["from"] == "closed"
    for target in (NOBODY, deleted):
        answer = merge(staff, one, target)
        assert problem(answer) == (422, "validation-error")
        assert codes(answer) == {"/into": "unknown-reference"}
        assert problem(merge(staff, target, one)) == (404, "not-found")
    assert before == {key: (read(staff, key), messages_of(staff, key)) for key in before}


def test_a_stale_merge_moves_nothing(staff: Client, begin: Start) -> None:
    """If-Match is about the source."""
    source, target = begin("a", task=TASK), begin()
    staff.patch(f"{PATH}/{source}", {"subject": "New"})
    assert problem(merge(staff, source, target, if_match='"1"')) == (412, "precondition-failed")
    assert (len(messages_of(staff, source)), messages_of(staff, target)) == (1, [])
    assert staff.get(f"/v1/tasks?conversation_id={target}").json["items"] == []
    assert merge(staff, source, target, if_match='"2"').status_code == 200


def test_a_target_stays_while_others_lead_to_it(staff: Client, begin: Start) -> None:
    """It is in use: where the messages are must not be lost."""
    source, target = begin("a"), begin()
    merge(staff, source, target)
    assert problem(staff.delete(f"{PATH}/{target}")) == (409, "in-use")
    assert staff.delete(f"{PATH}/{source}").status_code == 204
    assert staff.delete(f"{PATH}/{target}").status_code == 204
    assert problem(staff.post(f"{PATH}/{source}/restore")) == (409, "parent-deleted")


def test_nothing_new_is_about_a_merged_conversation(staff: Client, begin: Start) -> None:
    """Tasks and to-dos are refused with the id of the one that it goes on in."""
    source, target = begin(), begin()
    assert merge(staff, source, target).status_code == 200
    for path, body in (("tasks", TASK), ("todos", {"description": "x"})):
        answer = staff.post(f"/v1/{path}", {**body, "conversation_id": source})
        assert problem(answer) == (409, "conversation-merged")
        assert answer.json["merged_into_id"] == target
        assert staff.post(f"/v1/{path}", {**body, "conversation_id": target}).status_code == 201
