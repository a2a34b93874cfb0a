"""Column types that PostgreSQL has and SQLAlchemy lacks, or bends."""

from typing import Any

from sqlalchemy import types
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql.base import ischema_names


class JSONObject(types.TypeDecorator[dict[str, Any]]):
    """jsonb whose changes are all noticed: to Python, 1 and true are equal."""

    impl = JSONB
    cache_ok = True

    def __init__(self) -> None:
        super().__init__(none_as_null=True)  # None is SQL's NULL, however it is written

    def compare_values(self, x: Any, y: Any) -> bool:
        return same_json(x, y)


def same_json(x: Any, y: Any) -> bool:
    """As PostgreSQL compares jsonb: numbers by value, and true is no number."""
    if isinstance(x, dict) and isinstance(y, dict):
        return x.keys() == y.keys() and all(same_json(x[key], y[key]) for key in x)
    if isinstance(x, list) and isinstance(y, list):
        return len(x) == len(y) and all(map(same_json, x, y))
    if isinstance(x, bool) or isinstance(y, bool):
        return x is y
    return bool(x == y)


class MinorUnits(types.TypeDecorator[int]):
    """bigint for money: whole minor units, and never what only looks like a whole number."""

    impl = types.BigInteger
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> int | None:  # noqa: ARG002 - as SQLAlchemy calls it
        if value is not None and type(value) is not int:
            raise TypeError(f"Money is kept in whole minor units, not as {value!r}.")
        return value

    def process_result_value(self, value: Any, dialect: Any) -> int | None:  # noqa: ARG002 - same
        """A sum of bigints is numeric to PostgreSQL, and knows no bounds."""
        return None if value is None else int(value)


class TransactionId(types.UserDefinedType[int]):
    """xid8: the id of a database transaction, which is never reused."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "xid8"


ischema_names["xid8"] = TransactionId  # so that reflection, and with it Alembic, knows it
