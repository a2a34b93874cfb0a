"""Query strings are read and written as the standard library does it, in less time where it can."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.api.kit.parameters import query_string, read_parameters
from app.db.errors import InvalidCriterion

# Much of it is split without decoding, the rest is not.
QUERIES = st.text("ab=&;,:+%0fF?/#.~ \0\n\xe9\xff", max_size=12) | st.text(
    st.characters(max_codepoint=255), max_size=12
)


@settings(deadline=None)
@given(QUERIES)
@example("limit=50&sort=-created_at,name&a__in=1,2&b=2026-11-02T09:00:00Z&=&c&&d==")
def test_they_are_read_as_the_standard_library_reads_them(query: str) -> None:
    """Strictly: what is not UTF-8, or is given twice, or has a NUL, is refused."""
    assert outcome(query) == expected(query)


def outcome(query: str) -> dict[str, str] | None:
    try:
        return read_parameters(query)
    except InvalidCriterion:
        return None


def expected(query: str) -> dict[str, str] | None:
    try:
        pairs = parse_qsl(query.encode("latin-1").decode(), keep_blank_values=True, errors="strict")
    except ValueError:
        return None
    found = dict(pairs)
    has_nul = any("\0" in part for pair in pairs for part in pair)
    return None if len(found) < len(pairs) or has_nul else found


@pytest.mark.parametrize("blank", ["", "&%20=1"])
def test_fifty_are_read_and_one_more_is_refused(blank: str) -> None:
    fifty = "&".join(f"p{number}=1" for number in range(50 - blank.count("&")))
    assert len(read_parameters(fifty + blank)) == 50
    with pytest.raises(InvalidCriterion, match="too many"):
        read_parameters(f"{fifty}{blank}&a=1")


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=4), st.text(max_size=6), max_size=3))
@example({"limit": "50", "cursor": "a-Z_9~."})
def test_they_are_written_as_the_standard_library_writes_them(parameters: dict[str, str]) -> None:
    try:
        written = urlencode(parameters)
    except UnicodeEncodeError:
        return
    assert query_string(parameters) == written
