"""How large JSON may become: on every path that writes it, after merging, and in the events."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import orjson
import psycopg2
import pytest

from app import create_app
from app.settings import Settings
from tests.client import Client, codes, problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask import Flask

    from tests.client import Answer

    Hire = Callable[..., Client]
    Sql = Callable[..., list[tuple[Any, ...]]]

WORK = {"kind": "x", "queue": "work"}
CUSTOMER = {"reference": "C-1", "name": "Ann"}
KIB = 1024
MIB = 1024 * KIB


def of_size(size: int) -> dict[str, str]:
    """A JSON object of so many bytes, some of them in characters of more than one."""
    wide = "\N{EURO SIGN}" * 100
    return {"text": wide + "x" * (size - len('{"text":""}') - len(wide.encode()))}


def with_keys(count: int) -> dict[str, Any]:
    """So many keys, half of them nested in a list."""
    half = count // 2
    nested = {f"b{n}": 1 for n in range(half)}
    return {"list": [nested], **{f"a{n}": 1 for n in range(count - half - 1)}}


def check_too_large(answer: Answer, pointer: str) -> str:
    """Refused at this place; returns what is wrong there."""
    assert problem(answer) == (422, "validation-error")
    assert codes(answer) == {pointer: "too-large"}
    detail: str = answer.json["errors"][0]["detail"]
    return detail


def claimed(staff: Client, agent: Client, **values: Any) -> dict[str, Any]:
    staff.create("/v1/tasks", {**WORK, **values})
    (task,) = agent.post("/v1/tasks/claim").json["items"]
    found: dict[str, Any] = task
    return found


def test_64_kib_of_attributes_fit(staff: Client) -> None:
    """In UTF-8, without white space; one byte more does not."""
    assert len(orjson.dumps(of_size(64 * KIB))) == 64 * KIB
    staff.create("/v1/customers", {**CUSTOMER, "attributes": of_size(64 * KIB)})
    larger = {"reference": "C-2", "name": "Bo", "attributes": of_size(64 * KIB + 1)}
    detail = check_too_large(staff.post("/v1/customers", larger), "/attributes")
    assert detail == "It has 65,537 bytes of JSON; at most 65,536 are allowed."


def test_a_thousand_keys_fit(staff: Client) -> None:
    """Those of nested objects are counted."""
    staff.create("/v1/customers", {**CUSTOMER, "attributes": with_keys(1000)})
    more = {"reference": "C-2", "name": "Bo", "attributes": with_keys(1001)}
    detail = check_too_large(staff.post("/v1/customers", more), "/attributes")
    assert detail == "It has 1,001 keys; at most 1,000 are allowed."


def test_a_patch_is_measured_after_merging(staff: Client) -> None:
    """Nothing grows step by step beyond what may be sent at once, so all can be sent back."""
    path = f"/v1/customers/{staff.create('/v1/customers', CUSTOMER)['id']}"
    for first in (0, 400):
        patch = {"attributes": {f"k{n}": 1 for n in range(first, first + 400)}}
        assert staff.patch(path, patch).status_code == 200
    patch = {"attributes": {f"k{n}": 1 for n in range(800, 1200)}}
    check_too_large(staff.patch(path, patch), "/attributes")
    whole = staff.get(path).json["attributes"]
    assert len(whole) == 800
    assert staff.patch(path, {"attributes": whole}).status_code == 200
    shrunk: dict[str, Any] = {"text": "x" * 60 * KIB, **dict.fromkeys(whole)}
    assert staff.patch(path, {"attributes": shrunk}).status_code == 200
    check_too_large(staff.patch(path, {"attributes": {"more": "x" * 6 * KIB}}), "/attributes")


def test_a_customer_of_before_who_is_too_large_can_be_changed(staff: Client, sql: Sql) -> None:
    """In every other field, and made smaller."""
    path = f"/v1/customers/{staff.create('/v1/customers', CUSTOMER)['id']}"
    sql("UPDATE customers SET attributes = jsonb_build_object('a', repeat('x', 200000))")
    assert staff.patch(path, {"name": "Anna"}).status_code == 200
    check_too_large(staff.patch(path, {"attributes": {"b": 1}}), "/attributes")
    assert staff.patch(path, {"attributes": {"a": None}}).status_code == 200


@pytest.mark.parametrize("field", ["attributes", "metadata"])
def test_bulk_bodies_are_measured_item_by_item(staff: Client, field: str) -> None:
    """Every item that is too large is named."""
    name = {"attributes": "customers", "metadata": "tasks"}[field]
    new = {"customers": {"name": "Ann"}, "tasks": WORK}[name]
    items = [dict(new) for _ in range(3)]
    for number, item in enumerate(items):
        if name == "customers":
            item["reference"] = f"C-{number}"
    items[0][field] = of_size(64 * KIB)  # type: ignore[assignment]
    items[2][field] = of_size(64 * KIB + 1)  # type: ignore[assignment]
    answer = staff.post(f"/v1/{name}/bulk", {"items": items})
    check_too_large(answer, f"/items/2/{field}")


def test_the_input_of_tasks_may_have_a_mebibyte(staff: Client) -> None:
    """A request of 1 MiB holds a little less; patches add up to no more."""
    large = of_size(MIB - 200)
    path = f"/v1/tasks/{staff.create('/v1/tasks', {**WORK, 'input': large})['id']}"
    check_too_large(staff.patch(path, {"input": {"more": "x" * 1000}}), "/input")
    items = [{**WORK, "input": of_size(MIB + 1)}]
    check_too_large(staff.post("/v1/tasks/bulk", {"items": items}), "/items/0/input")


def test_a_task_with_its_conversation_obeys_the_same(staff: Client) -> None:
    """The pointer leads into `task`."""
    customer = staff.create("/v1/customers", CUSTOMER)
    task = {**WORK, "metadata": of_size(64 * KIB + 1)}
    new = {"customer_id": customer["id"], "subject": "S", "channel": "web", "task": task}
    check_too_large(staff.post("/v1/conversations", new), "/task/metadata")


def test_output_and_progress_are_bounded(staff: Client, hire: Hire, strict: Flask) -> None:
    """The output by what a task may have, progress like any other JSON."""
    agent = hire()
    task = claimed(staff, agent)
    token = {"lease_token": task["lease_token"]}
    path = f"/v1/tasks/{task['id']}"
    progress = {**token, "progress": of_size(64 * KIB + 1)}
    check_too_large(agent.post(f"{path}/heartbeat", progress), "/progress")
    output = {**token, "output": ["x" * 3000]}
    bounded = Client(strict, agent.token, user_id=agent.user_id)
    check_too_large(bounded.post(f"{path}/complete", output), "/output")
    assert agent.post(f"{path}/complete", output).status_code == 200


def test_the_output_of_a_resolution_is_bounded(staff: Client, hire: Hire, small: Client) -> None:
    """The pointer leads into `complete_task`."""
    customer = staff.create("/v1/customers", CUSTOMER)
    new = {"customer_id": customer["id"], "subject": "S", "channel": "web"}
    talk = staff.create("/v1/conversations", new)["id"]
    task = claimed(staff, hire(), conversation_id=talk)
    done = {"id": task["id"], "lease_token": task["lease_token"], "output": "x" * 3000}
    answer = small.post(f"/v1/conversations/{talk}/resolve", {"complete_task": done})
    check_too_large(answer, "/complete_task/output")


@pytest.fixture
def strict(database_url: str) -> Iterator[Flask]:
    """A service whose limits are a kibibyte and ten keys."""
    app = create_app(
        Settings(
            database_url=database_url,
            given_secret_key="k" * 32,
            max_json=KIB,
            max_json_keys=10,
            max_task_data=KIB,
        )
    )
    yield app
    app.extensions["database"].dispose()


@pytest.fixture
def small(strict: Flask, staff: Client) -> Client:
    return Client(strict, staff.token, user_id=staff.user_id)


def test_the_limits_are_settings(small: Client) -> None:
    """Each in its place."""
    customer = {**CUSTOMER, "attributes": of_size(KIB + 1)}
    check_too_large(small.post("/v1/customers", customer), "/attributes")
    customer["attributes"] = with_keys(11)
    check_too_large(small.post("/v1/customers", customer), "/attributes")
    task = {**WORK, "input": of_size(KIB + 1)}
    check_too_large(small.post("/v1/tasks", task), "/input")
    assert small.post("/v1/tasks", {**WORK, "input": with_keys(50)}).status_code == 201


def test_the_database_has_a_bound_of_its_own(staff: Client, sql: Sql) -> None:
    """128 MiB, for every JSON column that a client fills."""
    staff.create("/v1/customers", CUSTOMER)
    with pytest.raises(psycopg2.errors.CheckViolation, match="ck_customers_attributes_size"):
        sql("UPDATE customers SET attributes = jsonb_build_object('a', repeat('x', 134217729))")
    checks = sql(
        "SELECT conrelid::regclass::text, pg_get_constraintdef(oid), convalidated"
        " FROM pg_constraint WHERE conname ~ '_size$' ORDER BY 1, conname"
    )
    found = [(table, re.findall(r"pg_column_size\((\w+)\)", rule)) for table, rule, _ in checks]
    named = ["input", "metadata", "output", "progress"]
    assert found == [("customers", ["attributes"]), *(("tasks", [name]) for name in named)]
    assert all(validated for _, _, validated in checks)


# Events


def changes_of(client: Client, key: str) -> list[dict[str, Any]]:
    """Those of its updates, the oldest first."""
    query = f"/v1/events?object_id={key}&action=updated&sort=occurred_at&limit=100"
    return [event["changes"] for event in client.get(query).json["items"]]


def test_an_event_holds_the_members_that_changed(staff: Client) -> None:
    """Those added, changed and removed; the others were before what they are after."""
    attributes = {"plan": "basic", "seats": 3, "old": True, "nested": {"a": 1, "b": 2}}
    key = staff.create("/v1/customers", {**CUSTOMER, "attributes": attributes})["id"]
    patch = {"attributes": {"seats": 4, "old": None, "new": [1], "nested": {"b": 3}}}
    assert staff.patch(f"/v1/customers/{key}", patch).status_code == 200
    assert changes_of(staff, key) == [
        {
            "attributes": {
                "before": {"seats": 3, "old": True, "nested": {"a": 1, "b": 2}},
                "after": {"seats": 4, "new": [1], "nested": {"a": 1, "b": 3}},
            }
        }
    ]


def test_events_grow_with_what_changed(staff: Client, sql: Sql) -> None:
    """Ten patches of 5 KiB each leave 50 KiB of events, not the object twice for each."""
    key = staff.create("/v1/customers", CUSTOMER)["id"]
    for number in range(10):
        patch = {"attributes": {f"k{number}": "x" * 5 * KIB}}
        assert staff.patch(f"/v1/customers/{key}", patch).status_code == 200
    ((kept,),) = sql("SELECT sum(octet_length(changes::text)) FROM event_personal_values")
    assert 50 * KIB < kept < 55 * KIB


def apply(copy: dict[str, Any], changes: dict[str, Any]) -> None:
    """As a reader of events keeps a copy of one object, change by change."""
    for field, change in changes.items():
        before, after = change["before"], change["after"]
        if isinstance(before, dict) and isinstance(after, dict):
            rest = {name: copy[field][name] for name in copy[field] if name not in before}
            copy[field] = {**rest, **after}
        else:
            copy[field] = after


def test_a_copy_can_be_kept_by_the_events(staff: Client) -> None:
    """Members that hold null included, which a merge patch could not tell from removed ones."""
    attributes = {"a": None, "b": 1, "deep": {"x": {"y": [1, 2]}}}
    key = staff.create("/v1/customers", {**CUSTOMER, "attributes": attributes})["id"]
    patches: list[dict[str, Any]] = [
        {"attributes": {"c": True, "b": 1.5}},
        {"attributes": {"a": None, "deep": {"x": {"z": 1}}}, "name": "Anna"},
        {"attributes": {"c": 1}},
        {"attributes": None},
        {"attributes": {"again": {"x": 1}}},
    ]
    copy: dict[str, Any] = {**CUSTOMER, "attributes": attributes}
    for number, patch in enumerate(patches):
        answer = staff.patch(f"/v1/customers/{key}", patch)
        apply(copy, changes_of(staff, key)[number])
        assert {name: answer.json[name] for name in copy} == copy
