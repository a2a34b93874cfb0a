"""ETags of conversations and messages: an action waits for nothing new to be said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.client import Client, problem
from tests.conversations import NOTE, PATH, messages_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.client import Answer

    Start = Callable[..., str]


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
    assert len(messages_of(staff, path)) == 1
    assert staff.get(f"{path}{query}").headers["ETag"] == before.headers["ETag"] != stale
    assert staff.get(f"{path}{query}", if_none_match=stale).status_code == 200
    current = before.headers["ETag"]
    assert staff.get(f"{path}{query}", if_none_match=current).status_code == 304
    assert act(f"{stale}, {current}").status_code in (200, 204)


def test_an_etag_is_the_same_whoever_answers(staff: Client, opening: dict[str, Any]) -> None:
    """POST, its repeat, PATCH and actions, with the number of the message that they add."""
    body = {**opening, "message": {"body": "Hello?", "external_id": "m-1"}}
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
