from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.db.listing import format_timestamp
from app.domain.calendar import BusinessCalendar
from app.domain.clocks import STANDING_STILL, Clocks, ServiceLevels, Targets

LEVELS = ServiceLevels()
STATUSES = ["open", "snoozed", *sorted(STANDING_STILL)]
PRIORITIES = ["low", "normal", "high", "urgent"]


def at(text: str) -> datetime:
    """A moment in UTC, such as `2026-01-05 09:00`, a Monday in winter."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


@pytest.mark.parametrize(
    ("priority", "first_response", "resolution"),
    [
        ("low", "2026-01-05 17:00", "2026-01-09 17:00"),
        ("normal", "2026-01-05 13:00", "2026-01-07 17:00"),
        ("high", "2026-01-05 10:00", "2026-01-05 17:00"),
        ("urgent", "2026-01-05 09:15", "2026-01-05 13:00"),
    ],
)
def test_the_targets_depend_on_the_priority(
    priority: str, first_response: str, resolution: str
) -> None:
    """They are open time: eight hours are a day, forty a week."""
    clocks = LEVELS.start(at("2026-01-05 09:00"), priority)
    assert clocks == Clocks(at(first_response), at(resolution))


def test_targets_can_be_given() -> None:
    """And the other ones stay as they are."""
    levels = ServiceLevels(BusinessCalendar(), Targets(first_response={"normal": hours(2)}))
    clocks = levels.start(at("2026-01-05 09:00"), "normal")
    assert clocks == Clocks(at("2026-01-05 11:00"), at("2026-01-07 17:00"))


def test_only_the_first_response_counts() -> None:
    """A second one leaves the clocks as they are."""
    clocks = LEVELS.start(at("2026-01-05 09:00"), "normal")
    responded = LEVELS.respond(clocks, at("2026-01-05 10:00"))
    assert responded == replace(clocks, first_responded_at=at("2026-01-05 10:00"))
    assert LEVELS.respond(responded, at("2026-01-05 11:00")) == responded


def test_a_pause_moves_the_resolution_by_the_open_time_it_took() -> None:
    """Over a weekend; the first response is due when it was."""
    clocks = LEVELS.start(at("2026-01-09 09:00"), "urgent")
    stopped = LEVELS.stop(clocks, at("2026-01-09 12:00"))
    assert stopped == replace(clocks, resolution_left=hours(1))
    resumed = LEVELS.resume(stopped, at("2026-01-12 16:30"))
    assert resumed == replace(clocks, resolution_due_at=at("2026-01-13 09:30"))


def test_what_is_overdue_stays_so_after_a_pause() -> None:
    """By the same open time."""
    clocks = LEVELS.start(at("2026-01-05 09:00"), "urgent")
    stopped = LEVELS.stop(clocks, at("2026-01-05 15:00"))
    assert stopped.resolution_left == hours(-2)
    resumed = LEVELS.resume(stopped, at("2026-01-07 10:00"))
    assert resumed.resolution_due_at == at("2026-01-06 16:00")


def test_stopping_twice_is_stopping_once() -> None:
    """Nor does it matter how often the clock is resumed."""
    clocks = LEVELS.start(at("2026-01-05 09:00"), "normal")
    assert LEVELS.resume(clocks, at("2026-01-05 10:00")) == clocks
    stopped = LEVELS.stop(clocks, at("2026-01-05 10:00"))
    assert LEVELS.stop(stopped, at("2026-01-05 12:00")) == stopped


def test_a_response_given_stays_judged_by_its_target() -> None:
    """A later priority shifts the resolution only, and what is left of it."""
    clocks = LEVELS.start(at("2026-01-05 09:00"), "normal")
    clocks = LEVELS.respond(clocks, at("2026-01-05 10:00"))
    clocks = LEVELS.stop(clocks, at("2026-01-05 11:00"))
    assert LEVELS.retarget(clocks, "normal", "urgent") == replace(
        clocks, resolution_due_at=at("2026-01-05 13:00"), resolution_left=hours(2)
    )


# hypothesis adds the zone to the bounds
earliest, latest = datetime(2026, 1, 1), datetime(2026, 12, 31)  # noqa: DTZ001
moments = st.datetimes(earliest, latest, timezones=st.just(UTC))


@settings(deadline=None)
@given(moments, st.sampled_from(PRIORITIES), st.sampled_from(PRIORITIES))
def test_a_new_priority_is_as_if_it_had_always_been(start: datetime, old: str, new: str) -> None:
    """To the moment, though nobody remembers when the clocks started."""
    assert LEVELS.retarget(LEVELS.start(start, old), old, new) == LEVELS.start(start, new)


@dataclass(frozen=True)
class Step:
    """What happens at one moment."""

    after: timedelta
    status: str | None
    priority: str | None
    response: bool


steps = st.lists(
    st.builds(
        Step,
        st.timedeltas(hours(0), hours(72)),
        st.none() | st.sampled_from(STATUSES),
        st.none() | st.sampled_from(PRIORITIES),
        st.booleans(),
    ),
    max_size=8,
)
firsts = st.builds(
    Step,
    st.just(hours(0)),
    st.sampled_from(STATUSES),
    st.sampled_from(PRIORITIES),
    st.booleans(),
)


class History:
    """Its `changes` as events tell them, and its clocks step by step."""

    def __init__(self, start: datetime, first: Step, later: list[Step]) -> None:
        self.start = self.now = start
        self.values: dict[str, Any] = {}
        self.changes = [self._tell(first)]
        self.clocks = LEVELS.start(start, first.priority or "")
        self.paused = hours(0)
        self._respond_and_move(first)
        for step in later:
            self._take(step)

    def _take(self, step: Step) -> None:
        before = self.now
        self.now += step.after
        if self.values["status"] in STANDING_STILL:
            self.paused += LEVELS.calendar.between(before, self.now)
        old = self.values["priority"]
        self.changes.append(self._tell(step))
        if step.priority:
            self.clocks = LEVELS.retarget(self.clocks, old, step.priority)
        self._respond_and_move(step)

    def _respond_and_move(self, step: Step) -> None:
        if step.response:
            self.clocks = LEVELS.respond(self.clocks, self.now)
        if step.status in STANDING_STILL:
            self.clocks = LEVELS.stop(self.clocks, self.now)
        elif step.status:
            self.clocks = LEVELS.resume(self.clocks, self.now)

    def _tell(self, step: Step) -> dict[str, dict[str, Any]]:
        """Only what differs, as events do."""
        new = {"status": step.status, "priority": step.priority}
        new = {name: value for name, value in new.items() if value != self.values.get(name)}
        reported: dict[str, Any] = {name: value for name, value in new.items() if value}
        if "status" in reported and self.now != self.values.get("status_changed_at"):
            reported["status_changed_at"] = self.now
        if step.response and "first_responded_at" not in self.values:
            reported["first_responded_at"] = self.now
        change = {
            name: {"before": self.values.get(name), "after": value}
            for name, value in reported.items()
        }
        self.values |= reported
        return change


histories = st.builds(History, moments, firsts, steps)


def written(value: Any) -> Any:
    """As it is in the JSON of an event."""
    if isinstance(value, dict):
        return {name: written(inner) for name, inner in value.items()}
    return format_timestamp(value) if isinstance(value, datetime) else value


@settings(deadline=None)
@given(histories)
def test_the_events_give_the_clocks_back(history: History) -> None:
    """Step by step or all over again, from times or from their text."""
    assert LEVELS.recompute(history.changes) == history.clocks
    assert LEVELS.recompute(written(change) for change in history.changes) == history.clocks


@settings(deadline=None)
@given(histories)
def test_the_resolution_clock_counts_open_time_but_for_pauses(history: History) -> None:
    """Whatever happened, what is left is the target, less the time it ran."""
    clocks, between = LEVELS.recompute(history.changes), LEVELS.calendar.between
    left = clocks.resolution_left
    assert (left is not None) == (history.values["status"] in STANDING_STILL)
    if left is None:
        left = between(history.now, clocks.resolution_due_at)
    ran = between(history.start, history.now) - history.paused
    assert left == LEVELS.targets.resolution[history.values["priority"]] - ran


@settings(deadline=None)
@given(histories)
def test_the_first_response_clock_never_pauses(history: History) -> None:
    """Until the response it follows the priority, and nothing else."""
    clocks = LEVELS.recompute(history.changes)
    assert clocks.first_responded_at == history.values.get("first_responded_at")
    if clocks.first_responded_at is None:
        fresh = LEVELS.start(history.start, history.values["priority"])
        assert clocks.first_response_due_at == fresh.first_response_due_at


def test_changes_of_one_event_apply_in_order() -> None:
    """A new priority counts for the response in the same event, and for what is left."""
    start, now = at("2026-01-05 09:00"), at("2026-01-05 10:00")
    first = {"status": "open", "priority": "low", "status_changed_at": start}
    second = {"status": "pending", "first_responded_at": now, "status_changed_at": now}
    changes = [
        {name: {"before": None, "after": value} for name, value in values.items()}
        for values in (first, second)
    ]
    changes[1]["priority"] = {"before": "low", "after": "urgent"}
    changes.append({"subject": {"before": "Help", "after": "Help!"}})
    assert LEVELS.recompute(changes) == Clocks(
        at("2026-01-05 09:15"), at("2026-01-05 13:00"), now, hours(3)
    )


@pytest.mark.parametrize("status", sorted(STANDING_STILL))
def test_a_conversation_may_begin_at_rest(status: str) -> None:
    """All of its resolution time is left then; what has not been responded to says so."""
    start = at("2026-01-05 09:00")
    values = {"status": status, "priority": "high", "status_changed_at": start}
    first = {name: {"before": None, "after": value} for name, value in values.items()}
    first["first_responded_at"] = {"before": None, "after": None}
    assert LEVELS.recompute([first]) == replace(
        LEVELS.start(start, "high"), resolution_left=hours(8)
    )


def test_no_changes_are_no_clocks() -> None:
    """There is no moment at which they could have started."""
    with pytest.raises(ValueError):
        LEVELS.recompute([])
