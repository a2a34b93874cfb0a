"""The settings: the default of each, how it is read, and what it is for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from app.domain.clocks import Targets
from app.environment import setting
from app.settings.readers import (
    AMOUNT,
    COUNTRY,
    FOLDER,
    OPENING_HOURS,
    POSTGRES_URL,
    SECRET,
    TARGETS,
    ZONE,
    seconds,
    size,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

ROOT = Path(__file__).parents[2]
_LARGEST_JSON = 8 * 1024 * 1024  # bytes; the database's own bound (MOST_JSON_BYTES) is 16 times it


def _shown(targets: Mapping[str, timedelta]) -> str:
    """The targets as the environment has them, in minutes by priority."""
    return ",".join(f"{name}={span // timedelta(minutes=1)}" for name, span in targets.items())


@dataclass(frozen=True, kw_only=True)
class SettingFields:
    """Each field is a setting.

    `make docs` writes the table in docs/operations.md from these. Times are in seconds, sizes in
    bytes. `database_url` None stands for the embedded server.
    """

    database_url: str | None = setting(
        None,
        POSTGRES_URL,
        "The PostgreSQL to use, version 15 or newer, with a database in UTF8.",
        variable="DATABASE_URL",
        shown="the embedded server",
        secret=True,
    )
    replica_url: str | None = setting(
        None,
        POSTGRES_URL,
        "A streaming replica, on which the change feed is read: see [a replica](#a-replica).",
        variable="DATABASE_REPLICA_URL",
        shown="none",
        secret=True,
    )
    given_secret_key: str | None = setting(
        None,
        SECRET,
        "Seals cursors and kept answers. All instances need the same one.",
        variable="CASELOAD_SECRET_KEY",
        shown="required with `DATABASE_URL`; else generated once and kept in the data directory",
        secret=True,
    )
    data_dir: Path = setting(
        ROOT / "instance",
        FOLDER,
        "Holds the embedded server's data, and the generated secret key.",
        shown="`instance/` in the folder of the code",
    )
    port: int = setting(
        8000, whole(1, 65535), "The port to listen on, at 127.0.0.1.", variable="PORT"
    )
    workers: int = setting(2, whole(1, 256), "Processes of gunicorn.")
    threads: int = setting(4, whole(1, 256), "Threads in each process.")
    pool_size: int = setting(
        4, whole(1, 1000), "Database connections of a process.", shown="as many as threads"
    )
    pool_timeout: float = setting(
        3.0, seconds(0.1, 60), "How long a request waits for a database connection."
    )
    connect_timeout: int = setting(
        3, whole(2, 60, "seconds"), "How long connecting to the database may take."
    )
    statement_timeout: float = setting(15.0, seconds(0.1, 3600), "The longest SQL statement.")
    lock_timeout: float = setting(5.0, seconds(0.1, 3600), "The longest wait for a lock.")
    idle_timeout: float = setting(
        30.0, seconds(1, 3600), "How long a unit of work may do nothing between two statements."
    )
    token_cache: float = setting(
        2.0,
        seconds(0, 60),
        "How long a process remembers a token, good or wrong: so long a revoked one may work on.",
    )
    rate_limit: int = setting(
        1000,
        whole(0, 1_000_000),
        "Requests per second and token, over all processes; 0: no limit.",
    )
    wrong_token_rate: int = setting(
        10,
        whole(0, 1_000_000),
        "Wrong tokens per second, and at once, from one address to one process; 0: no limit.",
    )
    trusted_proxies: int = setting(
        0,
        whole(0, 10),
        "Proxies in front whose `X-Forwarded-For`, `-Proto` and `-Host` are believed.",
    )
    max_body: int = setting(1024 * 1024, size(1024, 1024**3), "The largest request body.")
    max_bulk_body: int = setting(
        8 * 1024 * 1024, size(1024, 1024**3), "The largest body of a bulk request."
    )
    max_values: int = setting(
        150_000, whole(1000, 10_000_000), "Values in a request body, keys not counted."
    )
    max_page: int = setting(100, whole(1, 10_000), "The largest `limit`.")
    max_answer: int = setting(
        8 * 1024 * 1024,
        size(64 * 1024, 1024**3),
        "The largest page of a list or of the feed, and the most that one claim takes; "
        "a page has one item at least.",
    )
    default_page: int = setting(25, whole(1, 10_000), "`limit` where none is given.")
    max_bulk: int = setting(
        1000, whole(1, 100_000), "Items, or conversations, of one bulk request."
    )
    max_json: int = setting(
        64 * 1024,
        size(1024, _LARGEST_JSON),
        "The largest `attributes` of a customer, `metadata` or `progress` of a task, as JSON. "
        "A larger one that is stored already stays.",
    )
    max_json_keys: int = setting(
        1000, whole(10, 1_000_000), "Keys of each of these, nested ones included."
    )
    max_task_data: int = setting(
        1024 * 1024,
        size(1024, _LARGEST_JSON),
        "The largest `input` or `output` of a task.",
    )
    max_deactivate: int = setting(
        10_000, whole(1, 1_000_000), "Users that one request may deactivate."
    )
    time_zone: str = setting("Europe/London", ZONE, "The desk's time zone.")
    opening_hours: str = setting("mon-fri 09:00-17:00", OPENING_HOURS, "When the desk is open.")
    holidays: str = setting(
        "GB-ENG", COUNTRY, "The country on whose public holidays the desk is closed."
    )
    first_response_targets: Mapping[str, int] | None = setting(
        None,
        TARGETS,
        "Open time until the first answer; a priority that is not named keeps its default.",
        shown=_shown(Targets().first_response),
    )
    resolution_targets: Mapping[str, int] | None = setting(
        None,
        TARGETS,
        "Open time until a conversation is resolved, likewise.",
        shown=_shown(Targets().resolution),
    )
    reopen_window: int = setting(
        7 * 24 * 3600,
        whole(0, 3650 * 24 * 3600, "seconds"),
        "How long a customer's message re-opens a resolved conversation.",
    )
    idempotency_window: int = setting(
        24 * 3600,
        whole(60, 30 * 24 * 3600, "seconds"),
        "How long the answer to a POST with an Idempotency-Key is kept.",
    )
    task_lease: int = setting(
        60, whole(1, 86_400, "seconds"), "How long a claim lasts where it does not say."
    )
    max_task_lease: int = setting(
        3600, whole(1, 86_400, "seconds"), "The longest lease that may be asked for."
    )
    task_attempts: int = setting(3, whole(1, 100), "Attempts of a task that does not say.")
    max_task_depth: int = setting(5, whole(1, 32), "Levels of sub-tasks, the topmost included.")
    task_retry_base: float = setting(
        5.0,
        seconds(0, 86_400),
        "The longest pause after the first failure; it doubles with each further one.",
    )
    task_retry_cap: float = setting(3600.0, seconds(0, 30 * 86_400), "The longest pause of all.")
    approval_threshold: Decimal | None = setting(
        None,
        AMOUNT,
        "Larger amounts, in whatever currency, wait for a second user.",
        shown="off",
    )
    job_interval: float = setting(
        2.0,
        seconds(0, 3600),
        "How often each process runs the regular jobs; 0: never, see `flask jobs run`.",
    )
