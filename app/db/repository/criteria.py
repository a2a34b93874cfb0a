"""Declared filters. They fail closed: an undeclared field or operator is an error."""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Enum, Float, Text, bindparam, cast, func
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.types import TypeEngine

from ..encoding import is_text
from ..errors import InvalidCriterion
from ..tables import SoftDeleted

Condition = Callable[[ColumnElement[Any], ColumnElement[Any]], ColumnElement[bool]]
Conditions = Mapping[str, Condition]


_INT32 = range(-(2**31), 2**31)
_INT64 = range(-(10**18) + 1, 10**18)  # the integers of at most 18 digits

_EQUALITY: dict[str, Condition] = {
    "eq": operator.eq,
    "ne": lambda column, value: column.is_distinct_from(value),
    "in": lambda column, values: column.in_(values),
}
_ORDER: dict[str, Condition] = {
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
}
_BY_TYPE: dict[type, dict[str, Condition]] = {
    str: {**_EQUALITY, "contains": lambda column, pattern: column.ilike(pattern)},
    bool: {name: _EQUALITY[name] for name in ("eq", "ne")},
    UUID: _EQUALITY,
    # lists of strings: one of them is the value
    list: {"contains": lambda column, value: column.op("@>", is_comparison=True)(array([value]))},
    **dict.fromkeys((int, float, Decimal, date, datetime, time, timedelta), _EQUALITY | _ORDER),
}


@dataclass(frozen=True, slots=True)
class Filter:
    """A field that lists may be filtered by.

    `operators` are the conditions by their names, as functions of the column and the bound value;
    `in` takes several values. `fold` compares without regard to case; `internal` keeps the filter
    from the public.
    """

    expression: ColumnElement[Any]
    type: type
    operators: Conditions
    fold: bool = False
    internal: bool = False

    @property
    def integers(self) -> range:
        """The integers that the column can hold, of at most 18 digits."""
        return _INT64 if isinstance(self.expression.type, BigInteger) else _INT32

    def clause(self, operator: str, name: str) -> ColumnElement[bool]:
        """The condition, with its value as the bind parameter `name`."""
        column: Any = self.expression
        if operator == "is_null":
            return self.operators[operator](column, bindparam(name))
        if operator == "in":
            return self.operators[operator](column, bindparam(name, expanding=True))
        value: Any = typed_bind(name, Text() if self.type is list else column.type)
        if self.fold and operator != "contains":
            column, value = func.lower(column), func.lower(value)
        return self.operators[operator](column, value)

    def parameter(self, operator: str, value: Any) -> Any:
        if operator == "contains" and self.type is str:
            return like(value)
        if operator == "in":
            return list(map(as_parameter, value))
        return as_parameter(value)

    def accepts(self, operator: str, value: Any) -> bool:
        if operator == "is_null":
            return isinstance(value, bool)
        if operator == "in":
            return isinstance(value, list | tuple | set) and all(map(self._fits, value))
        return self._fits(value)

    def _fits(self, value: Any) -> bool:
        labels = getattr(self.expression.type, "enums", ()) if self.type is str else ()
        return is_value(str if self.type is list else self.type, value) and (
            not labels or value in labels
        )


Filters = dict[str, Filter]


def filter_on(
    expression: ColumnElement[Any],
    *,
    fold: bool = False,
    internal: bool = False,
    operators: Conditions = MappingProxyType({}),
) -> Filter:
    """A filter on a column or another expression; for the parameters see `filters_on`."""
    type_: TypeEngine[Any] = expression.type
    found = _EQUALITY if isinstance(type_, Enum) else _BY_TYPE.get(type_.python_type, {})
    found = {name: found[name] for name in found if not (fold and name == "in")} | {**operators}
    if not found:
        raise TypeError(f"{expression} has a type without operators: give it some.")
    if getattr(expression, "nullable", False):
        found["is_null"] = lambda column, value: column.is_(None) == value
    return Filter(expression, type_.python_type, found, fold, internal)


