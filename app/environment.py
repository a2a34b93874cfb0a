"""The environment's variables: how each is read, and what it may be."""

from __future__ import annotations

import os
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from environs import Env, EnvValidationError, ValidationError, validate
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from app.db.errors import ApplicationError
from app.domain.calendar import BusinessCalendar, parse_hours
from app.domain.conversations import Priority

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from decimal import Decimal
    from pathlib import Path

_PREFIX = "CASELOAD_"
_LEAST_SECRET = 16  # characters
_LARGEST_THRESHOLD = 10**15
_LONGEST_TARGET = 60 * 1000  # minutes
_LARGEST_JSON = 8 * 1024 * 1024  # bytes; the database's own bound (MOST_JSON_BYTES) is 16 times it


class SettingsError(ApplicationError):
    """One message that names every setting that is wrong."""

    code = "settings"


def read() -> dict[str, Any]:
    """What the environment sets, by the name of the setting; raises SettingsError."""
    env = Env(eager=False)
    values = {name: reader(env) for name, reader in _READERS.items()}
    wrong = _wrong_values(env)
    wrong |= _unknown_names({*env.dump(), *wrong})
    if wrong:
        raise SettingsError("; ".join(f"{name}: {detail}" for name, detail in wrong.items()))
    return {name: value for name, value in values.items() if value is not None}


def _wrong_values(env: Env) -> dict[str, str]:
    try:
        env.seal()
    except EnvValidationError as error:
        found: Any = error.error_messages
        return {name: " ".join(map(str, messages)) for name, messages in found.items()}
    return {}


def _unknown_names(known: Collection[str]) -> dict[str, str]:
    """Variables with the prefix that no reader has asked for: most likely misspelt."""
    ours = sorted(name for name in known if name.startswith(_PREFIX))
    return {
        name: f"Unknown setting{_nearest(name, ours)}"
        for name in sorted(os.environ)
        if name.startswith(_PREFIX) and name not in known
    }


def _nearest(name: str, known: Collection[str]) -> str:
    found = get_close_matches(name, known, n=1, cutoff=0.8)
    return f"; did you mean {found[0]}?" if found else "."


def _postgres_url(value: str) -> None:
    if value.partition("://")[0].lower() not in ("postgresql", "postgres"):
        raise ValidationError("Must start with postgresql:// or postgres://.")
    try:
        make_url(value)
    except (ArgumentError, ValueError):
        raise ValidationError("Must be a URL.") from None  # the cause may quote the password
    if "%00" in value:
        raise ValidationError("Must not hold NUL.")


def _secret(env: Env) -> str | None:
    required = bool(os.environ.get("DATABASE_URL"))
    shortest = validate.Length(min=_LEAST_SECRET)
    if required:
        found: str | None = env.str("CASELOAD_SECRET_KEY", validate=shortest)
        return found
    return env.str("CASELOAD_SECRET_KEY", None, validate=shortest)


def _url(name: str) -> Callable[[Env], str | None]:
    return lambda env: env.str(name, None, validate=_postgres_url) or None


def _int(name: str, least: int, most: int) -> Callable[[Env], int | None]:
    return lambda env: env.int(name, None, validate=validate.Range(least, most))


def _seconds(name: str, least: float, most: float) -> Callable[[Env], float | None]:
    return lambda env: env.float(name, None, validate=validate.Range(least, most))


def _targets(name: str) -> Callable[[Env], Mapping[str, int] | None]:
    """Minutes of open time by priority, such as `high=60,urgent=15`."""
    return lambda env: env.dict(name, None, subcast_values=int, validate=_are_targets)


def _are_targets(value: Mapping[str, int] | None) -> None:
    for priority, minutes in (value or {}).items():
        if priority not in list(Priority) or not 0 < minutes <= _LONGEST_TARGET:
            raise ValidationError("Must be minutes by priority, such as high=60,urgent=15.")


def _zone(value: str) -> None:
    _try(lambda: BusinessCalendar(zone=value, holidays=None))


def _hours(value: str) -> None:
    _try(lambda: parse_hours(value))


def _country(value: str) -> None:
    _try(lambda: BusinessCalendar(holidays=value or None))


def _try(make: Callable[[], object]) -> None:
    try:
        make()
    except ValueError as error:
        raise ValidationError(str(error)) from error


def _threshold(env: Env) -> Decimal | None:
    """In units of whatever currency an amount is in, such as `10000` or `999.99`."""
    return env.decimal("CASELOAD_APPROVAL_THRESHOLD", None, validate=_is_threshold)


