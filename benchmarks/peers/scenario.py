"""Requests of all kinds that the jobs send, and what must be refused."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from benchmarks.peers.client import Answer, Client
from benchmarks.peers.jobs import transfer
from benchmarks.peers.seed import QUEUE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.peers.seed import Seed

    Steps = Iterator[tuple[str, Answer]]

_UNKNOWN = "01a1fcbf-a147-7581-9c60-f6b94e7bf1a1"
_ANN = {
    "reference": "check-1",
    "name": "Änn \u2603",
    "email": "Ann@check.example",
    "phone": "+44 20 7946 0000",
    "attributes": {"tier": 1, "nested": {"list": [1, 2.5, None, True, "x"]}},
}


def play(port: int, seed: Seed) -> Steps:
    """Each answer, with what was asked for."""
    with (
        closing(Client(port, seed.staff)) as staff,
        closing(Client(port, seed.agent)) as agent,
        closing(Client(port, "wrong")) as stranger,
    ):
        yield "a wrong token", stranger.get("/v1/customers")
        yield from _customers(staff, agent)
        yield from _pages(staff)
        yield from _bulk(staff)
        yield from _transfers(staff, seed)
        yield from _tasks(staff, agent)


def _customers(staff: Client, agent: Client) -> Steps:
    path = "/v1/customers"
    yield "no token", staff.send("GET", path, with_token=False)
    yield "a customer with all fields", (ann := staff.post(path, _ANN))
    yield "the customer", staff.get(ann.headers["location"])
    yield "a customer with few", staff.post(path, {"reference": "check-2", "name": "Bo"})
    nulls = {"reference": "check-3", "name": "Cy", "email": None, "phone": None}
    yield "a customer with nulls", staff.post(path, nulls)
    yield "an unknown customer", staff.get(f"{path}/{_UNKNOWN}")
    yield "a reference again", staff.post(path, {"reference": "check-1", "name": "Di"})
    email = {"reference": "check-4", "name": "Di", "email": "ANN@check.example"}
    yield "an e-mail address again", staff.post(path, email)
    yield "no name", staff.post(path, {"reference": "check-4"})
    yield "wrong types", staff.post(path, {"reference": [], "name": "Di", "attributes": []})
    yield "an unknown field", staff.post(path, {"reference": "check-4", "name": "Di", "x": 1})
    yield "a long name", staff.post(path, {"reference": "check-4", "name": "x" * 201})
    yield "no e-mail", staff.post(path, {"reference": "check-4", "name": "Di", "email": "di"})
    yield "no JSON", staff.send("POST", path, b"{")
    yield "an agent's customer", agent.post(path, {"reference": "check-4", "name": "Di"})


def _pages(staff: Client) -> Steps:
    """By `next_cursor`, then by Link."""
    path = "/v1/customers?limit=2"
    yield "page 1", (page := staff.get(path))
    yield "page 2", staff.get(f"{path}&cursor={page.body['next_cursor']}")
    yield "page 2 by its link", staff.get(page.headers["link"][1:].partition(">")[0])


def _bulk(staff: Client) -> Steps:
    path = "/v1/customers/bulk"
    rows = [_ANN | {"reference": f"check-5{n}", "email": f"{n}@check.example"} for n in range(3)]
    rows.append({"reference": "check-59", "name": "Bo"})
    yield "many customers", staff.post(path, {"items": rows})
    wrong = {"items": [{"reference": "check-6", "name": "Di"}, {"reference": "check-7"}]}
    yield "many, one wrong", staff.post(path, wrong)
    taken = {"items": [{"reference": "check-6", "name": "Di"}, _ANN]}
    yield "many, one taken", _without_places(staff.post(path, taken))
    yield "after it", staff.get("/v1/customers?limit=1")


def _without_places(answer: Answer) -> Answer:
    """Only Caseload says which of many has something that is taken."""
    body = {name: value for name, value in answer.body.items() if name != "errors"}
    return answer._replace(body=body)


def _transfers(staff: Client, seed: Seed) -> Steps:
    path, (first, second) = "/v1/transactions", seed.accounts[:2]
    yield "a transfer", staff.post(path, transfer(first, second, "12.34"))
    yield "a second one", staff.post(path, transfer(second, first, "0.04"))
    yield "to the limit", staff.post(path, transfer(seed.poor, first, "10.00"))
    yield "beyond it", staff.post(path, transfer(seed.poor, first, "0.01"))
    unbalanced = transfer(first, second)
    unbalanced["entries"][0]["amount"]["amount"] = "-1.00"
    yield "an unbalanced one", staff.post(path, unbalanced)
    yield "an unknown account", staff.post(path, transfer(first, _UNKNOWN))
    digits = transfer(first, second)
    digits["entries"][1]["amount"]["amount"] = "1.255"
    yield "too many digits", staff.post(path, digits)
    yield "no entries", staff.post(path, {"kind": "transfer"})


def _tasks(staff: Client, agent: Client) -> Steps:
    path, claim = "/v1/tasks", "/v1/tasks/claim"
    given = {"kind": "reply", "queue": QUEUE, "input": {"n": [1, 2]}}
    yield "a task", staff.post(path, given)
    yield "an urgent one", (urgent := staff.post(path, given | {"priority": 0}))
    yield "a wrong queue", staff.post(path, given | {"queue": "No queue"})
    yield "a claim", (claimed := agent.post(claim, {"limit": 1, "lease_seconds": 60}))
    (task,) = claimed.body["items"]
    complete = f"{path}/{urgent.body['id']}/complete"
    good = {"lease_token": task["lease_token"], "output": {"ok": True}}
    yield "a wrong lease", agent.post(complete, good | {"lease_token": _UNKNOWN})
    yield "an unknown task", agent.post(f"{path}/{_UNKNOWN}/complete", good)
    yield "a completion", agent.post(complete, good)
    yield "a second completion", agent.post(complete, good)
    yield "another queue", agent.post(claim, {"queues": ["other"]})
    yield "what is left", agent.post(claim, {"limit": 5, "queues": [QUEUE]})
    yield "nothing left", agent.post(claim, {})
    yield "a user's claim", staff.post(claim, {})
