"""Tasks as the commands print them and as `flask work` gives them to programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.db.marks import INTERNAL, SECRET
from app.models import Task

if TYPE_CHECKING:
    from app.db import Record


def public_record(task: Record) -> Record:
    """The values of a task's record by the names that the API uses, without its lease token."""
    return {
        str(column.name): task[column.key]
        for column in Task.__table__.c
        if column.key in task and not column.info.keys() & {INTERNAL, SECRET}
    }
