"""The environment's variables: how each is read, which values it takes, and what it is for."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from environs import Env, EnvValidationError, ValidationError, validate
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from app.db.errors import ApplicationError
from app.domain.calendar import BusinessCalendar, parse_hours
from app.domain.conversations import Priority
from app.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from decimal import Decimal
    from pathlib import Path

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_PREFIX = "CASELOAD_"
_VARIABLE = "variable"  # the key in the metadata of a field
_SHORTEST_SECRET = 16  # characters
_LARGEST_THRESHOLD = 10**15
_LONGEST_TARGET = 60 * 1000  # minutes


class SettingsError(ApplicationError):
    """One message that names every setting that is wrong."""

    code = "settings"


@contextmanager
def exit_on_mistake() -> Iterator[None]:
    """End the process with one line on stderr and the exit code 2 where a setting is wrong."""
    try:
        yield
    except SettingsError as error:
        print(f"Error: {printable(str(error))}", file=sys.stderr)  # noqa: T201 - there is no log yet
        raise SystemExit(2) from None


@dataclass(frozen=True)
class Reader(Generic[T_co]):
    """Reads a variable by its name, None where it is not set; `values` names what it accepts."""

    read: Callable[[Env, str], T_co | None]
    values: str


@dataclass(frozen=True)
class Variable:
    """A variable of the environment; `meaning` and `default` are for the documentation."""

    name: str
    reader: Reader[object]
    meaning: str
    default: str


def setting(
    default: T,
    reader: Reader[T],
    meaning: str,
    *,
    variable: str = "",
    shown: str = "",
    secret: bool = False,
) -> T:
    """A field of a dataclass that is read from the environment.

    `variable` is its name there, by default the field's own with the prefix; `shown` documents
    the default where its value does not. A secret field is in no repr.
    """
    value = f"{default:g}" if isinstance(default, float) else str(default)
    about = Variable(variable, reader, meaning, shown or value)
    return field(default=default, repr=not secret, metadata={_VARIABLE: about})


def variables(kind: type[Any]) -> dict[str, Variable]:
    """The variables of a dataclass whose fields are settings, by the names of the fields."""
    found = {each.name: each.metadata[_VARIABLE] for each in fields(kind)}
    return {
        name: Variable(
            about.name or f"{_PREFIX}{name.upper()}", about.reader, about.meaning, about.default
        )
        for name, about in found.items()
    }


def read(kind: type[Any]) -> dict[str, Any]:
    """The values that the environment sets, by the names of the fields; raises SettingsError."""
    env = Env(eager=False)
    values = {name: of.reader.read(env, of.name) for name, of in variables(kind).items()}
    wrong = _wrong_values(env)
    wrong |= _unknown_names({*env.dump(), *wrong})
    if wrong:
        raise SettingsError("; ".join(f"{name}: {detail}" for name, detail in wrong.items()))
    return {name: value for name, value in values.items() if value is not None}


def _wrong_values(env: Env) -> dict[str, str]:
    try:
        env.seal()
    except EnvValidationError as error:
        messages = cast("dict[str, list[str]]", error.error_messages)
        return {name: " ".join(found) for name, found in messages.items()}
    return {}


def _unknown_names(known: Collection[str]) -> dict[str, str]:
    """Variables with the prefix that no field reads: most likely misspelt."""
    ours = sorted(name for name in known if name.startswith(_PREFIX))
    return {
        name: f"Unknown setting{_nearest(name, ours)}"
        for name in sorted(os.environ)
        if name.startswith(_PREFIX) and name not in known
    }


def _nearest(name: str, known: Collection[str]) -> str:
    found = get_close_matches(name, known, n=1, cutoff=0.8)
    return f"; did you mean {found[0]}?" if found else "."


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
