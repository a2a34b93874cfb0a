"""`flask customers erase`: whom it refuses to erase, what it finds, and what it asks before."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from uuid_utils.compat import uuid7

from app.settings import ROOT
from tests.bank import move
from tests.client import problem
from tests.erasure import Canaries, erase

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.client import Client

    Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def ann_id(admin: Client) -> str:
    key: str = admin.create("/v1/customers", {"reference": "A-1", "name": "Ann"})["id"]
    return key


def refusal(flask: Run, *arguments: str) -> str:
    done = flask("customers", "erase", *arguments, "--yes")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
    return done.stderr


def test_whom_the_firm_has_to_know_is_not_erased(ann_id: str, admin: Client, flask: Run) -> None:
    """Not before accounts are closed, conversations resolved and tasks ended."""
    new = {"customer_id": ann_id, "name": "Current", "currency": "GBP"}
    account = admin.create("/v1/accounts", new)["id"]
    talk = {"customer_id": ann_id, "subject": "Hello", "channel": "web"}
    talk = admin.create("/v1/conversations", talk)["id"]
    task = {"kind": "x", "queue": "work", "metadata": {"customer": ann_id}}
    task = admin.create("/v1/tasks", task)["id"]
    reported = refusal(flask, "A-1")
    assert "1 accounts that are not closed" in reported
    assert "1 conversations that are not resolved, 1 tasks that have not ended" in reported
    admin.post(f"/v1/accounts/{account}/freeze")
    admin.post(f"/v1/conversations/{talk}/resolve")
    admin.post(f"/v1/tasks/{task}/cancel")
    reported = "Error: The customer cannot be erased: there are 1 accounts that are not closed.\n"
    assert refusal(flask, ann_id) == reported
    assert admin.get(f"/v1/customers/{ann_id}").json["name"] == "Ann"
    admin.post(f"/v1/accounts/{account}/close")
    assert erase(flask, ann_id)["erased"]["accounts"] == 1


def test_tasks_that_name_the_customer_are_found(
    ann_id: str, admin: Client, hire: Any, flask: Run, dump: Callable[[], str]
) -> None:
    """Wherever the id stands in what programs wrote, and however it is spelt."""
    agent, c, queued = hire(), Canaries(), {"kind": "x", "queue": "work"}
    for more in ({"input": {"customer": ann_id.upper()}}, {"dedupe_key": f"welcome-{ann_id}"}):
        task = admin.create("/v1/tasks", {**queued, "metadata": {"a": c("metadata")}, **more})
        admin.post(f"/v1/tasks/{task['id']}/cancel")
    for progress, error in ((ann_id, "No"), (None, f"No answer from {ann_id}")):
        admin.create("/v1/tasks", {**queued, "input": {"a": c("input")}})
        (task,) = agent.post("/v1/tasks/claim", {}).json["items"]
        path, token = f"/v1/tasks/{task['id']}", {"lease_token": task["lease_token"]}
        agent.post(f"{path}/heartbeat", {**token, "progress": progress})
        failed = agent.post(f"{path}/fail", {**token, "error": error, "retry": False})
        assert failed.status_code == 200
    assert erase(flask, ann_id)["erased"]["tasks"] == 4
    assert c.found_in(dump()) == set()


def talk_about(ann_id: str, admin: Client, **more: Any) -> str:
    opened = {"customer_id": ann_id, "subject": "Hello", "channel": "web", **more}
    key: str = admin.create("/v1/conversations", opened)["id"]
    return key


def test_what_was_paid_for_their_tasks_is_theirs(
    ann_id: str, admin: Client, flask: Run, dump: Callable[[], str]
) -> None:
    """Also from and to accounts of others."""
    c, task = Canaries(), {"kind": "x", "queue": "work"}
    talk = talk_about(ann_id, admin, task=task)
    (task,) = admin.get(f"/v1/tasks?conversation_id={talk}").json["items"]
    new = {"name": "Cash", "currency": "GBP"}
    one, other = (admin.create("/v1/accounts", new)["id"] for _ in range(2))
    reported = {"description": c("description"), "task_id": task["id"]}
    admin.create("/v1/transactions", move(one, other, "5", **reported))
    admin.post(f"/v1/tasks/{task['id']}/cancel")
    admin.post(f"/v1/conversations/{talk}/resolve")
    assert erase(flask, ann_id)["erased"]["transactions"] == 1
    assert c.found_in(dump()) == set()


def test_what_was_paid_is_not_paid_again(ann_id: str, admin: Client, flask: Run) -> None:
    """A repeat is refused by its reference, where no closed account refuses it."""
    talk = talk_about(ann_id, admin)
    new = {"name": "Cash", "currency": "GBP"}
    one, other = (admin.create("/v1/accounts", new)["id"] for _ in range(2))
    reported = {"description": "For Ann", "reference": "ours", "conversation_id": talk}
    body = move(one, other, "5", **reported)
    made = admin.create("/v1/transactions", body)["id"]
    admin.post(f"/v1/conversations/{talk}/resolve")
    assert erase(flask, ann_id)["erased"]["transactions"] == 1
    for repeat in (body, {**body, "description": "[erased]"}):
        answer = admin.post("/v1/transactions", repeat)
        assert problem(answer) == (409, "reference-reused")
    found = admin.get(f"/v1/transactions/{made}").json
    assert (found["description"], found["reference"]) == ("[erased]", "ours")
    assert admin.get(f"/v1/accounts/{other}").json["balance"]["amount"] == "5.00"
    assert set(erase(flask, ann_id)["erased"].values()) == {0}


def test_a_deleted_customer_is_erased(ann_id: str, admin: Client, flask: Run) -> None:
    """By id or by what the reference was, if it is not that of several; and stays deleted."""
    admin.delete(f"/v1/customers/{ann_id}")
    assert erase(flask, "A-1")["id"] == ann_id
    found = admin.get(f"/v1/customers/{ann_id}?include_deleted=true").json
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


def test_it_asks_before(ann_id: str, admin: Client, environment: dict[str, str]) -> None:
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
        assert admin.get(f"/v1/customers/{ann_id}").json["name"] == "Ann"
    done = answer("y\n")
    assert (done.returncode, done.stdout) == (
        0,
        f"Erased {ann_id}: 1 customers, 1 events. Statistics are renewed.\n",
    )
    assert answer("y\n").returncode == 3  # the reference is gone too
