"""What erasing a customer looks up has indexes, and no statistics are made of personal columns that
no index and no filter needs.

Nothing that was there before changes for old code.

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# Statistics hold values of rows. ANALYZE leaves out a column whose target is 0.
WITHOUT_STATISTICS = (
    "conversations.assignment_reason",
    "customers.attributes",
    "event_personal_values.changes",
    "events.changes",
    "messages.author_name",
    "messages.body",
    "task_attempts.error",
    "tasks.error",
    "tasks.input",
    "tasks.metadata",
    "tasks.output",
    "tasks.progress",
    "transactions.created_by_name",
    "transactions.description",
)
MOVED = ("conversation_id", "customer_id", "parent_id")


def upgrade() -> None:
    _set_statistics(0)
    for name in MOVED:
        before = sa.text(f"(changes #>> '{{{name},before}}')")
        op.create_index(
            f"ix_events_{name}_before",
            "events",
            [before],
            postgresql_where=sa.text(f"{before} IS NOT NULL"),
        )
    op.create_index(
        "ix_idempotency_keys_objects",
        "idempotency_keys",
        ["objects"],
        postgresql_using="gin",
        postgresql_with={"gin_pending_list_limit": 256},
    )


def downgrade() -> None:
    op.drop_index("ix_idempotency_keys_objects", "idempotency_keys")
    for name in MOVED:
        op.drop_index(f"ix_events_{name}_before", "events")
    _set_statistics(-1)


def _set_statistics(target: int) -> None:
    for name in WITHOUT_STATISTICS:
        table, _, column = name.partition(".")
        op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STATISTICS {target}")
