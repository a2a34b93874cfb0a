"""The Python expression that returns what a field's `serialize` returns, for compiled schemas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Serialize = TypeVar("Serialize", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Values:
    """Expressions to build upon. `value(column)` is the one for what the record holds there.

    `leave` is the one for what `serialize` itself returns: for values of an unexpected type.
    """

    value: Callable[[str], str]
    leave: str


@dataclass(frozen=True, slots=True)
class Expression:
    """`source(field, name, values)` returns the expression, which may use `names`."""

    source: Callable[[Any, str, Values], str]
    names: Mapping[str, object]


def compiled_as(
    source: Callable[[Any, str, Values], str], **names: object
) -> Callable[[Serialize], Serialize]:
    """Put on `serialize`. A subclass that overrides `serialize` has no expression any more."""

    def declare(serialize: Serialize) -> Serialize:
        serialize.expression = Expression(source, names)  # type: ignore[attr-defined] # read by expression_of
        return serialize

    return declare


def expression_of(serialize: Callable[..., Any]) -> Expression | None:
    return getattr(serialize, "expression", None)
