"""Every problem that an answer may be: the one place that explains it."""

from __future__ import annotations

from app.api.kit.problem_type import ProblemType
from app.api.problem_types.availability import AVAILABILITY
from app.api.problem_types.desk import DESK
from app.api.problem_types.money import MONEY
from app.api.problem_types.requests import REQUESTS
from app.api.problem_types.resources import RESOURCES

PROBLEM_TYPES: dict[str, ProblemType] = {
    kind.code: kind for kind in (*REQUESTS, *RESOURCES, *DESK, *MONEY, *AVAILABILITY)
}
"""By code."""

__all__ = ["PROBLEM_TYPES", "ProblemType"]
