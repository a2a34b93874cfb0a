"""When the desk is open, and how much open time lies between two moments."""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass
from datetime import MINYEAR, UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Iterator

# Wall times as the time since midnight, so that a closing may be 24:00.
Opening = tuple[timedelta, timedelta]
# The openings of Monday to Sunday, in order.
Hours = tuple[tuple[Opening, ...], ...]

_ZERO = timedelta()
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FURTHEST = 3660  # days
_TOO_FAR = "It is more than ten years of opening hours away."
_COUNTRY = re.compile(r"[A-Z]{2}(-[A-Z0-9]+)?", re.ASCII)
_ENTRY = re.compile(
    r"([a-z]{3})(?:-([a-z]{3}))? +([01][0-9]|2[0-3]):([0-5][0-9])"
    r"-(?:([01][0-9]|2[0-3]):([0-5][0-9])|24:00)",
    re.ASCII,
)


def parse_hours(text: str) -> Hours:
    """Hours such as `mon-fri 09:00-17:00, sat 10:00-14:00`; raises ValueError."""
    week: list[list[Opening]] = [[] for _ in _DAYS]
    for entry in text.lower().split(","):
        days, opening = _parse_entry(entry.strip())
        for day in days:
            week[day].append(opening)
    hours = tuple(tuple(sorted(openings)) for openings in week)
    if any(later[0] < earlier[1] for day in hours for earlier, later in pairwise(day)):
        raise ValueError("Opening hours overlap.")
    return hours


def _parse_entry(entry: str) -> tuple[range, Opening]:
    match = _ENTRY.fullmatch(entry)
    if not match or not {match[1], match[2] or match[1]} <= set(_DAYS):
        raise ValueError("Opening hours must look like mon-fri 09:00-17:00.")
    days = range(_DAYS.index(match[1]), _DAYS.index(match[2] or match[1]) + 1)
    opens = timedelta(hours=int(match[3]), minutes=int(match[4]))
    closes = timedelta(hours=int(match[5] or 24), minutes=int(match[6] or 0))
    if not days or opens >= closes:
        raise ValueError("Opening hours end before they begin.")
    return days, (opens, closes)


OFFICE_HOURS = parse_hours("mon-fri 09:00-17:00")

# The defaults need no check, which would import the library of holidays: a fifth of a second.
_VALID = {"GB", "GB-ENG"}


@dataclass(frozen=True)
class BusinessCalendar:
    """When the desk is open: local `hours` (see `parse_hours`), but for `holidays`.

    `holidays` is a country or subdivision of ISO 3166, such as GB or US-CA. An unknown one or an
    unknown zone raises ValueError. Moments have a zone; those returned are in UTC.
    """

    zone: str = "Europe/London"
    hours: Hours = OFFICE_HOURS
    holidays: str | None = "GB"

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.zone)
        except (LookupError, ValueError, OSError) as error:  # a folder of zones is an OSError
            raise ValueError(f"Unknown time zone {self.zone!r}.") from error
        if self.holidays is not None and self.holidays not in _VALID:
            _public_holidays(self.holidays, MINYEAR)

    def add(self, start: datetime, span: timedelta) -> datetime:
        """The first moment with `span` of open time between `start` and it; back if negative.

        So it is a closing rather than the next opening, in both directions, and two spans that
        end after the same open time end at the same moment. A span of zero ends at `start`.
        Raises ValueError where it would look further than ten years.
        """
        moment = start.astimezone(UTC)
        if not span:
            return moment
        return self._forward(moment, span) if span > _ZERO else self._back(moment, -span)

    def between(self, start: datetime, end: datetime) -> timedelta:
        """Open time from `start` to `end`, negative if `end` is earlier; limited as `add` is."""
        if end < start:
            return -self.between(end, start)
        total = _ZERO
        for opened, closed in self._openings(start, 1):
            if opened >= end:
                return total
            total += max(min(closed, end) - max(opened, start), _ZERO)
        raise ValueError(_TOO_FAR)

    def _forward(self, moment: datetime, span: timedelta) -> datetime:
        for opened, closed in self._openings(moment, 1):
            begun = max(opened, moment)
            if span <= closed - begun:
                return begun + span
            span -= max(closed - begun, _ZERO)
        raise ValueError(_TOO_FAR)

    def _back(self, moment: datetime, span: timedelta) -> datetime:
        for opened, closed in self._openings(moment, -1):
            ended = min(closed, moment)
            if span < ended - opened:  # if equal, the closing before is the first such moment
                return ended - span
            span -= max(ended - opened, _ZERO)
        raise ValueError(_TOO_FAR)

    def _openings(self, moment: datetime, step: int) -> Iterator[tuple[datetime, datetime]]:
        """The openings from about `moment` on, in order; with `step` -1 backwards, latest first."""
        # A day early: where clocks go back over midnight, a moment's date is not its opening's.
        first = moment.astimezone(ZoneInfo(self.zone)).date() - timedelta(step)
        for number in range(_FURTHEST):
            day = first + timedelta(step * number)
            if not (self.holidays and day in _public_holidays(self.holidays, day.year)):
                for opens, closes in self.hours[day.weekday()][::step]:
                    yield self._moment(day, opens), self._moment(day, closes)

    def _moment(self, day: date, wall: timedelta) -> datetime:
        """The first moment at which local clocks show that time or a later one."""
        zone = ZoneInfo(self.zone)
        local = datetime.combine(day, time(), zone) + wall
        before, after = local.astimezone(UTC), local.replace(fold=1).astimezone(UTC)
        if before <= after:
            return before
        # Local clocks skip that time: `after` is before the skip, `before` is after it.
        seconds = range(int(after.timestamp()), int(before.timestamp()))
        skip = bisect_left(
            seconds,
            local.replace(tzinfo=None),
            key=lambda second: datetime.fromtimestamp(second, zone).replace(tzinfo=None),
        )
        return after + timedelta(seconds=skip)


@lru_cache(maxsize=256)
def _public_holidays(code: str, year: int) -> frozenset[date]:
    """The holidays of one year, cached: the library's own objects are not safe with threads."""
    import holidays  # noqa: PLC0415 - takes 70 ms, which most commands need not wait for

    if not _COUNTRY.fullmatch(code):  # the library would take stock exchanges too
        raise ValueError(f"Unknown country {code!r}.")
    country, _, subdivision = code.partition("-")
    try:
        found = holidays.country_holidays(country, subdivision or None, year, expand=False)
    except NotImplementedError as error:
        raise ValueError(f"Unknown country {code!r}.") from error
    return frozenset(found)
