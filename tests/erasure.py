"""A customer who left a trace in every table, for tests of erasing."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from tests.bank import entry, move

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.client import Answer, Client

    Run = Callable[..., subprocess.CompletedProcess[str]]


BOB = {"reference": "OTHER", "name": "Bob", "email": "bob@mail.example"}


class Canaries:
    """Texts that occur nowhere else, each with the place where it was put.

    Statistics of the planner outlive the rows of an earlier test, so each test has other numbers.
    """

    def __init__(self) -> None:
        self.first = self.count = uuid4().int % 10**9
        self.places: set[str] = set()

    def __call__(self, place: str) -> str:
        self.count += 1
        self.places.add(place)
        return f"canary{self.count}.{place}"

    def found_in(self, dump: str) -> set[str]:
        found = re.findall(r"canary(\d+)\.([a-z]+)", dump)
        return {place for number, place in found if self.first < int(number) <= self.count}


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


def erase(flask: Run, *arguments: str) -> dict[str, Any]:
    done = flask("customers", "erase", *arguments, "--yes", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    reported: dict[str, Any] = json.loads(done.stdout)
    return reported
