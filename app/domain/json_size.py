"""The size of JSON values, and the firm's limits on it."""

from __future__ import annotations

import json
from typing import NamedTuple

import orjson

_SHORTEST_MEMBER = 4  # bytes: `"":1`


class JSONLimit(NamedTuple):
    """`keys` is the most of all objects together, nested ones included; None is any number."""

    bytes: int
    keys: int | None


def excess(value: object, limit: JSONLimit) -> str | None:
    """Why a value is too large, as a message to the client; None where it is not."""
    size = size_of(value)
    if size > limit.bytes:
        return f"It has {size:,} bytes of JSON; at most {limit.bytes:,} are allowed."
    if limit.keys is None or size < limit.keys * _SHORTEST_MEMBER:
        return None
    keys = _count_keys(value)
    return (
        None if keys <= limit.keys else f"It has {keys:,} keys; at most {limit.keys:,} are allowed."
    )


def size_of(value: object) -> int:
    """The bytes of its JSON in UTF-8, without any white space."""
    try:
        return len(orjson.dumps(value))
    except TypeError:  # a number beyond 64 bits
        return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def _count_keys(value: object) -> int:
    count, rest = 0, [value]
    while rest:
        item = rest.pop()
        if isinstance(item, dict):
            count += len(item)
            rest += item.values()
        elif isinstance(item, list):
            rest += item
    return count
