"""Functions from source, and how to recognise marshmallow's own methods."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from marshmallow import fields

if TYPE_CHECKING:
    from collections.abc import Mapping

AnyField = fields.Field[Any]
Function = Callable[[Any], Any]


class UnknownError(Exception):
    """The compiled function does not cover this value or field: marshmallow handles it."""


def leave(_: object) -> NoReturn:
    """Used by compiled functions, as an expression."""
    raise UnknownError


def function(name: str, source: str, names: Mapping[str, object]) -> Function:
    """The function of that name that `source` defines; it may use `names`."""
    scope: dict[str, Any] = dict(names)
    exec(compile(source, f"<{name}>", "exec"), scope)  # noqa: S102 - generated from schemas, no input
    defined: Function = scope[name]
    return defined


def inherits(instance: object, base: type, *attributes: str) -> bool:
    """Whether it has these of `base`, and its class overrides none."""
    return all(getattr(type(instance), name) is getattr(base, name) for name in attributes)


def key_of(name: str, field: AnyField) -> str:
    """The field's name in JSON."""
    return name if field.data_key is None else field.data_key
