"""JSON has a bound in the database too, far above what the settings may allow.

`pg_column_size` reads no value: it costs nothing where a row is updated and its JSON stays. It
counts PostgreSQL's own form, in which a list of small numbers takes eight times its text; the
settings go up to 8 MiB of text. 0012 looks at the rows of before, and keeps nobody from writing.

Revision ID: 0011
Revises: 0010
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

COLUMNS = {"customers": ["attributes"], "tasks": ["input", "metadata", "output", "progress"]}


def upgrade() -> None:
    for table, columns in COLUMNS.items():
        for column in columns:
            op.execute(
                f"ALTER TABLE {table} ADD CONSTRAINT ck_{table}_{column}_size"
                f" CHECK (pg_column_size({column}) <= 134217728) NOT VALID"
            )


def downgrade() -> None:
    for table, columns in COLUMNS.items():
        for column in columns:
            op.drop_constraint(f"ck_{table}_{column}_size", table)
