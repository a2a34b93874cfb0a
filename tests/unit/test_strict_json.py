from __future__ import annotations

import json
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from app.api.kit.problems import pointer
from app.domain import strict_json

TEXTS = st.text(st.characters(), max_size=5) | st.sampled_from(["\0", "\ud800", "\udfff\0"])
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
ALPHABET = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_what_is_acceptable_is_read_as_json_reads_it(value: Any) -> None:
    """It equals what was sent, and can be written again."""
    text = json.dumps(value)
    parsed = strict_json.parse(text)
    if not list(strict_json.unacceptable(parsed)):
        assert parsed == value
        assert json.loads(orjson.dumps(parsed)) == value
        assert r"\u0000" not in text


@given(VALUES)
def test_every_mistake_can_be_answered(value: Any) -> None:
    """Its pointer is text that JSON can hold, whatever the keys on the way are."""
    for mistake in strict_json.unacceptable(strict_json.parse(json.dumps(value))):
        assert "\0" not in orjson.loads(orjson.dumps(pointer(mistake.path)))


@given(st.integers(-(2**63), 2**63 - 1) | st.floats(-(2.0**62), 2.0**62) | st.text(ALPHABET))
def test_ordinary_values_are_acceptable(value: float | str) -> None:
    """64-bit integers, doubles in their range, and text without NUL and surrogates."""
    assert not list(strict_json.unacceptable(strict_json.parse(json.dumps([value, {"a": value}]))))
