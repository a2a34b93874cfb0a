"""The one accepted form of ids, times and numbers, in bodies, queries and commands alike."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})",
    re.ASCII,
)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_DECIMAL = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?", re.ASCII)
_FLOAT = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?", re.ASCII)


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


def parse_date(text: str) -> date:
    """Raises ValueError."""
    if not _DATE.fullmatch(text):
        raise ValueError("It must be a date such as 2026-11-02.")
    return date.fromisoformat(text)  # its own message names the part that is out of range


def parse_decimal(text: str) -> Decimal:
    """Raises ValueError."""
    if not _DECIMAL.fullmatch(text):
        raise ValueError("It must be a decimal number such as 12.50.")
    return Decimal(text)


def parse_float(text: str) -> float:
    """A finite number; raises ValueError."""
    number = float(text) if _FLOAT.fullmatch(text) else float("inf")
    if number in (float("inf"), float("-inf")):
        raise ValueError("It must be a number such as 12.5 or 1e-3.")
    return number
