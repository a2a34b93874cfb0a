"""What accounts begin with, when they come from elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from app.domain.accounts import is_account_number
from app.domain.money import Money
from app.domain.transactions import Leg
from app.errors import Invalid, Mistake, NotFound
from app.repositories import AccountRepository, Ledger
from app.services.base import Service
from app.services.transactions import TransactionService

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from sqlalchemy import Connection

    from app.repositories import Record

_AT_ONCE = 500  # accounts of one transaction
_MOST_TOLD = 20  # mistakes


@dataclass(frozen=True, slots=True)
class Line:
    """As it is written: the account's number, an amount and its currency."""

    position: int
    account: str
    amount: str
    currency: str


@dataclass(frozen=True, kw_only=True)
class OpeningBalanceService(Service):
    accounts: AccountRepository = AccountRepository()
    ledger: Ledger = Ledger()

    def load(self, lines: Iterable[Line], *, against: str) -> int:
        """Give accounts their first entries, against the firm's own with this number.

        In one unit of work and in constant memory; returns how many. An account that has
        entries already is refused, so that nothing is loaded twice. Raises Invalid, which names the
        lines. It is not run again after a conflict: the lines can be read only once.
        """
        rest, loaded = iter(lines), 0
        mistakes: list[Mistake] = []
        with self.database.connect() as connection:
            firms = self._firms(connection, against)
            while len(mistakes) < _MOST_TOLD and (batch := list(islice(rest, _AT_ONCE))):
                found = self._check(connection, firms, batch)
                mistakes += [of for of in found if isinstance(of, Mistake)]
                legs = [of for of in found if isinstance(of, Leg)]
                if legs and not mistakes:
                    self._book(connection, firms, legs, batch)
                loaded += len(legs)
            if mistakes:
                raise Invalid(mistakes[:_MOST_TOLD])
        return loaded

    def _firms(self, connection: Connection, number: str) -> Record:
        found = self.accounts.with_numbers(connection, [number])
        if not found or found[0]["customer_id"] is not None:
            raise NotFound("the firm's own accounts", number)
        return found[0]

    def _check(
        self, connection: Connection, firms: Record, batch: Sequence[Line]
    ) -> list[Leg | Mistake]:
        """The accounts are locked first, so that none gets its first entry meanwhile."""
        known = self.accounts.with_numbers(connection, [line.account for line in batch])
        keys = {account["number"]: account["id"] for account in known}
        locked = self.ledger.lock_accounts(connection, {firms["id"], *keys.values()})
        taken = self.accounts.with_entries(connection, list(keys.values())) - {firms["id"]}
        accounts = _Batch(keys, locked, {*taken, firms["id"]}, firms["currency"])
        return [found for line in batch if (found := accounts.read(line)) is not None]

    def _book(
        self, connection: Connection, firms: Record, legs: list[Leg], batch: Sequence[Line]
    ) -> None:
        total = Money(sum(leg.amount.minor for leg in legs), firms["currency"])
        if total.minor:
            legs = [*legs, Leg(firms["id"], -total)]
        first, last = batch[0].position, batch[-1].position
        values = {"kind": "transfer", "description": f"Opening balances, lines {first} to {last}"}
        self.beside(TransactionService).make(connection, values, legs)


@dataclass(frozen=True, slots=True)
class _Batch:
    """The accounts of some lines; `taken` are those that get no opening balance any more."""

    keys: dict[str, UUID]
    accounts: dict[UUID, Record]
    taken: set[UUID]
    currency: str

    def read(self, line: Line) -> Leg | Mistake | None:
        """None where there is nothing to book."""
        try:
            amount = Money.parse(line.amount, line.currency)
        except ValueError as error:
            return _mistake(line, str(error))
        if not is_account_number(line.account):
            return _mistake(line, "The check digits of the account's number are wrong.")
        key = self.keys.get(line.account)
        if key is None:
            return _mistake(line, "There is no account with this number.")
        if {line.currency, self.accounts[key]["currency"]} != {self.currency}:
            return _mistake(line, f"The account and the amount must be in {self.currency}.")
        if key in self.taken:
            return _mistake(line, "The account has entries already.")
        self.taken.add(key)
        return Leg(key, amount) if amount.minor else None


def _mistake(line: Line, detail: str) -> Mistake:
    return Mistake((f"line {line.position}",), "invalid", detail)
