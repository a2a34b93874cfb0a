"""What a customer's erasure needs: what never changes may be overwritten by nothing, and what was
erased is never put back.

Each exception admits one fixed value and no other, so nobody can write history anew. Old code runs
on this schema: it never tries what is newly allowed.

Revision ID: 0008
Revises: 0007
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

ERASED = "'[erased]'"

# What events written before 0008 tell in themselves, and not in event_personal_values.
ERASED_CHANGES = """
CREATE FUNCTION erased_changes(of_type text, changes jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT coalesce(jsonb_object_agg(key, CASE
        WHEN (of_type, key) IN (
            ('customers', 'reference'), ('conversations', 'tags'), ('messages', 'external_id'),
            ('tasks', 'dedupe_key'), ('transactions', 'reference')
        ) THEN 'null' ELSE value END), '{}')
    FROM jsonb_each(changes)
$$
"""

_RAISE = """RAISE EXCEPTION '{message}'
            USING ERRCODE = 'check_violation', TABLE = '{table}', CONSTRAINT = '{constraint}';"""


def _raise(message: str, constraint: str) -> str:
    table = constraint.partition("_")[0]
    return _RAISE.format(message=message, table=table, constraint=constraint)


# As in 0003, but for {erased}.
GUARD_ACCOUNT = f"""
CREATE OR REPLACE FUNCTION guard_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.balance <> 0 OR NEW.held <> 0 OR NEW.status <> 'open' THEN
            {_raise("an account begins open and empty", "accounts_begin_empty")}
        END IF;
        RETURN NEW;
    END IF;
    IF (NEW.balance, NEW.held) IS DISTINCT FROM (OLD.balance, OLD.held) THEN
        {_raise("balances are moved by entries and holds alone", "accounts_balance_by_entries")}
    ELSIF (NEW.id, NEW.customer_id, NEW.number, NEW.currency, NEW.stores_balance)
        IS DISTINCT FROM (OLD.id, OLD.customer_id, OLD.number, OLD.currency, OLD.stores_balance)
    THEN
        {_raise("this of an account never changes", "accounts_fixed")}
    ELSIF OLD.status = 'closed'{{erased}} THEN
        {_raise("a closed account never changes", "accounts_closed")}
    ELSIF NEW.status = 'closed' AND (
        NEW.balance <> 0 OR NEW.held <> 0
        OR EXISTS (SELECT FROM holds JOIN transactions ON transactions.id = holds.transaction_id
                   WHERE holds.account_id = NEW.id AND transactions.status = 'pending')
        OR NOT NEW.stores_balance
           AND (SELECT sum(amount) FROM entries WHERE account_id = NEW.id) <> 0)
    THEN
        {_raise("an account that is not empty is not closed", "accounts_not_empty")}
    END IF;
    RETURN NEW;
END $$
"""
ACCOUNT_ERASED = f"""
        AND (to_jsonb(NEW) - 'name' <> to_jsonb(OLD) - 'name' OR NEW.name <> {ERASED})"""

GUARD_TRANSACTION = f"""
CREATE OR REPLACE FUNCTION guard_transaction() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN{{erased}}
    IF OLD.status <> 'pending' THEN
        {_raise("only pending transactions change", "transactions_final")}
    ELSIF to_jsonb(NEW) - '{{{{status,posted_at,approved_by_id,version,updated_at}}}}'::text[]
        <> to_jsonb(OLD) - '{{{{status,posted_at,approved_by_id,version,updated_at}}}}'::text[]
    THEN
        {_raise("this of a transaction never changes", "transactions_fixed")}
    ELSIF NEW.status = 'posted' AND NEW.expires_at <= clock_timestamp() THEN
        {_raise("the transaction has expired", "transactions_expired")}
    ELSIF NEW.status = 'expired'
        AND (NEW.expires_at IS NULL OR NEW.expires_at > clock_timestamp())
    THEN
        {_raise("the transaction has not expired yet", "transactions_not_due")}
    END IF;
    IF NEW.status <> 'pending' THEN
        PERFORM FROM accounts
        WHERE id IN (SELECT account_id FROM holds WHERE transaction_id = NEW.id) AND stores_balance
        ORDER BY id FOR NO KEY UPDATE;
        UPDATE accounts SET held = held - taken.amount
        FROM (SELECT account_id, - sum(amount) AS amount FROM holds
              WHERE transaction_id = NEW.id AND amount < 0 GROUP BY account_id) AS taken
        WHERE id = taken.account_id AND stores_balance;
    END IF;
    RETURN NEW;
END $$
"""
# The description of one that had none stays empty; the reference stays where it keeps it from being
# made twice.
TRANSACTION_ERASED = f"""
    IF to_jsonb(NEW) <> to_jsonb(OLD)
        AND to_jsonb(NEW) - '{{description,reference,content_hash}}'::text[]
          = to_jsonb(OLD) - '{{description,reference,content_hash}}'::text[]
        AND (NEW.reference IS NULL OR NEW.reference = OLD.reference)
        AND NEW.content_hash IS NULL
        AND NEW.description = (CASE OLD.description WHEN '' THEN '' ELSE {ERASED} END)
    THEN
        RETURN NEW;
    END IF;"""

NEVER = "id, direction, channel, author_kind, author_id, created_at"
ERASABLE = "author_name, body, external_id"
# A customer's name, any text, and what names the message elsewhere, each by one value alone.
MESSAGE_CHANGED = f"""
    {{never}}
    OR NEW.author_name <> OLD.author_name
       AND (NEW.author_name <> {ERASED} OR NEW.author_kind <> 'customer')
    OR NEW.body <> OLD.body AND NEW.body <> {ERASED}
    OR NEW.external_id IS DISTINCT FROM OLD.external_id
       AND coalesce(OLD.external_id IS NULL OR NEW.external_id <> 'erased-' || NEW.id, true)
"""
EVENT_CHANGED = """
    to_jsonb(NEW) - 'changes' <> to_jsonb(OLD) - 'changes'
    OR NEW.changes <> erased_changes(OLD.object_type, OLD.changes)
"""


# An event is shown with its personal values in their places: whoever could add some to an event of
# before could make it tell anything. AFTER, because one statement writes both.
CHECK_PERSONAL_VALUES = f"""
CREATE FUNCTION check_personal_values() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM added JOIN events ON events.id = added.event_id
               WHERE events.xid <> pg_current_xact_id()) THEN
        {_raise("what an event tells never changes", "event_personal_values_come_with_events")}
    END IF;
    RETURN NULL;
