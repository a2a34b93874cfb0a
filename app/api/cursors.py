"""Cursors: a place in a list, sealed so that no value of a row can be read from a URL.

Proxies and servers log URLs, and nothing erases a customer's name from their logs.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson

from app.api.context import settings
from app.db.errors import InvalidCursor
from app.services import Seal

if TYPE_CHECKING:
    from collections.abc import Sequence


def encode(place: Sequence[Any], owner: object) -> str:
    """The cursor of `place`. It fits only `owner`: the list, with its sort and filters, as JSON."""
    sealed = _seal(settings().secret_key).close(orjson.dumps(place), orjson.dumps(owner))
    return urlsafe_b64encode(sealed).rstrip(b"=").decode()


def decode(cursor: str, owner: object) -> list[Any]:
    """The place, with times and ids as text; raises InvalidCursor."""
    place = _seal(settings().secret_key).open(_bytes(cursor), orjson.dumps(owner))
    if place is None:
        raise InvalidCursor("cursor", "It belongs to another list, or was changed.")
    decoded: list[Any] = orjson.loads(place)
    return decoded


def _bytes(cursor: str) -> bytes:
    """What the text encodes; empty, which no seal opens, unless it is written in the one right way.

    Python's decoder ignores characters outside the alphabet, and bits of the last one.
    """
    try:
        decoded = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except ValueError:
        return b""
    return decoded if urlsafe_b64encode(decoded).rstrip(b"=").decode() == cursor else b""


@lru_cache(maxsize=4)
def _seal(secret: str) -> Seal:
    """The cipher is made once: every page of every list needs it."""
    return Seal(secret, "cursor")
