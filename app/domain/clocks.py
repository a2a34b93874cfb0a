"""The clocks of a conversation: by when to respond first, and by when to resolve."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from app.db.listing import parse_timestamp
from app.domain.calendar import BusinessCalendar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Change = Mapping[str, Mapping[str, Any]]

STANDING_STILL = frozenset({"pending", "resolved", "closed"})


def _first_response() -> Mapping[str, timedelta]:
    hours = {"low": 8, "normal": 4, "high": 1, "urgent": 0.25}
    return {priority: timedelta(hours=count) for priority, count in hours.items()}


def _resolution() -> Mapping[str, timedelta]:
    hours = {"low": 40, "normal": 24, "high": 8, "urgent": 4}
    return {priority: timedelta(hours=count) for priority, count in hours.items()}


@dataclass(frozen=True)
class Targets:
    """The open time that is allowed, by priority."""

    first_response: Mapping[str, timedelta] = field(default_factory=_first_response)
    resolution: Mapping[str, timedelta] = field(default_factory=_resolution)


@dataclass(frozen=True, slots=True)
class Clocks:
    """`resolution_left` is set while the resolution clock stands still; negative if overdue."""

    first_response_due_at: datetime
    resolution_due_at: datetime
    first_responded_at: datetime | None = None
    resolution_left: timedelta | None = None


@dataclass(frozen=True)
class ServiceLevels:
    """Computes the clocks after a change; `at` is the time of the change."""

    calendar: BusinessCalendar = field(default_factory=BusinessCalendar)
    targets: Targets = field(default_factory=Targets)

    def start(self, at: datetime, priority: str) -> Clocks:
        return Clocks(
            self.calendar.add(at, self.targets.first_response[priority]),
            self.calendar.add(at, self.targets.resolution[priority]),
        )

    def respond(self, clocks: Clocks, at: datetime) -> Clocks:
        """Only the first response counts."""
        return clocks if clocks.first_responded_at else replace(clocks, first_responded_at=at)

    def stop(self, clocks: Clocks, at: datetime) -> Clocks:
        """Pause the resolution clock; changes nothing if it stands still."""
        if clocks.resolution_left is not None:
            return clocks
        left = self.calendar.between(at, clocks.resolution_due_at)
        return replace(clocks, resolution_left=left)

    def resume(self, clocks: Clocks, at: datetime) -> Clocks:
        """Restart the resolution clock with the time left; changes nothing if it runs."""
        if clocks.resolution_left is None:
            return clocks
        due = self.calendar.add(at, clocks.resolution_left)
        return replace(clocks, resolution_due_at=due, resolution_left=None)

    def retarget(self, clocks: Clocks, old_priority: str, new_priority: str) -> Clocks:
        """Shift the due times by the difference of the targets; a given response keeps its own."""
        first, whole = self.targets.first_response, self.targets.resolution
        shift = whole[new_priority] - whole[old_priority]
        left, due = clocks.resolution_left, clocks.first_response_due_at
        if clocks.first_responded_at is None:
            due = self.calendar.add(due, first[new_priority] - first[old_priority])
        return replace(
            clocks,
            first_response_due_at=due,
            resolution_due_at=self.calendar.add(clocks.resolution_due_at, shift),
            resolution_left=None if left is None else left + shift,
        )

    def recompute(self, changes: Iterable[Change]) -> Clocks:
        """The clocks after the changes of a conversation's events, oldest first.

        The first change holds `status`, `priority` and `status_changed_at`, where they start.
        """
        first, *later = changes
        at = _moment(first["status_changed_at"]["after"])
        clocks = self.start(at, first["priority"]["after"])
        clocks = self._status(self._response(clocks, first), first, at)
        for change in later:
            if "status_changed_at" in change:  # the same if the status changes twice at once
                at = _moment(change["status_changed_at"]["after"])
            clocks = self._response(self._priority(clocks, change), change)
            clocks = self._status(clocks, change, at)
        return clocks

    def _priority(self, clocks: Clocks, change: Change) -> Clocks:
        if not (priority := change.get("priority")):
            return clocks
        return self.retarget(clocks, priority["before"], priority["after"])

    def _response(self, clocks: Clocks, change: Change) -> Clocks:
        responded = change.get("first_responded_at", {}).get("after")
        return self.respond(clocks, _moment(responded)) if responded else clocks

    def _status(self, clocks: Clocks, change: Change, at: datetime) -> Clocks:
        if not (status := change.get("status")):
            return clocks
        return (self.stop if status["after"] in STANDING_STILL else self.resume)(clocks, at)


def _moment(value: datetime | str) -> datetime:
    return value if isinstance(value, datetime) else parse_timestamp(value)
