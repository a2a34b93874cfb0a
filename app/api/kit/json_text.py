"""Writes responses as JSON."""

from __future__ import annotations

import json

import orjson


def to_json(body: object) -> bytes:
    """The JSON of what a compiled schema dumps: ids and times are written as marshmallow does."""
    try:
        return orjson.dumps(body, option=orjson.OPT_UTC_Z)
    except TypeError:  # a number of more than 64 bits, which only older rows can have
        return json.dumps(body, ensure_ascii=False, default=_plain).encode()


def _plain(value: object) -> object:
    """What orjson alone can write, such as an id, a time or a Fragment."""
    try:
        written = orjson.dumps(value, option=orjson.OPT_UTC_Z)
    except TypeError:
        return str(value)
    return json.loads(written)
