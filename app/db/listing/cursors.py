"""Cursors: a place in a list, sealed so that no value of a row can be read from a URL.

Proxies and servers log URLs, and nothing erases a customer's name from their logs.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from math import isfinite
from typing import Any
from uuid import UUID

import orjson

from ..errors import InvalidCursor
from ..repository.pages import Query
from ..repository.reading import Reader
from .sealing import Seal

_MICROSECOND = timedelta(microseconds=1)

# JSON has these as text, and floats that are no numbers.
_FROM_TEXT: dict[type, Callable[[str], Any]] = {
    UUID: UUID,
    datetime: datetime.fromisoformat,
    date: date.fromisoformat,
    Decimal: Decimal,
    time: time.fromisoformat,
    timedelta: lambda text: timedelta(microseconds=int(text)),
    float: float,
}


class Cursors:
    """Makes and reads cursors. Services with the same `secret` read each other's."""

    def __init__(self, secret: str) -> None:
        self._seal = Seal(secret, "cursor")

    def of(self, place: Sequence[Any], query: Query, name: str) -> str:
        """The cursor of a page that begins after `place`, which `Page.next` or `after_row` gives.

        `name` is the list's, such as its path. The cursor fits only the same list, filters, search
        and sort.
        """
        return self.encode(place, _owner(query, name))

    def after(self, cursor: str, query: Query, reader: Reader[Any], name: str) -> tuple[Any, ...]:
        """The `after` of a query, from the cursor that a client sent; raises InvalidCursor."""
        values = self.decode(cursor, _owner(query, name))
        sorts = reader.sorts_of(search=query.search is not None)
        kinds = [sorts[sort.name].type.python_type for sort in query.sort]
        kinds.append(reader.key_column.type.python_type)
        return tuple(_restored(kind, value) for kind, value in zip(kinds, values, strict=True))

    def encode(self, place: Sequence[Any], owner: object) -> str:
        """The cursor of any place. It fits only `owner`, which JSON can say."""
        plain = [str(v) if isinstance(v, float) and not isfinite(v) else v for v in place]
        sealed = self._seal.close(_to_json(plain), _to_json(owner))
        return urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def decode(self, cursor: str, owner: object) -> list[Any]:
        """The place, with times and ids as text; raises InvalidCursor."""
        place = self._seal.open(_bytes(cursor), _to_json(owner))
        if place is None:
            raise InvalidCursor("cursor", "It belongs to another list, or was changed.")
        decoded: list[Any] = orjson.loads(place)
        return decoded


def _owner(query: Query, name: str) -> list[Any]:
    return [
        name,
        {name: query.filters[name] for name in sorted(query.filters)},
        query.search,
        [[sort.name, sort.descending] for sort in query.sort],
        query.include_deleted,
    ]


def _to_json(value: object) -> bytes:
    return orjson.dumps(value, default=_as_text)


def _as_text(value: object) -> str:
    return str(value // _MICROSECOND) if isinstance(value, timedelta) else str(value)


def _bytes(cursor: str) -> bytes:
    """The bytes that the text encodes; empty, which no seal opens, unless the text is canonical.

    Python's decoder ignores characters outside the alphabet, and bits of the last one.
    """
    try:
        decoded = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except ValueError:
        return b""
    return decoded if urlsafe_b64encode(decoded).rstrip(b"=").decode() == cursor else b""


def _restored(kind: type, value: Any) -> Any:
    if value is None:
        return None
    if issubclass(kind, Enum):
        return kind(value)
    return _FROM_TEXT[kind](value) if kind in _FROM_TEXT else value
