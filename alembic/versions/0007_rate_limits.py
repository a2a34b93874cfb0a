"""What tokens have spent of their rate, over all processes.

Nothing that was there before changes.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rate_limits",
        sa.Column("token_id", sa.Uuid, nullable=False),
        sa.Column("spent", sa.Float, nullable=False),
        sa.Column("told", sa.Integer, nullable=False),
        sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("token_id", name="pk_rate_limits"),
        sa.CheckConstraint("spent >= 0 AND spent < 'Infinity'", name=op.f("ck_rate_limits_spent")),
        prefixes=["UNLOGGED"],
    )


def downgrade() -> None:
    op.drop_table("rate_limits")
