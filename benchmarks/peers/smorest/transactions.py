from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask import g
from flask.views import MethodView
from flask_smorest import Blueprint
from sqlalchemy import insert, select

from benchmarks.peers.common.events import first_values
from benchmarks.peers.common.money import TRANSACTION_FIELDS, entries_for_event, minor_units
from benchmarks.peers.common.refusals import invalid
from benchmarks.peers.smorest.models import Account, Entry, Transaction, add_event, db
from benchmarks.peers.smorest.schemas import TransactionSchema

blueprint = Blueprint("transactions", "transactions", url_prefix="/v1/transactions")


@blueprint.route("")
class Transactions(MethodView):
    @blueprint.arguments(TransactionSchema)
    @blueprint.response(201, TransactionSchema)
    def post(self, values: dict[str, Any]) -> Any:
        g.actor.require_writer()
        entries = values["entries"]
        _lock_accounts(entries)
        made = Transaction(
            kind=values["kind"],
            description=values["description"],
            status="posted",
            posted_at=datetime.now(UTC),
            created_by_kind=g.actor.kind,
            created_by_id=g.actor.id,
            created_by_name=g.actor.name,
        )
        db.session.add(made)
        db.session.flush()
        db.session.execute(insert(Entry).values([_entry(made, entry) for entry in entries]))
        changes = first_values(made, TRANSACTION_FIELDS)
        changes["entries"] = (None, entries_for_event(entries))
        add_event("created", made, changes)
        db.session.commit()
        made.entries, made.reversed_by_id = entries, None
        headers = {"ETag": f'"{made.version}"', "Location": f"/v1/transactions/{made.id}"}
        return made, 201, headers


def _lock_accounts(entries: list[dict[str, Any]]) -> None:
    """In the order of their ids, so that two transfers never wait for each other."""
    wanted = {entry["account_id"] for entry in entries}
    statement = (
        select(Account.id)
        .where(Account.id.in_(wanted))
        .order_by(Account.id)
        .with_for_update(key_share=True)
    )
    known = set(db.session.scalars(statement))
    wrong = [n for n, entry in enumerate(entries) if entry["account_id"] not in known]
    if wrong:
        raise invalid(f"/entries/{number}/account_id" for number in wrong)


def _entry(made: Transaction, entry: dict[str, Any]) -> dict[str, Any]:
    return {
        "transaction_id": made.id,
        "account_id": entry["account_id"],
        "currency": entry["amount"]["currency"],
        "amount": minor_units(entry["amount"]["amount"]),
    }
