"""Every setting, typed, read from the environment once; all mistakes are reported at once."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from app import environment
from app.domain.calendar import BusinessCalendar, parse_hours
from app.domain.clocks import ServiceLevels, Targets
from app.domain.json_size import JSONLimit
from app.domain.rules import Rules
from app.domain.tasks import RetryDelay
from app.environment import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

ROOT = Path(__file__).parents[1]


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
    rate_limit: int = 1000
    wrong_token_rate: int = 10
    trusted_proxies: int = 0
    max_body: int = 1024 * 1024
    max_bulk_body: int = 8 * 1024 * 1024
    max_values: int = 150_000
    max_page: int = 100
    max_answer: int = 8 * 1024 * 1024
    default_page: int = 25
    max_bulk: int = 1000
    max_json: int = 64 * 1024
    max_json_keys: int = 1000
    max_task_data: int = 1024 * 1024
    max_deactivate: int = 10_000
    job_interval: float = 2.0
    time_zone: str = "Europe/London"
    opening_hours: str = "mon-fri 09:00-17:00"
    holidays: str = "GB-ENG"
    first_response_targets: Mapping[str, int] = field(default_factory=dict)
    resolution_targets: Mapping[str, int] = field(default_factory=dict)
    reopen_window: int = 7 * 24 * 3600
    idempotency_window: int = 24 * 3600
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
        given = environment.read()
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
            idempotency_window=timedelta(seconds=self.idempotency_window),
            lease_seconds=self.task_lease,
            longest_lease_seconds=self.max_task_lease,
            max_attempts=self.task_attempts,
            max_task_depth=self.max_task_depth,
            json_limit=JSONLimit(self.max_json, self.max_json_keys),
            task_data_limit=JSONLimit(self.max_task_data, None),
            answer_bytes=self.max_answer,
            approval_threshold=self.approval_threshold,
            retry_delay=RetryDelay(
                timedelta(seconds=self.task_retry_base), timedelta(seconds=self.task_retry_cap)
            ),
        )

    @cached_property
    def secret_key(self) -> str:
        """Seals cursors and answers: the given one, or one made once and kept with the data."""
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


def _minutes(targets: Mapping[str, int]) -> dict[str, timedelta]:
    return {priority: timedelta(minutes=minutes) for priority, minutes in targets.items()}
