"""Accounts of customers, and of the firm itself. An account is closed, never deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint

from app.api.kit import bodies, context
from app.api.kit.access import allow_callers_of
from app.api.kit.contract import answers, lists
from app.api.kit.dumper import Dumper
from app.api.kit.lists import list_response
from app.api.kit.resources import add_reads, location_of
from app.api.kit.responses import expected_versions, respond_with
from app.api.schemas.accounts import AccountPatchSchema, AccountSchema, StatementEntrySchema
from app.domain.accounts import (
    AccountChanges,
    AccountClosed,
    AccountNotEmpty,
    InsufficientFunds,
    NewAccount,
)
from app.domain.money import CurrencyMismatch
from app.errors import InvalidTransition
from app.services import AccountService

if TYPE_CHECKING:
    from uuid import UUID

    from flask import Response

    from app.db import Record

blueprint = Blueprint("accounts", __name__)
_new, _changes, _dump = AccountSchema(), AccountPatchSchema(partial=True), Dumper(AccountSchema)
_statement = Dumper(StatementEntrySchema)
_CHANGE = (AccountClosed, CurrencyMismatch, InsufficientFunds)


def _state(account: Record) -> str:
    """Money comes and goes while the version stays, so the ETag has the balance too."""
    return f"{account['balance']:d}:{account['available']:d}"


add_reads(blueprint, AccountService, AccountSchema, _state)


@blueprint.get("/customers/<id:key>/accounts")
@allow_callers_of(AccountService, "of_customer", parameters=None)
@lists(AccountSchema, AccountService.repository, within="customer_id")
def list_of_customer(key: UUID) -> Response:
    """List the accounts of a customer.

    It takes the filters and sorts of the list of all accounts.
    """
    return list_response(
        AccountService.repository,
        lambda query, total: _accounts().of_customer(key, query, total=total),
        _dump,
        within="customer_id",
    )


@blueprint.post("/accounts")
@allow_callers_of(AccountService, "open")
@answers(AccountSchema, status=201, body=AccountSchema, problems=(CurrencyMismatch,))
def open_account() -> Response:
    """Open an account.

    Without `customer_id` it is the firm's own, which only administrators may open.
    """
    account = _accounts().open(bodies.load_as(NewAccount, _new))
    return _answer(account, 201, location_of("accounts", account["id"]))


@blueprint.patch("/accounts/<id:key>")
@allow_callers_of(AccountService, "change")
@answers(AccountSchema, body=AccountPatchSchema, problems=_CHANGE)
def change_account(key: UUID) -> Response:
    """Update an account.

    The body is a JSON Merge Patch (RFC 7396). Customer and currency stay as they were.
    """
    changes = bodies.load_as(AccountChanges, _changes)
    return _answer(_accounts().change(key, changes, expected=expected_versions()))


@blueprint.post("/accounts/<id:key>/freeze")
@allow_callers_of(AccountService, "freeze")
@answers(AccountSchema, problems=(InvalidTransition,))
def freeze(key: UUID) -> Response:
    """Freeze an account.

    No money enters or leaves it until it is unfrozen.
    """
    bodies.load_nothing()
    return _answer(_accounts().freeze(key, expected=expected_versions()))


@blueprint.post("/accounts/<id:key>/unfreeze")
@allow_callers_of(AccountService, "unfreeze")
@answers(AccountSchema, problems=(InvalidTransition,))
def unfreeze(key: UUID) -> Response:
    """Unfreeze an account.

    Money can enter and leave it again.
    """
    bodies.load_nothing()
    return _answer(_accounts().unfreeze(key, expected=expected_versions()))


@blueprint.post("/accounts/<id:key>/close")
@allow_callers_of(AccountService, "close")
@answers(AccountSchema, problems=(InvalidTransition, AccountNotEmpty))
def close(key: UUID) -> Response:
    """Close an account for good.

    Its balance has to be zero, and no transaction may be pending on it.
    """
    bodies.load_nothing()
    return _answer(_accounts().close(key, expected=expected_versions()))


@blueprint.get("/accounts/<id:key>/entries")
@allow_callers_of(AccountService, "statement", parameters=None)
@lists(StatementEntrySchema, AccountService.entries, within="account_id")
def list_entries(key: UUID) -> Response:
    """List the entries of an account.

    This is its statement: each entry with the balance after it, the newest first unless `sort`
    says otherwise.
    """
    return list_response(
        AccountService.entries,
        lambda query, total: _accounts().statement(key, query, total=total),
        _statement,
        within="account_id",
        sort="-seq",
    )


def _accounts() -> AccountService:
    return context.service(AccountService)


def _answer(account: Record, status: int = 200, location: str | None = None) -> Response:
    return respond_with(_dump.one(account), status, location, _state(account))
