"""Merging: what was in one conversation goes on in another, complete and in order."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

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


@pytest.fixture
def customer(staff: Client) -> str:
    """The id of a customer."""
    created: str = staff.create("/v1/customers", {"reference": "C-1", "name": "Ann"})["id"]
    return created


@pytest.fixture
def start(staff: Client, customer: str) -> Start:
    """Open a conversation with these notes in it; answers its id."""

    def start(*notes: str, **values: Any) -> str:
        body = {"customer_id": customer, "subject": "Help", "channel": "email", **values}
        key: str = staff.create(PATH, body)["id"]
        for note in notes:
            _note(staff, key, note)
        return key

    return start


def _note(client: Client, key: str, body: str) -> dict[str, Any]:
    return client.create(f"{PATH}/{key}/messages", {"direction": "note", "body": body})


def _merge(client: Client, source: str, target: str, **headers: str) -> Answer:
    return client.post(f"{PATH}/{source}/merge", {"into": target}, **headers)


def _get(client: Client, key: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"{PATH}/{key}").json
    return found


def _messages(client: Client, key: str) -> list[dict[str, Any]]:
    """All of them, page by page."""
    url, items = f"{PATH}/{key}/messages?limit=100", []
    while True:
        answer = client.get(url).json
        items += answer["items"]
        if answer["next_cursor"] is None:
            return items
        url = f"{PATH}/{key}/messages?limit=100&cursor={answer['next_cursor']}"


def _told(client: Client, key: str) -> list[tuple[str, dict[str, Any]]]:
    """The actions of its events with their changes, the first first."""
    items = client.get(f"/v1/events?object_id={key}&sort=occurred_at&limit=100").json["items"]
    return [(event["action"], event["changes"]) for event in items]


def _at_once(calls: Sequence[Callable[[], Answer]]) -> list[Answer]:
    """The answers to calls that all wait for each other to begin."""
    ready = threading.Barrier(len(calls))

    def run(call: Callable[[], Answer]) -> Answer:
        ready.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def test_a_merge_answers_the_target(staff: Client, start: Start) -> None:
    """The source is closed and says where it goes on; the target has one message more."""
    source, target = start("a"), start("b")
    before = staff.get(f"{PATH}/{target}")
    answer = _merge(staff, source, target)
    assert (answer.status_code, answer.json) == (200, before.json)
    assert (before.headers["ETag"], answer.headers["ETag"]) == ('"1:1"', '"1:2"')
    assert _get(staff, target) == before.json
    merged = _get(staff, source)
    assert (merged["status"], merged["merged_into_id"], merged["version"]) == ("closed", target, 2)
    action, changes = _told(staff, source)[-1]
    assert action == "merged"
    assert changes["status"] == {"before": "open", "after": "closed"}
    assert changes["merged_into_id"] == {"before": None, "after": target}
    found = staff.get(f"{PATH}?merged_into_id={target}").json["items"]
    assert [item["id"] for item in found] == [source]


def test_the_messages_get_the_next_numbers_in_order(staff: Client, start: Start) -> None:
    """Each is the same message, knows where it was written, and the next one follows on."""
    source, target = start("a", "b", "c"), start("d", "e")
    before = {item["id"]: item for item in _messages(staff, source)}
    stayed = _messages(staff, target)
    _merge(staff, source, target)
    _note(staff, target, "f")
    messages = _messages(staff, target)
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
    assert _messages(staff, source) == []


def test_the_event_of_a_moved_message_tells_what_changed(staff: Client, start: Start) -> None:
    """Its conversation, where it was written, and its number unless that is the same."""
    first, second, third = start("a"), start(), start("c")
    [message] = _messages(staff, first)
    _merge(staff, first, second)
    _merge(staff, second, third)
    assert _told(staff, message["id"])[1:] == [
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


def test_tasks_and_todos_move_too(staff: Client, start: Start, hire: Callable[..., Client]) -> None:
    """Whatever their state, each with its event; an agent goes on with its task as before."""
    source, target, bot = start(task=TASK), start(task=TASK), hire()
    running = bot.post("/v1/tasks/claim", {}).json["items"][0]
    assert running["conversation_id"] == source
    pending = staff.create("/v1/tasks", {**TASK, "conversation_id": source})
    todo = staff.create("/v1/todos", {"description": "x", "conversation_id": source})
    _merge(staff, source, target)
    for path in (f"/v1/tasks/{running['id']}", f"/v1/tasks/{pending['id']}"):
        assert staff.get(path).json["conversation_id"] == target
    assert staff.get(f"/v1/todos/{todo['id']}").json["conversation_id"] == target
    for key in (running["id"], pending["id"], todo["id"]):
        moved = {"conversation_id": {"before": source, "after": target}}
        assert _told(staff, key)[-1] == ("moved", moved)
    assert staff.get(f"/v1/tasks?conversation_id={source}").json["items"] == []
    answer = {"direction": "outbound", "body": "Done."}
    assert bot.post(f"{PATH}/{target}/messages", answer).status_code == 201
    done = {"lease_token": running["lease_token"], "output": None}
    assert bot.post(f"/v1/tasks/{running['id']}/complete", done).status_code == 200


def test_a_chain_leads_to_its_end(staff: Client, start: Start) -> None:
    """Who writes to the first is sent to the last, where all messages are, as first written."""
    first, second, third = start("a"), start("b"), start("c")
    _merge(staff, first, second)
    _merge(staff, second, third)
    for key in (first, second):
        answer = staff.post(f"{PATH}/{key}/messages", {"direction": "inbound", "body": "x"})
        assert problem(answer) == (409, "conversation-merged")
        assert answer.json["merged_into_id"] == third
        assert _get(staff, key)["merged_into_id"] == third
    redirected = {"merged_into_id": {"before": second, "after": third}}
    assert _told(staff, first)[-1] == ("redirected", redirected)
    assert [
        (item["seq"], item["body"], item["original_conversation_id"])
        for item in _messages(staff, third)
    ] == [(1, "c", None), (2, "b", second), (3, "a", first)]


def test_a_known_message_is_found_at_the_end_of_the_chain(staff: Client, start: Start) -> None:
    """A repeat to any of them, or one that would open a conversation, gets it."""
    message = {"body": "Hello?", "external_id": "m-1"}
    first, second, third = start(message=message), start(), start()
    _merge(staff, first, second)
    _merge(staff, second, third)
    [known] = _messages(staff, third)
    for key in (first, second, third):
        answer = staff.post(f"{PATH}/{key}/messages", {"direction": "inbound", **message})
        assert (answer.status_code, answer.json) == (200, known)
    body = {"customer_id": _get(staff, third)["customer_id"], "subject": "x", "channel": "email"}
    opened = staff.post(PATH, {**body, "message": message})
    assert (opened.status_code, opened.json["id"]) == (200, third)


STATUSES = ["open", "snoozed", "pending", "resolved"]  # the desk looks at the first ones sooner


def _bring_to(client: Client, key: str, status: str) -> None:
    if status == "pending":
        client.create(f"{PATH}/{key}/messages", {"direction": "outbound", "body": "x"})
    elif status == "snoozed":
        client.post(f"{PATH}/{key}/snooze", {"until": "2999-01-01T00:00:00Z"})
    elif status == "resolved":
        client.post(f"{PATH}/{key}/resolve")
    assert _get(client, key)["status"] == status


@pytest.mark.parametrize("status", STATUSES)
def test_the_target_keeps_its_status(staff: Client, start: Start, status: str) -> None:
    """It stays as it was where the source has the same status or has ended."""
    for of_source in {status, "resolved"}:
        source, target = start("a"), start("b")
        _bring_to(staff, source, of_source)
        _bring_to(staff, target, status)
        before = _get(staff, target)
        assert _merge(staff, source, target).json == before
        merged = _get(staff, source)
        assert (merged["status"], merged["snoozed_until"]) == ("closed", None)


@pytest.mark.parametrize("of_target", STATUSES)
@pytest.mark.parametrize("of_source", STATUSES)
def test_nothing_is_buried_by_a_merge(
    staff: Client, start: Start, sql: Sql, of_source: str, of_target: str
) -> None:
    """The target has the status that the desk looks at sooner, and its clock runs accordingly.

    An event reports the change.
    """
    source, target = start("a"), start("b")
    _bring_to(staff, source, of_source)
    _bring_to(staff, target, of_target)
    before, events = _get(staff, target), _told(staff, target)
    merged = _merge(staff, source, target).json
    expected = min(of_source, of_target, key=STATUSES.index)
    assert merged["status"] == expected
    assert merged == _get(staff, target)
    assert (merged["snoozed_until"] is not None) == (expected == "snoozed")
    new = _told(staff, target)[len(events) :]
    if expected == of_target:
        assert (new, merged) == ([], before)
        return
    [(action, changes)] = new
    assert action == ("snoozed" if expected == "snoozed" else "reopened")
    assert changes["status"] == {"before": of_target, "after": expected}
    assert merged["version"] == before["version"] + 1
    stands_still = expected in {"pending", "resolved"}
    left = sql("SELECT resolution_left IS NOT NULL FROM conversations WHERE id = %s", target)
    assert left == [(stands_still,)]
    assert staff.get(f"{PATH}?status={expected}").json["items"] == [merged]


@pytest.mark.parametrize("of_target", ["snoozed", "pending", "resolved"])
def test_an_unanswered_message_opens_the_target(
    staff: Client, start: Start, of_target: str
) -> None:
    """Also one in a snoozed conversation; where it was answered or resolved there is no need."""
    asked = {"message": {"body": "Hello?"}}
    source, target = start(**asked), start("b")
    _bring_to(staff, source, "snoozed")
    _bring_to(staff, target, of_target)
    merged = _merge(staff, source, target).json
    assert (merged["status"], merged["snoozed_until"]) == ("open", None)
    for ended in ({"message": {"body": "Bye."}}, {}):
        source, target = start(**asked), start("b")
        staff.post(f"{PATH}/{source}/resolve", ended)
        _bring_to(staff, target, of_target)
        assert _merge(staff, source, target).json["status"] == of_target


def test_a_message_that_came_too_late_to_reopen_opens_the_target(
    staff: Client, start: Start, sql: Sql
) -> None:
    """A customer who wrote after the re-open window is unanswered."""
    source, target = start("a"), start("b")
    for key in (source, target):
        _bring_to(staff, key, "resolved")
    sql("UPDATE conversations SET status_changed_at = status_changed_at - interval '8 days'")
    staff.create(f"{PATH}/{source}/messages", {"direction": "inbound", "body": "Hello?"})
    assert _get(staff, source)["status"] == "resolved"
    assert _merge(staff, source, target).json["status"] == "open"


def test_of_two_snoozed_ones_the_earlier_time_wakes(staff: Client, start: Start) -> None:
    """Whichever is merged into which."""
    times = ["2998-01-01T00:00:00Z", "2999-01-01T00:00:00Z"]
    for first, second in (times, times[::-1]):
        source, target = start("a"), start("b")
        staff.post(f"{PATH}/{source}/snooze", {"until": first})
        staff.post(f"{PATH}/{target}/snooze", {"until": second})
        assert _merge(staff, source, target).json["snoozed_until"] == times[0]


def test_what_can_not_be_merged(staff: Client, start: Start, customer: str) -> None:
    """Into itself, from or into what has ended, of another customer: 409; into nothing: 422."""
    bob = staff.create("/v1/customers", {"reference": "C-2", "name": "Bob"})["id"]
    one, other, foreign = start("a"), start("b"), start(customer_id=bob)
    closed, merged, deleted = start(), start(), start()
    staff.post(f"{PATH}/{closed}/close")
    _merge(staff, merged, other)
    staff.delete(f"{PATH}/{deleted}")
    before = {key: (_get(staff, key), _messages(staff, key)) for key in (one, other, foreign)}
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
        assert problem(_merge(staff, source, target)) == (409, name)
    assert _merge(staff, one, merged).json["merged_into_id"] == other
    assert _merge(staff, one, closed).json["from"] == "closed"
    for target in (NOBODY, deleted):
        answer = _merge(staff, one, target)
        assert problem(answer) == (422, "validation-error")
        assert codes(answer) == {"/into": "unknown-reference"}
        assert problem(_merge(staff, target, one)) == (404, "not-found")
    assert before == {key: (_get(staff, key), _messages(staff, key)) for key in before}


def test_a_stale_merge_moves_nothing(staff: Client, start: Start) -> None:
    """If-Match is about the source."""
    source, target = start("a", task=TASK), start()
    staff.patch(f"{PATH}/{source}", {"subject": "New"})
    assert problem(_merge(staff, source, target, if_match='"1"')) == (412, "precondition-failed")
    assert (len(_messages(staff, source)), _messages(staff, target)) == (1, [])
    assert staff.get(f"/v1/tasks?conversation_id={target}").json["items"] == []
    assert _merge(staff, source, target, if_match='"2"').status_code == 200


def test_a_target_stays_while_others_lead_to_it(staff: Client, start: Start) -> None:
    """It is in use: where the messages are must not be lost."""
    source, target = start("a"), start()
    _merge(staff, source, target)
    assert problem(staff.delete(f"{PATH}/{target}")) == (409, "in-use")
    assert staff.delete(f"{PATH}/{source}").status_code == 204
    assert staff.delete(f"{PATH}/{target}").status_code == 204
    assert problem(staff.post(f"{PATH}/{source}/restore")) == (409, "parent-deleted")


def test_of_two_opposite_merges_one_is_done(desk: Client, start: Start) -> None:
    """Round after round: the other is told where its conversation goes on, and nothing is lost."""
    for _ in range(25):
        one, other = start("a"), start("b")
        calls = [partial(_merge, desk, one, other), partial(_merge, desk, other, one)]
        done, refused = sorted(_at_once(calls), key=lambda answer: answer.status_code)
        assert done.status_code == 200, done.text
        assert problem(refused) == (409, "conversation-merged")
        left = done.json["id"]
        assert refused.json["merged_into_id"] == left
        bodies = ["a", "b"] if left == one else ["b", "a"]
        assert [(item["seq"], item["body"]) for item in _messages(desk, left)] == list(
            enumerate(bodies, start=1)
        )


def test_merges_in_a_ring_end_in_one_or_two(desk: Client, start: Start) -> None:
    """Three at once, each into the next: whatever wins, nothing leads in a circle or is lost."""
    for _ in range(10):
        ring = [start(name) for name in "abc"]
        pairs = zip(ring, ring[1:] + ring[:1], strict=True)
        answers = _at_once([partial(_merge, desk, *pair) for pair in pairs])
        assert {answer.status_code for answer in answers} <= {200, 409}
        goes_on = {key: _get(desk, key)["merged_into_id"] for key in ring}
        ends = [key for key, target in goes_on.items() if target is None]
        merged = sum(answer.status_code == 200 for answer in answers)
        assert (len(ends), merged in (1, 2)) == (3 - merged, True)
        assert {target for target in goes_on.values() if target} <= set(ends)
        written = [_messages(desk, key) for key in ends]
        assert sorted(item["body"] for items in written for item in items) == ["a", "b", "c"]
        for items in written:
            assert [item["seq"] for item in items] == list(range(1, len(items) + 1))


def test_nothing_written_during_a_merge_is_lost(desk: Client, start: Start) -> None:
    """Who wrote to the source in time is in the target, who came late was told so; no gap."""
    for _ in range(3):
        source, target = start("a"), start("b")
        accepted = _write_during_merge(desk, source, target)
        messages = _messages(desk, target)
        assert [item["seq"] for item in messages] == list(range(1, 6 * 12 + 3))
        assert {item["body"] for item in messages} == {"a", "b", *accepted}
        assert _messages(desk, source) == []
        assert any(item["original_conversation_id"] == source for item in messages[2:])


def _write_during_merge(desk: Client, source: str, target: str) -> set[str]:
    """Six write twelve each, three of them to the source; all that was answered with 201."""
    accepted: set[str] = set()
    enough = threading.Event()

    def write(writer: int) -> None:
        key = (source, target)[writer % 2]
        for number in range(12):
            body = f"{writer} {number}"
            message = {"direction": "note", "body": body}
            answer = desk.post(f"{PATH}/{key}/messages", message)
            if answer.status_code != 201:
                assert problem(answer) == (409, "conversation-merged")
                assert answer.json["merged_into_id"] == target
                key = target
                _note(desk, key, body)
            accepted.add(body)
            if len(accepted) > 20:
                enough.set()

    with ThreadPoolExecutor(6) as pool:
        writers = [pool.submit(write, number) for number in range(6)]
        enough.wait(60)
        merged = _merge(desk, source, target)
        for writer in writers:
            writer.result()
    assert merged.status_code == 200, merged.text
    return accepted


def test_nothing_new_is_about_a_merged_conversation(staff: Client, start: Start) -> None:
    """Tasks and to-dos are refused with the id of the one that it goes on in."""
    source, target = start(), start()
    assert _merge(staff, source, target).status_code == 200
    for path, body in (("tasks", TASK), ("todos", {"description": "x"})):
        answer = staff.post(f"/v1/{path}", {**body, "conversation_id": source})
        assert problem(answer) == (409, "conversation-merged")
        assert answer.json["merged_into_id"] == target
        assert staff.post(f"/v1/{path}", {**body, "conversation_id": target}).status_code == 201
