"""Posts, voids, approves, reverses and expires transactions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.db import retry
from app.db.errors import VersionMismatch
from app.domain.actors import ActorKind
from app.domain.transactions import (
    ApprovalRequired,
    Leg,
    NewTransaction,
    TransactionKind,
    TransactionStatus,
    check_transaction_action,
    lessened,
)
from app.errors import Forbidden, InvalidTransition, NotFound
from app.models import Transaction
from app.repositories import ConversationRepository, Ledger
from app.services.kit.base import Service
from app.services.kit.changes import differences
from app.services.kit.permissions import SYSTEM_ONLY, WRITERS, allowed
from app.services.transactions import TransactionService, with_entries

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from uuid import UUID

    from sqlalchemy import Connection

    from app.db import Record
    from app.domain.money import Money

_EXPIRED_AT_ONCE = 100


@dataclass(frozen=True, kw_only=True)
class TransactionLifecycle(Service):
    """Each call locks the transaction first, then its accounts in the order of their ids."""

    ledger: Ledger = Ledger()
    conversations: ConversationRepository = ConversationRepository()

    @allowed(WRITERS)
    @retry
    def post(
        self,
        key: UUID,
        *,
        amount: Money | None = None,
        expected: Collection[int] | None = None,
    ) -> Record:
        """Book what the transaction holds, or with `amount` a part of it.

        Raises ApprovalRequired, InvalidTransition.
        """
        with self.database.connect() as connection:
            pending = self._checked(connection, key, "post", expected)
            if _awaits_approval(pending):
                raise ApprovalRequired
            legs = pending["held"] if amount is None else lessened(pending["held"], amount)
            return self._post(connection, pending, legs)

    @allowed(WRITERS)
    @retry
    def void(self, key: UUID, *, expected: Collection[int] | None = None) -> Record:
        """Release what the transaction holds; raises InvalidTransition."""
        with self.database.connect() as connection:
            pending = self._checked(connection, key, "void", expected)
            self._check_may_move(connection, pending["held"])
            (voided,) = self.ledger.end(connection, [key], TransactionStatus.VOIDED)
            changes = {key: differences(Transaction, pending, voided)}
            versions = {key: voided["version"]}
            self.record(connection, "voided", Transaction, changes, versions=versions)
            return with_entries(voided, pending["held"])

    @allowed(WRITERS)
    @retry
    def approve(self, key: UUID, *, expected: Collection[int] | None = None) -> Record:
        """Approve it as a user who did not create it; it is posted unless it was asked to wait."""
        with self.database.connect() as connection:
            pending = self._checked(connection, key, "approve", expected)
            if self.actor.kind is not ActorKind.USER or self.actor.id is None:
                raise Forbidden("Only a user can approve a transaction.")
            if self.actor.id == pending["created_by_id"]:
                raise Forbidden("A user cannot approve a transaction that they created.")
            self._check_may_move(connection, pending["held"])
            approved = self.ledger.approve(connection, key, self.actor.id)
            changes = {key: {"approved_by_id": (None, self.actor.id)}}
            versions = {key: approved["version"]}
            self.record(connection, "approved", Transaction, changes, versions=versions)
            if pending["post_when_approved"]:  # posting writes its own event
                return self._post(connection, {**pending, **approved}, pending["held"])
            return with_entries(approved, pending["held"])

    @allowed(WRITERS)
    @retry
    def reverse(self, key: UUID, *, expected: Collection[int] | None = None) -> Record:
        """Make a transaction that undoes this one in full; a second one raises AlreadyReversed."""
        with self.database.connect() as connection:
            posted = self._checked(connection, key, "reverse", expected)
            new = NewTransaction(
                kind=TransactionKind.REVERSAL,
                entries=[Leg(leg.account_id, -leg.amount) for leg in posted["booked"]],
                description=posted["description"],
                conversation_id=self._goes_on_in(connection, posted["conversation_id"]),
                task_id=posted["task_id"],
            )
            made = self.related(TransactionService).make(connection, new, reverses_id=key)
            if made is None:  # it has no reference, so none can be taken
                raise RuntimeError("A reversal was not made.")
            return made

    @allowed(SYSTEM_ONLY)
    @retry
    def expire_due(self) -> int:
        """Expire up to a hundred pending transactions; returns how many. Safe in parallel."""
        with self.database.connect() as connection:
            due = self.ledger.lock_due(connection, limit=_EXPIRED_AT_ONCE)
            if due:
                self.ledger.end(connection, due, TransactionStatus.EXPIRED)
                ended = {"status": (TransactionStatus.PENDING, TransactionStatus.EXPIRED)}
                self.record(connection, "expired", Transaction, dict.fromkeys(due, ended))
            return len(due)

    def _checked(
        self, connection: Connection, key: UUID, action: str, expected: Collection[int] | None
    ) -> Record:
        """The transaction, locked; raises NotFound, VersionMismatch, InvalidTransition."""
        found = self.ledger.lock(connection, key)
        if found is None:
            raise NotFound("transactions", key)
        if expected is not None and found["version"] not in expected:
            raise VersionMismatch(found["version"])
        if found["status"] == TransactionStatus.PENDING and found["is_due"]:
            raise InvalidTransition("transaction", action, TransactionStatus.EXPIRED, ())
        awaits = _awaits_approval(found)
        check_transaction_action(action, found["status"], found["kind"], awaits_approval=awaits)
        return found

    def _goes_on_in(self, connection: Connection, key: UUID | None) -> UUID | None:
        """The conversation, or the one that it was merged into since."""
        if key is None:
            return None
        return self.conversations.merged_among(connection, {key}).get(key, key)

    def _check_may_move(self, connection: Connection, legs: Sequence[Leg]) -> None:
        """Raises Forbidden as `TransactionService.check_may_move`; frozen accounts are allowed."""
        accounts = self.ledger.lock_accounts(connection, {leg.account_id for leg in legs})
        self.related(TransactionService).check_may_move(legs, accounts)

    def _post(self, connection: Connection, pending: Record, legs: Sequence[Leg]) -> Record:
        transactions = self.related(TransactionService)
        accounts = self.ledger.lock_accounts(connection, {leg.account_id for leg in legs})
        transactions.check_accounts(legs, accounts)
        posted = self.ledger.post(connection, pending["id"], legs)
        changes = differences(Transaction, pending, posted)
        if legs != pending["held"]:
            before, after = ([leg.as_json for leg in each] for each in (pending["held"], legs))
            changes["entries"] = (before, after)
        versions = {pending["id"]: posted["version"]}
        self.record(connection, "posted", Transaction, {pending["id"]: changes}, versions=versions)
        return with_entries(posted, legs)


def _awaits_approval(transaction: Record) -> bool:
    return transaction["needs_approval"] and transaction["approved_by_id"] is None
