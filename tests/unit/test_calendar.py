from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.calendar import BusinessCalendar, Hours, parse_hours

OFFICE = BusinessCalendar()
ALWAYS = BusinessCalendar(hours=parse_hours("mon-sun 00:00-24:00"), holidays=None)
LUNCH = BusinessCalendar(hours=parse_hours("mon-fri 09:00-12:00, mon-fri 13:00-17:00"))
GB_2026 = {date(2026, *day) for day in [(4, 3), (5, 4), (5, 25), (12, 25), (12, 26), (12, 28)]}
# Clocks change by one hour, by half an hour, at midnight and not at all.
ZONES = [
    "Europe/London",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "America/Santiago",
    "Asia/Kolkata",
]
# Days in 2026 on which they do, and the last ones before Christmas.
CHANGES = [(3, 8), (3, 29), (4, 4), (4, 24), (9, 6), (10, 3), (10, 25), (10, 29), (11, 1), (12, 22)]


def at(text: str) -> datetime:
    """A moment in London, such as `2026-06-01 09:00`."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/London"))


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


@pytest.mark.parametrize(
    ("calendar", "start", "span", "end"),
    [
        pytest.param(OFFICE, "2026-06-01 09:00", 3, "2026-06-01 12:00", id="same day"),
        pytest.param(OFFICE, "2026-06-01 16:00", 2, "2026-06-02 10:00", id="overnight"),
        pytest.param(OFFICE, "2026-06-05 16:00", 2, "2026-06-08 10:00", id="weekend"),
        pytest.param(OFFICE, "2026-06-05 09:00", 8, "2026-06-05 17:00", id="exact closing"),
        pytest.param(OFFICE, "2026-06-05 17:00", 1, "2026-06-08 10:00", id="from a closing"),
        pytest.param(OFFICE, "2026-06-06 12:00", 1, "2026-06-08 10:00", id="closed start"),
        pytest.param(OFFICE, "2026-06-06 12:00", 0, "2026-06-06 12:00", id="nothing"),
        # Friday 25 December, and Boxing Day, a Saturday, observed on Monday 28.
        pytest.param(OFFICE, "2026-12-24 16:00", 2, "2026-12-29 10:00", id="Christmas"),
        pytest.param(OFFICE, "2026-12-31 16:00", 2, "2027-01-04 10:00", id="over the year"),
        pytest.param(OFFICE, "2026-03-27 16:00", 2, "2026-03-30 10:00", id="spring"),
        pytest.param(OFFICE, "2026-10-23 16:00", 2, "2026-10-26 10:00", id="autumn"),
        pytest.param(ALWAYS, "2026-03-28 12:00", 24, "2026-03-29 13:00", id="spring, always"),
        pytest.param(ALWAYS, "2026-10-24 12:00", 24, "2026-10-25 11:00", id="autumn, always"),
        pytest.param(ALWAYS, "2026-12-24 12:00", 48, "2026-12-26 12:00", id="no holidays"),
        pytest.param(LUNCH, "2026-06-01 11:00", 2, "2026-06-01 14:00", id="lunch"),
        pytest.param(LUNCH, "2026-06-01 11:00", 1, "2026-06-01 12:00", id="until lunch"),
        pytest.param(LUNCH, "2026-06-01 12:30", 1, "2026-06-01 14:00", id="from lunch"),
        pytest.param(OFFICE, "2026-06-01 12:00", -1, "2026-06-01 11:00", id="back"),
        pytest.param(OFFICE, "2026-06-08 10:00", -2, "2026-06-05 16:00", id="back, weekend"),
        pytest.param(OFFICE, "2026-06-07 12:00", -1, "2026-06-05 16:00", id="back, closed start"),
        pytest.param(OFFICE, "2026-06-08 10:00", -1, "2026-06-05 17:00", id="back to a closing"),
        pytest.param(OFFICE, "2026-12-29 10:00", -2, "2026-12-24 16:00", id="back, Christmas"),
        pytest.param(OFFICE, "2026-10-26 10:00", -2, "2026-10-23 16:00", id="back, autumn"),
        pytest.param(LUNCH, "2026-06-01 14:00", -2, "2026-06-01 11:00", id="back, lunch"),
    ],
)
def test_only_open_time_counts(
    calendar: BusinessCalendar, start: str, span: float, end: str
) -> None:
    """Neither nights, weekends, holidays nor breaks do, and `between` says the same."""
    ended = calendar.add(at(start), hours(span))
    assert ended == at(end).astimezone(UTC)
    assert ended.tzinfo is UTC
    assert calendar.between(at(start), ended) == hours(span)
    assert calendar.between(ended, at(start)) == -hours(span)


@pytest.mark.parametrize(
    ("opening", "day", "opens", "open_hours"),
    [
        ("00:00-04:00", "2026-03-29", "2026-03-29T00:00Z", 3),
        ("01:30-03:00", "2026-03-29", "2026-03-29T01:00Z", 1),
        ("00:00-01:30", "2026-03-29", "2026-03-29T00:00Z", 1),
        ("00:00-04:00", "2026-10-25", "2026-10-24T23:00Z", 5),
        ("01:30-03:00", "2026-10-25", "2026-10-25T00:30Z", 2.5),
        ("00:00-01:30", "2026-10-25", "2026-10-24T23:00Z", 1.5),
    ],
)
def test_an_opening_on_the_day_the_clocks_change(
    opening: str, day: str, opens: str, open_hours: float
) -> None:
    """A skipped time is the moment of the change; of a time told twice the first one counts."""
    calendar = BusinessCalendar(hours=parse_hours(f"sun {opening}"), holidays=None)
    start, end = at(f"{day} 00:00"), at(f"{day} 23:59")
    second = timedelta(seconds=1)
    assert calendar.between(start, end) == hours(open_hours)
    assert calendar.add(start, second) - second == datetime.fromisoformat(opens)
    assert calendar.add(start, hours(open_hours)) - datetime.fromisoformat(opens) == hours(
        open_hours
    )


def test_an_opening_that_the_clocks_skip_is_none() -> None:
    """From 01:15 to 01:45 passes no time on the night of the change, and half an hour else."""
    calendar = BusinessCalendar(hours=parse_hours("sun 01:15-01:45"), holidays=None)
    assert calendar.between(at("2026-03-29 00:00"), at("2026-03-30 00:00")) == hours(0)
    assert calendar.between(at("2026-03-22 00:00"), at("2026-03-30 00:00")) == hours(0.5)


def test_a_day_that_a_zone_skips_is_none() -> None:
    """Samoa had no 30 December 2011, a Friday."""
    nine_to_five = parse_hours("mon-sun 09:00-17:00")
    calendar = BusinessCalendar("Pacific/Apia", nine_to_five, holidays=None)
    start = datetime(2011, 12, 29, 17, tzinfo=ZoneInfo("Pacific/Apia"))
    assert calendar.between(start, start.replace(year=2012, month=1, day=1)) == hours(16)
    assert calendar.add(start, hours(1)) == datetime(2011, 12, 30, 20, tzinfo=UTC)


def test_clocks_that_go_back_over_midnight() -> None:
    """Newfoundland's showed 23:01 of Saturday again when Sunday was a minute old."""
    calendar = BusinessCalendar("America/St_Johns", parse_hours("sun 00:00-24:00"), None)
    changed = datetime(2010, 11, 7, 2, 31, tzinfo=UTC)
    opened = changed - timedelta(minutes=1)
    assert calendar.add(changed, hours(-0.01)) == changed - hours(0.01)
    assert calendar.add(opened - hours(5), hours(25)) == opened + hours(25)


