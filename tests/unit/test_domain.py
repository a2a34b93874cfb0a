from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.db.listing import format_timestamp, parse_timestamp, parse_uuid
from app.domain.merge_patch import merge

# The examples of RFC 7396, appendix A, whose target and patch are objects.
RFC_7396 = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("target", "patch", "result"), RFC_7396)
def test_merge_does_what_the_rfc_says(
    target: dict[str, object], patch: dict[str, object], result: dict[str, object]
) -> None:
    """And leaves its arguments as they are."""
    before = repr(target)
    assert merge(target, patch) == result
    assert repr(target) == before


@pytest.mark.parametrize(
    "text",
    [
        "0190A0B0-0000-7000-8000-000000000001",
        "{0190a0b0-0000-7000-8000-000000000001}",
        "0190a0b0000070008000000000000001",
        "urn:uuid:0190a0b0-0000-7000-8000-000000000001",
        "0190a0b0-0000-7000-8000-00000000000\u0661",
        "",
    ],
)
def test_only_the_canonical_uuid_is_one(text: str) -> None:
    """Every id has one spelling."""
    with pytest.raises(ValueError, match="must be a UUID"):
        parse_uuid(text)


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-01",
        "2026-01-01T00:00:00",
        "2026-01-01 00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:00:00.1234567Z",
        "2026-01-01T00:00:00+0100",
        "20260101T000000Z",
        "2026-01-01T00:00:00+25:00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "\u0662026-01-01T00:00:00Z",
        "",
    ],
)
def test_a_time_that_is_not_exactly_understood_is_refused(text: str) -> None:
    """No guess about a zone, no rounding, no day that does not exist."""
    with pytest.raises(ValueError):
        parse_timestamp(text)


offsets = st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))


# hypothesis adds the zone to the bounds
earliest, latest = datetime(2, 1, 1), datetime(9998, 1, 1)  # noqa: DTZ001


@given(st.datetimes(min_value=earliest, max_value=latest, timezones=offsets))
def test_a_time_survives_the_way_out_and_in(moment: datetime) -> None:
    """To the microsecond, whatever its zone was; what goes out ends in Z."""
    text = format_timestamp(moment)
    assert text.endswith("Z")
    assert parse_timestamp(text) == moment
    assert parse_timestamp(moment.isoformat().replace("+00:00", "Z")).tzinfo is UTC