END $$
"""


def upgrade() -> None:
    op.execute(ERASED_CHANGES)
    op.execute(CHECK_PERSONAL_VALUES)
    op.execute(
        "CREATE TRIGGER event_personal_values_come_with_events AFTER INSERT ON"
        " event_personal_values REFERENCING NEW TABLE AS added"
        " FOR EACH STATEMENT EXECUTE FUNCTION check_personal_values()"
    )
    op.execute(GUARD_ACCOUNT.format(erased=ACCOUNT_ERASED))
    op.execute(GUARD_TRANSACTION.format(erased=TRANSACTION_ERASED))
    _keep_messages(MESSAGE_CHANGED.format(never=_differ(NEVER)))
    _keep_events("DELETE OR TRUNCATE")
    op.execute(
        "CREATE TRIGGER events_only_erased BEFORE UPDATE ON events FOR EACH ROW"
        f" WHEN ({EVENT_CHANGED}) EXECUTE FUNCTION refuse_change()"
    )


def downgrade() -> None:
    """What was erased stays so."""
    op.execute("DROP TRIGGER events_only_erased ON events")
    _keep_events("UPDATE OR DELETE OR TRUNCATE")
    _keep_messages(_differ(f"{NEVER}, {ERASABLE}"))
    op.execute(GUARD_TRANSACTION.format(erased=""))
    op.execute(GUARD_ACCOUNT.format(erased=""))
    op.execute("DROP TRIGGER event_personal_values_come_with_events ON event_personal_values")
    op.execute("DROP FUNCTION check_personal_values()")
    op.execute("DROP FUNCTION erased_changes(text, jsonb)")


# Replaced, not dropped: readers are in nobody's way then, and no row goes unguarded.
def _keep_messages(changed: str) -> None:
    op.execute(
        "CREATE OR REPLACE TRIGGER messages_append_only BEFORE UPDATE ON messages FOR EACH ROW"
        f" WHEN ({changed}) EXECUTE FUNCTION refuse_change()"
    )


def _keep_events(refused: str) -> None:
    op.execute(
        f"CREATE OR REPLACE TRIGGER events_append_only BEFORE {refused} ON events"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def _differ(columns: str) -> str:
    old, new = (
        ", ".join(f"{row}.{column.strip()}" for column in columns.split(","))
        for row in ("OLD", "NEW")
    )
    return f"({old}) IS DISTINCT FROM ({new})"
