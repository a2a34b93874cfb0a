from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from app.db import Query, retry
from app.domain.accounts import (
    AccountStatus,
    account_number,
    check_account_action,
    checked_limit,
)
from app.domain.actors import ActorKind
from app.domain.money import Money
from app.errors import Forbidden, NotFound
from app.models import Account
from app.repositories import AccountRepository, CustomerRepository, EntryRepository, TaskRepository
from app.services.kit.creates import Adds
from app.services.kit.fields import fields_of
from app.services.kit.permissions import READERS, READERS_AND_AGENTS, WRITERS, Roles, allowed
from app.services.kit.reads import Reads, read_page
from app.services.kit.updates import Applies

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

    from app.db import Page, Record, Total
    from app.db.repository.writing import Changes
    from app.domain.accounts import AccountChanges, NewAccount


@dataclass(frozen=True, kw_only=True)
class AccountService(Reads[Account], Adds[Account], Applies[Account]):
    """Opens, changes and closes accounts; only transactions move money.

    Only admins change the firm's own accounts. Others read them, and use them as the other side of
    a customer's transaction.
    """

    readers: ClassVar[Roles] = READERS_AND_AGENTS
    listers: ClassVar[Roles] = READERS
    writers: ClassVar[Roles] = WRITERS
    repository: AccountRepository = AccountRepository()
    entries: EntryRepository = EntryRepository()
    customers: CustomerRepository = CustomerRepository()
    tasks: TaskRepository = TaskRepository()

    @allowed("writers")
    @retry
    def open(self, new: NewAccount) -> Record:
        """Raises Forbidden, Invalid, CurrencyMismatch."""
        self._check_may_touch(new.customer_id)
        limit = new.limit()
        with self.database.session() as session:
            number = account_number(self.repository.next_serial(session.connection()))
            account = self.add(
                session, {**fields_of(new), "overdraft_limit": limit, "number": number}
            )
            return self._read(session.connection(), account.id)

    @allowed("writers")
    @retry
    def change(
        self, key: UUID, changes: AccountChanges, *, expected: Collection[int] | None = None
    ) -> Record:
        """Raises AccountClosed, Forbidden, Invalid, CurrencyMismatch, VersionMismatch."""
        with self.database.session() as session:
            account = self._mine(session, key)
            check_account_action("update", account.status)
            values: dict[str, object] = {**changes}
            if "overdraft_limit" in changes:
                values["overdraft_limit"] = checked_limit(
                    changes["overdraft_limit"],
                    currency=account.currency,
                    customer_id=account.customer_id,
                    stores_balance=account.stores_balance,
                )
            self.apply(session, account, values, expected=expected)
            return self._read(session.connection(), key)

    @allowed("writers")
    def freeze(self, key: UUID, *, expected: Collection[int] | None = None) -> Record:
        """Stop all entries until it is unfrozen; holds stay. Raises InvalidTransition."""
        return self._move(key, "freeze", AccountStatus.FROZEN, "frozen", expected)

    @allowed("writers")
    def unfreeze(self, key: UUID, *, expected: Collection[int] | None = None) -> Record:
        return self._move(key, "unfreeze", AccountStatus.OPEN, "unfrozen", expected)

    @allowed("writers")
    def close(self, key: UUID, *, expected: Collection[int] | None = None) -> Record:
        """Close it for good; AccountNotEmpty unless the balance is zero and nothing is pending."""
        return self._move(key, "close", AccountStatus.CLOSED, "closed", expected)

    @allowed("readers")
    @retry
    def of_customer(
        self, key: UUID, query: Query, *, total: bool = False
    ) -> tuple[Page[Record], Total | None]:
        with self.database.connect(read_only=True) as connection:
            if self.actor.kind is ActorKind.AGENT:
                self._require_customer_of_task(connection, key)
            if not self.customers.exists(connection, key):
                raise NotFound("customers", key)
            of = replace(query, filters={**query.filters, "customer_id": key})
            return read_page(connection, self.repository, of, total=total)

    @allowed("readers")
    @retry
    def statement(
        self, key: UUID, query: Query, *, total: bool = False
    ) -> tuple[Page[Record], Total | None]:
        """A page of its entries, each with the balance after it."""
        with self.database.connect(read_only=True) as connection:
            self.require_visible(connection, key)
            self._check_may_touch(self._read(connection, key)["customer_id"])
            of = replace(query, filters={**query.filters, "account_id": key})
            return read_page(connection, self.entries, of, total=total)

    def event_changes(self, entity: Account, changes: Changes) -> Changes:
        """The changes, with the limit as money."""
        if "overdraft_limit" not in changes:
            return changes
        before, after = (
            None if minor is None else Money(minor, entity.currency).as_json
            for minor in changes["overdraft_limit"]
        )
        return {**changes, "overdraft_limit": (before, after)}

    def visible_to_agent(self, connection: Connection, keys: Collection[UUID]) -> Collection[UUID]:
        accounts = self.repository.by_id(connection, keys)
        owners = {key: account["customer_id"] for key, account in accounts.items() if account}
        customers = set(owners.values()) - {None}
        seen = self.tasks.customers_of(connection, self.agent_id, customers)
        return [key for key, owner in owners.items() if owner in seen]

    def _require_customer_of_task(self, connection: Connection, key: UUID) -> None:
        if not self.tasks.customers_of(connection, self.agent_id, [key]):
            raise Forbidden("None of the agent's tasks refers to this.")

    @retry
    def _move(
        self,
        key: UUID,
        verb: str,
        status: AccountStatus,
        action: str,
        expected: Collection[int] | None,
    ) -> Record:
        with self.database.session() as session:
            account = self._mine(session, key)
            check_account_action(verb, account.status)
            self.apply(session, account, {"status": status}, expected=expected, action=action)
            return self._read(session.connection(), key)

    def _mine(self, session: Session, key: UUID) -> Account:
        """The account, locked; raises NotFound, and Forbidden where the actor may not change it."""
        account = self.locked(session, key)
        self._check_may_touch(account.customer_id)
        return account

    def _check_may_touch(self, customer_id: UUID | None) -> None:
        if customer_id is None and not self.actor.is_admin:
            raise Forbidden("Only admins may use the firm's own accounts.")

    def _read(self, connection: Connection, key: UUID) -> Record:
        account = self.repository.record(connection, key)
        if account is None:
            raise NotFound("accounts", key)
        return account
