"""Functions from source, and what tells marshmallow's own methods from others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from marshmallow import fields


class OddError(Exception):
    """It is marshmallow's to say what becomes of this."""


def odd(_: Any) -> NoReturn:
    raise OddError


def function(name: str, source: str, names: Mapping[str, Any]) -> Callable[[Any], Any]:
    """The function of that name that `source` defines; `names` is what it may use."""
    made = dict(names)
    exec(compile(source, f"<{name}>", "exec"), made)  # noqa: S102 - made from schemas, no input
    result: Callable[[Any], Any] = made[name]
    return result


def inherits(made: Any, base: type, *attributes: str) -> bool:
    """Whether it has these of `base`, and its class overrides none."""
    return all(getattr(type(made), name) is getattr(base, name) for name in attributes)


def key_of(name: str, field: fields.Field[Any]) -> str:
    """What it is called over the wire."""
    return name if field.data_key is None else field.data_key
