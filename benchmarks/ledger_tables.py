"""The accounts that money is moved between: Caseload's, and those of a ledger by hand."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg2
from psycopg2.extras import execute_values, register_uuid

from app.administration import MIGRATIONS
from app.db import Database, violations
from app.domain.accounts import NewAccount
from app.embedded import EmbeddedServer
from app.models import Base
from app.services import AccountService
from app.services.ledger_check import LedgerCheckService

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# What an author needs who moves money in one way only: one currency, no holds, no life of accounts.
_BY_HAND = """
CREATE TABLE accounts (
    id uuid PRIMARY KEY, name text NOT NULL, overdraft_limit bigint,
    balance bigint NOT NULL DEFAULT 0,
    CHECK (overdraft_limit IS NULL OR balance >= - overdraft_limit)
) WITH (fillfactor = 70);
CREATE TABLE transactions (
    id uuid PRIMARY KEY DEFAULT uuidv7(), kind text NOT NULL DEFAULT 'transfer',
    description text NOT NULL DEFAULT '', created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE entries (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transaction_id uuid NOT NULL REFERENCES transactions,
    account_id uuid NOT NULL REFERENCES accounts,
    amount bigint NOT NULL CHECK (amount <> 0)
);
CREATE INDEX ON entries (account_id, id);
CREATE INDEX ON entries (transaction_id);
CREATE TABLE events (
    id uuid PRIMARY KEY DEFAULT uuidv7(), occurred_at timestamptz NOT NULL DEFAULT now(),
    actor text NOT NULL, action text NOT NULL, object_id uuid NOT NULL, changes jsonb NOT NULL
);
CREATE INDEX ON events (object_id, id);
CREATE FUNCTION transfer(source uuid, target uuid, amount bigint) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    made uuid;
BEGIN
    PERFORM FROM accounts WHERE id IN (source, target) ORDER BY id FOR NO KEY UPDATE;
    UPDATE accounts SET balance = balance - amount WHERE id = source;
    UPDATE accounts SET balance = balance + amount WHERE id = target;
    INSERT INTO transactions DEFAULT VALUES RETURNING id INTO made;
    INSERT INTO entries (transaction_id, account_id, amount)
    VALUES (made, source, -amount), (made, target, amount);
    INSERT INTO events (actor, action, object_id, changes) VALUES ('system', 'created', made,
        jsonb_build_object('source', source, 'target', target, 'amount', amount));
    RETURN made;
END $$;
"""
_DIFFERENT_BY_HAND = """
SELECT accounts.id FROM accounts LEFT JOIN entries ON account_id = accounts.id
GROUP BY accounts.id HAVING balance <> coalesce(sum(amount), 0)
UNION ALL SELECT transaction_id FROM entries GROUP BY transaction_id HAVING sum(amount) <> 0
"""


@contextmanager
def server(settings: dict[str, str] | None = None) -> Iterator[dict[str, str]]:
    """A throw-away one, as durable as PostgreSQL is by default; yields the URL of each database."""
    directory = Path(tempfile.mkdtemp(prefix="caseload-bench-"))
    directory.chmod(0o711)
    embedded = EmbeddedServer(directory, prepare=MIGRATIONS.upgrade, settings=settings)
    try:
        url = embedded.url()
        run(url, "CREATE DATABASE by_hand")
        urls = {"caseload": url, "by_hand": embedded.cluster.url("by_hand")}
        run(urls["by_hand"], _BY_HAND)
        yield urls
    finally:
        embedded.release()
        shutil.rmtree(directory)


def open_accounts(urls: Mapping[str, str], count: int) -> tuple[UUID, list[UUID]]:
    """The firm's own, without a limit, the same in both; the first one stores no balance."""
    accounts = AccountService.as_system(Database(urls["caseload"]))
    new = NewAccount(name="x", currency="GBP")
    with accounts.database.session():  # one COMMIT for all
        hot = accounts.open(replace(new, stores_balance=False))["id"]
        keys = [accounts.open(new)["id"] for _ in range(count)]
    accounts.database.dispose()
    with closing(psycopg2.connect(urls["by_hand"])) as connection, connection:
        register_uuid(None, connection)  # type: ignore[no-untyped-call] # psycopg2's
        with connection.cursor() as cursor:
            rows = [(key, "x") for key in keys]
            execute_values(cursor, "INSERT INTO accounts (id, name) VALUES %s", rows)
    return hot, keys


def verify(urls: Mapping[str, str], made: Mapping[str, int]) -> None:
    """No penny is lost, and each database has as many transactions as were made there."""
    database = Database(urls["caseload"], violations=violations(Base.metadata))
    assert LedgerCheckService.as_system(database).verify() == []
    database.dispose()
    assert run(urls["by_hand"], _DIFFERENT_BY_HAND) == []
    for name, url in urls.items():
        assert run(url, "SELECT count(*) FROM transactions") == [(made[name],)]
        assert run(url, "SELECT sum(amount) FROM entries") == [(0,)]


def run(url: str, sql: str) -> list[tuple[Any, ...]]:
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return [] if cursor.description is None else cursor.fetchall()
