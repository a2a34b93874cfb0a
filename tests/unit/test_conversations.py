"""The life of a conversation, as a table: what may be done to it when, and what a message does."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.conversations import ConversationStatus, after_message, check_conversation_action
from app.domain.messages import Direction
from app.errors import InvalidTransition

ALLOWED = {
    "open": {"assign", "close", "merge", "message", "resolve", "snooze", "update"},
    "pending": {"assign", "close", "merge", "message", "reopen", "resolve", "snooze", "update"},
    "snoozed": {"assign", "close", "merge", "message", "reopen", "resolve", "snooze", "update"},
    "resolved": {"assign", "close", "merge", "message", "reopen", "update"},
    "closed": set(),
}
ACTIONS = sorted(set.union(*ALLOWED.values()))
WINDOW = timedelta(days=7)
MOMENT = timedelta(microseconds=1)

# What a message leaves behind, within the re-open window.
AFTER = {
    ("open", "inbound"): "open",
    ("open", "outbound"): "pending",
    ("open", "note"): "open",
    ("pending", "inbound"): "open",
    ("pending", "outbound"): "pending",
    ("pending", "note"): "pending",
    ("snoozed", "inbound"): "open",
    ("snoozed", "outbound"): "pending",
    ("snoozed", "note"): "snoozed",
    ("resolved", "inbound"): "open",
    ("resolved", "outbound"): "resolved",
    ("resolved", "note"): "resolved",
    ("closed", "inbound"): "closed",
    ("closed", "outbound"): "closed",
    ("closed", "note"): "closed",
}

spans = st.timedeltas(timedelta(0), timedelta(days=10_000))
statuses = st.sampled_from(list(ConversationStatus))
directions = st.sampled_from(list(Direction))


def test_the_tables_here_are_complete() -> None:
    """Every status, and every status with every direction, stands in them."""
    assert set(ALLOWED) == set(ConversationStatus)
    assert set(AFTER) == {(s, d) for s in ConversationStatus for d in Direction}


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("status", ALLOWED)
def test_a_status_allows_what_the_table_says(status: str, action: str) -> None:
    """And nothing else: the error names the status and all that it does allow, in order."""
    if action in ALLOWED[status]:
        check_conversation_action(action, status)
        return
    with pytest.raises(InvalidTransition) as caught:
        check_conversation_action(action, status)
    assert caught.value.facts == {"from": status, "allowed": sorted(ALLOWED[status])}


@pytest.mark.parametrize("status", ALLOWED)
def test_an_action_that_nobody_knows_is_never_allowed(status: str) -> None:
    """A mistyped one must not slip through."""
    with pytest.raises(InvalidTransition):
        check_conversation_action("delete-everything", status)


@pytest.mark.parametrize(("before", "direction", "after"), [(*of, to) for of, to in AFTER.items()])
def test_a_message_leaves_the_status_of_the_table(before: str, direction: str, after: str) -> None:
    """Up to the last moment of the re-open window."""
    for since in (timedelta(0), WINDOW):
        left = after_message(before, direction, since=since, reopen_window=WINDOW)
        assert (type(left), left) == (ConversationStatus, after)


@given(statuses, directions, spans)
def test_the_window_is_for_resolved_ones_alone(
    status: ConversationStatus, direction: Direction, late: timedelta
) -> None:
    """Past it a customer's message leaves a resolved one resolved; all else is as ever."""
    left = after_message(status, direction, since=WINDOW + MOMENT + late, reopen_window=WINDOW)
    if (status, direction) == ("resolved", "inbound"):
        assert left == "resolved"
    else:
        assert left == AFTER[status, direction]


@given(statuses, st.lists(directions, max_size=12), spans, spans)
def test_no_message_closes_snoozes_or_resolves(
    status: ConversationStatus, sent: list[Direction], since: timedelta, window: timedelta
) -> None:
    """Whatever comes in whatever order, these three are reached by actions alone."""
    for direction in sent:
        left = after_message(status, direction, since=since, reopen_window=window)
        assert left in {status, ConversationStatus.OPEN, ConversationStatus.PENDING}
        status = left


@given(st.lists(directions, max_size=12), spans, spans)
def test_no_message_brings_a_closed_one_back(
    sent: list[Direction], since: timedelta, window: timedelta
) -> None:
    """Closed is final."""
    for direction in sent:
        left = after_message("closed", direction, since=since, reopen_window=window)
        assert left == "closed"


def test_a_window_of_nothing_still_takes_what_comes_at_once() -> None:
    """The bound itself is inside, and the next moment is not."""
    nothing = timedelta(0)
    assert after_message("resolved", "inbound", since=nothing, reopen_window=nothing) == "open"
    assert after_message("resolved", "inbound", since=MOMENT, reopen_window=nothing) == "resolved"
