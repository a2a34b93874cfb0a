from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from rest_framework.response import Response
from rest_framework.views import APIView

from benchmarks.peers.common.events import first_values
from benchmarks.peers.common.money import TRANSACTION_FIELDS, entries_for_event, minor_units
from benchmarks.peers.common.refusals import invalid
from benchmarks.peers.drf.models import Account, Entry, Transaction, add_events
from benchmarks.peers.drf.serializers import TransactionSerializer, load


class Transactions(APIView):
    @transaction.atomic
    def post(self, request: Any) -> Response:
        request.user.require_writer()
        values = load(TransactionSerializer, request.data)
        entries = values["entries"]
        _lock_accounts(entries)
        made = Transaction.objects.create(
            kind=values["kind"],
            description=values["description"],
            status="posted",
            posted_at=datetime.now(UTC),
            created_by_kind=request.user.kind,
            created_by_id=request.user.id,
            created_by_name=request.user.name,
        )
        Entry.objects.bulk_create([_entry(made, entry) for entry in entries])
        changes = first_values(made, TRANSACTION_FIELDS)
        changes["entries"] = (None, entries_for_event(entries))
        add_events(request, "created", [(made, changes)])
        made.entries, made.reversed_by_id = entries, None
        headers = {"ETag": f'"{made.version}"', "Location": f"/v1/transactions/{made.id}"}
        return Response(TransactionSerializer(made).data, 201, headers=headers)


def _lock_accounts(entries: list[dict[str, Any]]) -> None:
    """In the order of their ids, so that two transfers never wait for each other."""
    wanted = {entry["account_id"] for entry in entries}
    accounts = Account.objects.select_for_update(no_key=True).filter(id__in=wanted).order_by("id")
    known = set(accounts.values_list("id", flat=True))
    wrong = [n for n, entry in enumerate(entries) if entry["account_id"] not in known]
    if wrong:
        raise invalid(f"/entries/{number}/account_id" for number in wrong)


def _entry(made: Any, entry: dict[str, Any]) -> Any:
    return Entry(
        transaction=made,
        account_id=entry["account_id"],
        currency=entry["amount"]["currency"],
        amount=minor_units(entry["amount"]["amount"]),
    )
