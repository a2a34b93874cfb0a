"""Every setting, typed, read from the environment once; all mistakes are reported at once."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from environs import Env, EnvValidationError, ValidationError, validate

from app.errors import CaseloadError

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[1]
_LEAST_SECRET = 16  # characters


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
    max_page: int = 100
    default_page: int = 25
    max_deactivate: int = 10_000

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
        return cls(**given)

    @cached_property
    def secret_key(self) -> str:
        """What signs cursors: the given one, or one that is made once and kept with the data."""
        return self.given_secret_key or _kept_secret(self.data_dir / "secret_key")


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
    "max_page": _int("CASELOAD_MAX_PAGE", 1, 10_000),
    "default_page": _int("CASELOAD_DEFAULT_PAGE", 1, 10_000),
    "max_deactivate": _int("CASELOAD_MAX_DEACTIVATE", 1, 1_000_000),
}
