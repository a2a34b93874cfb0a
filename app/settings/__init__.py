"""Every setting, typed, read from the environment once; all mistakes are reported at once."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from app.domain.calendar import BusinessCalendar, parse_hours
from app.domain.clocks import ServiceLevels, Targets
from app.domain.json_size import JSONLimit
from app.domain.rules import Rules
from app.domain.tasks import RetryDelay
from app.environment import SettingsError, read
from app.settings.fields import ROOT, SettingFields

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["ROOT", "Settings"]

_OF_CLOCKS = {
    "time_zone",
    "opening_hours",
    "holidays",
    "first_response_targets",
    "resolution_targets",
}


@dataclass(frozen=True, kw_only=True)
class Settings(SettingFields):
    """The settings, and what follows from them."""

    @classmethod
    def from_environment(cls) -> Settings:
        """Raises SettingsError, which names every mistake."""
        given = read(cls)
        if "pool_size" not in given and "threads" in given:
            given["pool_size"] = given["threads"]  # a smaller pool makes the threads wait
        settings = cls(**given)
        if settings.task_lease > settings.max_task_lease:
            raise SettingsError("CASELOAD_TASK_LEASE: It is longer than CASELOAD_MAX_TASK_LEASE.")
        if given.keys() & _OF_CLOCKS:
            settings.check_targets()
        return settings

    def check_targets(self) -> None:
        """Raise SettingsError where the desk is open too seldom for its targets.

        It loads the public holidays, which takes a fifth of a second: the defaults need no check.
        """
        levels = self.rules.service_levels
        longest = [*levels.targets.first_response.values(), *levels.targets.resolution.values()]
        try:  # twice, so that a clock that stood still for as long can go on
            levels.calendar.add(datetime.now(UTC), 2 * max(longest))
        except ValueError as error:
            raise SettingsError(
                "CASELOAD_OPENING_HOURS: The desk is open too seldom for its targets "
                "(CASELOAD_FIRST_RESPONSE_TARGETS, CASELOAD_RESOLUTION_TARGETS)."
            ) from error

    @cached_property
    def rules(self) -> Rules:
        """The rules of the firm, from the settings; raises ValueError for impossible ones."""
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
        """The key that seals cursors and stored responses: the given one, or a generated one, which
        is stored in the data directory."""
        return self.given_secret_key or _kept_secret(self.data_dir / "secret_key")


def _kept_secret(file: Path) -> str:
    """The key in the file; generates one where the file is missing.

    A hard link fails where another process has created the file meanwhile: all use the first key.
    """
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


def _minutes(targets: Mapping[str, int] | None) -> dict[str, timedelta]:
    return {priority: timedelta(minutes=minutes) for priority, minutes in (targets or {}).items()}
