"""`flask accounts`: listed, shown, loaded and verified."""

from __future__ import annotations

import json
import subprocess
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest

from app.domain.accounts import account_number
from app.repositories.ledger_checks import CHECKS
from app.services.account_opening_balances import Line, OpeningBalanceService
from app.services.ledger_check import LedgerCheckService
from tests.bank import Bank, money

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.db import Database

    Run = Callable[..., subprocess.CompletedProcess[str]]
    Sql = Callable[..., list[tuple[Any, ...]]]


def test_accounts_are_listed_and_shown(flask: Run, bank: Bank) -> None:
    """By id or number, with amounts that people can read."""
    key = bank.open("12.50", name="Savings")
    number = bank.account(key)["number"]
    listed = flask("accounts", "list").stdout.splitlines()
    assert listed[0].split()[:4] == ["ID", "NUMBER", "NAME", "STATUS"]
    assert "12.50 GBP" in listed[1]
    assert "Cash" not in flask("accounts", "list", "--search", "savings").stdout
    firms = json.loads(flask("accounts", "list", "--firm", "--json").stdout)
    assert [account["id"] for account in firms] == [bank.cash]
    for text in (key, number):
        shown = json.loads(flask("accounts", "show", text, "--json").stdout)
        assert (shown["id"], shown["balance"]) == (key, money("12.50"))
        assert [line["amount"] for line in shown["entries"]] == [money("12.50")]
    assert "12.50 GBP" in flask("accounts", "show", number).stdout
    assert flask("accounts", "show", "100000000000").returncode == 3


def load(flask: Run, bank: Bank, tmp_path: Path, text: str) -> subprocess.CompletedProcess[str]:
    file = tmp_path / "balances.csv"
    file.write_text(text)
    return flask("accounts", "import", str(file), "--against", bank.account(bank.cash)["number"])


def test_opening_balances_are_loaded_once(flask: Run, bank: Bank, tmp_path: Path) -> None:
    """Against the firm's account, in balance; a second time they are refused."""
    keys = [bank.open(), bank.open(overdraft_limit=money("5")), bank.open()]
    amounts = ["10.5", "-5", "0"]
    lines = [
        f"{bank.account(key)['number']},{amount},GBP"
        for key, amount in zip(keys, amounts, strict=True)
    ]
    text = "\n".join(["number,amount,currency", *lines]) + "\n"
    done = load(flask, bank, tmp_path, text)
    assert (done.returncode, done.stdout) == (0, "Loaded 2 opening balances.\n"), done.stderr
    assert [bank.balance(key)[0] for key in keys] == ["10.50", "-5.00", "0.00"]
    assert bank.balance(bank.cash)[0] == "-5.50"
    again = load(flask, bank, tmp_path, text)
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)
    assert "line 2: The account has entries already.; line 3: " in again.stderr
    assert flask("accounts", "verify").returncode == 0