def test_each_country_and_subdivision_has_its_own_holidays() -> None:
    """Easter Monday is one in England, 4 July in the United States, and neither elsewhere."""
    easter_monday, fourth_of_july = at("2026-04-06 00:00"), at("2025-07-04 00:00")
    open_on = {
        code: [
            BusinessCalendar(holidays=code).between(day, day + hours(24)) > hours(0)
            for day in (easter_monday, fourth_of_july)
        ]
        for code in ("GB-ENG", "GB-SCT", "US", None)
    }
    assert open_on == {
        "GB-ENG": [False, True],
        "GB-SCT": [True, True],
        "US": [True, False],
        None: [True, True],
    }


def test_hours_are_read() -> None:
    """Days and ranges of days, several openings a day, in any order and case."""
    week = parse_hours("Sat 10:00-24:00, mon-tue 13:00-17:30,mon 09:00-13:00")
    morning, afternoon = (hours(9), hours(13)), (hours(13), hours(17.5))
    assert week == ((morning, afternoon), (afternoon,), (), (), (), ((hours(10), hours(24)),), ())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "look like"),
        ("mon", "look like"),
        ("mon 09:00", "look like"),
        ("mon 9:00-17:00", "look like"),
        ("mon 09:00-17:00,", "look like"),
        ("mon 09:00-17:60", "look like"),
        ("mon 09:00-24:01", "look like"),
        ("mon 24:00-24:00", "look like"),
        ("mon 09:00-17:00 sharp", "look like"),
        ("day 09:00-17:00", "look like"),
        ("mon-day 09:00-17:00", "look like"),
        ("mon \u0660\u0669:00-17:00", "look like"),
        ("mon 09:00-09:00", "before they begin"),
        ("mon 17:00-09:00", "before they begin"),
        ("fri-mon 09:00-17:00", "before they begin"),
        ("mon-fri 09:00-17:00, wed 16:59-18:00", "overlap"),
        ("mon 09:00-17:00, mon 09:00-17:00", "overlap"),
    ],
)
def test_hours_that_make_no_sense_are_refused(text: str, message: str) -> None:
    """With a sentence that says why."""
    with pytest.raises(ValueError, match=message):
        parse_hours(text)


