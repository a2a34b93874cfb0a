"""What was erased is not in the planner's statistics either, which some dumps hold."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest

from tests.erasure import Life, erase

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import CompletedProcess

    from tests.client import Client

    Run = Callable[..., CompletedProcess[str]]
    Sql = Callable[..., list[tuple[Any, ...]]]

# All that there is, of columns and of expressions in indexes.
_STATISTICS = """
SELECT starelid::regclass::text, staattnum::int, concat_ws(' ', stavalues1::text,
    stavalues2::text, stavalues3::text, stavalues4::text, stavalues5::text)
FROM pg_statistic JOIN pg_class ON pg_class.oid = starelid
WHERE relnamespace = 'public'::regnamespace
"""
_OFF = """
SELECT attrelid::regclass::text, attname::text FROM pg_attribute
WHERE attstattarget = 0 AND attrelid::regclass::text NOT LIKE 'pg\\_%%'
    AND attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
"""


@pytest.fixture
def life(admin: Client, hire: Any) -> Life:
    return Life(admin, hire())


def places(life: Life, sql: Sql) -> set[tuple[str, int]]:
    """The columns whose statistics hold something of the customer."""
    return {
        (table, column)
        for table, column, values in sql(_STATISTICS)
        if life.canary.found_in(values)
    }


def analyze(sql: Sql) -> None:
    """As autovacuum does; where an owner can remove them, also statistics from before they were
    switched off."""
    [(can_remove,)] = sql("SELECT current_setting('server_version_num')::int >= 180000")
    off = sql(_OFF) if can_remove else []
    for target in (100, 0):
        for table, column in off:
            sql(f"ALTER TABLE {table} ALTER COLUMN {column} SET STATISTICS {target}")
        sql("ANALYZE")


def test_no_trace_is_left_in_statistics(
    life: Life, flask: Run, dump: Callable[[], str], sql: Sql
) -> None:
    """Of columns, of expressions in indexes, of tables and partial indexes that are empty now."""
    analyze(sql)
    before = {table for table, _ in places(life, sql)}
    assert before >= {"customers", "ix_customers_search", "uq_customers_email", "accounts"}
    erase(flask, life.key, "--messages")
    assert places(life, sql) == set()
    assert life.canary.found_in(dump()) == set()
    sql("ANALYZE")
    assert places(life, sql) == set()


def test_erasing_the_only_customer_empties_statistics(admin: Client, flask: Run, sql: Sql) -> None:
    """No row is left in the index of live customers' addresses, nor of personal values."""
    values = {"reference": "canary001.reference", "name": "Ann", "email": "canary002.x@x.example"}
    keys = [
        admin.create("/v1/customers", {name: f"{n}{of}" for name, of in values.items()})["id"]
        for n in range(3)
    ]
    analyze(sql)
    for key in keys:
        admin.delete(f"/v1/customers/{key}")
        erase(flask, key)
    [(can_remove,)] = sql("SELECT current_setting('server_version_num')::int >= 180000")
    held = [table for table, _, values in sql(_STATISTICS) if "canary" in values]
    assert held == [] or not can_remove


def test_a_command_that_cannot_renew_statistics_says_what_to_run(
    admin: Client, flask: Run, database_url: str
) -> None:
    """The customer is erased by then; the same command again does the rest."""
    key = admin.create("/v1/customers", {"reference": "A", "name": "Ann"})["id"]
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        cursor.execute("LOCK TABLE customers IN SHARE UPDATE EXCLUSIVE MODE")
        done = flask("customers", "erase", key, "--yes", CASELOAD_LOCK_TIMEOUT="0.2")
    assert (done.returncode, done.stdout) == (5, "")
    assert f"{key} is erased, but values may be left" in done.stderr
    assert "Run the same command again" in done.stderr
    assert admin.get(f"/v1/customers/{key}").json["name"] == "[erased]"
    again = flask("customers", "erase", key, "--yes")
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout == f"Erased {key}: nothing was left. Statistics are renewed.\n"
