"""Users, tokens, customers and events, and the triggers that every table shares.

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TIMESTAMP = postgresql.TIMESTAMP(timezone=True)

# The arguments of the trigger are the bookkeeping columns, which move no version.
TOUCH_ROW = """
CREATE FUNCTION touch_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_NARGS > 0
        AND to_jsonb(NEW) - TG_ARGV::text[] - '{version,updated_at}'::text[]
          = to_jsonb(OLD) - TG_ARGV::text[] - '{version,updated_at}'::text[]
    THEN
        NEW.version := OLD.version;
        NEW.updated_at := OLD.updated_at;
    ELSE
        NEW.version := OLD.version + 1;
        NEW.updated_at := now();
    END IF;
    RETURN NEW;
END $$
"""

REFUSE_CHANGE = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are never changed by %', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'integrity_constraint_violation', TABLE = TG_TABLE_NAME,
              CONSTRAINT = TG_TABLE_NAME || '_append_only';
END $$
"""

# Two units that each remove another admin see each other only through the lock.
KEEP_AN_ADMIN = """
CREATE FUNCTION keep_an_admin() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    lost bigint;
BEGIN
    SELECT count(*) INTO lost FROM before
    WHERE role = 'admin' AND is_active AND deleted_at IS NULL;
    IF TG_OP = 'UPDATE' THEN
        SELECT lost - count(*) INTO lost FROM after
        WHERE role = 'admin' AND is_active AND deleted_at IS NULL;
    END IF;
    IF lost > 0 THEN
        PERFORM pg_advisory_xact_lock(7203115);
        IF NOT EXISTS (SELECT FROM users
                       WHERE role = 'admin' AND is_active AND deleted_at IS NULL)
        THEN
            RAISE EXCEPTION 'the last active admin stays'
                USING ERRCODE = 'check_violation', TABLE = 'users',
                      CONSTRAINT = 'users_last_admin';
        END IF;
    END IF;
    RETURN NULL;
END $$
"""


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    op.execute(TOUCH_ROW)
    op.execute(REFUSE_CHANGE)
    op.execute(KEEP_AN_ADMIN)
    _create_users()
    _create_tokens()
    _create_customers()
    _create_events()


def _create_users() -> None:
    op.create_table(
        "users",
        *_keys(),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("is_active", sa.Boolean, nullable=False, server_default=sa.true()),
        *_times(),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.CheckConstraint("char_length(email) BETWEEN 3 AND 254", name=op.f("ck_users_email")),
        sa.CheckConstraint("char_length(name) BETWEEN 1 AND 200", name=op.f("ck_users_name")),
        sa.CheckConstraint("role IN ('admin', 'staff', 'viewer')", name=op.f("ck_users_role")),
    )
    _create_unique_among_live("users", "email", "lower(email)")
    op.create_index("ix_users_created_at", "users", ["created_at", "id"])
    _touch("users")
    for event, tables in (
        ("UPDATE", "OLD TABLE AS before NEW TABLE AS after"),
        ("DELETE", "OLD TABLE AS before"),
    ):
        op.execute(
            f"CREATE TRIGGER users_last_admin_{event.lower()} AFTER {event} ON users "
            f"REFERENCING {tables} FOR EACH STATEMENT EXECUTE FUNCTION keep_an_admin()"
        )