def _is_threshold(value: Decimal | None) -> None:
    if value is not None and not (value.is_finite() and 0 <= value <= _LARGEST_THRESHOLD):
        raise ValidationError("Must be an amount of money, such as 10000.")


def _folder(env: Env) -> Path | None:
    path = env.path("CASELOAD_DATA_DIR", None)
    return path and path.absolute()


_READERS: dict[str, Callable[[Env], Any]] = {
    "database_url": _url("DATABASE_URL"),
    "replica_url": _url("DATABASE_REPLICA_URL"),
    "given_secret_key": _secret,
    "data_dir": _folder,
    "port": _int("PORT", 1, 65535),
    "workers": _int("CASELOAD_WORKERS", 1, 256),
    "threads": _int("CASELOAD_THREADS", 1, 256),
    "pool_size": _int("CASELOAD_POOL_SIZE", 1, 1000),
    "pool_timeout": _seconds("CASELOAD_POOL_TIMEOUT", 0.1, 60),
    "connect_timeout": _int("CASELOAD_CONNECT_TIMEOUT", 2, 60),
    "statement_timeout": _seconds("CASELOAD_STATEMENT_TIMEOUT", 0.1, 3600),
    "lock_timeout": _seconds("CASELOAD_LOCK_TIMEOUT", 0.1, 3600),
    "idle_timeout": _seconds("CASELOAD_IDLE_TIMEOUT", 1, 3600),
    "token_cache": _seconds("CASELOAD_TOKEN_CACHE", 0, 60),
    "rate_limit": _int("CASELOAD_RATE_LIMIT", 0, 1_000_000),
    "wrong_token_rate": _int("CASELOAD_WRONG_TOKEN_RATE", 0, 1_000_000),
    "trusted_proxies": _int("CASELOAD_TRUSTED_PROXIES", 0, 10),
    "max_body": _int("CASELOAD_MAX_BODY", 1024, 1024**3),
    "max_bulk_body": _int("CASELOAD_MAX_BULK_BODY", 1024, 1024**3),
    "max_values": _int("CASELOAD_MAX_VALUES", 1000, 10_000_000),
    "max_page": _int("CASELOAD_MAX_PAGE", 1, 10_000),
    "max_answer": _int("CASELOAD_MAX_ANSWER", 64 * 1024, 1024**3),
    "default_page": _int("CASELOAD_DEFAULT_PAGE", 1, 10_000),
    "max_bulk": _int("CASELOAD_MAX_BULK", 1, 100_000),
    "max_json": _int("CASELOAD_MAX_JSON", 1024, _LARGEST_JSON),
    "max_json_keys": _int("CASELOAD_MAX_JSON_KEYS", 10, 1_000_000),
    "max_task_data": _int("CASELOAD_MAX_TASK_DATA", 1024, _LARGEST_JSON),
    "max_deactivate": _int("CASELOAD_MAX_DEACTIVATE", 1, 1_000_000),
    "job_interval": _seconds("CASELOAD_JOB_INTERVAL", 0, 3600),
    "time_zone": lambda env: env.str("CASELOAD_TIME_ZONE", None, validate=_zone),
    "opening_hours": lambda env: env.str("CASELOAD_OPENING_HOURS", None, validate=_hours),
    "holidays": lambda env: env.str("CASELOAD_HOLIDAYS", None, validate=_country),
    "first_response_targets": _targets("CASELOAD_FIRST_RESPONSE_TARGETS"),
    "resolution_targets": _targets("CASELOAD_RESOLUTION_TARGETS"),
    "reopen_window": _int("CASELOAD_REOPEN_WINDOW", 0, 3650 * 24 * 3600),
    "idempotency_window": _int("CASELOAD_IDEMPOTENCY_WINDOW", 60, 30 * 24 * 3600),
    "task_lease": _int("CASELOAD_TASK_LEASE", 1, 86_400),
    "max_task_lease": _int("CASELOAD_MAX_TASK_LEASE", 1, 86_400),
    "task_attempts": _int("CASELOAD_TASK_ATTEMPTS", 1, 100),
    "max_task_depth": _int("CASELOAD_MAX_TASK_DEPTH", 1, 32),
    "task_retry_base": _seconds("CASELOAD_TASK_RETRY_BASE", 0, 86_400),
    "task_retry_cap": _seconds("CASELOAD_TASK_RETRY_CAP", 0, 30 * 86_400),
    "approval_threshold": _threshold,
}
