from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

import orjson
from uuid_utils.compat import uuid7

from app.db import retry
from app.db.errors import Invalid, Mistake, UnknownReference
from app.domain.accounts import AccountClosed, AccountFrozen, AccountStatus
from app.domain.actors import ActorKind
from app.domain.money import CurrencyMismatch
from app.domain.transactions import (
    ReferenceReused,
    TransactionStatus,
    check_legs,
    is_over,
)
from app.errors import AlreadyExists, Forbidden
from app.models import Transaction
from app.repositories import Ledger, TransactionRepository
from app.services.conversations import ConversationService
from app.services.kit.changes import first_values
from app.services.kit.fields import NO_ROW
from app.services.kit.permissions import READERS, WRITERS, Roles, allowed
from app.services.kit.reads import Reads
from app.services.kit.writes import Writes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from sqlalchemy import Connection

    from app.db import Record
    from app.domain.transactions import Leg, NewTransaction
    from app.repositories.ledger import LockedAccount, NewTransactionRow
    from app.services.kit.fields import Fields


@dataclass(frozen=True, kw_only=True)
class TransactionService(Reads[Transaction], Writes[Transaction]):
    """Makes and reads transactions; `TransactionLifecycle` posts, voids and reverses them."""

    readers: ClassVar[Roles] = READERS
    listers: ClassVar[Roles] = READERS
    writers: ClassVar[Roles] = WRITERS
    repository: TransactionRepository = TransactionRepository()
    ledger: Ledger = Ledger()

    @allowed("writers")
    @retry
    def create(self, new: NewTransaction) -> tuple[Record, bool]:
        """Move money, or hold it; returns the transaction, and whether it is new.

        With a `reference` that was used before it is the one from then, if its content is the
        same; else ReferenceReused. Over the threshold it stays pending until it is approved.
        """
        check_legs(new.entries)
        if new.expires_at is not None and not new.pending:
            detail = "Only a pending transaction can expire."
            raise Invalid([Mistake(("expires_at",), "not-pending", detail)])
        content = None if new.reference is None else _content_hash(new)
        with self.database.connect() as connection:
            # A repeat gets its answer even where an account would refuse a new transaction.
            known = self._known(connection, new.reference, content)
            if known is not None:
                return known, False
            _check_lies_ahead(new.expires_at)
            about = {"conversation_id": new.conversation_id, "task_id": new.task_id}
            self.check_live(connection, about)
            made = self.make(connection, new, content_hash=content)
            if made is not None:
                return made, True
            known = self._known(connection, new.reference, content)  # made at the same moment
            if known is None:
                raise AlreadyExists("transactions", ("reference",))
            return known, False

    def check_live(self, connection: Connection, values: Fields, row: Fields = NO_ROW) -> Fields:
        replaced = super().check_live(connection, values, row)
        self.related(ConversationService).check_not_merged(connection, {**row, **values})
        return replaced

    def make(
        self,
        connection: Connection,
        new: NewTransaction,
        *,
        reverses_id: UUID | None = None,
        content_hash: bytes | None = None,
    ) -> Record | None:
        """Insert it in the open unit of work; None where the reference is taken."""
        self._lock(connection, new.entries)
        row = self._row(new, reverses_id, content_hash)
        made = self.ledger.make(connection, row, new.entries)
        if made is None:
            return None
        entries = (None, [leg.as_json for leg in new.entries])
        changes = {made["id"]: {**first_values(Transaction, made), "entries": entries}}
        versions = {made["id"]: made["version"]}
        self.record(connection, "created", Transaction, changes, versions=versions)
        return with_entries(made, new.entries)

    def check_accounts(self, legs: Sequence[Leg], accounts: Mapping[UUID, LockedAccount]) -> None:
        """Raises what forbids these legs on these locked accounts.

        UnknownReference, CurrencyMismatch, AccountClosed, AccountFrozen, or Forbidden where only
        an admin may move the money.
        """
        for position, leg in enumerate(legs):
            if leg.account_id not in accounts:
                raise UnknownReference("entries", position, "account_id")
        for leg in legs:
            currency = accounts[leg.account_id]["currency"]
            if leg.amount.currency != currency:
                raise CurrencyMismatch(leg.amount.currency, currency)
        statuses = {account["status"] for account in accounts.values()}
        if AccountStatus.CLOSED in statuses:
            raise AccountClosed
        if AccountStatus.FROZEN in statuses:
            raise AccountFrozen
        self.check_may_move(legs, accounts)

    def check_may_move(self, legs: Sequence[Leg], accounts: Mapping[UUID, LockedAccount]) -> None:
        """Only admins move money from one of the firm's own accounts to another.

        Raises Forbidden where no account is a customer's, or where in one currency some of the
        firm's own accounts give and others take.
        """
        if self.actor.is_admin:
            return
        own = [leg.amount for leg in legs if accounts[leg.account_id]["customer_id"] is None]
        giving = {amount.currency for amount in own if amount.minor < 0}
        taking = {amount.currency for amount in own if amount.minor > 0}
        if len(own) == len(legs) or giving & taking:
            raise Forbidden("Only admins may move money between the firm's own accounts.")

    def _row(
        self, new: NewTransaction, reverses_id: UUID | None, content_hash: bytes | None
    ) -> NewTransactionRow:
        needs_approval = self._needs_approval(new.entries)
        waits = new.pending or needs_approval
        return {
            "id": uuid7(),
            "kind": new.kind,
            "description": new.description,
            "conversation_id": new.conversation_id,
            "task_id": new.task_id,
            "reverses_id": reverses_id,
            "reference": new.reference,
            "content_hash": content_hash,
            "expires_at": new.expires_at,
            "status": TransactionStatus.PENDING if waits else TransactionStatus.POSTED,
            "needs_approval": needs_approval,
            "post_when_approved": needs_approval and not new.pending,
            "created_by_kind": self.actor.kind,
            "created_by_id": self.actor.id,
            "created_by_name": self.actor.name,
        }

    def _lock(self, connection: Connection, legs: Sequence[Leg]) -> None:
        accounts = self.ledger.lock_accounts(connection, {leg.account_id for leg in legs})
        self.check_accounts(legs, accounts)

    def _needs_approval(self, legs: Sequence[Leg]) -> bool:
        """The command line acts as the system: its operator has decided already."""
        is_system = self.actor.kind is ActorKind.SYSTEM
        return not is_system and is_over(legs, self.rules.approval_threshold)

    def _known(
        self, connection: Connection, reference: str | None, content: bytes | None
    ) -> Record | None:
        """The transaction with this reference; raises ReferenceReused for other content."""
        if reference is None:
            return None
        known = self.repository.with_reference(connection, reference)
        if known is None:
            return None
        was = known.pop("content_hash")  # None where erasure has removed it
        if was is None or bytes(was) != content:
            raise ReferenceReused
        return known


def _check_lies_ahead(expires_at: datetime | None) -> None:
    if expires_at is not None and expires_at <= datetime.now(UTC):
        raise Invalid([Mistake(("expires_at",), "range", "It must be in the future.")])


def with_entries(record: Record, legs: Sequence[Leg]) -> Record:
    """The record of a transaction that nobody has reversed, as its repository reads it."""
    return {**record, "entries": [leg.columns for leg in legs], "reversed_by_id": None}


def _content_hash(new: NewTransaction) -> bytes:
    """The SHA-256 of all that a client sends of a transaction.

    Hashes are stored, so the hashed content must never change, the two empty names included.
    """
    content = {
        **{each.name: getattr(new, each.name) for each in fields(new)},
        "entries": [list(leg.columns.values()) for leg in new.entries],
        "reverses_id": None,
        "content_hash": None,
    }
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).digest()
