"""The database is the last line: raw SQL can't create, lose or misplace a penny either."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest

from app.db import violations
from app.domain.accounts import account_number
from app.models import Base
from app.services.ledger_check import LedgerCheckService
from tests.bank import Bank, money

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.db import Database

    Sql = Callable[..., list[tuple[Any, ...]]]

NUMBER = account_number(8_000_000_001)
NEW = """
WITH made AS (
    INSERT INTO transactions (id, kind, status, posted_at, created_by_kind, created_by_name)
    VALUES (gen_random_uuid(), 'transfer', '{status}', {posted_at}, 'system', 'psql')
    RETURNING id
)
INSERT INTO {table} (transaction_id, account_id, currency, amount{position})
SELECT made.id, leg.* FROM made, (VALUES {legs}) AS leg
"""


def posted(*legs: tuple[str, int | str, str]) -> str:
    values = ", ".join(f"('{key}'::uuid, '{code}', {amount})" for key, amount, code in legs)
    return NEW.format(status="posted", posted_at="now()", table="entries", position="", legs=values)


def pending(*legs: tuple[str, int | str, str]) -> str:
    values = ", ".join(f"('{key}'::uuid, '{code}', {amount}, 0)" for key, amount, code in legs)
    return NEW.format(
        status="pending", posted_at="NULL", table="holds", position=", position", legs=values
    )


@pytest.fixture
def refused(sql: Sql) -> Callable[..., str | None]:
    """The name of the constraint or rule by which the database refuses a statement."""

    def refused(statement: str, *parameters: Any) -> str | None:
        with pytest.raises(psycopg2.Error) as caught:
            sql(statement, *parameters)
        return caught.value.diag.constraint_name or caught.value.pgcode

    return refused


@pytest.mark.parametrize("make", [posted, pending])
def test_legs_come_in_balance_and_in_one_statement(
    bank: Bank, sql: Sql, refused: Callable[..., str], make: Callable[..., str]
) -> None:
    """Two or more, summing to zero per currency, of accounts of their currency; nothing else."""
    one, two, cash = bank.open("10"), bank.open("10"), bank.cash
    euros = bank.open(currency="EUR", overdraft_limit=money("9", "EUR"))
    table = "entries" if make is posted else "holds"
    for legs, rule in (
        ([(one, -5, "GBP"), (two, 4, "GBP")], f"{table}_unbalanced"),
        ([(one, -5, "GBP"), (euros, 5, "EUR")], f"{table}_unbalanced"),
        ([(one, 5, "GBP")], f"{table}_unbalanced"),
        ([(one, -5, "EUR"), (two, 5, "EUR")], f"fk_{table}_account_id_currency"),
        ([(one, 0, "GBP"), (two, 0, "GBP")], f"ck_{table}_amount"),
        ([(cash, -(10**15) - 1, "GBP"), (two, 10**15 + 1, "GBP")], f"ck_{table}_amount"),
        ([(one, -1001, "GBP"), (two, 1001, "GBP")], "ck_accounts_funds"),
        ([(one, "NULL", "GBP"), (two, 5, "GBP")], None),
        ([(one, "'NaN'::numeric", "GBP"), (two, 5, "GBP")], None),
    ):
        assert refused(make(*legs)) in (rule, "23502", "0A000", f"{table}_unbalanced")
        assert rule is None or refused(make(*legs)) == rule
    before = bank.balance(one), bank.balance(two)
    sql(make((one, -500, "GBP"), (two, 500, "GBP")))
    after = bank.balance(one), bank.balance(two)
    assert before == (("10.00", "10.00"), ("10.00", "10.00"))
    expected = ("5.00", "5.00"), ("15.00", "15.00")
    assert after == (expected if make is posted else (("10.00", "5.00"), ("10.00", "10.00")))


def test_nothing_is_added_to_a_transaction_later(
    bank: Bank, sql: Sql, refused: Callable[..., str]
) -> None:
    """Neither to what is posted nor to what is pending, nor entries to what is not posted."""
    one, two = bank.open("10"), bank.open()
    done = bank.transfer(one, two, "1")["id"]
    held = bank.transfer(one, two, "1", pending=True)["id"]
    more = (
        "INSERT INTO {} (transaction_id, account_id, currency, amount{}) VALUES"
        " ('{}', '{}', 'GBP', -1{}), ('{}', '{}', 'GBP', 1{})"
    )
    entries = more.format("entries", "", "{0}", one, "", "{0}", two, "")
    holds = more.format("holds", ", position", "{0}", one, ", 0", "{0}", two, ", 1")
    assert refused(entries.format(done)) == "entries_complete"
    assert refused(entries.format(held)) == "entries_posted"
    assert refused(holds.format(held)) == "holds_complete"
    assert refused(holds.format(done)) == "holds_pending"
    for status, moment in (("posted", "now()"), ("pending", "NULL"), ("voided", "NULL")):
        alone = NEW.partition("INSERT INTO transactions")[2].partition("RETURNING")[0]
        statement = f"INSERT INTO transactions {alone}".format(status=status, posted_at=moment)
        rule = "transactions_begin" if status == "voided" else "transactions_complete"
        assert refused(statement) == rule


def test_what_is_written_stays(bank: Bank, refused: Callable[..., str]) -> None:
    """No UPDATE, DELETE or TRUNCATE of entries and holds; accounts and transactions never go."""
    bank.transfer(bank.open("10"), bank.open(), "1", pending=True)
    for table in ("entries", "holds"):
        for statement in (
            f"UPDATE {table} SET amount = amount",
            f"DELETE FROM {table}",
            f"TRUNCATE {table}",
        ):
            assert refused(statement) == f"{table}_append_only"
    for table in ("accounts", "transactions"):
        assert refused(f"DELETE FROM {table}") == f"{table}_append_only"
        assert refused(f"TRUNCATE {table} CASCADE") in (
            f"{name}_append_only" for name in ("accounts", "transactions", "entries", "holds")
        )


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ("balance = balance + 1", "accounts_balance_by_entries"),
        ("held = held + 1", "accounts_balance_by_entries"),
        ("currency = 'EUR'", "accounts_fixed"),
        ("number = '500000000000'", "accounts_fixed"),
        ("customer_id = NULL", "accounts_fixed"),
        ("status = 'closed'", "accounts_not_empty"),
        ("status = 'gone'", "ck_accounts_status"),
        ("overdraft_limit = -1", "ck_accounts_overdraft_limit"),
        ("overdraft_limit = NULL", "ck_accounts_overdraft_limit"),
        ("stores_balance = false", "accounts_fixed"),
        ("name = ''", "ck_accounts_name"),
    ],
)
def test_an_account_is_changed_within_its_rules(
    bank: Bank, refused: Callable[..., str], change: str, rule: str
) -> None:
    """Its balance moves with entries alone, and what it is made of never."""
    key = bank.open("10")
    assert refused(f"UPDATE accounts SET {change} WHERE id = %s", key) == rule


def test_an_account_begins_empty(bank: Bank, refused: Callable[..., str]) -> None:
    """No money out of nothing, no number without its check digits, no limitless customer."""
    for columns, values, rule in (
        ("balance", "5", "accounts_begin_empty"),
        ("held", "5", "accounts_begin_empty"),
        ("status", "'frozen'", "accounts_begin_empty"),
        ("stores_balance", "false", "ck_accounts_stores_balance"),
    ):
        statement = (
            "INSERT INTO accounts (id, customer_id, name, number, currency, overdraft_limit,"
            f" {columns}) VALUES (gen_random_uuid(), '{bank.customer}', 'x', '{NUMBER}', 'GBP',"
            f" 0, {values})"
        )
        assert refused(statement) == rule
    statement = (
        "INSERT INTO accounts (id, customer_id, name, number, currency, overdraft_limit)"
        " VALUES (gen_random_uuid(), '{}', 'x', '{}', '{}', {})"
    )
    for number, currency, limit, rule in (
        ("100000000000", "GBP", 0, "ck_accounts_number"),
        (NUMBER + "1", "GBP", 0, "ck_accounts_number"),
        (NUMBER, "gbp", 0, "ck_accounts_currency"),
        (NUMBER, "GBP", "NULL", "ck_accounts_overdraft_limit"),
    ):
        assert refused(statement.format(bank.customer, number, currency, limit)) == rule


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ("description = 'x'", "transactions_fixed"),
        ("needs_approval = true", "transactions_fixed"),
        ("created_by_name = 'x'", "transactions_fixed"),
        ("status = 'expired'", "transactions_not_due"),
        ("status = 'posted', posted_at = now()", "transactions_complete"),
        ("status = 'posted'", "ck_transactions_posted_at"),
        ("approved_by_id = created_by_id", "ck_transactions_approved_by_id"),
    ],
)
def test_what_is_pending_only_ends(
    bank: Bank, refused: Callable[..., str], change: str, rule: str
) -> None:
    """Posted with its entries, voided, or expired in time; in no other way."""
    held = bank.transfer(bank.open("10"), bank.open(), "1", pending=True)
    assert refused(f"UPDATE transactions SET {change} WHERE id = %s", held["id"]) == rule


def test_what_has_ended_never_changes(bank: Bank, refused: Callable[..., str]) -> None:
    """Whatever is tried on it."""
    one, two = bank.open("10"), bank.open()
    ended = [bank.transfer(one, two, "1"), bank.transfer(one, two, "1", pending=True)]
    bank.do("void", ended[1])
    for transaction in ended:
        for change in ("status = 'pending', posted_at = NULL", "description = 'x'", "version = 7"):
            statement = f"UPDATE transactions SET {change} WHERE id = %s"
            assert refused(statement, transaction["id"]) == "transactions_final"


def test_ending_a_hold_in_raw_sql_frees_it(bank: Bank, sql: Sql, database: Database) -> None:
    """The database does what is due, whoever asks it."""
    one, two = bank.open("10"), bank.open()
    held = bank.transfer(one, two, "4", pending=True)
    assert bank.balance(one) == ("10.00", "6.00")
    sql("UPDATE transactions SET status = 'voided' WHERE id = %s", held["id"])
    assert bank.balance(one) == ("10.00", "10.00")
    assert LedgerCheckService.as_system(database).verify() == []


@pytest.mark.parametrize("status", ["frozen", "closed"])
@pytest.mark.parametrize("stores", [True, False])
def test_an_account_that_is_not_open_takes_nothing(
    bank: Bank, sql: Sql, refused: Callable[..., str], status: str, stores: bool
) -> None:
    """Also where its balance is not stored, and neither entries nor holds."""
    other = bank.open("10")
    key = bank.open(customer_id=None, stores_balance=stores)
    sql("UPDATE accounts SET status = %s WHERE id = %s", status, key)
    legs = [(other, -1, "GBP"), (key, 1, "GBP")]
    assert refused(posted(*legs)) == f"entries_account_{status}"
    assert refused(pending(*legs)) == f"holds_account_{status}"


def test_one_reversal_per_transaction(bank: Bank, refused: Callable[..., str]) -> None:
    """By a unique index."""
    done = bank.transfer(bank.open("10"), bank.open(), "1")
    bank.do("reverse", done)
    statement = (
        "INSERT INTO transactions (id, kind, status, reverses_id, created_by_kind, created_by_name)"
        f" VALUES (gen_random_uuid(), 'reversal', 'pending', '{done['id']}', 'system', 'psql')"
    )
    assert refused(statement) == "uq_transactions_reverses_id"


def test_a_balance_has_its_bounds(bank: Bank, refused: Callable[..., str], sql: Sql) -> None:
    """No sum leaves the range of its column: what would is refused, not wrapped."""
    key = bank.open()
    full = posted(
        *[leg for _ in range(500) for leg in ((bank.cash, -(10**15), "GBP"), (key, 10**15, "GBP"))]
    )
    sql(full)
    sql(full)
    assert refused(full) == "ck_accounts_balance"
    assert bank.balance(key)[0] == "10000000000000000.00"
    answer = bank.try_transfer(bank.cash, key, "0.01")
    assert answer.json["type"].endswith("balance-out-of-range")


def test_what_may_be_violated_from_outside_has_its_error() -> None:
    """Each rule that a race can bring about is told as what it is."""
    known = violations(Base.metadata)
    for name in (
        "ck_accounts_funds",
        "accounts_closed",
        "accounts_not_empty",
        "entries_account_closed",
        "entries_account_frozen",
        "holds_account_closed",
        "holds_account_frozen",
        "entries_unbalanced",
        "holds_unbalanced",
        "transactions_expired",
        "uq_transactions_reverses_id",
    ):
        assert name in known


def test_an_entry_that_conflicts_moves_nothing(bank: Bank, sql: Sql) -> None:
    """ON CONFLICT DO NOTHING skips no entry after it has moved the balance: ids are given out."""
    one, two = bank.open("10"), bank.open()
    made = bank.transfer(one, two, "1")["id"]
    taken = sql("SELECT id::text FROM entries WHERE transaction_id = %s LIMIT 1", made)[0][0]
    with pytest.raises(psycopg2.Error) as caught:
        sql(
            "INSERT INTO entries (id, transaction_id, account_id, currency, amount)"
            " VALUES (%s, %s, %s, 'GBP', 5000) ON CONFLICT DO NOTHING",
            taken, made, one,
        )  # fmt: skip
    assert caught.value.diag.constraint_name == "entries_unbalanced"
    assert bank.balance(one)[0] == "9.00"


def test_an_entry_sees_that_its_account_was_unfrozen_meanwhile(
    bank: Bank, database_url: str, database: Database, sql: Sql, wait_for_lock: Callable[[], None]
) -> None:
    """It waits for who unfreezes the account, and then moves its balance."""
    one, two = bank.open("10"), bank.open()
    bank.client.post(f"/v1/accounts/{two}/freeze")
    with closing(psycopg2.connect(database_url)) as other, other.cursor() as cursor:
        cursor.execute("UPDATE accounts SET status = 'open' WHERE id = %s", [two])
        with ThreadPoolExecutor(1) as pool:
            entry = pool.submit(sql, posted((one, -500, "GBP"), (two, 500, "GBP")))
            wait_for_lock()
            other.commit()
            entry.result()
    assert (bank.balance(one)[0], bank.balance(two)[0]) == ("5.00", "5.00")
    assert LedgerCheckService.as_system(database).verify() == []


def test_a_hold_is_posted_for_what_it_holds(bank: Bank, refused: Callable[..., str]) -> None:
    """At most, and between the same accounts."""
    one, two, three = bank.open("20"), bank.open(), bank.open()
    held = bank.transfer(one, two, "10", pending=True)["id"]
    post = """
    WITH done AS (
        UPDATE transactions SET status = 'posted', posted_at = now() WHERE id = '{}' RETURNING id
    )
    INSERT INTO entries (transaction_id, account_id, currency, amount)
    SELECT id, account::uuid, 'GBP', amount FROM done, (VALUES ('{}', -{}), ('{}', {}))
        AS leg (account, amount)
    """
    for source, target, amount in ((one, two, 1001), (one, three, 5), (two, one, 5)):
        statement = post.format(held, source, amount, target, amount)
        assert refused(statement) in ("entries_beyond_holds", "ck_accounts_funds")
    assert refused(post.format(held, one, 1001, two, 1001)) == "entries_beyond_holds"


def test_a_reversal_undoes_all(bank: Bank, refused: Callable[..., str]) -> None:
    """Of each account, and of nothing else."""
    one, two = bank.open("20"), bank.open()
    made = bank.transfer(one, two, "10")["id"]
    part = posted((one, 1, "GBP"), (two, -1, "GBP")).replace("'transfer'", "'reversal'")
    part = part.replace("kind, status", "reverses_id, kind, status")
    part = part.replace("'reversal'", f"'{made}', 'reversal'")
    assert refused(part) == "entries_reversal"
