"""Everything that must be true of the money, recomputed from entries and holds in plain sets.

Each check is one statement that finds what differs: the thing, what it should be, what it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Text, Uuid, column, text

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from app.repositories.reading import Record

CHECKS = {
    "the balance is the sum of the entries": """
        SELECT 'accounts', id, coalesce(summed.amount, 0)::text, balance::text
        FROM accounts LEFT JOIN (
            SELECT account_id, sum(amount) AS amount FROM entries GROUP BY account_id
        ) AS summed ON summed.account_id = id
        WHERE stores_balance AND balance <> coalesce(summed.amount, 0)
    """,
    "what is held is what pending transactions take": """
        SELECT 'accounts', id, coalesce(pending.held, 0)::text, accounts.held::text
        FROM accounts LEFT JOIN (
            SELECT account_id, -sum(amount) AS held FROM holds
            JOIN transactions ON transactions.id = holds.transaction_id
            WHERE transactions.status = 'pending' AND amount < 0 GROUP BY account_id
        ) AS pending ON account_id = id
        WHERE stores_balance AND accounts.held <> coalesce(pending.held, 0)
    """,
    "each entry has the balance that it left": """
        SELECT 'entries', id, running::text, balance::text FROM (
            SELECT entries.id, entries.balance,
                sum(amount) OVER (PARTITION BY account_id ORDER BY seq) AS running
            FROM entries JOIN accounts ON accounts.id = account_id WHERE stores_balance
        ) AS line
        WHERE balance IS DISTINCT FROM running
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
    "what is posted, and nothing else, has entries": """
        SELECT 'transactions', transactions.id,
            CASE status WHEN 'posted' THEN 'two or more' ELSE 'none' END,
            count(entries.id)::text
        FROM transactions LEFT JOIN entries ON transaction_id = transactions.id
        GROUP BY transactions.id
        HAVING (status = 'posted') <> (count(entries.id) >= 2) OR count(entries.id) = 1
    """,
    "what was not posted at once has holds": """
        SELECT 'transactions', id, 'holds', 'none' FROM transactions
        WHERE status <> 'posted'
          AND NOT EXISTS (SELECT FROM holds WHERE transaction_id = transactions.id)
    """,
    "no more is posted than was held": """
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
    """,
    "no transaction is reversed twice": """
        SELECT 'transactions', reverses_id, '1', count(*)::text FROM transactions
        WHERE reverses_id IS NOT NULL AND status IN ('pending', 'posted')
        GROUP BY reverses_id HAVING count(*) > 1
    """,
    "a reversal undoes all of what it reverses": """
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
    "what needs approval was not posted without": """
        SELECT 'transactions', id, 'approved by another', coalesce(approved_by_id::text, 'nobody')
        FROM transactions
        WHERE status = 'posted' AND needs_approval
          AND (approved_by_id IS NULL OR approved_by_id = created_by_id)
    """,
    "a closed account is empty": """
        SELECT 'accounts', accounts.id, '0', sum(amount)::text
        FROM accounts JOIN entries ON account_id = accounts.id
        WHERE status = 'closed' GROUP BY accounts.id HAVING sum(amount) <> 0
    """,
    "account numbers carry their check digits": """
        SELECT 'accounts', id, 'a remainder of 1', (number::bigint % 97)::text
        FROM accounts WHERE number::bigint % 97 <> 1
    """,
}
_TOLD = (column("thing", Text), column("id", Uuid), column("expected", Text), column("found", Text))
_STATEMENTS = {
    name: text(f"SELECT * FROM ({sql}) AS difference (thing, id, expected, found)").columns(*_TOLD)  # noqa: S608 - from above
    for name, sql in CHECKS.items()
}


def differences(connection: Connection, *, at_most: int) -> list[Record]:
    """What is not as it must be, at most so many per check; read in a unit with a snapshot."""
    return [
        {"check": name, **row._asdict()}
        for name, statement in _STATEMENTS.items()
        for row in connection.execute(statement).fetchmany(at_most)
    ]
