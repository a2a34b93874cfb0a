"""Money that was moved or is held, as entries on accounts whose sum is zero per currency."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from flask import Blueprint

from app.api.kit import bodies, context
from app.api.kit.access import allow_callers_of
from app.api.kit.contract import answers
from app.api.kit.dumper import Dumper
from app.api.kit.resources import add_reads, location_of
from app.api.kit.responses import expected_versions, respond_with
from app.api.schemas.transactions import PostingSchema, TransactionSchema
from app.domain.accounts import AccountClosed, AccountFrozen, BalanceOutOfRange, InsufficientFunds
from app.domain.conversations import ConversationMerged
from app.domain.money import CurrencyMismatch
from app.domain.transactions import (
    AlreadyReversed,
    ApprovalRequired,
    NewTransaction,
    ReferenceReused,
)
from app.errors import AlreadyExists, InvalidTransition
from app.services import TransactionLifecycle, TransactionService

if TYPE_CHECKING:
    from uuid import UUID

    from flask import Response

    from app.db import Record

blueprint = Blueprint("transactions", __name__)
_new, _posting, _dump = TransactionSchema(), PostingSchema(), Dumper(TransactionSchema)
_BOOK = (AccountClosed, AccountFrozen, BalanceOutOfRange, InsufficientFunds)
CREATE = (*_BOOK, AlreadyExists, ConversationMerged, CurrencyMismatch, ReferenceReused)
_POST = (*_BOOK, InvalidTransition, ApprovalRequired, CurrencyMismatch)
_APPROVE = (*_BOOK, InvalidTransition)
_REVERSE = (*_BOOK, InvalidTransition, AlreadyReversed)


def _state(made: Record) -> UUID | None:
    """A posted transaction keeps its version when it is reversed: its ETag names the reversal."""
    return cast("UUID | None", made["reversed_by_id"])


add_reads(blueprint, TransactionService, TransactionSchema, _state)


@blueprint.post("/transactions")
@allow_callers_of(TransactionService, "create")
@answers(TransactionSchema, status=(200, 201), body=TransactionSchema, problems=CREATE)
def create() -> Response:
    """Move or hold money.

    The transaction is posted at once; with `pending` the money is held until it is posted or
    voided. If its `reference` is known with the same content, the status is 200 and the response
    is that transaction.
    """
    new = bodies.load_as(NewTransaction, _new)
    made, is_new = context.service(TransactionService).create(new)
    return _answer(made, 201 if is_new else 200, location_of("transactions", made["id"]))


@blueprint.post("/transactions/<id:key>/post")
@allow_callers_of(TransactionLifecycle, "post")
@answers(TransactionSchema, body=PostingSchema, problems=_POST)
def post(key: UUID) -> Response:
    """Post a pending transaction.

    `amount` posts less than is held, if the transaction has two entries.
    """
    body = bodies.load(_posting, empty_is_object=True)
    return _answer(_lifecycle().post(key, **body, expected=expected_versions()))


@blueprint.post("/transactions/<id:key>/void")
@allow_callers_of(TransactionLifecycle, "void")
@answers(TransactionSchema, problems=(InvalidTransition,))
def void(key: UUID) -> Response:
    """Void a pending transaction.

    The money is not held any more.
    """
    bodies.load_nothing()
    return _answer(_lifecycle().void(key, expected=expected_versions()))


@blueprint.post("/transactions/<id:key>/approve")
@allow_callers_of(TransactionLifecycle, "approve")
@answers(TransactionSchema, problems=_APPROVE)
def approve(key: UUID) -> Response:
    """Approve a transaction over the firm's threshold.

    Another user than its creator has to do it. The money moves, unless the transaction is to stay
    pending.
    """
    bodies.load_nothing()
    return _answer(_lifecycle().approve(key, expected=expected_versions()))


@blueprint.post("/transactions/<id:key>/reverse")
@allow_callers_of(TransactionLifecycle, "reverse")
@answers(TransactionSchema, status=201, problems=_REVERSE)
def reverse(key: UUID) -> Response:
    """Reverse a posted transaction.

    Returns a new transaction with the opposite entries. A transaction can be reversed once.
    """
    bodies.load_nothing()
    made = _lifecycle().reverse(key, expected=expected_versions())
    return _answer(made, 201, location_of("transactions", made["id"]))


def _lifecycle() -> TransactionLifecycle:
    return context.service(TransactionLifecycle)


def _answer(made: Record, status: int = 200, location: str | None = None) -> Response:
    return respond_with(_dump.one(made), status, location, _state(made))
