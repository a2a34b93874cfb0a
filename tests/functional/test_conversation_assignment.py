"""Conversations are assigned and handed off between people and programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.client import Client, codes
from tests.conversations import PATH, actions_of, events_of

if TYPE_CHECKING:
    from collections.abc import Callable

    Start = Callable[..., str]


def test_assigned_to_an_agent_and_to_nobody(
    staff: Client, start: Start, hire: Callable[..., Client]
) -> None:
    """With the reason, which goes when somebody else, or nobody, gets it."""
    path, bot = start(), hire().user_id
    answer = staff.post(f"{path}/assign", {"agent_id": bot, "reason": "Knows it."})
    assert (answer.status_code, answer.json["assignee_id"]) == (200, bot)
    assert answer.json["assignment_reason"] == "Knows it."
    nobody = staff.post(f"{path}/assign", {"agent_id": None}).json
    assert (nobody["assignee_id"], nobody["assignment_reason"]) == (None, None)
    first, second = events_of(staff, path)[1:]
    assert (first["action"], second["action"]) == ("assigned", "assigned")
    assert first["changes"] == {
        "assignee_id": {"before": None, "after": bot},
        "assignment_reason": {"before": None, "after": "Knows it."},
    }


def test_handed_off_between_a_person_and_a_program(
    staff: Client, start: Start, hire: Callable[..., Client]
) -> None:
    """That, and only that, is a hand-off; the event has the reason for it."""
    path = start()
    agents = [
        hire("bot").user_id,
        hire("bot 2").user_id,
        hire("eve", kind="human").user_id,
        hire("una", kind="human").user_id,
        hire("bot 3").user_id,
    ]
    for number, agent in enumerate(agents):
        staff.post(f"{path}/assign", {"agent_id": agent, "reason": f"Reason {number}"})
    actions = ["assigned", "assigned", "handed-off", "assigned", "handed-off"]
    events = events_of(staff, path)[1:]
    assert [event["action"] for event in events] == actions
    assert events[2]["changes"] == {
        "assignee_id": {"before": agents[1], "after": agents[2]},
        "assignment_reason": {"before": "Reason 1", "after": "Reason 2"},
    }


def test_assigning_again_leaves_no_trace(
    staff: Client, start: Start, hire: Callable[..., Client]
) -> None:
    """The same agent for the same reason: no version, no event."""
    path, body = start(), {"agent_id": hire().user_id, "reason": "Knows it."}
    answers = [staff.post(f"{path}/assign", body) for _ in range(2)]
    assert answers[0].json == answers[1].json
    assert actions_of(staff, path) == ["created", "assigned"]


def test_only_an_active_agent_is_assigned(
    staff: Client, start: Start, customer: str, hire: Callable[..., Client]
) -> None:
    """Neither one who is away nor one who was deleted, by whichever way."""
    path, away, gone = start(), hire("away").user_id, hire("gone").user_id
    staff.patch(f"/v1/agents/{away}", {"is_active": False})
    staff.delete(f"/v1/agents/{gone}")
    opened = {"customer_id": customer, "subject": "Help", "channel": "email"}
    for agent, code in ((away, "inactive"), (gone, "unknown-reference")):
        assert codes(staff.post(f"{path}/assign", {"agent_id": agent})) == {"/agent_id": code}
        assert codes(staff.patch(path, {"assignee_id": agent})) == {"/assignee_id": code}
        answer = staff.post(PATH, {**opened, "assignee_id": agent})
        assert codes(answer) == {"/assignee_id": code}
    assert staff.get(path).json["version"] == 1


def test_a_patched_assignee_has_no_old_reason(
    staff: Client, start: Start, hire: Callable[..., Client]
) -> None:
    """The reason was for whoever was assigned then."""
    path, first, second = start(), hire("one").user_id, hire("two").user_id
    staff.post(f"{path}/assign", {"agent_id": first, "reason": "Knows it."})
    same = staff.patch(path, {"assignee_id": first, "subject": "New"}).json
    assert same["assignment_reason"] == "Knows it."
    patched = staff.patch(path, {"assignee_id": second}).json
    assert (patched["assignee_id"], patched["assignment_reason"]) == (second, None)
