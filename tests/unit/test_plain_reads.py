"""SQL text that only reads is recognised; what may write is not."""

from __future__ import annotations

import pytest

from app.db.sql_text import is_plain_read

READS = [
    "SELECT 1",
    "  select count(*), max(n) from orders where name = 'it''s; DELETE' -- UPDATE\n",
    "SELECT now();",
    'SELECT "update" FROM "delete"',
    "SELECT id FROM orders WHERE id = ANY(%(keys)s) AND n IN (%(a)s, %(b)s) FOR NO KEY UPDATE",
    "WITH c AS (SELECT 1 AS n) SELECT n::numeric(10, 2) FROM c ORDER BY n LIMIT 5",
    "VALUES (1), (2)",
    "SHOW TimeZone",
    "SELECT pg_sleep(1), 'pay(1)'",
]
MAY_WRITE = [
    "UPDATE orders SET n = 1",
    "SELECT pay(1)",
    "SELECT pay (1)",
    "SELECT public.count(1)",
    'SELECT "pay"(1)',
    "SELECT 1; SELECT 2",
    "SELECT 1; DELETE FROM orders",
    "WITH c AS (DELETE FROM orders RETURNING *) SELECT * FROM c",
    "WITH c AS (MERGE INTO orders USING x ON true WHEN MATCHED THEN DELETE) SELECT 1",
    "SELECT * INTO copies FROM orders",
    "SELECT 1 -- it's\n, pay('x')",
    "SELECT E'\\'', pay('x')",
    "SELECT $$'$$, pay('x')",
    "SELECT 1 /* /* ' */ */ , pay('x')",
    "EXPLAIN ANALYZE DELETE FROM orders",
    "CALL pay(1)",
    "DO $$ BEGIN END $$",
    "SELECT ' -- ', pay(1)",
    "FETCH 5 FROM c",
    "",
]


@pytest.mark.parametrize("sql", READS)
def test_a_text_that_only_reads_is_recognised(sql: str) -> None:
    """Nothing loaded is expired after it."""
    assert is_plain_read(sql)


@pytest.mark.parametrize("sql", MAY_WRITE)
def test_a_text_that_may_write_is_not(sql: str) -> None:
    """An unknown function may write, and so may anything that is not understood."""
    assert not is_plain_read(sql)


def test_a_long_text_is_not_looked_at() -> None:
    """Reading it would cost more than the statement."""
    assert not is_plain_read("SELECT " + "1, " * 10_000 + "1")
