from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Response
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from benchmarks.peers.common import schemas
from benchmarks.peers.common.events import first_values
from benchmarks.peers.common.money import TRANSACTION_FIELDS, minor_units
from benchmarks.peers.common.refusals import invalid
from benchmarks.peers.fast.models import Account, Entry, Transaction, add_event
from benchmarks.peers.fast.session import Caller, Session

router = APIRouter(prefix="/v1/transactions")


@router.post("", status_code=201, response_model=schemas.Transaction)
async def create(
    session: Session, caller: Caller, body: schemas.NewTransaction, response: Response
) -> Any:
    actor, _ = caller
    actor.require_writer()
    await _lock_accounts(session, body.entries)
    made = Transaction(
        kind=body.kind,
        description=body.description,
        status="posted",
        posted_at=datetime.now(UTC),
        created_by_kind=actor.kind,
        created_by_id=actor.id,
        created_by_name=actor.name,
    )
    session.add(made)
    await session.flush()
    await session.execute(insert(Entry).values([_entry(made, entry) for entry in body.entries]))
    changes = first_values(made, TRANSACTION_FIELDS)
    changes["entries"] = (None, [entry.model_dump(mode="json") for entry in body.entries])
    add_event(session, caller, "created", made, changes)
    await session.commit()
    made.entries = body.entries
    response.headers["ETag"] = f'"{made.version}"'
    response.headers["Location"] = f"/v1/transactions/{made.id}"
    return made


async def _lock_accounts(session: AsyncSession, entries: list[schemas.Entry]) -> None:
    """In the order of their ids, so that two transfers never wait for each other."""
    wanted = {entry.account_id for entry in entries}
    statement = (
        select(Account.id)
        .where(Account.id.in_(wanted))
        .order_by(Account.id)
        .with_for_update(key_share=True)
    )
    known = set(await session.scalars(statement))
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
