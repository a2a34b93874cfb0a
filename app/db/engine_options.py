"""How a Database connects: its pool, and what goes on to SQLAlchemy and to PostgreSQL."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_FORBIDDEN = {"client_encoding", "creator", "isolation_level", "pool_reset_on_return"}
"""Arguments of `create_engine` that Database decides: the encoding, and how transactions work."""


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Times are in seconds.

    A pooled connection that was idle for `ping_after` is tested before a unit gets it. `more` are
    further arguments of `create_engine`, such as `connect_args`, `pool_recycle`, `poolclass` or
    `echo`, and win over the others; ValueError for those that Database sets itself.
    """

    pool_size: int = 5
    pool_timeout: float = 3.0
    connect_timeout: int = 3
    ping_after: float = 5.0
    application_name: str | None = None
    more: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if forbidden := _FORBIDDEN & self.more.keys():
            raise ValueError(f"Database sets {', '.join(sorted(forbidden))} itself.")

    @property
    def connect_args(self) -> dict[str, Any]:
        name = self.application_name
        named = {} if name is None else {"application_name": name}
        given = self.more.get("connect_args", {})
        return {"connect_timeout": self.connect_timeout, **named, **given}

    @property
    def engine_arguments(self) -> dict[str, Any]:
        """All but `connect_args`."""
        pool = {
            "pool_size": self.pool_size,
            "max_overflow": 0,
            "pool_timeout": self.pool_timeout,
        }
        sized = {} if "poolclass" in self.more else pool
        more = {name: value for name, value in self.more.items() if name != "connect_args"}
        return {**sized, "ping_after": self.ping_after, **more}