def filters_on(
    *columns: InstrumentedAttribute[Any],
    fold: tuple[str, ...] = (),
    operators: Conditions = MappingProxyType({}),
) -> Filters:
    """Filters with each attribute's own name, and the operators of its column's type.

    `fold` names the fields that are compared without regard to case. `operators` adds some to all
    these columns, as functions of the column and of the bound value, which has the column's type:
    with `{"begins": func.starts_with}` the filter answers to `title__begins` too. Raises TypeError
    for a type that has no operators, if none is given.
    """
    return {
        column.key: filter_on(column.expression, fold=column.key in fold, operators=operators)
        for column in columns
    }


def filters_through(
    relationship: InstrumentedAttribute[Any],
    *columns: InstrumentedAttribute[Any],
    fold: tuple[str, ...] = (),
    operators: Conditions = MappingProxyType({}),
) -> Filters:
    """Filters on columns of related rows: some live related row fits, by an EXISTS.

    `filters_through(Book.shelf, Shelf.name)` answers to `shelf_name`; else as `filters_on`.
    """
    found = filters_on(*columns, fold=fold, operators=operators)
    return {
        f"{relationship.key}_{name}": replace(each, operators=_through(relationship, each))
        for name, each in found.items()
    }


def _through(relationship: InstrumentedAttribute[Any], related: Filter) -> Conditions:
    def through(condition: Condition) -> Condition:
        return lambda column, value: _related(relationship, condition(column, value))

    known = related.operators.items()
    return {name: through(condition) for name, condition in known if name != "is_null"}


def _related(
    relationship: InstrumentedAttribute[Any], condition: ColumnElement[bool]
) -> ColumnElement[bool]:
    other = relationship.property.mapper.class_
    if issubclass(other, SoftDeleted):
        condition = condition & other.deleted_at.is_(None)
    some = relationship.any if relationship.property.uselist else relationship.has
    return some(condition)


def split(name: str) -> tuple[str, str]:
    """`created_at__gte` -> `created_at`, `gte`; without an operator it is `eq`."""
    field, separator, operator_ = name.rpartition("__")
    return (field, operator_) if separator and field else (name, "eq")


def check(filters: Filters, name: str) -> tuple[str, str]:
    """The field and operator that `name` asks about; raises InvalidCriterion if undeclared."""
    field, operator_ = (name, "eq") if name in filters else split(name)
    if field not in filters:
        raise InvalidCriterion(name, "There is no such filter.")
    if operator_ not in filters[field].operators:
        raise InvalidCriterion(name, f"The filter {field} has no operator {operator_}.")
    return field, operator_


def parameters(filters: Filters, values: Mapping[str, Any]) -> dict[str, Any]:
    """The bind parameters for these filters: `uw_filter_` and the filter's name."""
    bound = {}
    for name, value in values.items():
        field, operator_ = check(filters, name)
        if not filters[field].accepts(operator_, value):
            raise InvalidCriterion(name, f"It is not a value of {field}.")
        bound[f"uw_filter_{name}"] = filters[field].parameter(operator_, value)
    return bound


def clauses(filters: Filters, names: tuple[str, ...]) -> list[ColumnElement[bool]]:
    found = []
    for name in names:
        field, operator_ = check(filters, name)
        found.append(filters[field].clause(operator_, f"uw_filter_{name}"))
    return found


def like(text: str) -> str:
    """A LIKE pattern that finds `text` anywhere, with its wildcards taken literally."""
    escaped = text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    return f"%{escaped}%"


def typed_bind(name: str, type_: TypeEngine[Any]) -> ColumnElement[Any]:
    """A bind parameter to compare a column of this type with.

    To PostgreSQL a number in a statement is numeric, and no REAL equals the same number as that.
    """
    value = bindparam(name, type_=type_)
    return cast(value, type_) if isinstance(type_, Float) else value


def is_value(kind: type, value: Any) -> bool:
    """Whether it is of this type, strictly, and PostgreSQL can read it."""
    if isinstance(value, bool):
        return kind is bool
    if isinstance(value, str) and not is_text(value):
        return False
    if kind in (float, Decimal):
        return isinstance(value, int | kind)
    return isinstance(value, kind) and not (kind is date and isinstance(value, datetime))


def as_parameter(value: Any) -> Any:
    """As psycopg2 has to get it: it writes an infinite Decimal as NaN."""
    return str(value) if isinstance(value, Decimal) and value.is_infinite() else value
