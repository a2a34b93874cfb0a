"""The parts of a resource that a client asks for: `expand` and `fields`, read strictly."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from app.api.kit.context import request_data
from app.api.kit.expansions import DEPTH, expansions_of
from app.db.errors import InvalidCriterion
from app.errors import Forbidden

if TYPE_CHECKING:
    from marshmallow import Schema

    Tree = dict[str, "Tree"]

SELECTION = ("expand", "fields")


@dataclass(frozen=True, slots=True)
class Selection:
    """`expand` has the expanded references, each with those below it; `fields` None means all.

    `budget` limits the bytes of large values that each read may return, expansions included: so
    that all reads together return no more than a response may have.
    """

    expand: Tree
    fields: frozenset[str] | None
    budget: int

    @property
    def is_plain(self) -> bool:
        return not self.expand and self.fields is None


def selection(schema: type[Schema], max_answer: int) -> Selection:
    """Read `g.parameters`. Raises InvalidCriterion, and Forbidden for a reference that the caller
    may not read by itself."""
    given = request_data().parameters
    if "expand" not in given and "fields" not in given:
        return Selection({}, None, max_answer)
    expand: Tree = {}
    for path in _names(given, "expand"):
        _add(expand, path, schema)
    budget = max_answer // (1 + _count(expand)) if expand else max_answer
    if "fields" not in given:
        return Selection(expand, None, budget)
    fields = frozenset(_names(given, "fields"))
    if unknown := fields.difference(fields_of(schema)) - expand.keys():
        raise InvalidCriterion("fields", f"There is no field {min(unknown)} to be shown.")
    return Selection(expand, fields, budget)


def _count(tree: Tree) -> int:
    return sum(1 + _count(below) for below in tree.values())


@cache
def fields_of(schema: type[Schema]) -> tuple[str, ...]:
    """The names of the fields in responses."""
    return tuple(schema().dump_fields)


def _names(given: dict[str, str], parameter: str) -> list[str]:
    names = given[parameter].split(",") if parameter in given else []
    if len(set(names)) != len(names):
        raise InvalidCriterion(parameter, "It has a name twice.")
    return names


def _add(tree: Tree, path: str, schema: type[Schema]) -> None:
    names = path.split(".")
    if len(names) > DEPTH:
        raise InvalidCriterion("expand", f"{path} has more than {DEPTH} levels.")
    for name in names:
        expansion = expansions_of(schema).get(name)
        if expansion is None:
            raise InvalidCriterion("expand", f"{path} can't be expanded.")
        role = request_data().actor.role
        if role not in expansion.kind.readers:
            raise Forbidden(f"{path} is not for the role {role}.")
        tree, schema = tree.setdefault(name, {}), expansion.schema
