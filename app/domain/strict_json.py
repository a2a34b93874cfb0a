"""JSON, read so strictly that what is stored is exactly what was sent."""

from __future__ import annotations

import json
import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from app.db.errors import Mistake

if TYPE_CHECKING:
    from collections.abc import Iterator

DEEPEST = 32
MOST_KEYS = 1000
_TOO_DEEP = f"It is nested deeper than {DEEPEST}."
INT64 = range(-(2**63), 2**63)
_LONGEST_INT64 = 20  # characters, with its sign
_WRITTEN_WITH_EXPONENT = 1e16  # from here on, floats are


_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)


class _Inexact(str):
    """A number that cannot be stored exactly."""

    __slots__ = ()


def has_more_values(data: bytes, most: int) -> bool:
    """Whether the JSON holds more than so many values, counted before it is parsed.

    A list of three million empty lists fits into 8 MiB; parsed, it would fill 200 MiB.
    """
    if _separators(data) <= most:
        return False
    # Two quotes around each string, and at most one key for each value. What follows a backslash
    # may be no quote of these, so there are at least so many.
    if data.count(b'"') - data.count(b'\\"') > 4 * most:
        return True
    return _separators(_STRING.sub(b"", data)) > most


def _separators(data: bytes) -> int:
    """The first value of a list or object follows its bracket, every other one a comma."""
    return data.count(b",") + data.count(b"[") + data.count(b"{")


def parse(text: str) -> Any:
    """Raises ValueError for what is not JSON, has a key twice, too many or is nested too deeply."""
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
            parse_float=_float,
            parse_int=_int,
        )
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error
    if _depth(value) > DEEPEST:
        raise ValueError(_TOO_DEEP)
    return value


def unacceptable(value: object, path: tuple[str | int, ...] = ()) -> Iterator[Mistake]:
    """Mistakes for characters that PostgreSQL cannot store and numbers that it would change."""
    if isinstance(value, _Inexact):
        yield Mistake(path, "range", "The number cannot be stored exactly.")
    elif isinstance(value, str):
        if not _storable(value):
            yield _invalid_character(path)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from unacceptable(item, (*path, index))
    elif isinstance(value, dict):
        for key, item in value.items():
            if not _storable(key):
                yield _invalid_character((*path, _shown(key)))
            yield from unacceptable(item, (*path, _shown(key)))


def _invalid_character(path: tuple[str | int, ...]) -> Mistake:
    return Mistake(path, "invalid-character", "NUL and lone surrogates can't be stored.")


def _storable(text: str) -> bool:
    return "\0" not in text and (text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text))


def _shown(key: str) -> str:
    """The key as an answer can hold it."""
    return key.encode("utf-8", "replace").decode().replace("\0", "\N{SYMBOL FOR NULL}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > MOST_KEYS:
        raise ValueError(f"An object has more than {MOST_KEYS} keys.")
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("An object has a key twice.")
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON.")


def _float(text: str) -> float | int | _Inexact:
    number = float(text)
    if abs(number) >= INT64.stop or not _is_exact(text, number):
        return _Inexact(text)
    if abs(number) >= _WRITTEN_WITH_EXPONENT:
        return int(number)  # as jsonb, which keeps no exponent, gives it back
    return number + 0.0  # nor does jsonb keep a negative zero


def _is_exact(text: str, number: float) -> bool:
    try:
        return Decimal(text) == Decimal(repr(number))
    except InvalidOperation:  # an exponent that no Decimal can hold
        return False


def _int(text: str) -> int | _Inexact:
    return int(text) if len(text) <= _LONGEST_INT64 and int(text) in INT64 else _Inexact(text)


def _depth(value: object) -> int:
    """Level by level, so that no depth exhausts the stack."""
    level, depth = [value], 0
    while level:
        depth += any(isinstance(item, dict | list) for item in level)
        level = [
            inner
            for item in level
            if isinstance(item, dict | list)
            for inner in (item.values() if isinstance(item, dict) else item)
        ]
    return depth
