"""Agents with tokens, conversations with messages, tasks with attempts, and to-dos.

Old code runs on this schema: of what was there, only tokens change, and all of theirs have a user.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TIMESTAMP = postgresql.TIMESTAMP(timezone=True)
JSONB = postgresql.JSONB
TEXTS = postgresql.ARRAY(sa.Text)

OPEN = "status IN ('pending', 'running') AND deleted_at IS NULL"

# The parent's row is locked by the count, so that it can't end between a look and a new sub-task.
COUNT_OPEN_SUBTASKS = """
CREATE FUNCTION count_open_subtasks() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before uuid := NULL;
    after uuid := NULL;
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.status IN ('pending', 'running') AND OLD.deleted_at IS NULL THEN
        before := OLD.parent_id;
    END IF;
    IF NEW.status IN ('pending', 'running') AND NEW.deleted_at IS NULL THEN
        after := NEW.parent_id;
    END IF;
    IF before IS NOT DISTINCT FROM after THEN
        RETURN NULL;
    END IF;
    UPDATE tasks SET open_subtasks = open_subtasks - 1 WHERE id = before;
    UPDATE tasks SET open_subtasks = open_subtasks + 1
    WHERE id = after AND status IN ('pending', 'running') AND NOT cancel_requested;
    IF after IS NOT NULL AND NOT FOUND THEN
        RAISE EXCEPTION 'the parent has ended'
            USING ERRCODE = 'check_violation', TABLE = 'tasks', CONSTRAINT = 'tasks_parent_open';
    END IF;
    RETURN NULL;
END $$
"""

# Two units that move tasks below each other see each other only through the lock.
REFUSE_TASK_CYCLE = """
CREATE FUNCTION refuse_task_cycle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(7203116);
    IF EXISTS (
        WITH RECURSIVE above (id) AS (
            VALUES (NEW.parent_id)
            UNION SELECT tasks.parent_id FROM above JOIN tasks USING (id)
            WHERE tasks.parent_id IS NOT NULL
        )
        SELECT FROM above WHERE id = NEW.id
    ) THEN
        RAISE EXCEPTION 'a task can not be below itself'
            USING ERRCODE = 'check_violation', TABLE = 'tasks', CONSTRAINT = 'tasks_no_cycle';
    END IF;
    RETURN NEW;
END $$
"""

# As a function, since PostgreSQL keeps the plans of a function's statements: planning costs half
# as much as completing a task. The parent is locked first, as everywhere.
COMPLETE_TASK = """
CREATE FUNCTION complete_task(key uuid, token uuid, result jsonb) RETURNS SETOF tasks
LANGUAGE plpgsql AS $$
DECLARE
    parent uuid;
    done tasks;
BEGIN
    SELECT parent_id INTO parent FROM tasks WHERE id = key;
    IF parent IS NOT NULL THEN
        PERFORM FROM tasks WHERE id = parent FOR NO KEY UPDATE;
    END IF;
    UPDATE tasks SET status = 'completed', output = result, completed_at = statement_timestamp(),
        lease_token = NULL, lease_seconds = NULL, lease_expires_at = NULL
    WHERE id = key AND lease_token = token AND deleted_at IS NULL
    RETURNING * INTO done;
    IF FOUND THEN
        UPDATE task_attempts SET outcome = 'completed', ended_at = statement_timestamp()
        WHERE task_id = key AND number = done.attempt;
        RETURN NEXT done;
    END IF;
