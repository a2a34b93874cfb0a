"""A kind of problem: its code, its meaning and an example."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.api.kit.problems import body_of, problem_of, title_of, type_of

if TYPE_CHECKING:
    from app.api.kit.problems import Problem
    from app.db import Record
    from app.db.errors import ApplicationError


@dataclass(frozen=True, slots=True)
class ProblemType:
    """`example` is a problem of this type, `meaning` says when it is answered."""

    example: Problem
    meaning: str
    what_to_do: str

    @property
    def code(self) -> str:
        return self.example.code

    @property
    def status(self) -> int:
        return self.example.status

    @property
    def title(self) -> str:
        return title_of(self.code)

    @property
    def example_body(self) -> Record:
        return body_of(self.example, "/v1/customers", "01a1fcc00f1974d8a582dd68f4ddab95")

    @property
    def address(self) -> str:
        return type_of(self.code)


def of_error(error: ApplicationError, meaning: str, what_to_do: str) -> ProblemType:
    """The type of the problem that clients get where the service raises this error."""
    return ProblemType(problem_of(error), meaning, what_to_do)
