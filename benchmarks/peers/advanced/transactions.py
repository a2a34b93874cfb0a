from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, g
from sqlalchemy import insert, select

from benchmarks.peers.advanced.models import (
    Account,
    Entry,
    EventService,
    Transaction,
    TransactionService,
    new_event,
)
from benchmarks.peers.advanced.session import answer, body, service, session
from benchmarks.peers.common import schemas
from benchmarks.peers.common.events import first_values
from benchmarks.peers.common.money import TRANSACTION_FIELDS, minor_units
from benchmarks.peers.common.refusals import invalid

blueprint = Blueprint("transactions", __name__, url_prefix="/v1/transactions")


@blueprint.post("")
def create() -> Response:
    g.actor.require_writer()
    given = body(schemas.NewTransaction)
    _lock_accounts(given.entries)
    transactions = service(TransactionService)
    made = transactions.create(
        {
            "kind": given.kind,
            "description": given.description,
            "status": "posted",
            "posted_at": datetime.now(UTC),
            "created_by_kind": g.actor.kind,
            "created_by_id": g.actor.id,
            "created_by_name": g.actor.name,
        }
    )
    session().execute(insert(Entry).values([_entry(made, entry) for entry in given.entries]))
    changes = first_values(made, TRANSACTION_FIELDS)
    changes["entries"] = (None, [entry.model_dump(mode="json") for entry in given.entries])
    service(EventService).create(new_event("created", made, changes))
    made.entries = given.entries
    headers = {"ETag": f'"{made.version}"', "Location": f"/v1/transactions/{made.id}"}
    return answer(transactions.to_schema(made, schema_type=schemas.Transaction), 201, headers)


def _lock_accounts(entries: list[schemas.Entry]) -> None:
    """In the order of their ids, so that two transfers never wait for each other."""
    wanted = {entry.account_id for entry in entries}
    statement = (
        select(Account.id)
        .where(Account.id.in_(wanted))
        .order_by(Account.id)
        .with_for_update(key_share=True)
    )
    known = set(session().scalars(statement))
    wrong = [number for number, entry in enumerate(entries) if entry.account_id not in known]
    if wrong:
        raise invalid(f"/entries/{number}/account_id" for number in wrong)


def _entry(made: Transaction, entry: schemas.Entry) -> dict[str, Any]:
    return {
        "transaction_id": made.id,
        "account_id": entry.account_id,
        "currency": entry.amount.currency,
        "amount": minor_units(entry.amount.amount),
    }
