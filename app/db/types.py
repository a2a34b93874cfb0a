"""Column types that PostgreSQL has and SQLAlchemy lacks, or bends."""

from typing import Any, ClassVar

from sqlalchemy import types
from sqlalchemy.dialects.postgresql import JSONB


class JSONObject(types.TypeDecorator[dict[str, Any]]):
    """jsonb whose changes are all noticed: to Python, 1 and true are equal."""

    impl = JSONB
    cache_ok = True
    in_migrations: ClassVar[tuple[str, str]] = (
        "postgresql.JSONB()",
        "from sqlalchemy.dialects import postgresql",
    )

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
