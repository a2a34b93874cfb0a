"""The parts of the document that come from no route and no schema: the product declares them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.api.kit.components import Shape
    from app.api.kit.problem_type import ProblemType


@dataclass(frozen=True, slots=True)
class About:
    """`tags` are the first groups of operations, in a reader's order; others follow by name.

    `token` says how to get one, `problem_types` has by code every problem of a response, and
    `problem_facts` by name the JSON Schemas of the members that some of them have.
    """

    title: str
    version: str
    description: str
    token: str
    tags: tuple[str, ...]
    problem_types: Mapping[str, ProblemType]
    problem_facts: Mapping[str, Shape]
