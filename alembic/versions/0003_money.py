"""Accounts and transactions: a double-entry ledger that the database itself keeps.

Nothing that was there before changes.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TIMESTAMP = postgresql.TIMESTAMP(timezone=True)

_RAISE = """RAISE EXCEPTION '{message}'
            USING ERRCODE = 'check_violation', TABLE = '{table}', CONSTRAINT = '{constraint}';"""


def _raise(message: str, constraint: str) -> str:
    table = constraint.partition("_")[0]
    return _RAISE.format(message=message, table=table, constraint=constraint)


# An entry moves its account's balance, under the lock of the account. So per account `seq` and the
# time follow the order of the balances. Where no balance is stored, the account is only kept from
# being closed. The id, a version 7 UUID, is made here of both: an entry that could conflict with
# another might be skipped, after it has moved the balance.
APPLY_ENTRY = f"""
CREATE FUNCTION apply_entry() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    account record;
BEGIN
    LOOP
        NEW.balance := NULL;
        UPDATE accounts SET balance = accounts.balance + NEW.amount
        WHERE id = NEW.account_id AND stores_balance AND status = 'open'
        RETURNING accounts.balance INTO NEW.balance;
        EXIT WHEN FOUND;
        SELECT status, stores_balance INTO account FROM accounts
        WHERE id = NEW.account_id FOR SHARE;
        EXIT WHEN NOT FOUND;
        IF account.status = 'closed' THEN
            {_raise("the account is closed", "entries_account_closed")}
        ELSIF account.status = 'frozen' THEN
            {_raise("the account is frozen", "entries_account_frozen")}
        END IF;
        EXIT WHEN NOT account.stores_balance;  -- else it was unfrozen just now
    END LOOP;
    NEW.seq := nextval('entries_seq');
    NEW.created_at := clock_timestamp();
    NEW.id := (lpad(to_hex((extract(epoch FROM NEW.created_at) * 1000)::bigint), 12, '0')
        || '7' || lpad(to_hex(NEW.seq % 4096), 3, '0')
        || 'a' || lpad(to_hex(NEW.seq / 4096), 15, '0'))::uuid;
    RETURN NEW;
END $$
"""

# Of a statement that adds legs: all legs of a transaction come at once, and balance.
CHECK_LEGS = """
CREATE FUNCTION check_{table}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM added GROUP BY transaction_id, currency HAVING sum(amount) <> 0) THEN
        {unbalanced}
    END IF;
    IF EXISTS (SELECT FROM added JOIN transactions ON transactions.id = added.transaction_id
               WHERE transactions.status <> '{status}')
    THEN
        {wrong_status}
    END IF;
    IF (SELECT count(*) FROM {table} WHERE transaction_id IN (SELECT transaction_id FROM added))
        <> (SELECT count(*) FROM added)
    THEN
        {added_later}
    END IF;{more}
    RETURN NULL;
