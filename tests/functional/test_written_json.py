"""The bytes of responses: ids and times are written in one way, wherever they stand."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from tests.expansion import CONVERSATIONS, CUSTOMERS, create_conversation

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.client import Answer, Client

    Sql = Callable[..., list[tuple[Any, ...]]]

FRACTIONS = ["", ".000001", ".000100", ".100000", ".120000", ".999990"]
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{6})?Z")
ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.mark.parametrize("fraction", FRACTIONS)
def test_a_time_has_six_digits_or_none(staff: Client, sql: Sql, fraction: str) -> None:
    """By itself, in a list, among selected fields, and in an expanded row."""
    ann = staff.create(CUSTOMERS, {"reference": "C-1", "name": "Ann"})
    talk = create_conversation(staff, ann)
    moment = f"2026-11-02T09:00:00{fraction}Z"
    sql("UPDATE customers SET created_at = %s", moment)
    one = f"{CUSTOMERS}/{ann['id']}"
    expected = f'"created_at":"{moment}"'
    for path in (one, f"{one}?fields=created_at", CUSTOMERS, f"{CUSTOMERS}?fields=id,created_at"):
        assert expected in staff.get(path).text
    for path in (f"{CONVERSATIONS}/{talk['id']}", CONVERSATIONS):
        assert expected in staff.get(f"{path}?expand=customer").text


def test_every_time_and_id_is_spelt_alike(staff: Client) -> None:
    """In what is created, replayed, read, listed and fed."""
    ann = staff.create(CUSTOMERS, {"reference": "C-1", "name": "Ann"})
    talk = create_conversation(staff, ann)
    task = {"kind": "check", "queue": "work", "conversation_id": talk["id"]}
    task["run_after"] = "2099-11-02T10:30:00.5+01:00"
    created = staff.post("/v1/tasks", task, Idempotency_Key="k1")
    replayed = staff.post("/v1/tasks", task, Idempotency_Key="k1")
    assert replayed.headers["Idempotency-Replayed"] == "true"
    assert created.json["run_after"] == "2099-11-02T09:30:00.500000Z"
    paths = [
        "/v1/tasks",
        f"/v1/tasks/{created.json['id']}?expand=conversation.customer",
        "/v1/events",
    ]
    answers = [created, replayed, *map(staff.get, [*paths, "/v1/events/feed"])]
    for answer in answers:
        check_spelling(answer)
    for answer in answers[:4]:  # in events, PostgreSQL has written the changes
        assert answer.data == orjson.dumps(answer.json)
    assert created.data == replayed.data == staff.get(paths[1].partition("?")[0]).data


def test_the_etag_of_a_selection_is_a_digest_of_its_bytes(staff: Client) -> None:
    ann = staff.create(CUSTOMERS, {"reference": "C-1", "name": "Ann"})
    talk = create_conversation(staff, ann)
    answer = staff.get(f"{CONVERSATIONS}/{talk['id']}?expand=customer&fields=id,created_at")
    digest = hashlib.sha256(answer.data).hexdigest()[:32]
    assert answer.headers["ETag"].strip('"').split(":")[-1] == digest


def test_a_number_beyond_64_bits_changes_nothing_else(staff: Client, sql: Sql) -> None:
    """Rows from before it was refused may have one: the standard library writes it then."""
    ann = staff.create(CUSTOMERS, {"reference": "C-1", "name": "Ann", "attributes": {"a": 1}})
    usual = staff.get(f"{CUSTOMERS}/{ann['id']}").json
    sql(
        "SET LOCAL session_replication_role = replica; "
        "UPDATE customers SET attributes = '{\"a\": 123456789012345678901234567890}'"
    )
    for answer in (staff.get(f"{CUSTOMERS}/{ann['id']}"), staff.get(CUSTOMERS)):
        assert "123456789012345678901234567890" in answer.text
        shown = answer.json.get("items", [answer.json])[0]
        assert shown | {"attributes": {"a": 1}} == usual


def check_spelling(answer: Answer) -> None:
    for name, value in leaves(answer.json):
        if isinstance(value, str) and name.endswith(("_at", "_after", "_by")):
            assert TIME.fullmatch(value), (name, value)
        if (
            isinstance(value, str)
            and (name == "id" or name.endswith("_id"))
            and name != "request_id"
        ):
            assert ID.fullmatch(value), (name, value)


def leaves(value: Any, name: str = "") -> list[tuple[str, Any]]:
    """The values that hold no others, each with the name under which it stands."""
    if isinstance(value, dict):
        return [leaf for key, inner in value.items() for leaf in leaves(inner, key)]
    if isinstance(value, list):
        return [leaf for inner in value for leaf in leaves(inner, name)]
    return [(name, value)]
