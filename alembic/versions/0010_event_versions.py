"""Events carry the version of their object and an epoch, so that readers of the feed keep right
copies, also after a dump was restored on another server.

Old code runs on this schema: the database fills in the epoch, and null stands for no version. It
reads the feed without its index until it ends.

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

EPOCH = "coalesce(pg_sequence_last_value('event_epochs'), 0)"

# As in 0008, but for {before}: transaction ids are unique only within an epoch.
CHECK_PERSONAL_VALUES = """
CREATE OR REPLACE FUNCTION check_personal_values() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM added JOIN events ON events.id = added.event_id
               WHERE {before}) THEN
        RAISE EXCEPTION 'what an event tells never changes'
            USING ERRCODE = 'check_violation', TABLE = 'event',
                  CONSTRAINT = 'event_personal_values_come_with_events';
    END IF;
    RETURN NULL;
END $$
"""
OF_ANOTHER_TRANSACTION = "events.xid <> pg_current_xact_id()"
OF_ANOTHER_EPOCH = f"events.epoch <> {EPOCH}"


def upgrade() -> None:
    # PostgreSQL reads a sequence as it is now, whatever the snapshot: no writer uses an old epoch.
    op.execute("CREATE SEQUENCE event_epochs")
    op.add_column("events", sa.Column("object_version", sa.Integer))
    op.add_column(
        "events", sa.Column("epoch", sa.BigInteger, nullable=False, server_default=sa.text("0"))
    )
    op.execute(f"ALTER TABLE events ALTER COLUMN epoch SET DEFAULT {EPOCH}")
    op.create_index("ix_events_feed", "events", ["epoch", "xid", "id"])
    op.drop_index("ix_events_xid", "events")
    op.execute(
        CHECK_PERSONAL_VALUES.format(before=f"{OF_ANOTHER_TRANSACTION} OR {OF_ANOTHER_EPOCH}")
    )


def downgrade() -> None:
    op.execute(CHECK_PERSONAL_VALUES.format(before=OF_ANOTHER_TRANSACTION))
    op.create_index("ix_events_xid", "events", ["xid", "id"])
    op.drop_index("ix_events_feed", "events")
    op.drop_column("events", "epoch")
    op.drop_column("events", "object_version")
    op.execute("DROP SEQUENCE event_epochs")
