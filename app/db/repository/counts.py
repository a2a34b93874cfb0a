"""The statements that count the rows of a list, exactly or by the planner's estimate."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.base import Generative
from sqlalchemy.sql.compiler import SQLCompiler

from ..marks import CHANGES_NOTHING
from ..prepared import Prepared
from .statements import Shape, matching

if TYPE_CHECKING:
    from .declarations import Declarations


def of_all(reader: Declarations[Any], shape: Shape) -> sa.Select[Any]:
    every = matching(reader, shape)
    return every.with_only_columns(sa.func.count(), maintain_column_froms=True)


@lru_cache(maxsize=512)
def by_filters(reader: Declarations[Any], names: tuple[str, ...]) -> Prepared:
    return Prepared(of_all(reader, Shape(names)))


class explain(Generative, sa.Executable, sa.ClauseElement):  # noqa: N801 - reads like select()
    """The plan of a SELECT, as JSON."""

    inherit_cache = False

    def __init__(self, statement: sa.Select[Any]) -> None:
        self.statement = statement


@compiles(explain)
def _compile(element: explain, compiler: SQLCompiler, **options: Any) -> str:
    return f"EXPLAIN (FORMAT JSON) {compiler.process(element.statement, **options)}"


def estimate(reader: Declarations[Any], shape: Shape) -> sa.Executable:
    """The plan, which says how many rows the planner expects."""
    planned = explain(matching(reader, shape))
    return planned.execution_options(**{CHANGES_NOTHING: True})


def of_some(reader: Declarations[Any], shape: Shape) -> sa.Select[Any]:
    """The number of rows, up to the `cap`."""
    some = matching(reader, shape).with_only_columns(sa.literal(1), maintain_column_froms=True)
    return sa.select(sa.func.count()).select_from(some.limit(sa.bindparam("cap")).subquery())
