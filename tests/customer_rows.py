"""Rows of customers, written and read in few words, for tests of units of work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert
from uuid_utils.compat import uuid7

from app.models import Customer

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    Sql = Callable[..., list[tuple[Any, ...]]]


CUSTOMERS = Customer.__table__


def add_customer(connection: Connection, reference: str = "A") -> str:
    values = {"id": uuid7(), "reference": reference, "name": "Ann"}
    connection.execute(insert(CUSTOMERS), values)
    return reference


def references(sql: Sql) -> list[str]:
    return [reference for (reference,) in sql("SELECT reference FROM customers ORDER BY 1")]
