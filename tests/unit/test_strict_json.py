from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.api.kit.problems import pointer
from app.db.errors import Invalid
from app.domain import json_reading, strict_json

TEXTS = st.text(st.characters(), max_size=5) | st.sampled_from(["\0", "\ud800", "\udfff\0"])
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
ALPHABET = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(VALUES)
def test_what_is_acceptable_is_read_as_json_reads_it(value: Any) -> None:
    """It equals what was sent, and can be written again."""
    text = json.dumps(value)
    parsed = strict_json.parse(text)
    if not list(strict_json.unacceptable(parsed)):
        assert parsed == value
        assert json.loads(orjson.dumps(parsed)) == value
        assert r"\u0000" not in text


@settings(deadline=None)
@given(VALUES)
def test_every_mistake_can_be_answered(value: Any) -> None:
    """Its pointer is text that JSON can hold, whatever the keys on the way are."""
    for mistake in strict_json.unacceptable(strict_json.parse(json.dumps(value))):
        assert "\0" not in orjson.loads(orjson.dumps(pointer(mistake.path)))


@settings(deadline=None)
@given(st.integers(-(2**63), 2**63 - 1) | st.floats(-(2.0**62), 2.0**62) | st.text(ALPHABET))
def test_ordinary_values_are_acceptable(value: float | str) -> None:
    """64-bit integers, doubles in their range, and text without NUL and surrogates."""
    assert not list(strict_json.unacceptable(strict_json.parse(json.dumps([value, {"a": value}]))))


# JSON as text, so that keys come twice and each value is spelt in all ways; some of it is wrong.
RIGHT = [
    r'"\ud83d\ude00"',
    '"a"',
    '"b"',
    '":"',
    '"é"',
    '""',
    '"\x7f"',
    '"1.5"',
    '"{:}"',
    r'"\n"',
    r'"\""',
    r'"\\"',
]
WRONG = [r'"\u0000"', r'"\ud800"', '"\t"', "'a'", '"a', "a"]
STRINGS = st.sampled_from([*RIGHT, *WRONG])
NUMBERS_AS_TEXT = "0 -0 1 -1 1.5 0.0 1e2 1E400 01 1. +1 NaN Infinity 18446744073709551616"
EDGES = [str(2**63 - 1), str(2**63), str(-(2**63)), str(-(2**63) - 1), str(2**64 - 1)]
SCALARS = st.sampled_from([*NUMBERS_AS_TEXT.split(), *EDGES, "true", "null", "False", ""])
SPACES = st.sampled_from(["", "", "", " ", "\n", "\t\r", "\f", "\ufeff"])


def spelt(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    items = st.lists(st.tuples(SPACES, inner).map("".join), max_size=3).map(",".join)
    members = st.lists(st.tuples(STRINGS, SPACES, st.just(":"), inner).map("".join), max_size=3)
    return items.map("[{}]".format) | members.map(lambda found: f"{{{','.join(found)}}}")


DOCUMENTS = st.tuples(SPACES, st.recursive(SCALARS | STRINGS, spelt, max_leaves=8), SPACES)


def outcome(data: bytes, *, by_hand: bool) -> object:
    """The exact value, or the error; `by_hand` without orjson."""
    try:
        if not by_hand:
            return repr(json_reading.read(data))
        value = strict_json.parse(data.decode())
        if mistakes := list(strict_json.unacceptable(value)):
            raise Invalid(mistakes)
        return repr(value)
    except Invalid as error:
        return error.mistakes
    except ValueError as error:
        return type(error), str(error)


@settings(deadline=None)
@given(DOCUMENTS.map("".join).map(str.encode) | VALUES.map(json.dumps).map(str.encode))
def test_orjson_reads_only_what_is_read_alike_by_hand(data: bytes) -> None:
    """Types, order and all; keys that come twice, numbers and characters are refused alike."""
    assert outcome(data, by_hand=False) == outcome(data, by_hand=True)


@settings(deadline=None)
@given(st.binary(max_size=6), DOCUMENTS.map("".join).map(str.encode), st.integers(0, 40))
def test_broken_bytes_are_refused_alike(bytes_: bytes, data: bytes, place: int) -> None:
    broken = data[:place] + bytes_ + data[place:]
    assert outcome(broken, by_hand=False) == outcome(broken, by_hand=True)


@pytest.mark.parametrize("depth", [31, 32, 33, 1023, 1024, 1025, 100_000])
@pytest.mark.parametrize(("opened", "closed"), [("[", "]"), ('{"a":', "}")])
def test_the_deepest_is_the_same(opened: str, closed: str, depth: int) -> None:
    for inner in ("1", "[]", "{}"):
        data = f"{opened * depth}{inner}{closed * depth}".encode()
        assert outcome(data, by_hand=False) == outcome(data, by_hand=True)


@pytest.mark.parametrize("keys", [1000, 1001])
def test_the_most_keys_are_the_same(keys: int) -> None:
    for data in (
        dict.fromkeys(map(str, range(keys))),
        [{"a": dict.fromkeys(map(str, range(keys)))}],
    ):
        text = orjson.dumps(data)
        assert outcome(text, by_hand=False) == outcome(text, by_hand=True)


def test_plain_json_is_read_by_orjson(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bodies that clients usually send."""
    monkeypatch.delattr(json_reading, "parse")
    body = {"name": "Zoë: 1.5", "tags": ["a", None, True], "score": -12, "inner": {"": {}}}
    assert json_reading.read(orjson.dumps(body)) == body
    assert json_reading.read(json.dumps([body], ensure_ascii=False, indent=2).encode()) == [body]
