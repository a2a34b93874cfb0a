"""The firm's limits on JSON columns, checked on every path that writes one."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from app.db import JSONObject
from app.db.errors import Invalid, Mistake
from app.domain.json_size import excess
from app.models.base import TASK_DATA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.db import Resource
    from app.domain.rules import Rules
    from app.services.kit.fields import Fields


def check_json(rules: Rules, model: type[Resource], values: Fields) -> None:
    """Raises Invalid (`too-large`). `values` are a row's fields by attribute, after merging."""
    if mistakes := list(json_mistakes(rules, model, values)):
        raise Invalid(mistakes)


def json_mistakes(rules: Rules, model: type[Resource], values: Fields) -> Iterator[Mistake]:
    for attribute, (name, is_task_data) in _json_columns(model).items():
        if (value := values.get(attribute)) is None:
            continue
        limit = rules.task_data_limit if is_task_data else rules.json_limit
        if (detail := excess(value, limit)) is not None:
            yield Mistake((name,), "too-large", detail)


@cache
def _json_columns(model: type[Resource]) -> dict[str, tuple[str, bool]]:
    """By attribute of a JSON column: its name, and whether the limit for task data applies."""
    return {
        column.key: (column.name, TASK_DATA in column.info)
        for column in model.__table__.c
        if isinstance(column.type, JSONObject)
    }
