"""The rows that a new row refers to, and the row that has its unique value already."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeVar, cast

from sqlalchemy import (
    ColumnClause,
    ColumnElement,
    Connection,
    Index,
    Select,
    bindparam,
    literal,
    select,
)
from sqlalchemy.sql.visitors import replacement_traverse

from ..fields import field_of, references_of, unique_index
from ..tables import Base
from .reading import Reader

M = TypeVar("M", bound=Base)


class ReferenceChecker(Reader[M]):
    """Reads what stands in the way of a new row, or of a changed one."""

    def missing_references(self, connection: Connection, values: Mapping[str, Any]) -> list[str]:
        """The fields in `values` that refer to no live row; those they refer to stay live.

        Each parent is locked FOR SHARE until the unit ends: it can't be deleted meanwhile. A
        foreign key of several columns refers to a row where none of them is None.
        """
        missing: list[str] = []
        for names, statement in _references(self).items():
            bound = {f"its_{name}": values.get(name) for name in names}
            if None in bound.values():
                continue
            if connection.execute(statement, bound).one_or_none() is None:
                missing += names
        return missing

    def holder(
        self, connection: Connection, fields: tuple[str, ...], values: Mapping[str, Any]
    ) -> Any | None:
        """The key of the live row that has these unique values, None where nobody has them now.

        `fields` are those of a NotUnique error. Columns of the index that `values` lack count as
        unknown: the answer is None.
        """
        index = unique_index(self.model.__table__, fields)
        names = set() if index is None else set(map(field_of, index.columns))
        if index is None or not names <= values.keys():
            return None
        bound = {f"its_{name}": values[name] for name in names}
        return connection.execute(_holder(self, index), bound).scalar_one_or_none()


@lru_cache(maxsize=512)
def _holder(reader: Reader[Any], index: Index) -> Select[Any]:
    def bind(element: Any, **_: Any) -> Any:
        is_column = isinstance(element, ColumnClause)
        return bindparam(f"its_{field_of(element)}", type_=element.type) if is_column else None

    expressions = cast("list[ColumnElement[Any]]", index.expressions)
    same = [each == replacement_traverse(each, {}, bind) for each in expressions]
    condition = index.dialect_options["postgresql"]["where"]
    return select(reader.key_column).where(*same, *(() if condition is None else (condition,)))


@lru_cache(maxsize=512)
def _references(reader: Reader[Any]) -> dict[tuple[str, ...], Select[Any]]:
    found = {}
    for names, key in references_of(reader.model).items():
        pairs = zip(names, key.elements, strict=True)
        same = [each.column == bindparam(f"its_{name}") for name, each in pairs]
        statement = select(literal(1)).select_from(key.referred_table).where(*same)
        if "deleted_at" in key.referred_table.c:
            statement = statement.where(key.referred_table.c.deleted_at.is_(None))
        found[names] = statement.with_for_update(read=True)
    return found
