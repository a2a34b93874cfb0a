"""Many at once: no penny is made or lost, no limit is passed, nothing is done twice."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from app import create_app
from app.domain.money import Money
from app.domain.transactions import Leg, NewTransaction
from app.services import TransactionService
from app.services.ledger_check import LedgerCheckService
from app.services.transaction_lifecycle import TransactionLifecycle
from app.settings import Settings
from tests.bank import Bank, move
from tests.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.db import Database

    Sql = Callable[..., list[tuple[Any, ...]]]
    AtOnce = Callable[[list[Callable[[], int]]], list[int]]

THREADS = 8


def code(client: Client, path: str, body: Any = None) -> int:
    return client.post(path, body).status_code


@pytest.fixture
def crowd(admin: Client, database_url: str) -> Iterator[Client]:
    """The admin, with a connection for each of many threads."""
    app = create_app(
        Settings(
            database_url=database_url,
            given_secret_key="k" * 32,
            pool_size=THREADS,
            pool_timeout=30,
            lock_timeout=20,
        )
    )
    yield Client(app, admin.token)
    app.extensions["database"].dispose()


@pytest.fixture
def at_once() -> AtOnce:
    """Call all of them at the same time; returns what each returned."""

    def at_once(calls: list[Callable[[], int]]) -> list[int]:
        barrier = threading.Barrier(len(calls))

        def call(one: Callable[[], int]) -> int:
            barrier.wait()
            return one()

        with ThreadPoolExecutor(len(calls)) as pool:
            return list(pool.map(call, calls))

    return at_once


@pytest.fixture(autouse=True)
def sound(database: Database) -> Iterator[None]:
    """After each of these tests the ledger is in order."""
    yield
    assert LedgerCheckService.as_system(database).verify() == []


def test_transfers_both_ways_at_once(bank: Bank, crowd: Client, at_once: AtOnce, sql: Sql) -> None:
    """In all directions between some accounts: no deadlock, no refusal but for want of funds."""
    keys = [bank.open("10") for _ in range(4)]

    def work(seed: int) -> Callable[[], int]:
        choose = random.Random(seed)  # noqa: S311 - no secret

        def work() -> int:
            answers = set()
            for _ in range(25):
                source, target = choose.sample(keys, 2)
                body = move(source, target, f"{choose.randint(1, 500) / 100:.2f}")
                if choose.random() < 0.3:
                    body["pending"] = True
                answer = crowd.post("/v1/transactions", body)
                answers.add(answer.status_code)
                if answer.status_code == 201:
                    path = f"/v1/transactions/{answer.json['id']}"
                    verbs = ("post", "void") if body.get("pending") else ("reverse", None)
                    if (verb := choose.choice(verbs)) is not None:
                        answers.add(crowd.post(f"{path}/{verb}").status_code)
            return max(answers)

        return work

    assert max(at_once([work(seed) for seed in range(THREADS)])) <= 409
    assert sum(float(bank.balance(key)[0]) for key in keys) == pytest.approx(40)
    assert sql("SELECT sum(amount) FROM entries") == [(0,)]
    assert sql("SELECT sum(balance) FROM accounts") == [(0,)]


@pytest.mark.parametrize("pending", [False, True])
def test_the_last_penny_is_spent_once(
    bank: Bank, crowd: Client, at_once: AtOnce, pending: bool
) -> None:
    """However many want it."""
    key, other = bank.open("5"), bank.open()
    body = {**move(key, other, "1"), "pending": pending}
    codes = at_once([lambda: crowd.post("/v1/transactions", body).status_code] * THREADS)
    assert sorted(codes) == [201] * 5 + [409] * 3
    assert bank.balance(key)[1] == "0.00"


@pytest.mark.parametrize("verb", ["post", "void", "reverse"])
def test_an_action_takes_effect_once(bank: Bank, crowd: Client, at_once: AtOnce, verb: str) -> None:
    """The others are told what it was too late for."""
    one, two = bank.open("5"), bank.open()
    made = bank.transfer(one, two, "5", pending=verb != "reverse")
    path = f"/v1/transactions/{made['id']}/{verb}"
    codes = at_once([lambda: crowd.post(path).status_code] * THREADS)
    assert sorted(codes) == [201 if verb == "reverse" else 200] + [409] * (THREADS - 1)
    assert bank.balance(two)[0] == ("5.00" if verb == "post" else "0.00")


def test_one_of_posting_voiding_and_expiring_wins(
    bank: Bank, crowd: Client, at_once: AtOnce, database: Database, sql: Sql
) -> None:
    """Whichever comes first; the job passes over what somebody holds."""
    one, two = bank.open("50"), bank.open()
    held = [bank.transfer(one, two, "1", pending=True) for _ in range(20)]
    sql("ALTER TABLE transactions DISABLE TRIGGER transactions_guard")
    sql(
        "UPDATE transactions SET expires_at = now() + random() * interval '0.2 s'"
        " WHERE status = 'pending'"
    )
    sql("ALTER TABLE transactions ENABLE TRIGGER transactions_guard")

    def act(verb: str) -> Callable[[], int]:
        return lambda: sum(
            crowd.post(f"/v1/transactions/{one['id']}/{verb}").status_code == 200 for one in held
        )

    def expire() -> int:
        return sum(TransactionLifecycle.as_system(database).expire_due() for _ in range(20))

    ended = at_once([act("post"), act("void"), expire, expire])
    ended.append(TransactionLifecycle.as_system(database).expire_due())
    assert sum(ended) == len(held)
    assert bank.balance(two)[0] == f"{ended[0]}.00"


def test_a_reference_is_used_once(bank: Bank, crowd: Client, at_once: AtOnce) -> None:
    """The same sent many times at once moves money once, and all are told of it."""
    key, other = bank.open("1"), bank.open()
    body = move(key, other, "1", reference="once")
    ids = set()

    def send() -> int:
        answer = crowd.post("/v1/transactions", body)
        ids.add(answer.json.get("id"))
        return answer.status_code

    codes = at_once([send] * THREADS)
    assert sorted(codes) == [200] * (THREADS - 1) + [201]
    assert len(ids) == 1
    assert bank.balance(other)[0] == "1.00"


@pytest.mark.parametrize("stores_balance", [True, False])
def test_an_account_is_closed_empty_or_not_at_all(
    bank: Bank, crowd: Client, at_once: AtOnce, stores_balance: bool
) -> None:
    """Whoever moves money into it meanwhile, or holds some for it."""
    source = bank.open("100")
    for number in range(10):
        key = bank.open(customer_id=None, stores_balance=stores_balance)
        pays = {**move(source, key, "1"), "pending": number % 2 == 0}
        codes = at_once(
            [
                partial(code, crowd, "/v1/transactions", pays),
                partial(code, crowd, f"/v1/accounts/{key}/close"),
            ]
        )
        assert codes in ([201, 409], [409, 200])


def test_nobody_waits_for_an_account_without_a_stored_balance(
    bank: Bank, sql: Sql, database: Database
) -> None:
    """While one unit of work is paid from it, others are too."""
    hot = bank.open(customer_id=None, stores_balance=False)
    keys = [bank.open(), bank.open()]
    service = TransactionService.as_system(database)

    def pay(key: str) -> None:
        legs = [Leg(UUID(hot), Money(-1, "GBP")), Leg(UUID(key), Money(1, "GBP"))]
        service.create(NewTransaction(entries=legs))

    with database.connect():
        pay(keys[0])
        other = threading.Thread(target=pay, args=[keys[1]])
        other.start()
        other.join(60)
        assert not other.is_alive()
    assert bank.balance(hot)[0] == "-0.02"


def test_statements_stay_in_order(bank: Bank, crowd: Client, at_once: AtOnce) -> None:
    """Under load each line's balance is the one before plus its amount."""
    key = bank.open("100")
    others = [bank.open() for _ in range(THREADS)]

    def pay(other: str) -> Callable[[], int]:
        def pay() -> int:
            body = move(key, other, "0.10")
            return max(crowd.post("/v1/transactions", body).status_code for _ in range(10))

        return pay

    assert set(at_once([pay(other) for other in others])) == {201}
    lines = bank.statement(key, "?limit=100&sort=seq")
    pennies = [round(float(line["balance"]["amount"]) * 100) for line in lines]
    assert pennies == [10_000 - 10 * n for n in range(81)]


