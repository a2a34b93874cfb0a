"""How the settings are read from the environment: one reader for each kind of value."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from environs import ValidationError, validate
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from app.domain.calendar import BusinessCalendar, parse_hours
from app.domain.conversations import Priority
from app.environment import Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from decimal import Decimal
    from pathlib import Path

    from environs import Env

_SHORTEST_SECRET = 16  # characters
_LARGEST_THRESHOLD = 10**15
_LONGEST_TARGET = 60 * 1000  # minutes


def whole(least: int, most: int, unit: str = "") -> Reader[int]:
    """A whole number of `unit`s."""
    allowed = validate.Range(least, most)
    return Reader(
        lambda env, name: env.int(name, None, validate=allowed), f"{least} to {most} {unit}".strip()
    )


def size(least: int, most: int) -> Reader[int]:
    return whole(least, most, "bytes")


def seconds(least: float, most: float) -> Reader[float]:
    allowed = validate.Range(least, most)
    return Reader(
        lambda env, name: env.float(name, None, validate=allowed), f"{least} to {most} seconds"
    )


def text(values: str, check: Callable[[str], object]) -> Reader[str]:
    """A string; `check` raises ValueError, with a message, for one that is wrong."""
    return Reader(lambda env, name: env.str(name, None, validate=_checked_by(check)), values)


def _checked_by(check: Callable[[str], object]) -> Callable[[str], None]:
    def validate_text(value: str) -> None:
        try:
            check(value)
        except ValueError as error:
            raise ValidationError(str(error)) from error

    return validate_text


def _postgres_url(value: str) -> None:
    if value.partition("://")[0].lower() not in ("postgresql", "postgres"):
        raise ValidationError("Must start with postgresql:// or postgres://.")
    try:
        make_url(value)
    except (ArgumentError, ValueError):
        raise ValidationError("Must be a URL.") from None  # the cause may quote the password
    if "%00" in value:
        raise ValidationError("Must not hold NUL.")


POSTGRES_URL = Reader[str](
    lambda env, name: env.str(name, None, validate=_postgres_url) or None,
    "`postgresql://...` or `postgres://...`",
)


def _secret(env: Env, name: str) -> str | None:
    """Required with a database of one's own: there is no data directory to keep one in."""
    shortest = validate.Length(min=_SHORTEST_SECRET)
    if os.environ.get("DATABASE_URL"):
        found: str | None = env.str(name, validate=shortest)
        return found
    return env.str(name, None, validate=shortest)


SECRET = Reader(_secret, f"at least {_SHORTEST_SECRET} characters")


def _folder(env: Env, name: str) -> Path | None:
    path = env.path(name, None)
    return path and path.absolute()


FOLDER = Reader(_folder, "a path")
ZONE = text(
    "a name of the IANA time zones", lambda value: BusinessCalendar(zone=value, holidays=None)
)
OPENING_HOURS = text("such as `mon-fri 09:00-12:00, sat 10:00-14:00`", parse_hours)
COUNTRY = text(
    "ISO 3166, such as `FR` or `US-CA`; empty: none",
    lambda value: BusinessCalendar(holidays=value or None),
)


def _are_targets(value: Mapping[str, int] | None) -> None:
    for priority, minutes in (value or {}).items():
        if priority not in list(Priority) or not 0 < minutes <= _LONGEST_TARGET:
            raise ValidationError("Must be minutes by priority, such as high=60,urgent=15.")


TARGETS = Reader[dict[str, int]](
    lambda env, name: env.dict(name, None, subcast_values=int, validate=_are_targets),
    "minutes by priority, such as `high=60,urgent=15`",
)


def _is_threshold(value: Decimal | None) -> None:
    if value is not None and not (value.is_finite() and 0 <= value <= _LARGEST_THRESHOLD):
        raise ValidationError("Must be an amount of money, such as 10000.")


AMOUNT = Reader["Decimal"](
    lambda env, name: env.decimal(name, None, validate=_is_threshold),
    "an amount without its currency, such as `999.99`",
)