@pytest.mark.parametrize("zone", ["", "Nowhere", "Europe", "../etc/passwd", "\0", "Europe/London/"])
def test_an_unknown_zone_is_refused(zone: str) -> None:
    """When the calendar is made, not when a clock first runs."""
    with pytest.raises(ValueError, match="zone"):
        BusinessCalendar(zone=zone)


@pytest.mark.parametrize("code", ["", "ZZ", "gb", "GB-", "GB-ZZ", "GB-ENG-X", "GBR", "XNYS"])
def test_an_unknown_country_is_refused(code: str) -> None:
    """Nor is a stock exchange one."""
    with pytest.raises(ValueError, match="country"):
        BusinessCalendar(holidays=code)


@pytest.mark.parametrize("sign", [1, -1])
def test_ten_years_are_the_furthest(sign: int) -> None:
    """A span that no desk means is refused rather than walked."""
    start = at("2026-06-01 09:00")
    with pytest.raises(ValueError, match="ten years"):
        OFFICE.add(start, sign * timedelta(days=900))
    with pytest.raises(ValueError, match="ten years"):
        OFFICE.between(start, start + sign * timedelta(days=4000))
    assert OFFICE.between(start, OFFICE.add(start, sign * timedelta(days=800))) == sign * timedelta(
        days=800
    )


