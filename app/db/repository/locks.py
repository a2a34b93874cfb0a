"""Locks on names instead of rows; they end with the unit of work."""

from typing import Any

from sqlalchemy import BigInteger, Connection, bindparam, cast, func, select

from ..errors import UnitOfWorkError

_KEY = func.hashtextextended(bindparam("name"), cast(0, BigInteger))
_LOCK = select(func.pg_advisory_xact_lock(_KEY))
_TRY_LOCK = select(func.pg_try_advisory_xact_lock(_KEY))


def lock_name(connection: Connection, name: str) -> None:
    """Wait until nobody else holds this name, then hold it; raises LockTimeout."""
    _check_stays_open(connection)
    connection.execute(_LOCK, {"name": name})


def try_lock_name(connection: Connection, name: str) -> bool:
    """Hold this name if nobody else does."""
    _check_stays_open(connection)
    held: bool = connection.execute(_TRY_LOCK, {"name": name}).scalar_one()
    return held


def _check_stays_open(connection: Connection) -> None:
    """Each statement of a read-only unit without an isolation is a transaction of its own."""
    driver: Any = connection.connection.dbapi_connection
    if driver.begin.startswith("SET"):
        raise UnitOfWorkError(
            "A lock on a name needs a transaction that stays open. Open the unit without read_only,"
            " or with an isolation."
        )
