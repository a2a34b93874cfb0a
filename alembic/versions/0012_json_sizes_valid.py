"""The bounds of 0011 hold for the rows of before too.

A transaction of its own: looking at all rows keeps nobody from writing, adding a constraint does.

Revision ID: 0012
Revises: 0011
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

COLUMNS = {"customers": ["attributes"], "tasks": ["input", "metadata", "output", "progress"]}


def upgrade() -> None:
    for table, columns in COLUMNS.items():
        for column in columns:
            op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT ck_{table}_{column}_size")


def downgrade() -> None:
    for table, columns in COLUMNS.items():
        for column in columns:
            name = f"ck_{table}_{column}_size"
            op.drop_constraint(name, table)
            op.execute(
                f"ALTER TABLE {table} ADD CONSTRAINT {name}"
                f" CHECK (pg_column_size({column}) <= 134217728) NOT VALID"
            )
