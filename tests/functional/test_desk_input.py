"""What may be asked of the desk, and how it is told that it may not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.client import codes, problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.client import Client


@pytest.fixture
def tagged(admin: Client) -> dict[str, str]:
    """Three conversations: the id of each by its subject."""
    customer = admin.create("/v1/customers", {"reference": "A", "name": "Ann"})["id"]
    new = {"customer_id": customer, "channel": "web"}
    return {
        subject: admin.create("/v1/conversations", {**new, "subject": subject, "tags": tags})["id"]
        for subject, tags in {"both": ["vip", "fee"], "one": ["fee"], "none": []}.items()
    }


@pytest.mark.parametrize(
    ("tag", "found"), [("fee", {"both", "one"}), ("vip", {"both"}), ("FEE", set()), ("%", set())]
)
def test_conversations_are_found_by_a_tag(
    admin: Client, tagged: dict[str, str], tag: str, found: set[str]
) -> None:
    """By the whole tag, as it is written."""
    answer = admin.send("GET", f"/v1/conversations?tags__contains={tag}".replace("%", "%25"))
    assert {item["subject"] for item in answer.json["items"]} == found


def test_agents_are_found_by_a_queue(admin: Client, hire: Callable[..., Client]) -> None:
    """Who works here?"""
    hire("one", ["mail", "calls"])
    hire("two", ["mail"])
    items = admin.get("/v1/agents?queues__contains=calls").json["items"]
    assert [agent["name"] for agent in items] == ["one"]


@pytest.mark.parametrize("query", ["tags=fee", "tags__in=fee", "tags__ne=fee", "tags__contains="])
def test_a_list_is_compared_by_nothing_else(admin: Client, query: str) -> None:
    """What has no meaning is refused."""
    assert problem(admin.get(f"/v1/conversations?{query}")) == (400, "invalid-parameter")


def test_a_conversation_is_found_by_a_number_of_any_size(admin: Client) -> None:
    """Numbers are not limited to 32 bits."""
    for number in (3_000_000_000, 999_999_999_999_999_999):
        assert admin.get(f"/v1/conversations?number={number}").json["items"] == []
    answer = admin.get(f"/v1/conversations?number={10**18}")
    assert problem(answer) == (400, "invalid-parameter")


def test_what_is_nested_has_the_codes_of_all_fields(admin: Client) -> None:
    """null in the place of an object is told as null."""
    customer = admin.create("/v1/customers", {"reference": "A", "name": "Ann"})["id"]
    new = {"customer_id": customer, "channel": "web", "subject": "x", "message": None, "task": 1}
    assert codes(admin.post("/v1/conversations", new)) == {"/message": "null", "/task": "type"}
