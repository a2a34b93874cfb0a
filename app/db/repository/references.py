"""What a row refers to: locked, so that it stays live until the unit of work ends."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import bindparam, literal, select

from ..tables import Resource
from .reading import Reader

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, Select

R = TypeVar("R", bound=Resource)


class ReferenceChecker(Reader[R]):
    def missing_references(self, connection: Connection, values: Mapping[str, Any]) -> list[str]:
        """The fields in `values` that refer to no live row; those they refer to stay live.

        Each parent is locked FOR SHARE until the unit ends: it can't be deleted meanwhile.
        """
        return [
            name
            for name, statement in _references(self).items()
            if values.get(name) is not None
            and connection.execute(statement, {"key": values[name]}).one_or_none() is None
        ]


@lru_cache(maxsize=512)
def _references(reader: Reader[Any]) -> dict[str, Select[Any]]:
    found = {}
    for column in reader.model.__table__.c:
        for key in column.foreign_keys:
            parent = key.column.table
            statement = select(literal(1)).select_from(parent)
            statement = statement.where(key.column == bindparam("key"))
            if "deleted_at" in parent.c:
                statement = statement.where(parent.c.deleted_at.is_(None))
            found[column.name] = statement.with_for_update(read=True)
    return found