END $$
"""
CHECK_ENTRIES = CHECK_LEGS.format(
    table="entries",
    status="posted",
    unbalanced=_raise("the entries do not sum to zero", "entries_unbalanced"),
    wrong_status=_raise("only posted transactions have entries", "entries_posted"),
    added_later=_raise("a transaction gets all its entries at once", "entries_complete"),
    more=f"""
    IF EXISTS (SELECT FROM added JOIN holds USING (transaction_id)) AND EXISTS (
        SELECT FROM (SELECT transaction_id, account_id, sum(amount) AS amount FROM added
                     WHERE transaction_id IN (SELECT transaction_id FROM holds)
                     GROUP BY transaction_id, account_id) AS booked
        LEFT JOIN (SELECT transaction_id, account_id, sum(amount) AS amount FROM holds
                   WHERE transaction_id IN (SELECT transaction_id FROM added)
                   GROUP BY transaction_id, account_id) AS held USING (transaction_id, account_id)
        WHERE sign(booked.amount) <> sign(coalesce(held.amount, 0))
            OR abs(booked.amount) > abs(coalesce(held.amount, 0)))
    THEN
        {_raise("no more is posted than was held", "entries_beyond_holds")}
    END IF;
    IF EXISTS (SELECT FROM added JOIN transactions ON transactions.id = added.transaction_id
               WHERE reverses_id IS NOT NULL) AND EXISTS (
        SELECT FROM (
            SELECT transactions.id, account_id, amount
            FROM added JOIN transactions ON transactions.id = transaction_id
            WHERE reverses_id IS NOT NULL
            UNION ALL
            SELECT reversal.id, account_id, amount
            FROM transactions AS reversal JOIN entries ON transaction_id = reverses_id
            WHERE reversal.id IN (SELECT transaction_id FROM added)) AS both_ways
        GROUP BY id, account_id HAVING sum(amount) <> 0)
    THEN
        {_raise("a reversal undoes all of a transaction", "entries_reversal")}
    END IF;""",
)
CHECK_HOLDS = CHECK_LEGS.format(
    table="holds",
    status="pending",
    unbalanced=_raise("the holds do not sum to zero", "holds_unbalanced"),
    wrong_status=_raise("only a pending transaction gets holds", "holds_pending"),
    added_later=_raise("a transaction gets all its holds at once", "holds_complete"),
    more=f"""
    PERFORM FROM accounts WHERE id IN (SELECT account_id FROM added) AND stores_balance
    ORDER BY id FOR NO KEY UPDATE;
    PERFORM FROM accounts WHERE id IN (SELECT account_id FROM added) AND NOT stores_balance
    ORDER BY id FOR SHARE;
    IF EXISTS (SELECT FROM accounts
               WHERE id IN (SELECT account_id FROM added) AND status = 'closed')
    THEN
        {_raise("the account is closed", "holds_account_closed")}
    ELSIF EXISTS (SELECT FROM accounts
                  WHERE id IN (SELECT account_id FROM added) AND status = 'frozen')
    THEN
        {_raise("the account is frozen", "holds_account_frozen")}
    END IF;
    UPDATE accounts SET held = held + taken.amount
    FROM (SELECT account_id, - sum(amount) AS amount FROM added WHERE amount < 0
          GROUP BY account_id) AS taken
    WHERE id = taken.account_id AND stores_balance;""",
)

# What is done to an account from outside the triggers above.
GUARD_ACCOUNT = f"""
CREATE FUNCTION guard_account() RETURNS trigger LANGUAGE plpgsql AS $$
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
    ELSIF OLD.status = 'closed' THEN
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

# A transaction that stops being pending holds nothing any more, before its entries take it.
GUARD_TRANSACTION = f"""
CREATE FUNCTION guard_transaction() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status <> 'pending' THEN
        {_raise("only pending transactions change", "transactions_final")}
    ELSIF to_jsonb(NEW) - '{{status,posted_at,approved_by_id,version,updated_at}}'::text[]
        <> to_jsonb(OLD) - '{{status,posted_at,approved_by_id,version,updated_at}}'::text[]
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

# At the end of the statement: whatever is posted or pending came with its legs.
CHECK_TRANSACTION = f"""
CREATE FUNCTION check_transaction() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' AND NEW.status NOT IN ('pending', 'posted') THEN
        {_raise("a transaction begins pending or posted", "transactions_begin")}
    ELSIF NEW.status = 'posted'
        AND NOT EXISTS (SELECT FROM entries WHERE transaction_id = NEW.id)
        OR NEW.status = 'pending'
        AND NOT EXISTS (SELECT FROM holds WHERE transaction_id = NEW.id)
    THEN
        {_raise("a transaction comes with its entries, or holds", "transactions_complete")}
    END IF;
    RETURN NULL;