@pytest.mark.parametrize(
    ("wrong", "detail"),
    [
        ("{number},1.005,GBP", "line 3: GBP has at most 2 decimals."),
        ("{number},1e2,GBP", "line 3: It must be a decimal"),
        ("{number},1,EUR", "line 3: The account and the amount must be in GBP."),
        ("{number},1,XXX", "line 3: It must be the ISO 4217 code"),
        ("{number},1", "line 3: It has 2 values, and must have number,amount,currency."),
        ("{number},1,GBP,x", "line 3: It has 4 values, and must have number,amount,currency."),
        ("123456789012,1,GBP", "line 3: The check digits"),
        (account_number(9_999_999_999) + ",1,GBP", "line 3: There is no account"),
        ('"{number},1,GBP', "line 3: It is not valid CSV"),
        ("\x00,1,GBP", "line 3: The check digits"),
        ("{number},-0.01,GBP", "line 3: The amount is below the account's limit."),
        ("{number},1,GBP\n{number},1,GBP", "line 4: The account occurs twice in the file."),
        ("\n{number},1.005,GBP", "line 4: GBP has at most 2 decimals."),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_loaded(
    flask: Run, bank: Bank, tmp_path: Path, wrong: str, detail: str
) -> None:
    """All or nothing, in one line."""
    one, two = (bank.account(bank.open())["number"] for _ in range(2))
    text = f"number,amount,currency\n{one},1,GBP\n{wrong.format(number=two)}\n"
    done = load(flask, bank, tmp_path, text)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert detail in done.stderr
    assert bank.client.get("/v1/transactions").json["items"] == []


def test_the_rest_of_a_file_is_checked_too(flask: Run, bank: Bank, tmp_path: Path) -> None:
    """Its header, its encoding, and whose account it is loaded against."""
    assert "line 1" in load(flask, bank, tmp_path, "account,amount\n").stderr
    assert "line 1" in load(flask, bank, tmp_path, "").stderr
    (tmp_path / "x.csv").write_bytes(b"number,amount,currency\n\xff,1,GBP\n")
    number = bank.account(bank.cash)["number"]
    done = flask("accounts", "import", str(tmp_path / "x.csv"), "--against", number)
    assert (done.returncode, "not UTF-8" in done.stderr) == (2, True)
    assert flask("accounts", "import", "/nowhere", "--against", number).returncode == 2
    for other in (account_number(9_999_999_999), bank.account(bank.open())["number"]):
        done = flask("accounts", "import", str(tmp_path / "x.csv"), "--against", other)
        assert done.returncode == 3


def test_thousands_are_loaded_in_parts(bank: Bank, database: Database, sql: Sql) -> None:
    """One unit of work, transactions of 500 accounts, and a mistake at the end undoes them all."""
    sql(
        "INSERT INTO accounts (id, customer_id, name, number, currency, overdraft_limit)"
        " SELECT gen_random_uuid(), %s, 'x', n::text || lpad((98 - n * 100 %% 97)::text, 2, '0'),"
        " 'GBP', 0 FROM generate_series(8000000001, 8000001200) AS n",
        bank.customer,
    )
    lines = [
        Line(row + 2, account_number(8_000_000_001 + row), "0.01", "GBP") for row in range(1200)
    ]
    service = OpeningBalanceService.as_system(database)
    against = bank.account(bank.cash)["number"]
    with pytest.raises(Exception, match="line 9999"):
        service.load([*lines, Line(9999, "1", "1", "GBP")], against=against)
    assert sql("SELECT count(*) FROM entries") == [(0,)]
    assert service.load(lines, against=against) == 1200
    assert sql("SELECT count(*), sum(amount) FROM entries") == [(1203, 0)]
    assert bank.balance(bank.cash)[0] == "-12.00"
    assert LedgerCheckService.as_system(database).verify() == []


DAMAGES = {
    "the balance is the sum of the entries": "UPDATE accounts SET balance = balance + 1",
    "the held amount is the sum of pending holds": "UPDATE accounts SET held = held + 1",
    "each entry has the running balance": "UPDATE entries SET balance = balance + 1",
    "no balance is below its limit": "UPDATE accounts SET balance = -1 WHERE overdraft_limit = 0",
    "the entries of a transaction sum to zero": "UPDATE entries SET amount = amount + 1",
    "the holds of a transaction sum to zero": "UPDATE holds SET amount = amount + 1",
    "posted transactions have entries, and others have none": "DELETE FROM entries",
    "transactions that are not posted have holds": "DELETE FROM holds",
    "no transaction posts more than it held": "UPDATE entries SET amount = amount * 3",
    "entries are in the currency of their account": "UPDATE accounts SET currency = 'EUR'",
    "no transaction is reversed twice": "INSERT INTO transactions (id, kind, status, reverses_id,"
    " posted_at, created_by_kind, created_by_name) SELECT gen_random_uuid(), kind, status,"
    " reverses_id, posted_at, 'system', '' FROM transactions WHERE kind = 'reversal'",
    "a reversal has the opposite of every entry": "UPDATE entries SET amount = amount + seq",
    "posted transactions have the approval they need": (
        "UPDATE transactions SET needs_approval = true"
    ),
    "a closed account is empty": "UPDATE accounts SET status = 'closed'",
    "account numbers have valid check digits": "UPDATE accounts SET number = '100000000000'",
    "entries and holds have account and transaction": (
        "DELETE FROM transactions WHERE kind = 'transfer'"
    ),
    "times match the status": "UPDATE transactions SET posted_at = NULL",
    "accounts have an ISO 4217 currency": "UPDATE accounts SET currency = 'XXX'",
}
# What else the same checks must find.
MORE_DAMAGES = [
    (
        "entries and holds have account and transaction",
        "DELETE FROM accounts WHERE name = 'Current'",
    ),
    ("each entry has the running balance", "UPDATE accounts SET stores_balance = false"),
    ("entries are in the currency of their account", "UPDATE holds SET currency = 'EUR'"),
    ("a closed account is empty", "DELETE FROM entries; UPDATE accounts SET status = 'closed'"),
    ("times match the status", "UPDATE transactions SET status = 'expired', posted_at = NULL"),
    ("account numbers have valid check digits", "UPDATE accounts SET number = 'none'"),
]


@pytest.fixture
def unguarded(database_url: str) -> Iterator[Any]:
    """A cursor for which the ledger has no triggers and constraints; all of it is undone."""
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        yield cursor
        connection.rollback()


def tear_down(cursor: Any) -> None:
    for table in ("accounts", "transactions", "entries", "holds"):
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(
            "SELECT conname FROM pg_constraint"
            " WHERE conrelid = %s::regclass AND contype IN ('c', 'f')",
            [table],
        )
        for (name,) in cursor.fetchall():
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    cursor.execute("DROP INDEX uq_transactions_reverses_id, uq_accounts_number")


def found(cursor: Any) -> set[str]:
    names = set()
    for name, statement in CHECKS.items():
        cursor.execute(statement)
        if cursor.fetchall():
            names.add(name)
    return names


def test_verify_finds_planted_damage(bank: Bank, unguarded: Any) -> None:
    """Each check finds what it is there for, and none finds anything in a sound ledger."""
    assert set(DAMAGES) == set(CHECKS)
    one, two = bank.open("100"), bank.open(overdraft_limit=money("5"))
    bank.do("reverse", bank.transfer(one, two, "3"))
    bank.do("post", bank.transfer(one, two, "4", pending=True), {"amount": money("2")})
    bank.do("void", bank.transfer(one, two, "5", pending=True))
    bank.transfer(one, two, "6", pending=True)
    bank.open(customer_id=None, stores_balance=False)
    tear_down(unguarded)
    assert found(unguarded) == set()
    unguarded.execute("SAVEPOINT sound")
    for name, damage in (*DAMAGES.items(), *MORE_DAMAGES):
        unguarded.execute(damage)
        assert name in found(unguarded)
        unguarded.execute("ROLLBACK TO SAVEPOINT sound")


def test_verify_tells_and_fails(flask: Run, bank: Bank, sql: Sql) -> None:
    """Nothing and 0 where all is well; else a line for each difference, and 1."""
    key = bank.open("5")
    done = flask("accounts", "verify")
    assert (done.returncode, done.stdout.count("\n")) == (0, 1)
    sql("ALTER TABLE accounts DISABLE TRIGGER accounts_guard")
    sql("UPDATE accounts SET balance = 501 WHERE id = %s", key)
    sql("ALTER TABLE accounts ENABLE TRIGGER accounts_guard")
    done = flask("accounts", "verify")
    assert (done.returncode, done.stderr) == (1, "Error: Wrong rows in the ledger: 1.\n")
    assert done.stdout.splitlines()[1].split()[-4:] == ["accounts", key, "500", "501"]
    reported = json.loads(flask("accounts", "verify", "--json").stdout)
    assert [(line["id"], line["expected"], line["found"]) for line in reported] == [
        (key, "500", "501")
    ]
