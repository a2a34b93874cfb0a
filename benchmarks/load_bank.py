"""Money under load: whatever dies meanwhile, none is made, lost or moved twice."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from app.domain.accounts import NewAccount
from app.domain.actors import Role
from app.domain.money import Money
from app.domain.transactions import Leg, NewTransaction
from app.services import AccountService, CustomerService, TransactionService
from app.services.ledger_check import LedgerCheckService
from benchmarks.load_bank_check import (
    Books,
    check_answers,
    check_books,
    check_snapshots,
    check_wishes,
)
from benchmarks.load_bank_client import BankClient, Snapshot, read
from benchmarks.load_http import Connection
from benchmarks.load_report import Report

if TYPE_CHECKING:
    from tests.served import Desk

_CLIENTS = _ACCOUNTS = 8
_OPENING = 10_000
# Each is a 503 that whoever runs the service must know of: a COMMIT that was not answered, a
# database that was not back while a request could wait, and a pool in which all wait for it.
# No deadlock and no timeout is among them.
_LOGGED = {
    "psycopg2.OperationalError",
    "app.db.errors.ConnectionLost",
    "app.db.errors.DatabaseUnreachable",
    "app.db.errors.OutcomeUnknown",
    "app.db.errors.PoolExhausted",
    "sqlalchemy.exc.TimeoutError",
}
_LIMITS = (0, 0, 2_000)  # overdrafts, by turns


@dataclass(frozen=True)
class Fire:
    """How often what is killed, in seconds; the pauses are random around that. None: never."""

    kill_server_every: float | None = None
    kill_database_every: float | None = None


@dataclass(frozen=True)
class Bank:
    """One customer's accounts, each with its opening balance, and its overdraft limit."""

    customer: str
    limits: dict[str, int]

    @property
    def opening(self) -> dict[str, int]:
        return dict.fromkeys(self.limits, _OPENING)


def run(desk: Desk, name: str, seconds: float, fire: Fire) -> Report:
    report = Report(name)
    bank, token = _open(desk), desk.employ(name, Role.ADMIN).token
    clients = [
        BankClient(desk.port, token, bank.customer, list(bank.limits)) for _ in range(_CLIENTS)
    ]
    end = time.monotonic() + seconds
    threads = [threading.Thread(target=client.work_until, args=[end]) for client in clients]
    for thread in threads:
        thread.start()
    _burn(report, desk, end, fire)
    for thread in threads:
        thread.join()
    _check(report, desk, bank, token, clients)
    made = sum(wish.id is not None for client in clients for wish in client.wishes)
    report.note(seconds=f"{seconds:.0f}", transactions_per_second=f"{made / seconds:,.0f}")
    return report


def _open(desk: Desk) -> Bank:
    """The service's own money is none of the clients' business: it is on no account of theirs."""
    database = desk.database
    customer = CustomerService.as_system(database).create({"reference": "bank", "name": "Bank"}).id
    accounts, transactions = (
        AccountService.as_system(database),
        TransactionService.as_system(database),
    )
    cash = accounts.open(NewAccount(name="Cash", currency="GBP"))["id"]
    opened: dict[UUID, int] = {}
    for number in range(_ACCOUNTS):
        limit = _LIMITS[number % len(_LIMITS)]
        new = NewAccount(
            customer_id=customer,
            name=f"Account {number}",
            currency="GBP",
            overdraft_limit=Money(limit, "GBP"),
        )
        account = accounts.open(new)
        opened[account["id"]] = limit
    legs = [Leg(key, Money(_OPENING, "GBP")) for key in opened]
    legs.append(Leg(cash, Money(-_OPENING * _ACCOUNTS, "GBP")))
    transactions.create(NewTransaction(kind="deposit", entries=legs))
    return Bank(str(customer), {str(key): limit for key, limit in opened.items()})


def _burn(report: Report, desk: Desk, end: float, fire: Fire) -> None:
    kills = {
        "server processes killed": (desk.kill_server, fire.kill_server_every),
        "databases killed": (lambda _: desk.kill_database(), fire.kill_database_every),
    }
    due = {name: _next(every) for name, (_, every) in kills.items() if every is not None}
    killed = dict.fromkeys(due, 0)
    while time.monotonic() < end:
        time.sleep(0.05)
        for name, when in due.items():
            kill, every = kills[name]
            if every is not None and time.monotonic() > when:
                killed[name] += kill(random.randrange(10))  # noqa: S311 - no secret
                due[name] = _next(every)
    report.note(**killed)
    report.expect(
        "what was never killed", [name for name, count in killed.items() if not count], []
    )


def _next(every: float) -> float:
    return time.monotonic() + every * random.uniform(0.5, 1.5)  # noqa: S311 - no secret


def _check(report: Report, desk: Desk, bank: Bank, token: str, clients: list[BankClient]) -> None:
    with closing(Connection(desk.port, token)) as connection:
        books = _books(connection, bank)
    check_answers(report, sum((client.answers for client in clients), Counter()))
    check_snapshots(report, books, (shot for client in clients for shot in client.snapshots))
    check_books(report, books)
    check_wishes(report, books, [wish for client in clients for wish in client.wishes])
    found = LedgerCheckService.as_system(desk.database).verify()
    report.expect("what verify finds", Counter(of["check"] for of in found), Counter())
    report.expect("other errors in the server's log", sorted(desk.errors - _LOGGED), [])


def _books(connection: Connection, bank: Bank) -> Books:
    """What is still pending may end at any moment: this is read when nothing is."""
    while connection.get("/v1/transactions?status=pending").body["items"]:
        time.sleep(0.2)
    listed = connection.get(f"/v1/customers/{bank.customer}/accounts?limit=100")
    path = "/v1/transactions?limit=100&kind__ne=deposit"
    page = connection.get(path).body
    transactions = page["items"]
    while page["next_cursor"]:
        page = connection.get(f"{path}&cursor={page['next_cursor']}").body
        transactions += page["items"]
    return Books(bank.opening, bank.limits, Snapshot(read(listed.body["items"])), transactions)
