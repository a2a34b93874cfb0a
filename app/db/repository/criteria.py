"""What may be asked of a resource: declared filters, which fail closed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, get_args
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Text, bindparam, func
from sqlalchemy.dialects.postgresql import array

from ..errors import InvalidCriterion

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy.orm import InstrumentedAttribute

Operator = Literal["eq", "ne", "in", "lt", "lte", "gt", "gte", "is_null", "contains"]
OPERATORS: frozenset[str] = frozenset(get_args(Operator))

_INT32 = range(-(2**31), 2**31)
_INT64 = range(-(10**18) + 1, 10**18)  # what 18 digits can say

_BY_TYPE: dict[type, frozenset[str]] = {
    str: frozenset({"eq", "ne", "in", "contains"}),
    bool: frozenset({"eq", "ne"}),
    UUID: frozenset({"eq", "ne", "in"}),
    int: frozenset({"eq", "ne", "in", "lt", "lte", "gt", "gte"}),
    datetime: frozenset({"eq", "ne", "in", "lt", "lte", "gt", "gte"}),
    list: frozenset({"contains"}),  # of strings, one of which it is
}


@dataclass(frozen=True, slots=True)
class Filter:
    """A field that may be asked about.

    `fold` compares without regard to case; `internal` keeps it from the public.
    """

    expression: ColumnElement[Any]
    type: type
    nullable: bool = False
    fold: bool = False
    internal: bool = False

    @property
    def operators(self) -> frozenset[str]:
        operators = _BY_TYPE[self.type] - ({"in"} if self.fold else set())
        return operators | {"is_null"} if self.nullable else operators

    @property
    def integers(self) -> range:
        """Those that may be asked about."""
        return _INT64 if isinstance(self.expression.type, BigInteger) else _INT32

    def clause(self, operator: str, name: str) -> ColumnElement[bool]:
        """The condition, with its value as the bind parameter `name`."""
        column: Any = func.lower(self.expression) if self.fold else self.expression
        if operator == "in":
            found: ColumnElement[bool] = column.in_(bindparam(name, expanding=True))
            return found
        value: Any = bindparam(name, type_=self.expression.type)
        value = func.lower(value) if self.fold else value
        clauses: dict[str, Callable[[], ColumnElement[bool]]] = {
            "eq": lambda: column == value,
            "ne": lambda: column.is_distinct_from(value),
            "lt": lambda: column < value,
            "lte": lambda: column <= value,
            "gt": lambda: column > value,
            "gte": lambda: column >= value,
            "is_null": lambda: self.expression.is_(None) == bindparam(name),
            "contains": lambda: self._contains(name),
        }
        return clauses[operator]()

    def _contains(self, name: str) -> ColumnElement[bool]:
        if self.type is list:
            return self.expression.op("@>", is_comparison=True)(
                array([bindparam(name, type_=Text)])
            )
        return self.expression.ilike(bindparam(name))

    def parameter(self, operator: str, value: Any) -> Any:
        if operator == "contains" and self.type is str:
            return like(value)
        return list(value) if operator == "in" else value

    def accepts(self, operator: str, value: Any) -> bool:
        if operator == "is_null":
            return isinstance(value, bool)
        if operator == "in":
            return isinstance(value, list | tuple | set) and all(map(self._is_typed, value))
        return self._is_typed(value)

    def _is_typed(self, value: Any) -> bool:
        if self.type is list:
            return isinstance(value, str)
        return isinstance(value, self.type) and not (self.type is int and isinstance(value, bool))


@dataclass(frozen=True, slots=True, kw_only=True)
class Related(Filter):
    """By a field of rows that refer to this one: the condition says whether some have the value."""

    condition: Callable[[ColumnElement[Any]], ColumnElement[bool]]

    @property
    def operators(self) -> frozenset[str]:
        return frozenset({"eq"})

    def clause(self, operator: str, name: str) -> ColumnElement[bool]:  # noqa: ARG002 - it is eq
        return self.condition(bindparam(name, type_=self.expression.type))


Filters = dict[str, Filter]


def filters_on(*columns: InstrumentedAttribute[Any], fold: tuple[str, ...] = ()) -> Filters:
    """Filters with each column's own name and type; raises KeyError for a type without any."""
    for column in columns:
        _BY_TYPE[column.type.python_type]
    return {
        column.key: Filter(
            column.expression,
            column.type.python_type,
            nullable=bool(column.expression.nullable),
            fold=column.key in fold,
        )
        for column in columns
    }


def split(name: str) -> tuple[str, str]:
    """`created_at__gte` -> `created_at`, `gte`; without an operator it is `eq`."""
    field, separator, operator = name.rpartition("__")
    return (field, operator) if separator and operator in OPERATORS else (name, "eq")


def check(filters: Filters, name: str) -> tuple[str, str]:
    """The field and operator that `name` asks about; raises InvalidCriterion if undeclared."""
    field, operator = split(name)
    if field not in filters:
        raise InvalidCriterion(name, "There is no such filter.")
    if operator not in filters[field].operators:
        raise InvalidCriterion(name, f"The filter {field} has no operator {operator}.")
    return field, operator


def parameters(filters: Filters, values: Mapping[str, Any]) -> dict[str, Any]:
    """The bind parameters for these filters: `filter_` and the filter's name."""
    bound = {}
    for name, value in values.items():
        field, operator = check(filters, name)
        if not filters[field].accepts(operator, value):
            raise InvalidCriterion(name, f"It is not a value of {field}.")
        bound[f"filter_{name}"] = filters[field].parameter(operator, value)
    return bound


def clauses(filters: Filters, names: tuple[str, ...]) -> list[ColumnElement[bool]]:
    found = []
    for name in names:
        field, operator = check(filters, name)
        found.append(filters[field].clause(operator, f"filter_{name}"))
    return found


def like(text: str) -> str:
    """A LIKE pattern that finds `text` anywhere, with its wildcards taken literally."""
    escaped = text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    return f"%{escaped}%"
