"""The keys by which clients repeat requests, with their sealed answers.

Nothing that was there before changes.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("actor_id", sa.Uuid, nullable=False),
        sa.Column("key_hash", sa.LargeBinary, nullable=False),
        sa.Column("request_hash", sa.LargeBinary, nullable=False),
        sa.Column("answer", sa.LargeBinary),
        sa.Column("objects", postgresql.ARRAY(sa.Uuid), nullable=False, server_default="{}"),
        sa.Column("expires_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("actor_id", "key_hash", name="pk_idempotency_keys"),
        _check_length("key_hash"),
        _check_length("request_hash"),
    )
    op.create_index("ix_idempotency_keys_expires_at", "idempotency_keys", ["expires_at"])


def downgrade() -> None:
    op.drop_table("idempotency_keys")


def _check_length(column: str) -> sa.CheckConstraint:
    name = op.f(f"ck_idempotency_keys_{column}")
    return sa.CheckConstraint(f"octet_length({column}) = 32", name=name)
