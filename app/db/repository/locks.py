"""Locks on names instead of rows; they end with the unit of work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, bindparam, cast, func, select

if TYPE_CHECKING:
    from sqlalchemy import Connection

_KEY = func.hashtextextended(bindparam("name"), cast(0, BigInteger))
_LOCK = select(func.pg_advisory_xact_lock(_KEY))
_TRY_LOCK = select(func.pg_try_advisory_xact_lock(_KEY))


def lock_name(connection: Connection, name: str) -> None:
    """Wait until nobody else holds this name, then hold it; raises LockTimeout."""
    connection.execute(_LOCK, {"name": name})


def try_lock_name(connection: Connection, name: str) -> bool:
    """Hold this name if nobody else does."""
    held: bool = connection.execute(_TRY_LOCK, {"name": name}).scalar_one()
    return held
