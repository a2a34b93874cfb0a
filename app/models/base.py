"""Marks, the limit of JSON and checks of a column, for all of Caseload's tables.

A mark is a key in the `info` of a column or table, with the value True unless its comment says
more. app/db/marks.py has the marks that the data layer reads; these are Caseload's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import CheckConstraint

from app.db.marks import FIELD

if TYPE_CHECKING:
    from collections.abc import Iterable

JSON = dict[str, Any]
"""The type of a jsonb column that holds an object."""

# Marks of a column:
PERSONAL = "personal"  # Personal data: erasures overwrite it, and events store it separately.
UNRECORDED = "unrecorded"  # Events do not store the column's values.
TASK_DATA = "task_data"  # JSON that a task works on: it may be larger than other JSON.

# Marks of a table:
CHANGED = "changed"  # The columns that the service's database role may UPDATE. Optional for a
# Resource: the default is all but id, version and times.
REMOVED = "removed"  # Services delete rows of the table for good: their role may DELETE.

MOST_JSON_BYTES = 128 * 1024 * 1024
"""The most bytes of a JSON column as PostgreSQL stores it: up to 16 times those of the text."""


def json_size(column: str) -> CheckConstraint:
    """A CHECK that the JSON column holds at most MOST_JSON_BYTES, far above the settings' limits.

    PostgreSQL knows the stored size without reading the value, but not the size of its text.
    """
    return CheckConstraint(
        f"pg_column_size({column}) <= {MOST_JSON_BYTES}",
        name=f"{column}_size",
        info={FIELD: column},
    )


def one_of(column: str, choices: Iterable[str]) -> CheckConstraint:
    """A CHECK that the column holds one of the choices."""
    listed = ", ".join(f"'{choice}'" for choice in choices)
    return CheckConstraint(f"{column} IN ({listed})", name=column)