# Whole hours, which no zone above tells twice: a minute is open if the clock on the wall says so.
_openings = st.lists(st.integers(0, 24), max_size=6, unique=True).map(
    lambda ends: tuple(
        (hours(opens), hours(closes))
        for opens, closes in zip(sorted(ends)[::2], sorted(ends)[1::2], strict=False)
    )
)
weeks: st.SearchStrategy[Hours] = st.tuples(*[_openings] * 7).filter(any)
calendars = st.one_of(
    st.builds(BusinessCalendar, hours=weeks),
    st.builds(BusinessCalendar, st.sampled_from(ZONES), weeks, st.none()),
    st.sampled_from([OFFICE, ALWAYS, LUNCH]),
)
spans = st.one_of(
    st.timedeltas(hours(0), hours(60)), st.integers(0, 240).map(lambda count: hours(count / 4))
)
either_way = st.builds(lambda span, sign: sign * span, spans, st.sampled_from([1, -1]))
_days = st.dates(date(2026, 1, 9), date(2026, 12, 22))
_near_a_change = st.builds(
    lambda day, back: date(2026, *day) - timedelta(days=back),
    st.sampled_from(CHANGES),
    st.integers(0, 6),
)
minutes = st.builds(
    lambda day, minute: datetime(day.year, day.month, day.day, tzinfo=UTC) + hours(minute / 60),
    _days | _near_a_change,
    st.integers(0, 1439),
)
moments = st.builds(lambda minute, part: minute + part, minutes, st.timedeltas(hours(0), hours(1)))


def is_open(calendar: BusinessCalendar, minute: datetime) -> bool:
    local = minute.astimezone(ZoneInfo(calendar.zone))
    if calendar.holidays and local.date() in GB_2026:
        return False
    wall = timedelta(hours=local.hour, minutes=local.minute)
    return any(opens <= wall < closes for opens, closes in calendar.hours[local.weekday()])


@settings(deadline=None, max_examples=60)
@given(calendars, minutes, st.integers(0, 7 * 1440))
def test_between_counts_the_minutes_that_are_open(
    calendar: BusinessCalendar, start: datetime, length: int
) -> None:
    """By the clock on the wall of each minute, over up to a week."""
    minute = timedelta(minutes=1)
    counted = sum(is_open(calendar, start + number * minute) for number in range(length))
    assert calendar.between(start, start + length * minute) == counted * minute


@settings(deadline=None)
@given(calendars, moments, either_way)
def test_between_undoes_add(calendar: BusinessCalendar, start: datetime, span: timedelta) -> None:
    """What was added is what lies between, to the microsecond, both ways."""
    end = calendar.add(start, span)
    assert calendar.between(start, end) == span
    assert calendar.between(end, start) == -span
    assert (end > start) - (end < start) == (span > hours(0)) - (span < hours(0))


@settings(deadline=None)
@given(calendars, moments, either_way)
def test_add_ends_at_the_first_moment_that_will_do(
    calendar: BusinessCalendar, start: datetime, span: timedelta
) -> None:
    """A microsecond earlier less open time has passed."""
    end = calendar.add(start, span)
    if span:
        assert calendar.between(start, end - timedelta.resolution) == span - timedelta.resolution
    else:
        assert end == start


@settings(deadline=None)
@given(calendars, moments, spans, spans)
def test_spans_add_up(
    calendar: BusinessCalendar, start: datetime, one: timedelta, other: timedelta
) -> None:
    """One after the other is both at once, and the way back ends where the shorter one would."""
    assert calendar.add(calendar.add(start, one), other) == calendar.add(start, one + other)
    short, long = sorted((one, other))
    if short:
        assert calendar.add(calendar.add(start, long), short - long) == calendar.add(start, short)


@settings(deadline=None)
@given(calendars, moments, moments, either_way, either_way)
def test_later_or_longer_never_ends_earlier(
    calendar: BusinessCalendar, one: datetime, other: datetime, a: timedelta, b: timedelta
) -> None:
    """Add is monotonic in the start and in the span."""
    assert calendar.add(min(one, other), a) <= calendar.add(max(one, other), a)
    assert calendar.add(one, min(a, b)) <= calendar.add(one, max(a, b))


@settings(deadline=None)
@given(calendars, moments, moments, moments)
def test_time_between_adds_up(
    calendar: BusinessCalendar, one: datetime, two: datetime, three: datetime
) -> None:
    """The way by a third moment is as long, wherever that lies."""
    by_way = calendar.between(one, two) + calendar.between(two, three)
    assert by_way == calendar.between(one, three)
