"""The rows that all contenders begin with, and who may call them."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg2

from app.db import Database
from app.domain.actors import Role
from app.domain.tokens import NewToken
from app.services import AgentService, TokenService, UserService

if TYPE_CHECKING:
    from psycopg2.extensions import cursor

QUEUE = "mail"
_ACCOUNTS = 100
# Ids of version 7, each a moment after the one before; so are the times of creation.
_CUSTOMERS = """
INSERT INTO customers (id, reference, name, email, phone, attributes, created_at, updated_at)
SELECT (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0')
        || '7000a000' || lpad(to_hex(n), 12, '0'))::uuid,
    'S-' || n, 'Customer ' || n, 'customer' || n || '@desk.example',
    CASE mod(n, 2) WHEN 0 THEN '+44 20 7946 ' || lpad(mod(n, 10000)::text, 4, '0') END,
    jsonb_build_object('tier', mod(n, 5), 'source', 'import'), moment, moment
FROM (SELECT n, now() - interval '1 day' + n * interval '1 second' AS moment
      FROM generate_series(1, %s) AS n) AS numbered
"""
# The last two digits of a number make it 1 modulo 97.
_OPEN = """
INSERT INTO accounts (id, customer_id, name, number, currency, overdraft_limit)
SELECT gen_random_uuid(), (SELECT id FROM customers ORDER BY id LIMIT 1), 'Account ' || n,
    lpad((n * 97 + 1)::text, 12, '0'), 'GBP', 100000000000
FROM generate_series(1, %s) AS n
RETURNING id::text
"""
_POOR = """
INSERT INTO accounts (id, customer_id, name, number, currency, overdraft_limit)
SELECT gen_random_uuid(), (SELECT id FROM customers ORDER BY id LIMIT 1), 'Poor',
    lpad((1000000 * 97 + 1)::text, 12, '0'), 'GBP', 1000
RETURNING id::text
"""

_DEFER = """
DROP TRIGGER transactions_complete ON transactions;
CREATE CONSTRAINT TRIGGER transactions_complete AFTER INSERT OR UPDATE ON transactions
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_transaction()
"""


@dataclass(frozen=True)
class Seed:
    """`accounts` may overdraw as much as they like, `poor` by 10.00 pounds."""

    staff: str  # the token of a user
    agent: str  # the token of an agent that works QUEUE
    customers: list[str]
    accounts: list[str]
    poor: str


def fill(url: str, customers: int) -> Seed:
    """Fill a migrated, empty database with so many customers."""
    database = Database(url)
    user = UserService.as_system(database).create(
        {"email": "ada@desk.example", "name": "Ada", "role": Role.STAFF}
    )
    agent = AgentService.as_system(database).create(
        {"name": "bot", "kind": "ai", "queues": [QUEUE]}
    )
    tokens = TokenService.as_system(database)
    staff = tokens.issue(NewToken(name="load", user_id=user.id))[1]
    bot = tokens.issue(NewToken(name="load", agent_id=agent.id))[1]
    database.dispose()
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(_CUSTOMERS, [customers])
        cursor.execute(_OPEN, [_ACCOUNTS])
        accounts = _texts(cursor)
        cursor.execute(_POOR)
        (poor,) = _texts(cursor)
        cursor.execute("SELECT id::text FROM customers ORDER BY id")
        ids = _texts(cursor)
        # Not the tables that are still empty: PostgreSQL would go on reading all of them for every
        # foreign key.
        cursor.execute("VACUUM ANALYZE customers, accounts")
    return Seed(staff, bot, ids, accounts, poor)


def tidy(url: str) -> None:
    """What autovacuum does in the course of a day, after the first rows are there."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("VACUUM ANALYZE")


def defer(url: str) -> None:
    """Let a transaction get its entries until COMMIT, instead of by the same statement."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(_DEFER)
        connection.commit()


def _texts(cursor: cursor) -> list[str]:
    return [text for (text,) in cursor.fetchall()]
