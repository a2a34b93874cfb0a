"""The one accepted spelling of ids and times, for bodies, queries and the command line alike."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from uuid import UUID

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})",
    re.ASCII,
)


def parse_uuid(text: str) -> UUID:
    """A canonical, lower-case UUID; raises ValueError."""
    if not _UUID.fullmatch(text):
        raise ValueError(
            "It must be a UUID in lower case, such as 01a1fcbe-dfca-719f-bfae-a835fce21513."
        )
    return UUID(text)


def parse_timestamp(text: str) -> datetime:
    """An RFC 3339 time with its offset, to the microsecond, in UTC; raises ValueError."""
    if not _RFC_3339.fullmatch(text):
        raise ValueError(
            "It must be an RFC 3339 time with an offset, such as 2026-11-02T09:00:00Z."
        )
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except OverflowError as error:
        raise ValueError("It is out of range.") from error


def format_timestamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
