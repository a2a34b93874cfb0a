"""The walk through resolve, docs/walk-through-resolve.md, is what happens."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from app.settings import ROOT
from tests.bank import Bank, entry
from tests.desk import DeskWork, claim

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.db.testing import RoundTrips
    from tests.client import Client

PAGE = (ROOT / "docs/walk-through-resolve.md").read_text()


def test_the_request_of_the_walk_is_one_transaction_with_its_events(
    admin: Client, hire: Callable[..., Client], round_trips: RoundTrips
) -> None:
    """One BEGIN with the first statement, one COMMIT at the end, and the events of the table."""
    bank, desk, agent = Bank(admin), DeskWork(admin), hire()
    key, account = desk.conversation(bank.customer), bank.open("50")
    task = desk.task(conversation_id=key)
    token = claim(agent)[task]["lease_token"]
    round_trips.take()
    desk.act(
        "conversations",
        key,
        "resolve",
        message={"body": "Sorry! We have sent the second fee back."},
        complete_task={"id": task, "lease_token": token, "output": {}},
        refund={"entries": [entry(bank.cash, "-15"), entry(account, "15")]},
    )
    messages = round_trips.take()
    unit = [message for message in messages if "READ ONLY" not in message]  # not the token's
    assert re.match(r"BEGIN.*; SET LOCAL.*; SELECT.*FOR NO KEY UPDATE", unit[0], re.DOTALL)
    assert unit[-1] == "COMMIT"
    assert not [message for message in unit[1:-1] if re.search("BEGIN|COMMIT", message)]
    reported = re.findall(r"^\| (\w+) \| (\w+) \|$", PAGE, re.MULTILINE)[1:]
    events = admin.get(f"/v1/events?sort=-occurred_at&limit={len(reported)}").json["items"]
    assert [(event["action"], event["object_type"]) for event in reversed(events)] == reported
