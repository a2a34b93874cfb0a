"""Loads the opening balances of accounts that were kept elsewhere before."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from app.db.errors import Invalid, Mistake
from app.domain.accounts import AccountStatus, is_account_number
from app.domain.money import MOST, Money
from app.domain.transactions import Leg, NewTransaction
from app.errors import NotFound
from app.repositories import AccountRepository, Ledger
from app.services.kit.base import Service
from app.services.kit.permissions import SYSTEM_ONLY, allowed
from app.services.transactions import TransactionService

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from uuid import UUID

    from sqlalchemy import Connection

    from app.db import Record

_AT_ONCE = 500  # accounts of one transaction
_MOST_REPORTED = 20  # mistakes


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the file: the account's number, an amount and its currency, as text."""

    position: int
    account: str
    amount: str
    currency: str


@dataclass(frozen=True, kw_only=True)
class OpeningBalanceService(Service):
    accounts: AccountRepository = AccountRepository()
    ledger: Ledger = Ledger()

    @allowed(SYSTEM_ONLY)
    def load(self, lines: Iterable[Line], *, against: str) -> int:
        """Book the lines in one unit of work, against the firm's own account `against`.

        Takes constant memory; returns how many lines were booked. An account that has entries
        already is a mistake, so that nothing is loaded twice. Raises NotFound for `against`, and
        Invalid, which names the lines. It is not retried: the lines can be read only once.
        """
        rest, loaded = iter(lines), 0
        mistakes: list[Mistake] = []
        with self.database.connect() as connection:
            firms = self._firms(connection, against)
            while len(mistakes) < _MOST_REPORTED and (batch := list(islice(rest, _AT_ONCE))):
                found = self._check(connection, firms, batch)
                mistakes += [of for of in found if isinstance(of, Mistake)]
                legs = [of for of in found if isinstance(of, Leg)]
                if legs and not mistakes:
                    self._book(connection, firms, legs, batch)
                loaded += len(legs)
            if mistakes:
                raise Invalid(mistakes[:_MOST_REPORTED])
        return loaded

    def _firms(self, connection: Connection, number: str) -> Record:
        found = self.accounts.with_numbers(connection, [number])
        if not found or found[0]["customer_id"] is not None:
            raise NotFound("firm_accounts", number)
        return found[0]

    def _check(
        self, connection: Connection, firms: Record, batch: Sequence[Line]
    ) -> list[Leg | Mistake]:
        """Lock the accounts, so that none gets a first entry meanwhile; legs or mistakes."""
        numbers = [line.account for line in batch if is_account_number(line.account)]
        known = {of["number"]: of for of in self.accounts.with_numbers(connection, numbers)}
        keys = {account["id"] for account in known.values()}
        self.ledger.lock_accounts(connection, {firms["id"], *keys})
        begun = self.accounts.with_entries(connection, keys)
        accounts = _Batch(known, begun, firms)
        return [found for line in batch if (found := accounts.read(line)) is not None]

    def _book(
        self, connection: Connection, firms: Record, legs: list[Leg], batch: Sequence[Line]
    ) -> None:
        total = -sum(leg.amount.minor for leg in legs)
        legs = [*legs, *(Leg(firms["id"], part) for part in _parts(total, firms["currency"]))]
        first, last = batch[0].position, batch[-1].position
        description = f"Opening balances, lines {first} to {last}"
        new = NewTransaction(entries=legs, description=description)
        self.related(TransactionService).make(connection, new)


@dataclass(slots=True)
class _Batch:
    """The accounts of some lines, by number; `begun` are those that have entries."""

    known: dict[str, Record]
    begun: set[UUID]
    firms: Record
    seen: set[str] = field(default_factory=set)

    def read(self, line: Line) -> Leg | Mistake | None:
        """The leg of the line, or its mistake; None where the amount is zero."""
        try:
            amount = Money.parse(line.amount, line.currency)
        except ValueError as error:
            return _mistake(line, str(error))
        if (wrong := self._wrong(line, amount)) is not None:
            return _mistake(line, wrong)
        self.seen.add(line.account)
        return Leg(self.known[line.account]["id"], amount) if amount.minor else None

    def _wrong(self, line: Line, amount: Money) -> str | None:
        if not is_account_number(line.account):
            return "The check digits of the account's number are wrong."
        account = self.known.get(line.account)
        if account is None:
            return "There is no account with this number."
        return self._unfit(account, amount) or (
            "The account occurs twice in the file." if line.account in self.seen else None
        )

    def _unfit(self, account: Record, amount: Money) -> str | None:
        limit = account["overdraft_limit"]
        wrongs = {
            "It is the account on the other side.": account["id"] == self.firms["id"],
            f"The account and the amount must be in {self.firms['currency']}.": {
                amount.currency,
                account["currency"],
            }
            != {self.firms["currency"]},
            "The account has entries already.": account["id"] in self.begun,
            f"The account is {account['status']}.": account["status"] != AccountStatus.OPEN,
            "The amount is below the account's limit.": limit is not None and amount.minor < -limit,
        }
        return next((detail for detail, is_so in wrongs.items() if is_so), None)


def _parts(total: int, currency: str) -> Iterator[Money]:
    """Amounts that sum to the total, each within what one entry may have."""
    while total:
        part = max(-MOST, min(MOST, total))
        yield Money(part, currency)
        total -= part


def _mistake(line: Line, detail: str) -> Mistake:
    return Mistake((f"line {line.position}",), "invalid", detail)
