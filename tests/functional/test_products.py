"""Products: what the firm sells, with a price."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.client import codes, problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.client import Client

CARD = {"sku": "CARD-1", "name": "Travel card", "price": {"amount": "9.50", "currency": "GBP"}}


@pytest.fixture
def path(staff: Client) -> str:
    return f"/v1/products/{staff.create('/v1/products', CARD)['id']}"


def test_a_new_product_has_every_field(staff: Client) -> None:
    """It is active and without a description unless it says otherwise."""
    answer = staff.post("/v1/products", CARD)
    assert (answer.status_code, answer.headers["ETag"]) == (201, '"1"')
    bookkeeping = {"id", "version", "created_at", "updated_at"}
    assert {name: value for name, value in answer.json.items() if name not in bookkeeping} == {
        **CARD,
        "description": "",
        "is_active": True,
    }
    assert staff.get(answer.headers["Location"]).json == answer.json
    assert staff.get("/v1/products").json["items"] == [answer.json]


def test_a_description_can_be_taken_back(staff: Client, path: str) -> None:
    """What is answered where there is none may be sent; blanks alone say nothing."""
    staff.patch(path, {"description": "For abroad"})
    answer = staff.patch(path, {"description": ""})
    assert (answer.json["description"], answer.json["version"]) == ("", 3)
    staff.create("/v1/products", {**CARD, "sku": "CARD-2", "description": ""})
    batch = {"items": [{**CARD, "sku": "CARD-3", "description": ""}]}
    assert staff.post("/v1/products/bulk", batch).json["items"][0]["description"] == ""
    for wrong, code in ((" ", "length"), ("x" * 10_001, "length"), (None, "null")):
        answer = staff.patch(path, {"description": wrong})
        assert codes(answer) == {"/description": code}


def test_a_price_is_changed_as_a_whole(staff: Client, path: str) -> None:
    """In any currency, with exactly its digits; the event tells of what differs."""
    yen = {"amount": "1200", "currency": "JPY"}
    answer = staff.patch(path, {"price": yen})
    assert (answer.json["price"], answer.json["version"]) == (yen, 2)
    assert staff.patch(path, {"price": yen}).json["version"] == 2
    event = staff.get("/v1/events?object_type=products&action=updated").json["items"][0]
    assert event["changes"] == {
        "price": {"before": 950, "after": 1200},
        "currency": {"before": "GBP", "after": "JPY"},
    }


@pytest.mark.parametrize(
    ("price", "mistakes"),
    [
        ({"amount": "-0.01", "currency": "GBP"}, {"/price": "range"}),
        ({"amount": "0.001", "currency": "GBP"}, {"/price/amount": "format"}),
        ({"amount": "1e3", "currency": "GBP"}, {"/price/amount": "format"}),
        ({"amount": 1, "currency": "GBP"}, {"/price/amount": "type"}),
        ({"amount": "1", "currency": "gbp"}, {"/price/currency": "choice"}),
        ({"amount": "99999999999999", "currency": "GBP"}, {"/price/amount": "range"}),
        ({"amount": "1"}, {"/price/currency": "required"}),
        ("1.00", {"/price": "type"}),
        (None, {"/price": "null"}),
    ],
)
def test_a_price_that_is_none(
    staff: Client, path: str, price: Any, mistakes: dict[str, str]
) -> None:
    """It is exact, of a currency and never negative, in POST and PATCH alike."""
    for answer in (
        staff.post("/v1/products", {**CARD, "sku": "B", "price": price}),
        staff.patch(path, {"price": price}),
    ):
        assert problem(answer) == (422, "validation-error")
        assert codes(answer) == mistakes


def test_what_is_free_costs_nothing(staff: Client) -> None:
    """A price of zero is one."""
    price = {"amount": "0.00", "currency": "GBP"}
    assert staff.create("/v1/products", {**CARD, "price": price})["price"] == price


def test_nobody_sets_what_a_search_makes(staff: Client) -> None:
    """Neither the snippet nor the columns behind it."""
    for name, code in (
        ("snippet", "read-only-field"),
        ("search", "unknown-field"),
        ("currency", "unknown-field"),
    ):
        answer = staff.post("/v1/products", {**CARD, name: "GBP"})
        assert codes(answer) == {f"/{name}": code}


def test_a_sku_is_unique_among_live_ones(staff: Client, path: str) -> None:
    """It is free again once its product is deleted, and taken when that is to come back."""
    assert problem(staff.post("/v1/products", CARD)) == (409, "already-exists")
    assert staff.delete(path).status_code == 204
    assert problem(staff.get(path)) == (404, "not-found")
    other = staff.create("/v1/products", CARD)["id"]
    assert problem(staff.post(f"{path}/restore")) == (409, "already-exists")
    staff.delete(f"/v1/products/{other}")
    assert staff.post(f"{path}/restore").status_code == 200
    assert staff.get(path).json["sku"] == "CARD-1"


def test_a_product_with_a_faq_is_not_deleted(staff: Client, path: str) -> None:
    """Not while the FAQ is live; and no FAQ comes back to a deleted product."""
    key = path.rpartition("/")[2]
    faq = staff.create("/v1/faqs", {"question": "Q?", "answer": "A.", "product_id": key})["id"]
    refused = staff.delete(path)
    assert problem(refused) == (409, "in-use")
    assert refused.json["errors"][0]["detail"] == "faqs"
    staff.delete(f"/v1/faqs/{faq}")
    assert staff.delete(path).status_code == 204
    assert problem(staff.post(f"/v1/faqs/{faq}/restore")) == (409, "parent-deleted")
    answer = staff.post("/v1/faqs", {"question": "Q?", "answer": "A.", "product_id": key})
    assert (problem(answer)[0], codes(answer)) == (422, {"/product_id": "unknown-reference"})


def test_products_are_filtered_and_sorted(staff: Client) -> None:
    """By what stands in docs/api.md."""
    for sku, name, currency in (("A", "Zebra", "GBP"), ("B", "Yak", "EUR"), ("C", "Ant", "GBP")):
        price = {"amount": "1.00", "currency": currency}
        staff.create("/v1/products", {"sku": sku, "name": name, "price": price})
    staff.patch(
        f"/v1/products/{staff.get('/v1/products?sku=A').json['items'][0]['id']}",
        {"is_active": False},
    )

    def found(query: str) -> str:
        return "".join(item["sku"] for item in staff.get(f"/v1/products?{query}").json["items"])

    assert found("sort=name") == "CBA"
    assert found("sort=-sku") == "CBA"
    assert found("currency=GBP&sort=sku") == "AC"
    assert found("is_active=true&sort=sku") == "BC"
    assert found("name__contains=a&sku__in=A,B&sort=sku") == "AB"
    assert problem(staff.get("/v1/products?price=1")) == (400, "invalid-parameter")
    assert problem(staff.get("/v1/products?sort=rank")) == (400, "invalid-parameter")


def test_agents_and_viewers_read_what_staff_write(
    path: str, viewer: Client, hire: Callable[..., Client]
) -> None:
    """An agent needs no task for it: it answers from what is here."""
    for client in (viewer, hire()):
        assert client.get(path).json["sku"] == "CARD-1"
        assert len(client.get("/v1/products?q=travel").json["items"]) == 1
        assert problem(client.get(f"/v1/products/{uuid4()}")) == (404, "not-found")
        for answer in (client.post("/v1/products", CARD), client.delete(path)):
            assert problem(answer) == (403, "forbidden")
