"""Python expressions that return the same as a field's `serialize`, for compiled schemas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Source = Callable[[Any, str, "Values"], str]
    Serialize = TypeVar("Serialize", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class Values:
    """Expressions to build upon. `value(column)` is the one for the value in the record.

    `leave` is the one that calls `serialize` itself, for values of an unexpected type.
    """

    value: Callable[[str], str]
    leave: str


@dataclass(frozen=True, slots=True)
class Expression:
    """`source(field, name, values)` returns the expression, which may use `names`."""

    source: Source
    names: Mapping[str, object]


def compiled_as(source: Source, **names: object) -> Callable[[Serialize], Serialize]:
    """Put on `serialize`. A subclass that overrides `serialize` has no expression any more."""

    def declare(serialize: Serialize) -> Serialize:
        serialize.expression = Expression(source, names)  # type: ignore[attr-defined] # read by expression_of
        return serialize

    return declare


def expression_of(serialize: Callable[..., object]) -> Expression | None:
    return getattr(serialize, "expression", None)


@dataclass(frozen=True, slots=True)
class LoadExpression:
    """`source` is an expression of the loaded `value`, which may use `names` and `leave`."""

    source: str
    names: Mapping[str, object]


def loaded_as(source: str, **names: object) -> Callable[[Serialize], Serialize]:
    """As `compiled_as`, on `_deserialize`. `leave(value)` has marshmallow load the whole body."""

    def declare(deserialize: Serialize) -> Serialize:
        deserialize.loading = LoadExpression(source, names)  # type: ignore[attr-defined] # read by loading_of
        return deserialize

    return declare


def loading_of(deserialize: Callable[..., object]) -> LoadExpression | None:
    return getattr(deserialize, "loading", None)
