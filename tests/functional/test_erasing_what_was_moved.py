"""What was moved away from a customer is erased with them: the events know of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.erasure import Canaries, erase

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import CompletedProcess

    from tests.client import Client

    Run = Callable[..., CompletedProcess[str]]
    Found = Callable[[], set[str]]


@pytest.fixture
def canary() -> Canaries:
    return Canaries()


@pytest.fixture
def found(canary: Canaries, dump: Callable[[], str]) -> Found:
    """The places whose texts a backup would hold."""
    return lambda: canary.found_in(dump())


@pytest.fixture
def customers(admin: Client) -> tuple[str, str]:
    """Ann, who is erased, and Bob."""
    new = [{"reference": name, "name": "x"} for name in ("Ann", "Bob")]
    ann, bob = (admin.create("/v1/customers", values)["id"] for values in new)
    return ann, bob


def talk_of(admin: Client, customer: str, subject: str = "x") -> str:
    opened = {"customer_id": customer, "subject": subject, "channel": "web"}
    key: str = admin.create("/v1/conversations", opened)["id"]
    return key


def task(admin: Client, text: str, **values: Any) -> str:
    values = {"kind": "x", "queue": "work", "input": {"a": text}, **values}
    key: str = admin.create("/v1/tasks", values)["id"]
    return key


def test_a_task_or_todo_of_another_conversation_is_found(
    admin: Client, flask: Run, found: Found, canary: Canaries, customers: tuple[str, str]
) -> None:
    """It was about this customer when it was written; so was what is below it."""
    ann, bob = customers
    talk, other = talk_of(admin, ann), talk_of(admin, bob)
    moved = task(admin, canary("task"), conversation_id=talk)
    below = task(admin, canary("below"), parent_id=moved)
    new = {"description": canary("todo"), "conversation_id": talk}
    todo = admin.create("/v1/todos", new)["id"]
    for path in (f"/v1/tasks/{moved}", f"/v1/todos/{todo}"):
        assert admin.patch(path, {"conversation_id": other}).status_code == 200
    kept = task(admin, "bob's own", conversation_id=other)
    for key in (below, moved, kept):
        admin.post(f"/v1/tasks/{key}/cancel")
    admin.post(f"/v1/conversations/{talk}/resolve")
    assert found() == {"task", "below", "todo"}
    erased = erase(flask, ann)["erased"]
    assert found() == set()
    assert (erased["tasks"], erased["todos"]) == (2, 1)
    assert admin.get(f"/v1/tasks/{kept}").json["input"] == {"a": "bob's own"}


def test_a_sub_task_of_another_parent_is_found(
    admin: Client, flask: Run, found: Found, canary: Canaries, customers: tuple[str, str]
) -> None:
    """Taken from under its parent, and what is below it, or was once."""
    ann, _ = customers
    talk = talk_of(admin, ann)
    parent, other = task(admin, "x", conversation_id=talk), task(admin, "other")
    child = task(admin, canary("child"), parent_id=parent)
    grandchild = task(admin, canary("grandchild"), parent_id=child)
    assert admin.patch(f"/v1/tasks/{grandchild}", {"parent_id": other}).status_code == 200
    assert admin.patch(f"/v1/tasks/{child}", {"parent_id": None}).status_code == 200
    for key in (grandchild, child, parent, other):
        admin.post(f"/v1/tasks/{key}/cancel")
    admin.post(f"/v1/conversations/{talk}/resolve")
    erase(flask, ann)
    assert found() == set()
    assert admin.get(f"/v1/tasks/{other}").json["input"] == {"a": "other"}


def test_a_conversation_of_another_customer_is_found(
    admin: Client, flask: Run, found: Found, canary: Canaries, customers: tuple[str, str]
) -> None:
    """With all that was in it until it was given away; what came later is the other's."""
    ann, bob = customers
    talk = talk_of(admin, ann, canary("subject"))
    path = f"/v1/conversations/{talk}"
    said = {"direction": "note", "body": canary("body")}
    admin.create(f"{path}/messages", said)
    admin.create("/v1/todos", {"description": canary("todo"), "conversation_id": talk})
    done = task(admin, canary("task"), conversation_id=talk)
    admin.post(f"/v1/tasks/{done}/cancel")
    assert admin.patch(path, {"subject": canary("second")}).status_code == 200
    assert admin.patch(path, {"customer_id": bob}).status_code == 200
    later = admin.create(f"{path}/messages", {**said, "body": "bob's own"})["id"]
    todo = admin.create("/v1/todos", {"description": "bob's own", "conversation_id": talk})["id"]
    erase(flask, ann)
    assert found() == {"second", "body"}
    erase(flask, ann, "--messages")
    assert found() == set()
    assert admin.get(path).json["customer_id"] == bob
    assert admin.get(f"/v1/messages/{later}").json["body"] == "bob's own"
    assert admin.get(f"/v1/todos/{todo}").json["description"] == "bob's own"
