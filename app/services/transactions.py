from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

import orjson
from uuid_utils.compat import uuid7

from app.db import retry
from app.db.errors import Invalid, Mistake, UnknownReference
from app.domain.accounts import AccountClosed, AccountFrozen, AccountStatus
from app.domain.actors import ActorKind
from app.domain.money import CurrencyMismatch
from app.domain.transactions import (
    Leg,
    ReferenceReused,
    TransactionKind,
    TransactionStatus,
    check_legs,
    is_over,
)
from app.errors import AlreadyExists, Forbidden
from app.models import Transaction
from app.repositories import Ledger, TransactionRepository
from app.services.conversations import ConversationService
from app.services.kit.changes import first_values
from app.services.kit.permissions import READERS, WRITERS, Roles, allowed
from app.services.kit.reads import Reads
from app.services.kit.writes import NO_ROW, Writes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from sqlalchemy import Connection

    from app.db import Record


@dataclass(frozen=True, kw_only=True)
class TransactionService(Reads[Transaction], Writes[Transaction]):
    """Transactions are made and read here; `TransactionLifecycle` goes on with them."""

    readers: ClassVar[Roles] = READERS
    listers: ClassVar[Roles] = READERS
    writers: ClassVar[Roles] = WRITERS
    repository: TransactionRepository = TransactionRepository()
    ledger: Ledger = Ledger()

    @allowed("writers")
    @retry
    def create(
        self, values: Mapping[str, Any], legs: Sequence[Leg], *, pending: bool = False
    ) -> tuple[Record, bool]:
        """Move money, or with `pending` hold it; returns the transaction, and whether it is new.

        With a `reference` that was used before it is the one from then, if its content is the
        same; else ReferenceReused. Over the threshold it stays pending until it is approved.
        """
        check_legs(legs)
        if values.get("expires_at") is not None and not pending:
            detail = "Only a pending transaction can expire."
            raise Invalid([Mistake(("expires_at",), "not-pending", detail)])
        values = {"kind": TransactionKind.TRANSFER, **values}
        content = None if values.get("reference") is None else _hash(values, legs, pending=pending)
        with self.database.connect() as connection:
            known = self._known(connection, values, content)
            if known is not None:
                return known, False
            _check_lies_ahead(values.get("expires_at"))
            self.check_live(connection, values)
            made = self.make(connection, {**values, "content_hash": content}, legs, pending=pending)
            if made is not None:
                return made, True
            known = self._known(connection, values, content)  # somebody was faster
            if known is None:
                raise AlreadyExists("transactions", ("reference",))
            return known, False

    def check_live(
        self, connection: Connection, values: Mapping[str, Any], row: Mapping[str, Any] = NO_ROW
    ) -> Mapping[str, Any]:
        replaced = super().check_live(connection, values, row)
        self.related(ConversationService).check_not_merged(connection, {**row, **values})
        return replaced

    def make(
        self,
        connection: Connection,
        values: Mapping[str, Any],
        legs: Sequence[Leg],
        *,
        pending: bool = False,
    ) -> Record | None:
        """In the open unit of work; None where the reference is taken."""
        self._lock(connection, legs)
        needs_approval = self._needs_approval(legs)
        waits = pending or needs_approval
        row = {
            **_NOTHING,
            "id": uuid7(),
            **values,
            "status": TransactionStatus.PENDING if waits else TransactionStatus.POSTED,
            "needs_approval": needs_approval,
            "post_when_approved": needs_approval and not pending,
            "created_by_kind": self.actor.kind,
            "created_by_id": self.actor.id,
            "created_by_name": self.actor.name,
        }
        made = self.ledger.make(connection, row, legs)
        if made is None:
            return None
        changes = {**first_values(Transaction, made), "entries": (None, told(legs))}
        versions = {made["id"]: made["version"]}
        self.record(connection, "created", Transaction, {made["id"]: changes}, versions=versions)
        return with_legs(made, legs)

    def check_accounts(self, legs: Sequence[Leg], accounts: Mapping[UUID, Record]) -> None:
        """Whether the transaction may be: Invalid, CurrencyMismatch, AccountClosed, AccountFrozen;
        Forbidden where it is the firm's business alone."""
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

    def check_may_move(self, legs: Sequence[Leg], accounts: Mapping[UUID, Record]) -> None:
        """Raises Forbidden where money goes from one of the firm's own accounts to another: in a
        currency in which some of these give and some take, or without any customer."""
        if self.actor.is_admin:
            return
        own = [leg.amount for leg in legs if accounts[leg.account_id]["customer_id"] is None]
        giving = {amount.currency for amount in own if amount.minor < 0}
        taking = {amount.currency for amount in own if amount.minor > 0}
        if len(own) == len(legs) or giving & taking:
            raise Forbidden("Only admins may move money between the firm's own accounts.")

    def _lock(self, connection: Connection, legs: Sequence[Leg]) -> None:
        accounts = self.ledger.lock_accounts(connection, {leg.account_id for leg in legs})
        self.check_accounts(legs, accounts)

    def _needs_approval(self, legs: Sequence[Leg]) -> bool:
        """What the system does, whoever runs it has decided."""
        is_system = self.actor.kind is ActorKind.SYSTEM
        return not is_system and is_over(legs, self.rules.approval_threshold)

    def _known(
        self, connection: Connection, values: Mapping[str, Any], content: bytes | None
    ) -> Record | None:
        if content is None:
            return None
        known = self.repository.with_reference(connection, values["reference"])
        if known is None:
            return None
        was = known.pop("content_hash")  # None where the transaction was erased
        if was is None or bytes(was) != content:
            raise ReferenceReused
        return known


def _check_lies_ahead(expires_at: datetime | None) -> None:
    if expires_at is not None and expires_at <= datetime.now(UTC):
        raise Invalid([Mistake(("expires_at",), "range", "It must be in the future.")])


# What may be absent.
_NOTHING: dict[str, Any] = {
    "description": "",
    "conversation_id": None,
    "task_id": None,
    "reverses_id": None,
    "reference": None,
    "content_hash": None,
    "expires_at": None,
}


def with_legs(record: Record, legs: Sequence[Leg], reversed_by_id: UUID | None = None) -> Record:
    """A transaction as its repository reads it."""
    entries = [
        {"account_id": leg.account_id, "currency": leg.amount.currency, "amount": leg.amount.minor}
        for leg in legs
    ]
    return {**record, "entries": entries, "reversed_by_id": reversed_by_id}


def told(legs: Sequence[Leg]) -> list[dict[str, Any]]:
    """Legs as events tell of them, and the API."""
    return [{"account_id": str(leg.account_id), "amount": leg.amount.as_json} for leg in legs]


def _hash(values: Mapping[str, Any], legs: Sequence[Leg], *, pending: bool) -> bytes:
    """Of all that a client says of a transaction."""
    content = {**_NOTHING, **values, "pending": pending}
    entries = [[str(leg.account_id), leg.amount.currency, leg.amount.minor] for leg in legs]
    said = orjson.dumps({**content, "entries": entries}, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(said).digest()