@pytest.mark.parametrize("verb", ["reverse", "void"])
def test_an_action_that_waited_sees_what_it_waited_for(
    bank: Bank, crowd: Client, database: Database, wait_for_lock: Callable[[], None], verb: str
) -> None:
    """A transaction that is being posted is reversed with the entries that it got meanwhile."""
    one, two = bank.open("10"), bank.open()
    made = bank.transfer(one, two, "5", pending=True)
    with ThreadPoolExecutor(1) as pool:
        with database.connect():
            TransactionLifecycle.as_system(database).post(UUID(made["id"]))
            answer = pool.submit(code, crowd, f"/v1/transactions/{made['id']}/{verb}")
            wait_for_lock()
            assert not answer.done()
        assert answer.result() == (201 if verb == "reverse" else 409)
    assert bank.balance(two)[0] == ("0.00" if verb == "reverse" else "5.00")


def test_what_expired_while_an_action_waited_has_expired(
    bank: Bank, crowd: Client, database: Database, wait_for_lock: Callable[[], None]
) -> None:
    """By the clock when the transaction was locked, not when it was asked for."""
    one, two = bank.open("10"), bank.open()
    soon = datetime.now(UTC) + timedelta(seconds=2)
    made = bank.transfer(one, two, "5", pending=True, expires_at=soon.isoformat())
    with ThreadPoolExecutor(1) as pool:
        with database.connect() as connection:
            TransactionLifecycle.ledger.lock(connection, UUID(made["id"]))
            answer = pool.submit(code, crowd, f"/v1/transactions/{made['id']}/void")
            wait_for_lock()
            while datetime.now(UTC) <= soon:
                time.sleep(0.02)
        assert answer.result() == 409
