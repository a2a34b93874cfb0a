"""Every arrow of docs/states.md is what the service does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from app.services import ConversationLifecycle, TaskQueueService, TransactionLifecycle
from docs.generate import states
from tests.bank import Bank, move
from tests.desk import DeskWork, claim, end

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.db import Database
    from docs.generate.states import Arrow
    from tests.client import Client

    Sql = Callable[..., list[tuple[Any, ...]]]

LATER = "2100-01-01T00:00:00Z"


def name(arrow: Arrow) -> str:
    return "-".join((arrow.source, *arrow.action.split(), arrow.target))


def task_at(arrow: Arrow, desk: DeskWork, agent: Client) -> tuple[str, dict[str, Any]]:
    """A task in the arrow's source, from which it can reach the target; and its last claim."""
    key = desk.task(max_attempts=1 if arrow.target == "failed" else 3)
    held: dict[str, Any] = {}
    if arrow.source not in ("[*]", "pending", "cancelled"):
        held = claim(agent)[key]
    if arrow.source == "failed":
        end(agent, held, "fail", error="x", retry=False)
    if arrow.source == "cancelled" or (arrow.source == "running" and arrow.target == "cancelled"):
        desk.act("tasks", key, "cancel")
    return key, held


@pytest.mark.parametrize("arrow", states.of_tasks(), ids=name)
def test_an_arrow_of_a_task(
    arrow: Arrow, staff: Client, hire: Callable[..., Client], database: Database, sql: Sql
) -> None:
    """The action leads where the arrow does."""
    desk, agent = DeskWork(staff), hire()
    key, held = task_at(arrow, desk, agent)
    if "lease" in arrow.action:
        sql("UPDATE tasks SET lease_expires_at = now() - interval '1 second'")
    match arrow.action:
        case "create":
            pass
        case "claim" | "claim once the lease is lost":
            assert claim(agent)[key]["lease_token"] != held.get("lease_token")
        case "lease lost":
            assert TaskQueueService.as_system(database).rescue() == 1
        case "complete":
            end(agent, held, "complete", output={})
        case "fail":
            end(agent, held, "fail", error="x")
        case "release":
            end(agent, held, "release")
        case action:
            desk.act("tasks", key, action)
    assert desk.read("tasks", key)["status"] == arrow.target


@pytest.mark.parametrize("arrow", states.of_conversations(), ids=name)
def test_an_arrow_of_a_conversation(
    arrow: Arrow, staff: Client, database: Database, sql: Sql
) -> None:
    """The action, the message or the time leads where the arrow does."""
    desk = DeskWork(staff)
    customer = desk.customer()
    key = desk.conversation(customer)

    def post(direction: str) -> None:
        path, body = f"/v1/conversations/{key}/messages", {"body": "x", "direction": direction}
        staff.create(path, body)

    match arrow.source:
        case "pending":
            post("outbound")
        case "snoozed":
            desk.act("conversations", key, "snooze", until=LATER)
        case "resolved":
            desk.act("conversations", key, "resolve")
    match arrow.action:
        case "create":
            pass
        case "inbound message" | "outbound message":
            post(arrow.action.split()[0])
        case "until has come":
            sql("UPDATE conversations SET snoozed_until = now()")
            assert ConversationLifecycle.as_system(database).wake_due() == 1
        case "snooze":
            desk.act("conversations", key, "snooze", until=LATER)
        case "merge":
            desk.act("conversations", key, "merge", into=desk.conversation(customer))
        case action:
            desk.act("conversations", key, action)
    assert desk.read("conversations", key)["status"] == arrow.target


@pytest.mark.parametrize("arrow", states.of_transactions(), ids=name)
@pytest.mark.usefixtures("threshold")
def test_an_arrow_of_a_transaction(
    arrow: Arrow, admin: Client, sign_in: Callable[..., Client], database: Database, sql: Sql
) -> None:
    """The action or the time leads where the arrow does."""
    bank = Bank(admin)
    amount = "101" if arrow.action == "approve" else "1"
    body = move(bank.cash, bank.open(), amount)
    if arrow.action != "create" and (arrow.action, arrow.target) != ("approve", "posted"):
        body |= {"pending": True, "expires_at": LATER}
    key = admin.create("/v1/transactions", body)["id"]
    match arrow.action:
        case "create" | "create with pending":
            pass
        case "expires_at has come":
            sql("ALTER TABLE transactions DISABLE TRIGGER transactions_guard")
            sql("UPDATE transactions SET expires_at = now() WHERE expires_at IS NOT NULL")
            sql("ALTER TABLE transactions ENABLE TRIGGER transactions_guard")
            assert TransactionLifecycle.as_system(database).expire_due() == 1
        case "approve":
            DeskWork(sign_in("staff", "bea")).act("transactions", key, "approve")
        case action:
            DeskWork(admin).act("transactions", key, action)
    assert DeskWork(admin).read("transactions", key)["status"] == arrow.target


@pytest.mark.parametrize("arrow", states.of_accounts(), ids=name)
def test_an_arrow_of_an_account(arrow: Arrow, admin: Client) -> None:
    """The action leads where the arrow does."""
    desk, key = DeskWork(admin), Bank(admin).open()
    if arrow.source == "frozen":
        desk.act("accounts", key, "freeze")
    if arrow.action != "create":
        desk.act("accounts", key, arrow.action)
    assert desk.read("accounts", key)["status"] == arrow.target
