"""Every setting, typed, read from the environment once; all mistakes are reported at once."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from environs import Env, EnvValidationError, ValidationError, validate

from app.domain.calendar import BusinessCalendar, parse_hours
from app.domain.clocks import ServiceLevels, Targets
from app.domain.conversations import Priority
from app.domain.rules import Rules
from app.domain.tasks import RetryDelay
from app.errors import CaseloadError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from decimal import Decimal

ROOT = Path(__file__).parents[1]
_LEAST_SECRET = 16  # characters
_LARGEST_THRESHOLD = 10**15
_LONGEST_TARGET = 60 * 1000  # minutes


class SettingsError(CaseloadError):
    """One message that names every setting that is wrong."""

    code = "settings"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Times are in seconds, sizes in bytes. `database_url` None stands for the embedded server."""

    database_url: str | None = field(default=None, repr=False)
    replica_url: str | None = field(default=None, repr=False)
    given_secret_key: str | None = field(default=None, repr=False)
    data_dir: Path = ROOT / "instance"
    port: int = 8000
    workers: int = 2
    threads: int = 4
    pool_size: int = 4
    pool_timeout: float = 3.0
    connect_timeout: int = 3
    statement_timeout: float = 15.0
    lock_timeout: float = 5.0
    idle_timeout: float = 30.0
    token_cache: float = 2.0
    max_body: int = 1024 * 1024
    max_bulk_body: int = 8 * 1024 * 1024
    max_page: int = 100
    default_page: int = 25
    max_bulk: int = 1000
    max_deactivate: int = 10_000
    job_interval: float = 2.0
    time_zone: str = "Europe/London"
    opening_hours: str = "mon-fri 09:00-17:00"
    holidays: str = "GB-ENG"
    first_response_targets: Mapping[str, int] = field(default_factory=dict)
    resolution_targets: Mapping[str, int] = field(default_factory=dict)
    reopen_window: int = 7 * 24 * 3600
    task_lease: int = 60
    max_task_lease: int = 3600
    task_attempts: int = 3
    max_task_depth: int = 5
    task_retry_base: float = 5.0
    task_retry_cap: float = 3600.0
    approval_threshold: Decimal | None = None

    @classmethod
    def from_environment(cls) -> Settings:
        """Raises SettingsError, which names every mistake."""
        env = Env(eager=False)
        values = {name: read(env) for name, read in _READERS.items()}
        try:
            env.seal()
        except EnvValidationError as error:
            raise SettingsError(_all(error.error_messages)) from error
        given = {name: value for name, value in values.items() if value is not None}
        if "pool_size" not in given and "threads" in given:
            given["pool_size"] = given["threads"]  # a smaller pool makes the threads wait
        settings = cls(**given)
        _check_together(settings)
        return settings

    @cached_property
    def rules(self) -> Rules:
        """What the firm has decided; raises ValueError where it can't be."""
        return Rules(
            service_levels=ServiceLevels(
                BusinessCalendar(
                    self.time_zone, parse_hours(self.opening_hours), self.holidays or None
                ),
                Targets(
                    {**Targets().first_response, **_minutes(self.first_response_targets)},
                    {**Targets().resolution, **_minutes(self.resolution_targets)},
                ),
            ),
            reopen_window=timedelta(seconds=self.reopen_window),
            lease_seconds=self.task_lease,
            longest_lease_seconds=self.max_task_lease,
            max_attempts=self.task_attempts,
            max_task_depth=self.max_task_depth,
            approval_threshold=self.approval_threshold,
            retry_delay=RetryDelay(
                timedelta(seconds=self.task_retry_base), timedelta(seconds=self.task_retry_cap)
            ),
        )

    @cached_property
    def secret_key(self) -> str:
        """What signs cursors: the given one, or one that is made once and kept with the data."""
        return self.given_secret_key or _kept_secret(self.data_dir / "secret_key")


def _check_together(settings: Settings) -> None:
    """What is right one by one and yet can't be together; raises SettingsError."""
    if settings.task_lease > settings.max_task_lease:
        raise SettingsError("CASELOAD_TASK_LEASE: It is longer than CASELOAD_MAX_TASK_LEASE.")
    levels = settings.rules.service_levels
    longest = [*levels.targets.first_response.values(), *levels.targets.resolution.values()]
    try:  # twice, so that a clock that stood still for as long can go on
        levels.calendar.add(datetime.now(UTC), 2 * max(longest))
    except ValueError as error:
        raise SettingsError(
            "CASELOAD_OPENING_HOURS: The desk is open too seldom for its targets "
            "(CASELOAD_FIRST_RESPONSE_TARGETS, CASELOAD_RESOLUTION_TARGETS)."
        ) from error


def _all(messages: Any) -> str:
    return "; ".join(f"{name}: {_first(found)}" for name, found in messages.items())


def _first(found: Any) -> str:
    return " ".join(map(str, found)) if isinstance(found, list) else str(found)


def _kept_secret(file: Path) -> str:
    """Made by whoever comes first; a link never overwrites what another has made meanwhile."""
    file.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    if not file.exists():
        side = file.with_name(f"{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
        side.touch(mode=0o600)
        side.write_text(secrets.token_hex(32))
        try:
            file.hardlink_to(side)
        except FileExistsError:
            pass
        finally:
            side.unlink()
    return file.read_text()


def _postgres_url(value: str) -> None:
    parts = urlsplit(value)
    if parts.scheme not in ("postgresql", "postgres"):
        raise ValidationError("Must start with postgresql:// or postgres://.")


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


def _minutes(targets: Mapping[str, int]) -> dict[str, timedelta]:
    return {priority: timedelta(minutes=minutes) for priority, minutes in targets.items()}


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
    "max_body": _int("CASELOAD_MAX_BODY", 1024, 1024**3),
    "max_bulk_body": _int("CASELOAD_MAX_BULK_BODY", 1024, 1024**3),
    "max_page": _int("CASELOAD_MAX_PAGE", 1, 10_000),
    "default_page": _int("CASELOAD_DEFAULT_PAGE", 1, 10_000),
    "max_bulk": _int("CASELOAD_MAX_BULK", 1, 100_000),
    "max_deactivate": _int("CASELOAD_MAX_DEACTIVATE", 1, 1_000_000),
    "job_interval": _seconds("CASELOAD_JOB_INTERVAL", 0, 3600),
    "time_zone": lambda env: env.str("CASELOAD_TIME_ZONE", None, validate=_zone),
    "opening_hours": lambda env: env.str("CASELOAD_OPENING_HOURS", None, validate=_hours),
    "holidays": lambda env: env.str("CASELOAD_HOLIDAYS", None, validate=_country),
    "first_response_targets": _targets("CASELOAD_FIRST_RESPONSE_TARGETS"),
    "resolution_targets": _targets("CASELOAD_RESOLUTION_TARGETS"),
    "reopen_window": _int("CASELOAD_REOPEN_WINDOW", 0, 3650 * 24 * 3600),
    "task_lease": _int("CASELOAD_TASK_LEASE", 1, 86_400),
    "max_task_lease": _int("CASELOAD_MAX_TASK_LEASE", 1, 86_400),
    "task_attempts": _int("CASELOAD_TASK_ATTEMPTS", 1, 100),
    "max_task_depth": _int("CASELOAD_MAX_TASK_DEPTH", 1, 32),
    "task_retry_base": _seconds("CASELOAD_TASK_RETRY_BASE", 0, 86_400),
    "task_retry_cap": _seconds("CASELOAD_TASK_RETRY_CAP", 0, 30 * 86_400),
    "approval_threshold": _threshold,
}
