"""Checks of the ledger: rules about money, computed again from all entries and holds.

Each check is one statement. It finds the rows that break the rule: the table as `thing`, the id,
and the value that was expected and that was found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Text, Uuid, column, text

from app.domain.money import DIGITS

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from app.db import Record

CHECKS = {
    "the balance is the sum of the entries": """
        SELECT 'accounts', id, coalesce(summed.amount, 0)::text, balance::text
        FROM accounts LEFT JOIN (
            SELECT account_id, sum(amount) AS amount FROM entries GROUP BY account_id
        ) AS summed ON summed.account_id = id
        WHERE stores_balance AND balance <> coalesce(summed.amount, 0)
    """,
    "entries and holds have account and transaction": """
        SELECT 'entries', id, 'an account and a transaction', 'one is missing' FROM entries
        WHERE NOT EXISTS (SELECT FROM accounts WHERE accounts.id = account_id)
           OR NOT EXISTS (SELECT FROM transactions WHERE transactions.id = transaction_id)
        UNION ALL
        SELECT 'holds', id, 'an account and a transaction', 'one is missing' FROM holds
        WHERE NOT EXISTS (SELECT FROM accounts WHERE accounts.id = account_id)
           OR NOT EXISTS (SELECT FROM transactions WHERE transactions.id = transaction_id)
    """,
    "the held amount is the sum of pending holds": """
        SELECT 'accounts', id, coalesce(pending.held, 0)::text, accounts.held::text
        FROM accounts LEFT JOIN (
            SELECT account_id, -sum(amount) AS held FROM holds
            JOIN transactions ON transactions.id = holds.transaction_id
            WHERE transactions.status = 'pending' AND amount < 0 GROUP BY account_id
        ) AS pending ON account_id = id
        WHERE stores_balance AND accounts.held <> coalesce(pending.held, 0)
    """,
    "each entry has the running balance": """
        SELECT 'entries', id, running::text, balance::text FROM (
            SELECT entries.id, entries.balance,
                sum(amount) OVER (PARTITION BY account_id ORDER BY seq) AS running
            FROM entries JOIN accounts ON accounts.id = account_id WHERE stores_balance
        ) AS line
        WHERE balance IS DISTINCT FROM running
        UNION ALL
        SELECT 'entries', entries.id, 'none', entries.balance::text
        FROM entries JOIN accounts ON accounts.id = account_id
        WHERE NOT stores_balance AND entries.balance IS NOT NULL
    """,
    "no balance is below its limit": """
        SELECT 'accounts', id, (-overdraft_limit)::text, (balance - held)::text
        FROM accounts WHERE balance - held < -overdraft_limit
    """,
    "the entries of a transaction sum to zero": """
        SELECT 'transactions', transaction_id, '0 ' || currency, sum(amount)::text
        FROM entries GROUP BY transaction_id, currency HAVING sum(amount) <> 0
    """,
    "the holds of a transaction sum to zero": """
        SELECT 'transactions', transaction_id, '0 ' || currency, sum(amount)::text
        FROM holds GROUP BY transaction_id, currency HAVING sum(amount) <> 0
    """,
    "posted transactions have entries, and others have none": """
        SELECT 'transactions', transactions.id,
            CASE status WHEN 'posted' THEN 'two or more' ELSE 'none' END,
            count(entries.id)::text
        FROM transactions LEFT JOIN entries ON transaction_id = transactions.id
        GROUP BY transactions.id
        HAVING (status = 'posted') <> (count(entries.id) >= 2) OR count(entries.id) = 1
    """,
    "transactions that are not posted have holds": """
        SELECT 'transactions', id, 'holds', 'none' FROM transactions
        WHERE status <> 'posted'
          AND NOT EXISTS (SELECT FROM holds WHERE transaction_id = transactions.id)
    """,
    "no transaction posts more than it held": """
        SELECT 'transactions', booked.transaction_id, 'at most ' || coalesce(held.amount, 0),
            booked.amount::text
        FROM (SELECT transaction_id, account_id, sum(amount) AS amount FROM entries
              WHERE transaction_id IN (SELECT transaction_id FROM holds)
              GROUP BY transaction_id, account_id) AS booked
        LEFT JOIN (SELECT transaction_id, account_id, sum(amount) AS amount FROM holds
                   GROUP BY transaction_id, account_id) AS held
            USING (transaction_id, account_id)
        WHERE sign(booked.amount) <> sign(coalesce(held.amount, 0))
           OR abs(booked.amount) > abs(coalesce(held.amount, 0))
    """,
    "entries are in the currency of their account": """
        SELECT 'entries', entries.id, accounts.currency, entries.currency
        FROM entries JOIN accounts ON accounts.id = account_id
        WHERE accounts.currency <> entries.currency
        UNION ALL
        SELECT 'holds', holds.id, accounts.currency, holds.currency
        FROM holds JOIN accounts ON accounts.id = account_id
        WHERE accounts.currency <> holds.currency
    """,
    "no transaction is reversed twice": """
        SELECT 'transactions', reverses_id, '1', count(*)::text FROM transactions
        WHERE reverses_id IS NOT NULL AND status IN ('pending', 'posted')
        GROUP BY reverses_id HAVING count(*) > 1
    """,
    "a reversal has the opposite of every entry": """
        SELECT 'transactions', transaction_id, '0', sum(amount)::text FROM (
            SELECT reversal.id AS transaction_id, account_id, amount
            FROM transactions AS reversal JOIN entries ON transaction_id = reversal.id
            WHERE reverses_id IS NOT NULL
            UNION ALL
            SELECT reversal.id, account_id, amount
            FROM transactions AS reversal JOIN entries ON transaction_id = reverses_id
            WHERE reversal.status = 'posted'
        ) AS both_ways
        GROUP BY transaction_id, account_id HAVING sum(amount) <> 0
    """,
    "posted transactions have the approval they need": """
        SELECT 'transactions', id, 'approved by another', coalesce(approved_by_id::text, 'nobody')
        FROM transactions
        WHERE status = 'posted' AND needs_approval
          AND (approved_by_id IS NULL OR approved_by_id = created_by_id)
    """,
    "a closed account is empty": """
        SELECT 'accounts', accounts.id, '0', sum(amount)::text
        FROM accounts JOIN entries ON account_id = accounts.id
        WHERE status = 'closed' GROUP BY accounts.id HAVING sum(amount) <> 0
        UNION ALL
        SELECT 'accounts', accounts.id, '0 held', sum(amount)::text
        FROM accounts JOIN holds ON account_id = accounts.id
        JOIN transactions ON transactions.id = transaction_id
        WHERE accounts.status = 'closed' AND transactions.status = 'pending'
        GROUP BY accounts.id
    """,
    "times match the status": """
        SELECT 'transactions', id, status, coalesce(posted_at::text, 'not posted')
        FROM transactions WHERE (status = 'posted') <> (posted_at IS NOT NULL)
        UNION ALL
        SELECT 'transactions', id, status, 'never expires' FROM transactions
        WHERE status = 'expired' AND expires_at IS NULL
    """,
    "accounts have an ISO 4217 currency": f"""
        SELECT 'accounts', id, 'one of ISO 4217', currency FROM accounts
        WHERE currency NOT IN ({", ".join(f"'{code}'" for code in sorted(DIGITS))})
    """,  # noqa: S608 - codes of currencies
    "account numbers have valid check digits": """
        SELECT 'accounts', id, 'check digits', number FROM accounts
        WHERE CASE WHEN number ~ '^[0-9]{12}$' THEN number::bigint % 97 <> 1 ELSE true END
    """,
}
_FOUND = (
    column("thing", Text),
    column("id", Uuid),
    column("expected", Text),
    column("found", Text),
)
_STATEMENTS = {
    name: text(
        f"SELECT * FROM ({sql}) AS difference (thing, id, expected, found) LIMIT :at_most"  # noqa: S608 - from above
    ).columns(*_FOUND)
    for name, sql in CHECKS.items()
}


def differences(connection: Connection, *, at_most: int) -> list[Record]:
    """The rows that break a rule, at most `at_most` per check.

    Each has `check`, `thing`, `id`, `expected` and `found`. The unit must read from one snapshot:
    REPEATABLE READ.
    """
    return [
        {"check": name, **row._asdict()}
        for name, statement in _STATEMENTS.items()
        for row in connection.execute(statement, {"at_most": at_most})
    ]
