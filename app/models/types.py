"""Column types of Caseload: money, and the ids of database transactions."""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import types
from sqlalchemy.dialects.postgresql.base import ischema_names


class MinorUnits(types.TypeDecorator[int]):
    """A bigint for money: whole minor units. Any other value is a TypeError."""

    impl = types.BigInteger
    cache_ok = True
    in_migrations: ClassVar[tuple[str, str]] = ("sa.BigInteger()", "import sqlalchemy as sa")

    def process_bind_param(self, value: Any, dialect: Any) -> int | None:  # noqa: ARG002 - as SQLAlchemy calls it
        if value is not None and type(value) is not int:
            raise TypeError(f"Money is kept in whole minor units, not as {value!r}.")
        return value

    def process_result_value(self, value: Any, dialect: Any) -> int | None:  # noqa: ARG002 - same
        """PostgreSQL returns a sum of bigints as numeric, which has no bounds."""
        return None if value is None else int(value)


class TransactionId(types.UserDefinedType[int]):
    """An xid8: the id of a database transaction, which is never reused."""

    cache_ok = True
    in_migrations: ClassVar[tuple[str, str]] = (
        "TransactionId()",
        f"from {__name__} import TransactionId",
    )

    def get_col_spec(self, **_: Any) -> str:
        return "xid8"


ischema_names["xid8"] = TransactionId  # so that reflection, and with it Alembic, knows it
