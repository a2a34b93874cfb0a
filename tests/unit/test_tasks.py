from __future__ import annotations

from datetime import timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.tasks import (
    OPEN,
    Outcome,
    RetryDelay,
    TaskStatus,
    after_failure,
    check_task_action,
)
from app.errors import InvalidTransition

# The whole table: what may be done to a task in each status.
ALLOWED = {
    "pending": ["cancel", "claim", "delete", "update"],
    "running": ["cancel", "complete", "fail", "heartbeat", "release"],
    "completed": ["delete"],
    "failed": ["delete", "requeue"],
    "cancelled": ["delete", "requeue"],
}
ACTIONS = sorted({action for actions in ALLOWED.values() for action in actions})

seconds = st.floats(0, 86_400).map(lambda count: timedelta(seconds=count))
delays = st.builds(RetryDelay, base=seconds, cap=seconds)
attempts = st.integers(1, 10_000)


def test_the_table_has_every_status() -> None:
    """None is forgotten, and the open ones are those that can still be cancelled."""
    assert set(ALLOWED) == set(TaskStatus)
    assert {status for status in ALLOWED if "cancel" in ALLOWED[status]} == set(OPEN)


@pytest.mark.parametrize(("status", "action"), list(product(ALLOWED, ACTIONS)))
def test_each_status_allows_what_the_table_says(status: str, action: str) -> None:
    """Everything else is refused, with the status and all that it allows, sorted."""
    if action in ALLOWED[status]:
        check_task_action(action, status)
        return
    with pytest.raises(InvalidTransition) as refused:
        check_task_action(action, status)
    assert refused.value.facts == {"from": status, "allowed": ALLOWED[status]}


def test_what_is_no_action_is_refused_everywhere() -> None:
    """An action that nobody declared is allowed in no status."""
    for status in TaskStatus:
        with pytest.raises(InvalidTransition):
            check_task_action("explode", status)


@pytest.mark.parametrize(
    ("retry", "cancel_requested", "attempts", "max_attempts", "expected"),
    [
        (True, False, 1, 3, "pending"),
        (True, False, 2, 3, "pending"),
        (True, False, 3, 3, "failed"),
        (True, False, 4, 3, "failed"),  # it was changed to fewer meanwhile
        (True, False, 1, 1, "failed"),
        (False, False, 1, 3, "failed"),
        (False, False, 3, 3, "failed"),
        (True, True, 1, 3, "cancelled"),
        (True, True, 3, 3, "cancelled"),
        (False, True, 1, 3, "cancelled"),
    ],
)
def test_what_becomes_of_a_failed_attempt(
    retry: bool, cancel_requested: bool, attempts: int, max_attempts: int, expected: str
) -> None:
    """A wish to cancel comes first; then there must be an attempt left, and a wish to retry."""
    found = after_failure(
        retry=retry,
        cancel_requested=cancel_requested,
        attempts=attempts,
        max_attempts=max_attempts,
    )
    assert found == expected


def test_an_attempt_ends_in_one_of_five_ways() -> None:
    """Clients read these words."""
    assert set(Outcome) == {"completed", "failed", "released", "cancelled", "lost"}


@pytest.mark.parametrize(
    ("count", "longest"), [(1, 5), (2, 10), (3, 20), (4, 40), (10, 2560), (11, 3600), (99, 3600)]
)
def test_the_pause_doubles_up_to_the_cap(count: int, longest: int) -> None:
    """From 5 s to an hour, where nothing else was decided."""
    assert RetryDelay().longest(count) == timedelta(seconds=longest)


@given(delays, attempts)
def test_a_pause_is_never_negative_and_never_too_long(delay: RetryDelay, count: int) -> None:
    """It is within what the number of attempts and the cap allow, however many there were."""
    assert timedelta() <= delay.after(count) <= delay.longest(count) <= delay.cap


@given(delays, attempts)
def test_more_attempts_never_wait_for_less(delay: RetryDelay, count: int) -> None:
    """The bound doubles with each attempt until the cap is reached, and stays there."""
    before, after = delay.longest(count), delay.longest(count + 1)
    assert before <= after <= before * 2 or after == delay.cap


def test_the_jitter_is_full() -> None:
    """Pauses lie anywhere between nothing and the bound: who failed together retries apart."""
    delay = RetryDelay(timedelta(seconds=100), timedelta(hours=1))
    pauses = [delay.after(1).total_seconds() for _ in range(500)]
    assert min(pauses) < 20
    assert max(pauses) > 80
    assert len(set(pauses)) > 400


def test_without_a_base_there_is_no_pause() -> None:
    """A firm that wants retries at once can have them."""
    assert RetryDelay(timedelta(), timedelta(hours=1)).after(7) == timedelta()
