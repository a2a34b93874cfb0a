"""Many things in one request: all or none, mistakes by index, as many statements as for one."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from app import create_app
from app.settings import Settings
from tests.client import Client, codes, problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.db.testing import RoundTrips

    Item = dict[str, Any]
    Make = Callable[[int], Item]

PRICE = {"amount": "1.50", "currency": "GBP"}
MAKE: dict[str, Make] = {
    "customers": lambda n: {"reference": f"C-{n}", "name": "Ann", "email": f"a{n}@x.example"},
    "products": lambda n: {"sku": f"S-{n}", "name": "Card", "price": PRICE},
    "faqs": lambda n: {"question": f"Why {n}?", "answer": "So.", "tags": ["a"]},
}
BOOKKEEPING = {"id", "version", "created_at", "updated_at"}
AT_MOST = 1000


def bulk(client: Client, name: str, items: list[Any]) -> Any:
    return client.post(f"/v1/{name}/bulk", {"items": items})


def made(client: Client, name: str, items: list[Any]) -> list[Item]:
    answer = bulk(client, name, items)
    assert answer.status_code == 201, answer.text
    found: list[Item] = answer.json["items"]
    return found


def said(resource: Item) -> Item:
    return {name: value for name, value in resource.items() if name not in BOOKKEEPING}


def nothing_is_there(client: Client, name: str) -> bool:
    answer: list[Item] = client.get(f"/v1/{name}").json["items"]
    return answer == []


@pytest.mark.parametrize("name", MAKE)
def test_all_are_there_in_their_order(staff: Client, name: str) -> None:
    """Each is as one that was made by itself: its fields, its version, and what was left out."""
    items = [MAKE[name](n) for n in range(3)]
    created = made(staff, name, items)
    for item, resource in zip(items, created, strict=True):
        assert resource.items() >= item.items()
        assert staff.get(f"/v1/{name}/{resource['id']}").json == resource
    single = staff.create(f"/v1/{name}", MAKE[name](3))
    assert said(made(staff, name, [MAKE[name](4)])[0]).keys() == said(single).keys()
    assert [resource["id"] for resource in created] == sorted(r["id"] for r in created)


def test_items_may_say_different_things(staff: Client) -> None:
    """What one says and another does not has its default there."""
    full = {"attributes": {"a": [1, None]}, "phone": "1", "email": None}
    one, two, three = made(
        staff, "customers", [{"reference": "A", "name": "x"}, {**MAKE["customers"](1), **full},
                             {"reference": "C", "name": "x", "attributes": {}}],
    )  # fmt: skip
    assert (one["email"], one["phone"], one["attributes"]) == (None, None, {})
    assert two.items() >= full.items()
    assert three["attributes"] == {}
    texts = [MAKE["products"](1), {**MAKE["products"](2), "description": "x", "is_active": False}]
    plain, inactive = made(staff, "products", texts)
    assert (plain["description"], plain["is_active"]) == ("", True)
    assert (inactive["description"], inactive["is_active"]) == ("x", False)


@pytest.mark.parametrize("name", MAKE)
def test_each_has_an_event_like_that_of_one(staff: Client, name: str) -> None:
    """The same actor, action and changes, whichever way it was made."""
    single = staff.create(f"/v1/{name}", MAKE[name](1))
    two = made(staff, name, [MAKE[name](n) for n in (2, 3)])
    events = {event["object_id"]: event for event in staff.get("/v1/events").json["items"]}
    expected = events[single["id"]]
    for number, resource in enumerate(two, start=2):
        event = events[resource["id"]]
        assert event["action"] == "created"
        assert event["actor"] == expected["actor"]
        differing = {
            key for key, value in MAKE[name](1).items() if value != MAKE[name](number)[key]
        }
        assert event["changes"].keys() == expected["changes"].keys()
        for field, change in event["changes"].items():
            assert (change == expected["changes"][field]) == (field not in differing)


@pytest.mark.parametrize("name", MAKE)
def test_a_hundred_take_as_many_messages_as_one(
    staff: Client, round_trips: RoundTrips, name: str
) -> None:
    """One for what is unique, one INSERT of rows and events, and COMMIT: none per item."""
    staff.get("/v1/me")
    counts = []
    for numbers in (range(1), range(1, 101)):
        round_trips.take()
        made(staff, name, [MAKE[name](n) for n in numbers])
        counts.append(len(round_trips.take()))
    assert counts == [2 if name == "faqs" else 3] * 2


def test_mistakes_are_told_by_index(staff: Client) -> None:
    """Each with its pointer, all at once, and nothing is made."""
    good = MAKE["customers"](0)
    items = [good, {**good, "email": "x"}, {"name": ""}, 5, {**good, "id": "x", "nope": 1}]
    answer = bulk(staff, "customers", items)
    assert problem(answer) == (422, "validation-error")
    assert codes(answer) == {
        "/items/1/email": "format",
        "/items/2/name": "length",
        "/items/2/reference": "required",
        "/items/3": "type",
        "/items/4/id": "read-only-field",
        "/items/4/nope": "unknown-field",
    }
    nul = bulk(staff, "customers", [good, {**good, "name": "\0"}])
    assert codes(nul) == {"/items/1/name": "invalid-character"}
    assert nothing_is_there(staff, "customers")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"items": []}, {"/items": "length"}),
        ({"items": None}, {"/items": "null"}),
        ({"items": {}}, {"/items": "type"}),
        ({}, {"/items": "required"}),
        ([], {"": "type"}),
        ({"items": [{}] * (AT_MOST + 1)}, {"/items": "length"}),
    ],
)
def test_the_list_itself_has_rules(staff: Client, body: Any, expected: dict[str, str]) -> None:
    """From one item to as many as the setting says; nothing else is looked at before."""
    answer = staff.post("/v1/products/bulk", body)
    assert problem(answer) == (422, "validation-error")
    assert codes(answer) == expected


def test_what_is_taken_is_told_by_index(staff: Client) -> None:
    """By a row that is there, or by an item before it; e-mails whatever their case."""
    staff.create("/v1/customers", {"reference": "old", "name": "x", "email": "Old@x.example"})
    gone = staff.create("/v1/customers", {"reference": "gone", "name": "x"})
    staff.delete(f"/v1/customers/{gone['id']}")
    items = [
        {"reference": "new", "name": "x", "email": "new@x.example"},
        {"reference": "other", "name": "x", "email": "OLD@x.example"},
        {"reference": "old", "name": "x"},
        {"reference": "new", "name": "x", "email": "NEW@x.example"},
        {"reference": "gone", "name": "x", "email": None},
        {"reference": "last", "name": "x"},
    ]
    answer = bulk(staff, "customers", items)
    assert problem(answer) == (409, "already-exists")
    expected = ("/items/1/email", "/items/2/reference", "/items/3/email", "/items/3/reference")
    assert codes(answer) == dict.fromkeys(expected, "already-exists")
    assert len(staff.get("/v1/customers").json["items"]) == 1
    assert len(made(staff, "customers", [items[0], items[4], items[5]])) == 3


def test_two_that_want_the_same_do_not_mix(desk: Client) -> None:
    """In opposite orders at once: one is there in full, and the other is told what is taken."""
    items = [MAKE["customers"](n) for n in range(200)]
    with ThreadPoolExecutor(2) as pool:
        for _ in range(3):
            both = list(pool.map(partial(bulk, desk, "customers"), (items, items[::-1])))
            assert {answer.status_code for answer in both} <= {201, 409}
            assert [answer.status_code for answer in both].count(201) <= 1
    total = desk.get("/v1/customers?include_total=true").json["total"]
    assert total == len(items)


def test_what_is_referred_to_must_be_there(staff: Client) -> None:
    """Missing and deleted parents are told by the index of every item that names them."""
    live, gone = (staff.create("/v1/products", MAKE["products"](n))["id"] for n in (1, 2))
    staff.delete(f"/v1/products/{gone}")
    named = [live, str(uuid4()), gone, None, gone, live]
    items = [{**MAKE["faqs"](n), "product_id": key} for n, key in enumerate(named)]
    answer = bulk(staff, "faqs", items)
    assert problem(answer) == (422, "validation-error")
    wrong = [f"/items/{n}/product_id" for n in (1, 2, 4)]
    assert codes(answer) == dict.fromkeys(wrong, "unknown-reference")
    assert nothing_is_there(staff, "faqs")
    created = made(staff, "faqs", [items[n] for n in (0, 3, 5)])
    assert [faq["product_id"] for faq in created] == [live, None, live]


def test_a_thousand_large_ones_are_taken(staff: Client) -> None:
    """The body may be larger than that of other requests, which stay at theirs."""
    items = [{**MAKE["products"](n), "description": "x" * 2000} for n in range(AT_MOST)]
    assert len(made(staff, "products", items)) == AT_MOST
    found = staff.get("/v1/products?include_total=true&q=card").json
    assert found["total"] == AT_MOST
    huge = {**MAKE["customers"](1), "attributes": {"x": "x" * 2**20}}
    assert problem(staff.post("/v1/customers", huge)) == (413, "body-too-large")


def test_the_limits_are_settings(staff: Client, database_url: str) -> None:
    """A firm may allow more, or less."""
    settings = Settings(
        database_url=database_url, given_secret_key="k" * 32, max_bulk=2, max_bulk_body=2000
    )
    other = create_app(settings)
    client = Client(other, staff.token)
    three = bulk(client, "faqs", [MAKE["faqs"](n) for n in range(3)])
    assert codes(three) == {"/items": "length"}
    large = bulk(client, "faqs", [{**MAKE["faqs"](1), "answer": "x" * 2000}])
    assert problem(large) == (413, "body-too-large")
    assert len(made(client, "faqs", [MAKE["faqs"](n) for n in range(2)])) == 2
    other.extensions["database"].dispose()


def test_the_document_tells_of_bulk_bodies(anonymous: Client) -> None:
    """What is sent and what is answered are lists, with the limit."""
    reported = anonymous.get("/openapi.json").json
    operation = reported["paths"]["/v1/customers/bulk"]["post"]
    body = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    shape = reported["components"]["schemas"][re.sub(".*/", "", body)]
    assert shape["properties"]["items"]["maxItems"] == AT_MOST
    headers = operation["responses"]["201"]["headers"].keys()
    assert headers >= {"X-Request-Id"}
    assert headers.isdisjoint({"Location", "ETag"})  # it is no single thing
