"""What a client asks to be shown of a resource: `expand` and `fields`, read strictly."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from flask import g

from app.api.kit.expansions import DEPTH, expansions_of
from app.db.errors import InvalidCriterion
from app.errors import Forbidden

if TYPE_CHECKING:
    from collections.abc import Mapping

    from marshmallow import Schema

    Tree = dict[str, "Tree"]

SELECTION = ("expand", "fields")


@dataclass(frozen=True, slots=True)
class Selection:
    """`expand` holds what is expanded, and below it what of that; `fields` None means all."""

    expand: Tree
    fields: frozenset[str] | None

    @property
    def is_plain(self) -> bool:
        return not self.expand and self.fields is None


def selection(given: Mapping[str, str], schema: type[Schema]) -> Selection:
    """Raises InvalidCriterion, and Forbidden for what the caller may read nowhere else."""
    expand: Tree = {}
    for path in _names("expand", given.get("expand")):
        _add(expand, path, schema)
    if "fields" not in given:
        return Selection(expand, None)
    fields = frozenset(_names("fields", given["fields"]))
    if unknown := fields.difference(fields_of(schema)) - expand.keys():
        raise InvalidCriterion("fields", f"There is no field {min(unknown)} to be shown.")
    return Selection(expand, fields)


@cache
def fields_of(schema: type[Schema]) -> tuple[str, ...]:
    """Those that are answered."""
    return tuple(schema().dump_fields)


def _names(parameter: str, text: str | None) -> list[str]:
    names = [] if text is None else text.split(",")
    if len(set(names)) != len(names):
        raise InvalidCriterion(parameter, "A name stands in it twice.")
    return names


def _add(tree: Tree, path: str, schema: type[Schema]) -> None:
    names = path.split(".")
    if len(names) > DEPTH:
        raise InvalidCriterion("expand", f"{path} has more than {DEPTH} levels.")
    for name in names:
        expansion = expansions_of(schema).get(name)
        if expansion is None:
            raise InvalidCriterion("expand", f"{path} can't be expanded.")
        if g.actor.role not in expansion.kind.readers:
            raise Forbidden(f"{path} is not for the role {g.actor.role}.")
        tree, schema = tree.setdefault(name, {}), expansion.schema
