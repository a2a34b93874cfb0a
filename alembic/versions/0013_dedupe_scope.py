"""A task's `dedupe_key` is unique within its scope.

Old code writes no scope: for it, and for all rows of before, keys are unique as they were. The new
index takes the place of the old one when it is complete, so two equal keys never get in. Reads and
writes of tasks wait meanwhile: the new column locks the table, which also rules out a deadlock of
DROP INDEX with a unit of work that has read tasks and is about to write one.

Revision ID: 0013
Revises: 0012
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

NAME = "uq_tasks_dedupe_key"
OPEN = "status IN ('pending', 'running') AND deleted_at IS NULL"

# The index of before refuses two equal keys: one task keeps the key, a user's before an agent's.
FREE_REPEATED_KEYS = """
UPDATE tasks SET dedupe_key = NULL FROM (
    SELECT id, row_number() OVER (
        PARTITION BY dedupe_key ORDER BY dedupe_scope NULLS FIRST, id
    ) AS place
    FROM tasks
    WHERE status IN ('pending', 'running') AND deleted_at IS NULL AND dedupe_key IS NOT NULL
) AS keys
WHERE keys.id = tasks.id AND keys.place > 1
"""


def upgrade() -> None:
    op.add_column("tasks", sa.Column("dedupe_scope", sa.Uuid))
    _replace_index(
        ["dedupe_key", "dedupe_scope"],
        postgresql_where=sa.text(f"{OPEN} AND dedupe_key IS NOT NULL"),
        postgresql_nulls_not_distinct=True,
    )


def downgrade() -> None:
    op.execute("LOCK tasks")
    op.execute(FREE_REPEATED_KEYS)
    _replace_index(["dedupe_key"], postgresql_where=sa.text(OPEN))
    op.drop_column("tasks", "dedupe_scope")


def _replace_index(columns: list[str], **options: Any) -> None:
    op.create_index(f"{NAME}_new", "tasks", columns, unique=True, **options)
    op.drop_index(NAME, "tasks")
    op.execute(f"ALTER INDEX {NAME}_new RENAME TO {NAME}")