END $$
"""


def upgrade() -> None:
    op.execute(COUNT_OPEN_SUBTASKS)
    op.execute(REFUSE_TASK_CYCLE)
    _create_agents()
    _create_conversations()
    _create_messages()
    _create_tasks()
    _create_attempts()
    op.execute(COMPLETE_TASK)
    _create_todos()
    _extend_tokens()  # last: who shows a token waits for the end of the migration from here on


def _create_agents() -> None:
    op.create_table(
        "agents",
        *_keys(),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("user_id", sa.Uuid),
        sa.Column("queues", TEXTS, nullable=False, server_default=sa.text("'{}'")),
        sa.Column("is_active", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("last_seen_at", TIMESTAMP),
        *_times(),
        sa.PrimaryKeyConstraint("id", name="pk_agents"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_agents_user_id"),
        _check("agents", "name", "char_length(name) BETWEEN 1 AND 200"),
        _check("agents", "kind", "kind IN ('human', 'ai')"),
        _check("agents", "queues", "array_position(queues, NULL) IS NULL"),
    )
    for column in ("name", "user_id"):
        _index("agents", f"uq_agents_{column}", [column], unique=True, where="deleted_at IS NULL")
    _index("agents", "ix_agents_created_at", ["created_at", "id"])
    _touch("agents", "name, kind, user_id, queues, is_active")


def _extend_tokens() -> None:
    op.alter_column("tokens", "user_id", nullable=True)
    op.add_column("tokens", sa.Column("agent_id", sa.Uuid))
    # All in a moment: tokens are few, and changing their columns locks the table anyway.
    op.execute(
        "ALTER TABLE tokens ADD CONSTRAINT fk_tokens_agent_id"
        " FOREIGN KEY (agent_id) REFERENCES agents (id)"
    )
    op.execute(
        "ALTER TABLE tokens ADD CONSTRAINT ck_tokens_owner"
        " CHECK (num_nonnulls(user_id, agent_id) = 1)"
    )
    _index("tokens", "ix_tokens_agent_id", ["agent_id"])


def _create_conversations() -> None:
    op.create_table(
        "conversations",
        *_keys(),
        sa.Column("number", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("customer_id", sa.Uuid, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("priority", sa.Text, nullable=False, server_default="normal"),
        sa.Column("tags", TEXTS, nullable=False, server_default=sa.text("'{}'")),
        sa.Column("assignee_id", sa.Uuid),
        sa.Column("assignment_reason", sa.Text),
        sa.Column("status", sa.Text, nullable=False, server_default="open"),
        sa.Column("status_changed_at", TIMESTAMP, nullable=False, server_default=sa.func.now()),
        sa.Column("snoozed_until", TIMESTAMP),
        sa.Column("first_response_due_at", TIMESTAMP),
        sa.Column("first_responded_at", TIMESTAMP),
        sa.Column("resolution_due_at", TIMESTAMP),
        sa.Column("resolution_left", sa.Interval),
        sa.Column("merged_into_id", sa.Uuid),
        sa.Column("last_seq", sa.Integer, nullable=False, server_default="0"),
        *_times(),
        sa.PrimaryKeyConstraint("id", name="pk_conversations"),
        *(
            sa.ForeignKeyConstraint([column], [f"{table}.id"], name=f"fk_conversations_{column}")
            for column, table in (
                ("customer_id", "customers"),
                ("assignee_id", "agents"),
                ("merged_into_id", "conversations"),
            )
        ),
        _check("conversations", "subject", "char_length(subject) BETWEEN 1 AND 500"),
        _check("conversations", "channel", "channel IN ('email', 'chat', 'phone', 'web')"),
        _check("conversations", "priority", "priority IN ('low', 'normal', 'high', 'urgent')"),
        _check(
            "conversations",
            "status",
            "status IN ('open', 'pending', 'snoozed', 'resolved', 'closed')",
        ),
        _check("conversations", "tags", "array_position(tags, NULL) IS NULL"),
        _check(
            "conversations",
            "assignment_reason",
            "char_length(assignment_reason) BETWEEN 1 AND 1000",
        ),
        _check(
            "conversations", "snoozed_until", "(status = 'snoozed') = (snoozed_until IS NOT NULL)"
        ),
        _check(
            "conversations",
            "merged_into_id",
            "merged_into_id IS NULL OR (status = 'closed' AND merged_into_id <> id)",
        ),
        _check("conversations", "last_seq", "last_seq >= 0"),
    )
    table = "conversations"
    _index(table, "uq_conversations_number", ["number"], unique=True)
    _index(table, "ix_conversations_customer_id", ["customer_id", "created_at"])
    _index(table, "ix_conversations_assignee_id", ["assignee_id", "status"])
    _index(table, "ix_conversations_merged_into_id", ["merged_into_id"])
    _index(table, "ix_conversations_created_at", ["created_at", "id"])
    op.create_index("ix_conversations_tags", table, ["tags"], postgresql_using="gin")
    _index(
        table,
        "ix_conversations_snoozed_until",
        ["snoozed_until"],
        where="status = 'snoozed' AND deleted_at IS NULL",
    )
    _index(
        table,
        "ix_conversations_resolution_due_at",
        ["resolution_due_at", "id"],
        where="deleted_at IS NULL",
    )
    _touch(
        table,
        "number, customer_id, subject, channel, priority, tags, assignee_id, assignment_reason, "
        "status, status_changed_at, snoozed_until, first_response_due_at, first_responded_at, "
        "resolution_due_at, resolution_left, merged_into_id",
    )


def _create_messages() -> None:
    op.create_table(
        "messages",
        *_keys(),
        sa.Column("conversation_id", sa.Uuid, nullable=False),
        sa.Column("original_conversation_id", sa.Uuid),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("direction", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("author_kind", sa.Text, nullable=False),
        sa.Column("author_id", sa.Uuid),
        sa.Column("author_name", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("external_id", sa.Text),
        *_times()[:2],
        sa.PrimaryKeyConstraint("id", name="pk_messages"),
        *(
            sa.ForeignKeyConstraint([column], ["conversations.id"], name=f"fk_messages_{column}")
            for column in ("conversation_id", "original_conversation_id")
        ),
        _check("messages", "seq", "seq > 0"),
        _check("messages", "direction", "direction IN ('inbound', 'outbound', 'note')"),
        _check("messages", "channel", "channel IN ('email', 'chat', 'phone', 'web')"),
        _check("messages", "body", "char_length(body) BETWEEN 1 AND 100000"),
        _check("messages", "external_id", "char_length(external_id) BETWEEN 1 AND 255"),
    )
    table = "messages"
    _index(table, "uq_messages_conversation_id_seq", ["conversation_id", "seq"], unique=True)
    _index(
        table,
        "uq_messages_external_id",
        ["channel", "external_id"],
        unique=True,
        where="external_id IS NOT NULL",
    )
    _index(
        table,
        "ix_messages_original_conversation_id",
        ["original_conversation_id"],
        where="original_conversation_id IS NOT NULL",
    )
    _touch(table)
    # All that may ever happen to a message is that a merge moves it.
    kept = "id, direction, channel, author_kind, author_id, author_name, body, external_id"
    op.execute(
        "CREATE TRIGGER messages_append_only BEFORE UPDATE ON messages FOR EACH ROW"
        f" WHEN ({_differ(f'{kept}, created_at')}) EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        "CREATE TRIGGER messages_never_removed BEFORE DELETE OR TRUNCATE ON messages"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def _create_tasks() -> None:
    op.create_table(
        "tasks",
        *_keys(),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("queue", sa.Text, nullable=False),
        sa.Column("priority", sa.SmallInteger, nullable=False, server_default="5"),
        sa.Column("conversation_id", sa.Uuid),
        sa.Column("parent_id", sa.Uuid),
        sa.Column("agent_id", sa.Uuid),
        sa.Column("input", JSONB, nullable=False, server_default=sa.text("'{}'")),
        sa.Column("metadata", JSONB, nullable=False, server_default=sa.text("'{}'")),
        sa.Column("run_after", TIMESTAMP, nullable=False, server_default=sa.func.now()),
        sa.Column("max_attempts", sa.SmallInteger, nullable=False, server_default="3"),
        sa.Column("dedupe_key", sa.Text),
        sa.Column("status", sa.Text, nullable=False, server_default="pending"),
        sa.Column("attempt", sa.Integer, nullable=False, server_default="0"),
        sa.Column("attempts_forgiven", sa.Integer, nullable=False, server_default="0"),
        sa.Column("cancel_requested", sa.Boolean, nullable=False, server_default=sa.text("false")),
        sa.Column("claimed_by_id", sa.Uuid),
        sa.Column("output", JSONB),
        sa.Column("error", sa.Text),
        sa.Column("progress", JSONB),
        sa.Column("lease_token", sa.Uuid),
        sa.Column("lease_seconds", sa.Integer),
        sa.Column("lease_expires_at", TIMESTAMP),
        sa.Column("started_at", TIMESTAMP),
        sa.Column("completed_at", TIMESTAMP),
        sa.Column("open_subtasks", sa.Integer, nullable=False, server_default="0"),
        sa.Column(
            "lane",
            sa.Text,
            sa.Computed(
                "CASE WHEN agent_id IS NULL THEN queue ELSE queue || '/' || agent_id::text END",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.Column(
            "available_at",
            TIMESTAMP,
            sa.Computed(
                "CASE status WHEN 'pending' THEN run_after"
                " WHEN 'running' THEN lease_expires_at END",
                persisted=True,
            ),
        ),
        *_times(),
        sa.PrimaryKeyConstraint("id", name="pk_tasks"),
        *(
            sa.ForeignKeyConstraint([column], [f"{table}.id"], name=f"fk_tasks_{column}")
            for column, table in (
                ("conversation_id", "conversations"),
                ("parent_id", "tasks"),
                ("agent_id", "agents"),
                ("claimed_by_id", "agents"),
            )
        ),
        _check("tasks", "kind", "char_length(kind) BETWEEN 1 AND 64"),
        _check("tasks", "queue", "queue ~ '^[a-z0-9][a-z0-9._-]{0,63}$'"),
        _check("tasks", "priority", "priority BETWEEN 0 AND 9"),
        _check("tasks", "input", "jsonb_typeof(input) = 'object'"),
        _check("tasks", "metadata", "jsonb_typeof(metadata) = 'object'"),
        _check("tasks", "max_attempts", "max_attempts BETWEEN 1 AND 100"),
        _check("tasks", "dedupe_key", "char_length(dedupe_key) BETWEEN 1 AND 255"),
        _check(
            "tasks",
            "status",
            "status IN ('pending', 'running', 'completed', 'failed', 'cancelled')",
        ),
        _check("tasks", "attempt", "attempts_forgiven BETWEEN 0 AND attempt"),
        _check(
            "tasks",
            "lease",
            "(status = 'running') = (lease_token IS NOT NULL)"
            " AND (status <> 'running' OR claimed_by_id IS NOT NULL)"
            " AND (lease_expires_at IS NULL OR status = 'running')",
        ),
        _check(
            "tasks",
            "completed_at",
            "(status IN ('completed', 'failed', 'cancelled')) = (completed_at IS NOT NULL)",
        ),
        _check("tasks", "parent_id", "parent_id <> id"),
        _check(
            "tasks",
            "open_subtasks",
            "open_subtasks >= 0 AND (status <> 'completed' OR open_subtasks = 0)",
        ),
        # A queue is updated all the time: leave room for new versions, and clean up often.
        postgresql_with={
            "fillfactor": "80",
            "autovacuum_vacuum_scale_factor": "0.02",
            "autovacuum_analyze_scale_factor": "0.02",
        },
    )
    _index("tasks", "ix_tasks_claim", ["lane", "priority", "available_at", "id"], where=OPEN)
    _index("tasks", "uq_tasks_dedupe_key", ["dedupe_key"], unique=True, where=OPEN)
    _index(
        "tasks",
        "ix_tasks_claimed_by_id",
        ["claimed_by_id"],
        where="status = 'running' AND deleted_at IS NULL",
    )
    for columns in (["agent_id"], ["conversation_id", "id"], ["parent_id", "id"]):
        name = f"ix_tasks_{columns[0]}"
        _index("tasks", name, columns, where=f"{columns[0]} IS NOT NULL")
    _index("tasks", "ix_tasks_created_at", ["created_at", "id"])
    _touch(
        "tasks",
        "kind, queue, priority, conversation_id, parent_id, agent_id, input, metadata, run_after, "
        "max_attempts, dedupe_key, status, attempt, cancel_requested, claimed_by_id, output, "
        "error, started_at, completed_at",
    )
    for events, condition in (
        ("INSERT", "NEW.parent_id IS NOT NULL"),
        (
            "UPDATE OF status, parent_id, deleted_at",
            "OLD.parent_id IS NOT NULL OR NEW.parent_id IS NOT NULL",
        ),
    ):
        op.execute(
            f"CREATE TRIGGER tasks_count_open_{events.split()[0].lower()} AFTER {events} ON tasks"
            f" FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION count_open_subtasks()"
        )
    op.execute(
        "CREATE TRIGGER tasks_no_cycle BEFORE UPDATE OF parent_id ON tasks FOR EACH ROW"
        " WHEN (NEW.parent_id IS NOT NULL AND NEW.parent_id IS DISTINCT FROM OLD.parent_id)"
        " EXECUTE FUNCTION refuse_task_cycle()"
    )


def _create_attempts() -> None:
    op.create_table(
        "task_attempts",
        sa.Column("id", sa.Uuid, nullable=False, server_default=sa.text("gen_random_uuid()")),
        sa.Column("task_id", sa.Uuid, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("agent_id", sa.Uuid, nullable=False),
        sa.Column("started_at", TIMESTAMP, nullable=False, server_default=sa.func.now()),
        sa.Column("ended_at", TIMESTAMP),
        sa.Column("outcome", sa.Text),
        sa.Column("error", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_task_attempts"),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name="fk_task_attempts_task_id"),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name="fk_task_attempts_agent_id"),
        _check(
            "task_attempts",
            "outcome",
            "outcome IN ('completed', 'failed', 'released', 'cancelled', 'lost')",
        ),
        _check("task_attempts", "ended_at", "(outcome IS NULL) = (ended_at IS NULL)"),
        postgresql_with={"fillfactor": "80"},
    )
    table = "task_attempts"
    _index(table, "uq_task_attempts_task_id_number", ["task_id", "number"], unique=True)
    _index(table, "ix_task_attempts_agent_id", ["agent_id", "started_at"])


def _create_todos() -> None:
    op.create_table(
        "todos",
        *_keys(),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("completed", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("due_at", TIMESTAMP),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("conversation_id", sa.Uuid),
        *_times(),
        sa.PrimaryKeyConstraint("id", name="pk_todos"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_todos_user_id"),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name="fk_todos_conversation_id"
        ),
        _check("todos", "description", "char_length(description) BETWEEN 1 AND 2000"),
    )
    _index("todos", "ix_todos_user_id", ["user_id", "due_at"])
    _index(
        "todos",
        "ix_todos_conversation_id",
        ["conversation_id"],
        where="conversation_id IS NOT NULL",
    )
    _index("todos", "ix_todos_created_at", ["created_at", "id"])
    _touch("todos")


def downgrade() -> None:
    """Tokens of agents are gone for good: there is nobody left whom they could let in."""
    op.execute("DROP FUNCTION complete_task(uuid, uuid, jsonb)")
    for table in ("todos", "task_attempts", "tasks", "messages", "conversations"):
        op.drop_table(table)
    op.execute("DELETE FROM tokens WHERE agent_id IS NOT NULL")
    op.drop_constraint("ck_tokens_owner", "tokens")
    op.drop_column("tokens", "agent_id")
    op.alter_column("tokens", "user_id", nullable=False)
    op.drop_table("agents")
    for function in ("count_open_subtasks", "refuse_task_cycle"):
        op.execute(f"DROP FUNCTION {function}()")


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


def _check(table: str, name: str, condition: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(condition, name=op.f(f"ck_{table}_{name}"))


def _index(
    table: str, name: str, columns: list[str], *, unique: bool = False, where: str | None = None
) -> None:
    condition = None if where is None else sa.text(where)
    op.create_index(name, table, columns, unique=unique, postgresql_where=condition)


def _differ(columns: str) -> str:
    old, new = (
        ", ".join(f"{row}.{column.strip()}" for column in columns.split(","))
        for row in ("OLD", "NEW")
    )
    return f"({old}) IS DISTINCT FROM ({new})"


def _touch(table: str, columns: str | None = None) -> None:
    """Any change moves the version; where `columns` are named, a change of one of them does."""
    changed = "OLD.* IS DISTINCT FROM NEW.*"
    if columns is not None:
        changed = _differ(f"id, version, created_at, deleted_at, {columns}")
    op.execute(
        f"CREATE TRIGGER {table}_touch BEFORE UPDATE ON {table} FOR EACH ROW"
        f" WHEN ({changed}) EXECUTE FUNCTION touch_row()"
    )
