"""The names in `expand`: fields of schemas that refer to other resources, found by name."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from app.api.kit.fields import Reference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from marshmallow import Schema

    from app.api.kit.schemas import ResourceSchema
    from app.services.kit.reads import Reads

DEPTH = 2


class Expansion(NamedTuple):
    """A resource to which others refer. The `readers` of its service may expand it."""

    kind: type[Reads[Any]]
    schema: type[ResourceSchema]


_resources: dict[str, Expansion] = {}


def add_expandable(name: str, kind: type[Reads[Any]], schema: type[ResourceSchema]) -> None:
    """Fields that are a `Reference` to the resource of this name can be expanded from now on."""
    _resources[name] = Expansion(kind, schema)


@cache
def expansions_of(schema: type[Schema]) -> dict[str, Expansion]:
    """By the name in `expand`: `customer` for the field `customer_id`.

    It is looked up when it is first asked for, as resources refer to each other in circles. Raises
    LookupError for a reference to a resource without routes.
    """
    return {
        name.removesuffix("_id"): _resource(field.resource, f"{schema.__name__}.{name}")
        for name, field in schema().fields.items()
        if isinstance(field, Reference)
    }


def paths_of(schema: type[Schema], depth: int = DEPTH) -> Iterator[str]:
    """Every value that `expand` takes: `conversation`, `conversation.customer`."""
    for name, expansion in expansions_of(schema).items():
        yield name
        if depth > 1:
            yield from (f"{name}.{below}" for below in paths_of(expansion.schema, depth - 1))


def _resource(name: str, field: str) -> Expansion:
    if name not in _resources:
        raise LookupError(f"{field} refers to {name!r}, and no module of app.api adds its routes.")
    return _resources[name]
