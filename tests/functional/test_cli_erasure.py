"""`flask customers erase`: nothing that tells of the customer is left, and nothing else is lost."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from uuid_utils.compat import uuid7

from app.services.ledger_check import LedgerCheckService
from app.settings import ROOT
from tests.bank import entry, move
from tests.client import problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.db import Database
    from tests.client import Answer, Client

    Run = Callable[..., subprocess.CompletedProcess[str]]
    Sql = Callable[..., list[tuple[Any, ...]]]

KEPT_WITHOUT_MESSAGES = {"subject", "tag", "body"}
BOB = {"reference": "OTHER", "name": "Bob", "email": "bob@mail.example"}


class Canaries:
    """Texts that occur nowhere else, each with the place where it was put."""

    def __init__(self) -> None:
        self.count = 0
        self.places: set[str] = set()

    def __call__(self, place: str) -> str:
        self.count += 1
        self.places.add(place)
        return f"canary{self.count:03}.{place}"

    def found_in(self, dump: str) -> set[str]:
        return {place for _, place in re.findall(r"canary(\d+)\.([a-z]+)", dump)}


class Life:
    """A customer who has left a trace wherever one can be left, by requests that have keys."""

    def __init__(self, client: Client, agent: Client) -> None:
        self.client, self.agent, self.canary = client, agent, Canaries()
        self.answers: dict[str, tuple[Client, str, Any]] = {}
        both = [self.new_customer(), BOB]
        self.key, self.other = (of["id"] for of in self.post("/v1/customers/bulk", both)["items"])
        self.path = f"/v1/customers/{self.key}"
        client.patch(self.path, {**self.new_customer(), "attributes": {self.canary("key"): None}})
        self.bank()
        self.talk()
        self.work()
        self.finish()

    def post(self, path: str, body: Any, client: Client | None = None) -> Any:
        """With a key, and remembered."""
        client, key = client or self.client, f"key {len(self.answers)}"
        body = {"items": body} if isinstance(body, list) else body
        answer = client.post(path, body, Idempotency_Key=key)
        assert answer.status_code in (200, 201), answer.text
        self.answers[key] = (client, path, body)
        return answer.json

    def repeat(self, key: str) -> Answer:
        client, path, body = self.answers[key]
        return client.post(path, body, Idempotency_Key=key)

    def new_customer(self) -> dict[str, Any]:
        c = self.canary
        return {
            "reference": c("reference"),
            "name": c("name"),
            "email": f"{c('email')}@mail.example",
            "phone": c("phone"),
            "attributes": {c("key"): {"deep": [c("value")]}},
        }

    def bank(self) -> None:
        c = self.canary
        cash = self.post("/v1/accounts", {"name": "Cash", "currency": "GBP"})["id"]
        new = {"customer_id": self.key, "name": c("account"), "currency": "GBP"}
        account = self.post("/v1/accounts", new)["id"]
        theirs = self.post("/v1/accounts", {**new, "customer_id": self.other, "name": "Bob's"})
        self.client.patch(f"/v1/accounts/{account}", {"name": c("account")})
        more = {"description": c("description"), "reference": c("transaction")}
        self.post("/v1/transactions", move(cash, account, "5", **more))
        body = move(account, theirs["id"], "5", description=c("description"), pending=True)
        held = self.post("/v1/transactions", body)["id"]
        self.post(f"/v1/transactions/{held}/post", {})
        self.cash, self.account, self.theirs = cash, account, theirs["id"]

    def talk(self) -> None:
        c = self.canary
        opened = {
            "customer_id": self.key,
            "subject": c("subject"),
            "tags": [c("tag")],
            "channel": "email",
            "message": {"body": c("body"), "external_id": c("external")},
            "task": {
                "kind": "answer",
                "queue": "work",
                "input": {c("input"): c("input")},
                "metadata": {"a": [c("metadata")]},
                "dedupe_key": c("dedupe"),
            },
        }
        self.talk_key = self.post("/v1/conversations", opened)["id"]
        path = self.talk_path = f"/v1/conversations/{self.talk_key}"
        self.client.patch(path, {"subject": c("subject"), "tags": [c("tag")]})
        reason = {"agent_id": self.agent.user_id, "reason": c("reason")}
        self.post(f"{path}/assign", reason)
        for direction in ("inbound", "outbound", "note"):
            more = {"direction": direction, "body": c("body"), "external_id": c("external")}
            self.post(f"{path}/messages", more)
        second = {"customer_id": self.key, "subject": c("subject"), "channel": "email"}
        merged = self.post("/v1/conversations", {**second, "message": {"body": c("body")}})["id"]
        todo = {"description": c("todo"), "conversation_id": merged}
        todo = self.post("/v1/todos", todo)
        self.client.patch(f"/v1/todos/{todo['id']}", {"description": c("todo")})
        self.post(f"/v1/conversations/{merged}/merge", {"into": self.talk_key})

    def work(self) -> None:
        c = self.canary
        claim = {"lease_seconds": 600}
        for number in range(2):
            (task,) = self.post("/v1/tasks/claim", claim, self.agent)["items"]
            path, token = f"/v1/tasks/{task['id']}", {"lease_token": task["lease_token"]}
            beat = {**token, "progress": {"at": c("progress")}}
            assert self.agent.post(f"{path}/heartbeat", beat).status_code == 200
            if number == 0:
                below = {"kind": "x", "queue": "work", "parent_id": task["id"], "priority": 9}
                below = self.post("/v1/tasks", {**below, "input": {"a": c("input")}}, self.agent)
                self.post(f"/v1/tasks/{below['id']}/cancel", {})
                self.post(f"{path}/fail", {**token, "error": c("error")}, self.agent)
                self.client.patch(path, {"run_after": "2020-01-01T00:00:00Z"})
            else:
                done = {**token, "output": {"said": c("output")}}
                self.post(f"{path}/complete", done, self.agent)
        alone = {
            "kind": "check",
            "queue": "other",
            "input": {"customer": self.key, "a": c("input")},
        }
        self.post(f"/v1/tasks/{self.post('/v1/tasks', alone)['id']}/cancel", {})

    def finish(self) -> None:
        """The account is emptied by a refund that the conversation ends with, and closed."""
        legs = [entry(self.account, "1"), entry(self.cash, "-1")]
        last = {"body": self.canary("body")}
        refund = {"entries": legs, "description": self.canary("description")}
        self.post(f"{self.talk_path}/resolve", {"message": last, "refund": refund})
        self.post("/v1/transactions", move(self.account, self.cash, "1"))
        self.post(f"/v1/accounts/{self.account}/close", {})


@pytest.fixture
def life(admin: Client, hire: Any) -> Life:
    return Life(admin, hire())


def erase(flask: Run, *arguments: str) -> dict[str, Any]:
    done = flask("customers", "erase", *arguments, "--yes", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    told: dict[str, Any] = json.loads(done.stdout)
    return told


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
    told = {"description", "reference", "version", "updated_at"}
    for was, now in zip(
        transactions, admin.get("/v1/transactions?sort=created_at").json["items"], strict=True
    ):
        assert {name for name in was if was[name] != now[name]} <= told
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

    def told() -> dict[str, Any]:
        rows = sql("SELECT id, to_jsonb(events) - 'changes', changes FROM events")
        return {key: (event, set(changes)) for key, event, changes in rows}

    before = told()
    erased = erase(flask, life.key)["erased"]
    assert {key: of for key, of in told().items() if key in before} == before
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
    assert len(told()) == len(before) + len(events)


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


@pytest.fixture
def ann(admin: Client) -> str:
    key: str = admin.create("/v1/customers", {"reference": "A-1", "name": "Ann"})["id"]
    return key


def refusal(flask: Run, *arguments: str) -> str:
    done = flask("customers", "erase", *arguments, "--yes")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
    return done.stderr


def test_whom_the_firm_has_to_know_is_not_erased(ann: str, admin: Client, flask: Run) -> None:
    """Not before accounts are closed, conversations resolved and tasks ended."""
    new = {"customer_id": ann, "name": "Current", "currency": "GBP"}
    account = admin.create("/v1/accounts", new)["id"]
    talk = {"customer_id": ann, "subject": "Hello", "channel": "web"}
    talk = admin.create("/v1/conversations", talk)["id"]
    task = {"kind": "x", "queue": "work", "metadata": {"customer": ann}}
    task = admin.create("/v1/tasks", task)["id"]
    told = refusal(flask, "A-1")
    assert "1 accounts that are not closed" in told
    assert "1 conversations that are not resolved, 1 tasks that have not ended" in told
    admin.post(f"/v1/accounts/{account}/freeze")
    admin.post(f"/v1/conversations/{talk}/resolve")
    admin.post(f"/v1/tasks/{task}/cancel")
    told = "Error: The customer cannot be erased: there are 1 accounts that are not closed.\n"
    assert refusal(flask, ann) == told
    assert admin.get(f"/v1/customers/{ann}").json["name"] == "Ann"
    admin.post(f"/v1/accounts/{account}/close")
    assert erase(flask, ann)["erased"]["accounts"] == 1


def test_tasks_that_name_the_customer_are_found(
    ann: str, admin: Client, hire: Any, flask: Run, dump: Callable[[], str]
) -> None:
    """Wherever the id stands in what programs wrote, and however it is spelt."""
    agent, c, queued = hire(), Canaries(), {"kind": "x", "queue": "work"}
    for more in ({"input": {"customer": ann.upper()}}, {"dedupe_key": f"welcome-{ann}"}):
        task = admin.create("/v1/tasks", {**queued, "metadata": {"a": c("metadata")}, **more})
        admin.post(f"/v1/tasks/{task['id']}/cancel")
    for progress, error in ((ann, "No"), (None, f"No answer from {ann}")):
        admin.create("/v1/tasks", {**queued, "input": {"a": c("input")}})
        (task,) = agent.post("/v1/tasks/claim", {}).json["items"]
        path, token = f"/v1/tasks/{task['id']}", {"lease_token": task["lease_token"]}
        agent.post(f"{path}/heartbeat", {**token, "progress": progress})
        failed = agent.post(f"{path}/fail", {**token, "error": error, "retry": False})
        assert failed.status_code == 200
    assert erase(flask, ann)["erased"]["tasks"] == 4
    assert c.found_in(dump()) == set()


def talk_about(ann: str, admin: Client, **more: Any) -> str:
    opened = {"customer_id": ann, "subject": "Hello", "channel": "web", **more}
    key: str = admin.create("/v1/conversations", opened)["id"]
    return key


def test_what_was_paid_for_their_tasks_is_theirs(
    ann: str, admin: Client, flask: Run, dump: Callable[[], str]
) -> None:
    """Also from and to accounts of others."""
    c, task = Canaries(), {"kind": "x", "queue": "work"}
    talk = talk_about(ann, admin, task=task)
    (task,) = admin.get(f"/v1/tasks?conversation_id={talk}").json["items"]
    new = {"name": "Cash", "currency": "GBP"}
    one, other = (admin.create("/v1/accounts", new)["id"] for _ in range(2))
    told = {"description": c("description"), "task_id": task["id"]}
    admin.create("/v1/transactions", move(one, other, "5", **told))
    admin.post(f"/v1/tasks/{task['id']}/cancel")
    admin.post(f"/v1/conversations/{talk}/resolve")
    assert erase(flask, ann)["erased"]["transactions"] == 1
    assert c.found_in(dump()) == set()


def test_what_was_paid_is_not_paid_again(ann: str, admin: Client, flask: Run) -> None:
    """A repeat is refused by its reference, where no closed account refuses it."""
    talk = talk_about(ann, admin)
    new = {"name": "Cash", "currency": "GBP"}
    one, other = (admin.create("/v1/accounts", new)["id"] for _ in range(2))
    told = {"description": "For Ann", "reference": "ours", "conversation_id": talk}
    body = move(one, other, "5", **told)
    made = admin.create("/v1/transactions", body)["id"]
    admin.post(f"/v1/conversations/{talk}/resolve")
    assert erase(flask, ann)["erased"]["transactions"] == 1
    for repeat in (body, {**body, "description": "[erased]"}):
        answer = admin.post("/v1/transactions", repeat)
        assert problem(answer) == (409, "reference-reused")
    found = admin.get(f"/v1/transactions/{made}").json
    assert (found["description"], found["reference"]) == ("[erased]", "ours")
    assert admin.get(f"/v1/accounts/{other}").json["balance"]["amount"] == "5.00"
    assert set(erase(flask, ann)["erased"].values()) == {0}


def test_a_deleted_customer_is_erased(ann: str, admin: Client, flask: Run) -> None:
    """By id or by what the reference was, if it is not that of several; and stays deleted."""
    admin.delete(f"/v1/customers/{ann}")
    assert erase(flask, "A-1")["id"] == ann
    found = admin.get(f"/v1/customers/{ann}?include_deleted=true").json
    assert (found["name"], found["deleted_at"] is None) == ("[erased]", False)
    for _ in range(2):
        twin = admin.create("/v1/customers", {"reference": "B-1", "name": "Bo"})["id"]
        admin.delete(f"/v1/customers/{twin}")
    done = flask("customers", "erase", "B-1", "--yes")
    assert (done.returncode, done.stdout) == (2, "")
    live = admin.create("/v1/customers", {"reference": "B-1", "name": "Bo"})["id"]
    assert erase(flask, "B-1")["id"] == live
    for unknown in ("A-1", str(uuid7())):
        assert flask("customers", "erase", unknown, "--yes").returncode == 3


def test_it_asks_before(ann: str, admin: Client, environment: dict[str, str]) -> None:
    """Whom, by name; all but yes leaves everything as it is."""

    def answer(text: str) -> subprocess.CompletedProcess[str]:
        command = (sys.executable, "-m", "flask", "customers", "erase", "A-1")
        return subprocess.run(  # noqa: S603 - the program under test
            command, cwd=ROOT, env=environment, input=text, capture_output=True, text=True,
            check=False,
        )  # fmt: skip

    for no in ("n\n", ""):
        done = answer(no)
        assert (done.returncode, done.stdout) == (1, "")
        assert "Erase Ann (A-1) for good? [y/N]" in done.stderr
        assert admin.get(f"/v1/customers/{ann}").json["name"] == "Ann"
    done = answer("y\n")
    assert (done.returncode, done.stdout) == (
        0,
        f"Erased {ann}: 1 customers, 1 events. Statistics are renewed.\n",
    )
    assert answer("y\n").returncode == 3  # the reference is gone too
