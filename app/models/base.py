"""What Caseload's tables share beside what the data layer gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import CheckConstraint

from app.db.marks import FIELD

if TYPE_CHECKING:
    from collections.abc import Iterable

# A column's info:
PERSONAL = "personal"  # The column holds personal data: erasure overwrites its values.
UNRECORDED = "unrecorded"  # Events do not repeat the column's values.
TASK_DATA = "task_data"  # JSON that a task works on: it may be larger than other JSON.

# A table's info:
CHANGED = "changed"  # The columns that the service's database role may UPDATE. A Resource may omit
# it: all but id, version and times.
REMOVED = "removed"  # Services remove rows for good.

MOST_JSON_BYTES = 128 * 1024 * 1024
"""Of a JSON column, in PostgreSQL's own form, which takes up to 16 times the text's bytes."""


def json_size(column: str) -> CheckConstraint:
    """Far above what the settings may allow; reads no value, as a comparison of its text would."""
    return CheckConstraint(
        f"pg_column_size({column}) <= {MOST_JSON_BYTES}",
        name=f"{column}_size",
        info={FIELD: column},
    )


def one_of(column: str, choices: Iterable[str]) -> CheckConstraint:
    """The column holds one of these."""
    listed = ", ".join(f"'{choice}'" for choice in choices)
    return CheckConstraint(f"{column} IN ({listed})", name=column)
