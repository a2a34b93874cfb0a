"""`flask customers erase`: nothing that tells of the customer is left, and nothing else is lost."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from uuid_utils.compat import uuid7

from app.services.ledger_check import LedgerCheckService
from tests.client import problem
from tests.erasure import Life, erase

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.db import Database
    from tests.client import Client

    Run = Callable[..., subprocess.CompletedProcess[str]]
    Sql = Callable[..., list[tuple[Any, ...]]]


KEPT_WITHOUT_MESSAGES = {"subject", "tag", "body"}


@pytest.fixture
def life(admin: Client, hire: Any) -> Life:
    return Life(admin, hire())


def test_no_trace_is_left_in_a_dump(
    life: Life, flask: Run, dump: Callable[[], str], sql: Sql
) -> None:
    """Neither of what was there nor of what had been; what was said goes when it is asked for."""
    sql(  # as it was written before 0008
        "INSERT INTO events (id, actor_kind, actor_name, action, object_type, object_id, changes)"
        " VALUES (%s, 'user', 'x', 'updated', 'customers', %s, %s)",
        str(uuid7()), life.key,
        json.dumps({"reference": {"before": life.canary("earlier"), "after": None}, "n": 1}),
    )  # fmt: skip
    assert life.canary.found_in(dump()) == life.canary.places
    erase(flask, life.key)
    assert life.canary.found_in(dump()) == KEPT_WITHOUT_MESSAGES
    erase(flask, life.key, "--messages")
    assert life.canary.found_in(dump()) == set()


def test_the_ledger_and_the_others_stay(
    life: Life, admin: Client, flask: Run, database: Database
) -> None:
    """Accounts, amounts and what is another customer's are as they were."""
    transactions = admin.get("/v1/transactions?sort=created_at").json["items"]
    statement = admin.get(f"/v1/accounts/{life.account}/entries").json["items"]
    bob, his = admin.get(f"/v1/customers/{life.other}").json, f"/v1/accounts/{life.theirs}"
    balance = admin.get(his).json
    erase(flask, life.key, "--messages")
    assert LedgerCheckService.as_system(database).verify() == []
    reported = {"description", "reference", "version", "updated_at"}
    for was, now in zip(
        transactions, admin.get("/v1/transactions?sort=created_at").json["items"], strict=True
    ):
        assert {name for name in was if was[name] != now[name]} <= reported
        assert (now["description"], now["reference"]) in (("[erased]", None), ("", None))
    for was, now in zip(
        statement, admin.get(f"/v1/accounts/{life.account}/entries").json["items"], strict=True
    ):
        assert {name for name in was if was[name] != now[name]} <= {"description"}
    account = admin.get(f"/v1/accounts/{life.account}").json
    assert (account["name"], account["status"]) == ("[erased]", "closed")
    assert admin.get(f"/v1/customers/{life.other}").json == bob
    assert admin.get(his).json == balance


def test_the_customer_and_what_was_said_look_erased(life: Life, admin: Client, flask: Run) -> None:
    """They can be read as before, and messages keep their numbers and who wrote them."""
    messages = admin.get(f"{life.talk_path}/messages?sort=seq").json["items"]
    erase(flask, life.key, "--messages")
    customer = admin.get(life.path).json
    assert customer["reference"] == f"erased-{life.key}"
    empty: dict[str, Any] = {"name": "[erased]", "email": None, "phone": None, "attributes": {}}
    assert {name: customer[name] for name in empty} == empty
    now = admin.get(f"{life.talk_path}/messages?sort=seq").json["items"]
    assert [message["body"] for message in now] == ["[erased]"] * len(messages)
    for was, after in zip(messages, now, strict=True):
        kept = ("id", "seq", "direction", "conversation_id", "original_conversation_id")
        assert [was[name] for name in kept] == [after[name] for name in kept]
        mine = was["author"]["type"] == "customer"
        name = "[erased]" if mine else was["author"]["name"]
        assert after["author"] == {**was["author"], "name": name}


def test_the_audit_stays(life: Life, admin: Client, flask: Run, sql: Sql) -> None:
    """Who did what when, without the values; and that it was erased, of each thing, once."""

    def reported() -> dict[str, Any]:
        rows = sql("SELECT id, to_jsonb(events) - 'changes', changes FROM events")
        return {key: (event, set(changes)) for key, event, changes in rows}

    before = reported()
    erased = erase(flask, life.key)["erased"]
    assert {key: of for key, of in reported().items() if key in before} == before
    events = admin.get("/v1/events?action=erased&limit=100&sort=occurred_at").json["items"]
    tables = ("customers", "conversations", "messages", "tasks", "todos", "transactions")
    assert len(events) == sum(erased[table] for table in (*tables, "accounts"))
    assert {event["actor"]["type"] for event in events} == {"system"}
    (mine,) = (event for event in events if event["object_id"] == life.key)
    names = ("reference", "name", "email", "phone", "attributes")
    assert mine["changes"] == dict.fromkeys(names)
    created = admin.get(f"/v1/events?object_id={life.key}&sort=occurred_at").json["items"][0]
    assert (created["action"], created["changes"]) == ("created", dict.fromkeys(names))
    again = erase(flask, life.key)["erased"]
    assert set(again.values()) == {0}
    assert len(reported()) == len(before) + len(events)


def test_kept_answers_are_gone(life: Life, admin: Client, flask: Run) -> None:
    """Repeats of what told of the customer are refused, never carried out again."""
    alone = {"reference": "C-9", "name": "Cy"}
    life.post("/v1/customers", alone)
    count = admin.get("/v1/customers?include_total=true").json["total"]
    erase(flask, life.key)
    repeats = {key: life.repeat(key) for key in life.answers}
    gone = [key for key, answer in repeats.items() if answer.status_code == 409]
    assert {problem(repeats[key])[1] for key in gone} == {"idempotency-answer-gone"}
    kept = [path for key, (_, path, _) in life.answers.items() if key not in gone]
    assert kept == ["/v1/accounts", "/v1/accounts", "/v1/customers"]  # the firm's, Bob's, Cy
    assert admin.get("/v1/customers?include_total=true").json["total"] == count