def _create_tokens() -> None:
    op.create_table(
        "tokens",
        *_keys(),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("token_hash", sa.LargeBinary, nullable=False),
        sa.Column("expires_at", TIMESTAMP),
        sa.Column("last_used_at", TIMESTAMP),
        *_times(),
        sa.PrimaryKeyConstraint("id", name="pk_tokens"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_tokens_user_id"),
        sa.CheckConstraint("char_length(name) BETWEEN 1 AND 200", name=op.f("ck_tokens_name")),
        sa.CheckConstraint("octet_length(token_hash) = 32", name=op.f("ck_tokens_token_hash")),
    )
    op.create_index("uq_tokens_token_hash", "tokens", ["token_hash"], unique=True)
    op.create_index("ix_tokens_user_id", "tokens", ["user_id"])
    op.create_index("ix_tokens_created_at", "tokens", ["created_at", "id"])
    _touch("tokens", "last_used_at")


def _create_customers() -> None:
    op.create_table(
        "customers",
        *_keys(),
        sa.Column("reference", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("email", sa.Text),
        sa.Column("phone", sa.Text),
        sa.Column("attributes", postgresql.JSONB, nullable=False, server_default=sa.text("'{}'")),
        *_times(),
        sa.PrimaryKeyConstraint("id", name="pk_customers"),
        sa.CheckConstraint(
            "char_length(reference) BETWEEN 1 AND 64", name=op.f("ck_customers_reference")
        ),
        sa.CheckConstraint("char_length(name) BETWEEN 1 AND 200", name=op.f("ck_customers_name")),
        sa.CheckConstraint("char_length(email) BETWEEN 3 AND 254", name=op.f("ck_customers_email")),
        sa.CheckConstraint("char_length(phone) BETWEEN 1 AND 40", name=op.f("ck_customers_phone")),
        sa.CheckConstraint(
            "jsonb_typeof(attributes) = 'object'", name=op.f("ck_customers_attributes")
        ),
    )
    _create_unique_among_live("customers", "reference", "reference")
    _create_unique_among_live("customers", "email", "lower(email)")
    op.create_index("ix_customers_created_at", "customers", ["created_at", "id"])
    op.create_index("ix_customers_name", "customers", ["name", "id"])
    op.execute(
        "CREATE INDEX ix_customers_search ON customers USING gin "
        "((reference || ' ' || name || ' ' || coalesce(email, '')) gin_trgm_ops)"
    )
    _touch("customers")


def _create_events() -> None:
    op.create_table(
        "events",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column(
            "occurred_at", TIMESTAMP, nullable=False, server_default=sa.text("clock_timestamp()")
        ),
        sa.Column(
            "xid",
            _Xid8(),
            nullable=False,
            server_default=sa.text("pg_current_xact_id()"),
        ),
        sa.Column("actor_kind", sa.Text, nullable=False),
        sa.Column("actor_id", sa.Uuid),
        sa.Column("actor_name", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("object_type", sa.Text, nullable=False),
        sa.Column("object_id", sa.Uuid, nullable=False),
        sa.Column("changes", postgresql.JSONB, nullable=False),
        sa.Column("request_id", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        sa.CheckConstraint("jsonb_typeof(changes) = 'object'", name=op.f("ck_events_changes")),
        sa.CheckConstraint(
            "char_length(request_id) BETWEEN 1 AND 64", name=op.f("ck_events_request_id")
        ),
    )
    op.create_index("ix_events_occurred_at", "events", ["occurred_at", "id"])
    op.create_index("ix_events_object_id", "events", ["object_id", "occurred_at", "id"])
    op.create_index("ix_events_xid", "events", ["xid", "id"])
    op.create_table(
        "event_personal_values",
        sa.Column("event_id", sa.Uuid, nullable=False),
        sa.Column("changes", postgresql.JSONB, nullable=False),
        sa.PrimaryKeyConstraint("event_id", name="pk_event_personal_values"),
        sa.ForeignKeyConstraint(
            ["event_id"], ["events.id"], name="fk_event_personal_values_event_id"
        ),
        sa.CheckConstraint(
            "jsonb_typeof(changes) = 'object'", name=op.f("ck_event_personal_values_changes")
        ),
    )
    # Personal values may be erased (DELETE), and that is all that ever happens to them.
    for table, refused in (
        ("events", "UPDATE OR DELETE OR TRUNCATE"),
        ("event_personal_values", "UPDATE"),
    ):
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE {refused} ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def downgrade() -> None:
    for table in ("event_personal_values", "events", "customers", "tokens", "users"):
        op.drop_table(table)
    for function in ("keep_an_admin", "refuse_change", "touch_row"):
        op.execute(f"DROP FUNCTION {function}()")
    # pg_trgm stays: it may have been there before, and others may use it.


def _keys() -> list[sa.Column[object]]:
    return [
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("version", sa.Integer, nullable=False, server_default="1"),
    ]


def _times() -> list[sa.Column[object]]:
    return [
        sa.Column("created_at", TIMESTAMP, nullable=False, server_default=sa.func.now()),
        sa.Column("updated_at", TIMESTAMP, nullable=False, server_default=sa.func.now()),
        sa.Column("deleted_at", TIMESTAMP),
    ]


def _create_unique_among_live(table: str, name: str, expression: str) -> None:
    op.create_index(
        f"uq_{table}_{name}",
        table,
        [sa.text(expression)],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )


def _touch(table: str, *bookkeeping: str) -> None:
    arguments = ", ".join(f"'{column}'" for column in bookkeeping)
    op.execute(
        f"CREATE TRIGGER {table}_touch BEFORE UPDATE ON {table} FOR EACH ROW "
        f"WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION touch_row({arguments})"
    )


class _Xid8(sa.types.UserDefinedType[int]):
    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "xid8"
