"""No task is due before it was made: `run_after` in the past would overtake all that wait.

The service sets such a time to that of the creation itself; the trigger does it for everybody else,
old code included. Rows of before stay as they are.

Revision ID: 0009
Revises: 0008
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE FUNCTION not_before_created() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN NEW.run_after := NEW.created_at; RETURN NEW; END $$"
    )
    op.execute(
        "CREATE TRIGGER tasks_not_before_created BEFORE INSERT OR UPDATE OF run_after ON tasks"
        " FOR EACH ROW WHEN (NEW.run_after < NEW.created_at)"
        " EXECUTE FUNCTION not_before_created()"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER tasks_not_before_created ON tasks")
    op.execute("DROP FUNCTION not_before_created()")