END $$
"""

FUNCTIONS = {
    "apply_entry": APPLY_ENTRY,
    "check_entries": CHECK_ENTRIES,
    "check_holds": CHECK_HOLDS,
    "guard_account": GUARD_ACCOUNT,
    "guard_transaction": GUARD_TRANSACTION,
    "check_transaction": CHECK_TRANSACTION,
}


def upgrade() -> None:
    op.execute("CREATE SEQUENCE account_numbers MINVALUE 1000000001 MAXVALUE 9999999999")
    op.execute("CREATE SEQUENCE entries_seq")
    for function in FUNCTIONS.values():
        op.execute(function)
    _create_accounts()
    _create_transactions()
    _create_entries()
    _create_holds()
    for table in ("accounts", "transactions"):
        _refuse(table, "DELETE OR TRUNCATE", "never_removed")
    for table in ("entries", "holds"):
        _refuse(table, "UPDATE OR DELETE OR TRUNCATE", "append_only")


def _create_accounts() -> None:
    op.create_table(
        "accounts",
        *_keys(),
        sa.Column("customer_id", sa.Uuid),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("number", sa.Text, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("overdraft_limit", sa.BigInteger),
        sa.Column("status", sa.Text, nullable=False, server_default="open"),
        sa.Column("stores_balance", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("balance", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("held", sa.BigInteger, nullable=False, server_default="0"),
        *_times(),
        sa.PrimaryKeyConstraint("id", name="pk_accounts"),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_accounts_customer_id"),
        sa.UniqueConstraint("id", "currency", name="uq_accounts_id_currency"),
        _check("accounts", "name", "char_length(name) BETWEEN 1 AND 200"),
        _check("accounts", "number", "number ~ '^[0-9]{12}$' AND number::bigint % 97 = 1"),
        _check("accounts", "currency", "currency ~ '^[A-Z]{3}$'"),
        _check(
            "accounts",
            "overdraft_limit",
            "(overdraft_limit IS NOT NULL OR customer_id IS NULL)"
            " AND overdraft_limit BETWEEN 0 AND 1000000000000000",
        ),
        _check("accounts", "status", "status IN ('open', 'frozen', 'closed')"),
        _check(
            "accounts",
            "stores_balance",
            "stores_balance OR customer_id IS NULL AND overdraft_limit IS NULL"
            " AND balance = 0 AND held = 0",
        ),
        _check(
            "accounts", "funds", "overdraft_limit IS NULL OR balance - held >= - overdraft_limit"
        ),
        _check(
            "accounts",
            "balance",
            "balance BETWEEN '-1000000000000000000'::bigint AND 1000000000000000000",
        ),
        _check("accounts", "held", "held BETWEEN 0 AND 1000000000000000000"),
        # Balances are updated all the time, and are in no index: leave room for new versions.
        postgresql_with={"fillfactor": "70"},
    )
    op.create_index("uq_accounts_number", "accounts", ["number"], unique=True)
    op.create_index("ix_accounts_customer_id", "accounts", ["customer_id", "created_at"])
    op.create_index("ix_accounts_created_at", "accounts", ["created_at", "id"])
    op.execute(
        "CREATE TRIGGER accounts_guard BEFORE INSERT OR UPDATE ON accounts FOR EACH ROW"
        " WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION guard_account()"
    )
    _touch(
        "accounts",
        "customer_id, name, number, currency, overdraft_limit, status, stores_balance, created_at",
    )


def _create_transactions() -> None:
    table = "transactions"
    op.create_table(
        table,
        *_keys(),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False, server_default=""),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("conversation_id", sa.Uuid),
        sa.Column("task_id", sa.Uuid),
        sa.Column("reverses_id", sa.Uuid),
        sa.Column("reference", sa.Text),
        sa.Column("content_hash", sa.LargeBinary),
        sa.Column("expires_at", TIMESTAMP),
        sa.Column("posted_at", TIMESTAMP),
        sa.Column("needs_approval", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("post_when_approved", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("approved_by_id", sa.Uuid),
        sa.Column("created_by_kind", sa.Text, nullable=False),
        sa.Column("created_by_id", sa.Uuid),
        sa.Column("created_by_name", sa.Text, nullable=False),
        *_times(),
        sa.PrimaryKeyConstraint("id", name="pk_transactions"),
        *(
            sa.ForeignKeyConstraint([column], [f"{target}.id"], name=f"fk_transactions_{column}")
            for column, target in (
                ("conversation_id", "conversations"),
                ("task_id", "tasks"),
                ("reverses_id", "transactions"),
                ("approved_by_id", "users"),
            )
        ),
        _check(
            table,
            "kind",
            "kind IN ('transfer', 'deposit', 'withdrawal', 'fee', 'refund', 'reversal')",
        ),
        _check(table, "description", "char_length(description) <= 500"),
        _check(table, "status", "status IN ('pending', 'posted', 'voided', 'expired')"),
        _check(table, "reverses_id", "(kind = 'reversal') = (reverses_id IS NOT NULL)"),
        _check(table, "reference", "char_length(reference) BETWEEN 1 AND 255"),
        _check(table, "posted_at", "(status = 'posted') = (posted_at IS NOT NULL)"),
        _check(
            table,
            "needs_approval",
            "status <> 'posted' OR NOT needs_approval OR approved_by_id IS NOT NULL",
        ),
        _check(table, "approved_by_id", "approved_by_id <> created_by_id"),
    )
    _index(table, "uq_transactions_reference", "reference", "reference IS NOT NULL", unique=True)
    live = "status IN ('pending', 'posted')"
    _index(table, "uq_transactions_reverses_id", "reverses_id", live, unique=True)
    for column in ("conversation_id", "task_id"):
        _index(table, f"ix_transactions_{column}", column, f"{column} IS NOT NULL")
    due = "status = 'pending' AND expires_at IS NOT NULL"
    _index(table, "ix_transactions_expires_at", "expires_at", due)
    op.create_index("ix_transactions_created_at", table, ["created_at", "id"])
    # In the order of their names: guarded first, then touched.
    op.execute(
        "CREATE TRIGGER transactions_guard BEFORE UPDATE ON transactions FOR EACH ROW"
        " EXECUTE FUNCTION guard_transaction()"
    )
    op.execute(
        "CREATE TRIGGER transactions_touch BEFORE UPDATE ON transactions FOR EACH ROW"
        " WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION touch_row()"
    )
    op.execute(
        "CREATE TRIGGER transactions_complete AFTER INSERT OR UPDATE ON transactions"
        " FOR EACH ROW EXECUTE FUNCTION check_transaction()"
    )


def _create_entries() -> None:
    op.create_table(
        "entries",
        *_leg("entries"),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("balance", sa.BigInteger),
        sa.Column("created_at", TIMESTAMP, nullable=False),
    )
    op.create_index("ix_entries_account_id_created_at", "entries", ["account_id", "created_at"])
    op.create_index("uq_entries_account_id_seq", "entries", ["account_id", "seq"], unique=True)
    op.create_index("ix_entries_transaction_id", "entries", ["transaction_id"])
    op.execute(
        "CREATE TRIGGER entries_apply BEFORE INSERT ON entries FOR EACH ROW"
        " EXECUTE FUNCTION apply_entry()"
    )
    _check_added("entries")


def _create_holds() -> None:
    op.create_table("holds", *_leg("holds"), sa.Column("position", sa.Integer, nullable=False))
    op.create_index("ix_holds_transaction_id", "holds", ["transaction_id"])
    op.create_index("ix_holds_account_id", "holds", ["account_id"])
    _check_added("holds")


def downgrade() -> None:
    for table in ("entries", "holds", "transactions", "accounts"):
        op.drop_table(table)
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}()")
    for sequence in ("entries_seq", "account_numbers"):
        op.execute(f"DROP SEQUENCE {sequence}")


def _keys() -> list[sa.Column[object]]:
    return [
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("version", sa.Integer, nullable=False, server_default="1"),
    ]


def _times() -> list[sa.Column[object]]:
    return [
        sa.Column("created_at", TIMESTAMP, nullable=False, server_default=sa.func.now()),
        sa.Column("updated_at", TIMESTAMP, nullable=False, server_default=sa.func.now()),
    ]


def _leg(table: str) -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("id", sa.Uuid, nullable=False, server_default=sa.text("gen_random_uuid()")),
        sa.Column("transaction_id", sa.Uuid, nullable=False),
        sa.Column("account_id", sa.Uuid, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
        sa.ForeignKeyConstraint(
            ["transaction_id"], ["transactions.id"], name=f"fk_{table}_transaction_id"
        ),
        # The currency of what is booked is that of the account.
        sa.ForeignKeyConstraint(
            ["account_id", "currency"],
            ["accounts.id", "accounts.currency"],
            name=f"fk_{table}_account_id_currency",
        ),
        _check(
            table,
            "amount",
            "amount <> 0 AND amount BETWEEN '-1000000000000000'::bigint AND 1000000000000000",
        ),
    ]


def _check(table: str, name: str, condition: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(condition, name=op.f(f"ck_{table}_{name}"))


def _index(table: str, name: str, column: str, where: str, *, unique: bool = False) -> None:
    op.create_index(name, table, [column], unique=unique, postgresql_where=sa.text(where))


def _check_added(table: str) -> None:
    op.execute(
        f"CREATE TRIGGER {table}_check AFTER INSERT ON {table} REFERENCING NEW TABLE AS added"
        f" FOR EACH STATEMENT EXECUTE FUNCTION check_{table}()"
    )


def _refuse(table: str, events: str, name: str) -> None:
    op.execute(
        f"CREATE TRIGGER {table}_{name} BEFORE {events} ON {table}"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def _touch(table: str, columns: str) -> None:
    """A change of one of these moves the version; other columns are bookkeeping."""
    old, new = (
        ", ".join(f"{row}.{column.strip()}" for column in f"id, version, {columns}".split(","))
        for row in ("OLD", "NEW")
    )
    op.execute(
        f"CREATE TRIGGER {table}_touch BEFORE UPDATE ON {table} FOR EACH ROW"
        f" WHEN (({old}) IS DISTINCT FROM ({new})) EXECUTE FUNCTION touch_row()"
    )
