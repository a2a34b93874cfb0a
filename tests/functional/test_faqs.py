"""FAQs: questions and answers, about a product or in general."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from tests.client import codes, problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.client import Client

REFUND = {"question": "How do I get a refund?", "answer": "Ask us within 14 days."}
CARD = {"sku": "CARD-1", "name": "Travel card", "price": {"amount": "9.50", "currency": "GBP"}}


def test_a_new_faq_has_every_field(staff: Client) -> None:
    """It is about no product, without tags, and not published unless it says otherwise."""
    answer = staff.post("/v1/faqs", REFUND)
    assert (answer.status_code, answer.headers["ETag"]) == (201, '"1"')
    bookkeeping = {"id", "version", "created_at", "updated_at"}
    assert {name: value for name, value in answer.json.items() if name not in bookkeeping} == {
        **REFUND,
        "product_id": None,
        "tags": [],
        "is_published": False,
    }
    assert staff.get(answer.headers["Location"]).json == answer.json


def test_the_event_of_a_faq_tells_its_fields(staff: Client) -> None:
    """And not what it is found by."""
    key = staff.create("/v1/faqs", REFUND)["id"]
    staff.patch(f"/v1/faqs/{key}", {"is_published": True, "tags": ["money"]})
    updated, created = staff.get(f"/v1/events?object_id={key}").json["items"]
    assert set(created["changes"]) == {"question", "answer", "tags", "is_published"}
    assert updated["changes"] == {
        "tags": {"before": [], "after": ["money"]},
        "is_published": {"before": False, "after": True},
    }


def test_a_faq_is_patched_deleted_and_restored(staff: Client) -> None:
    """Under its ETag, like every resource."""
    path = f"/v1/faqs/{staff.create('/v1/faqs', REFUND)['id']}"
    answer = staff.patch(path, {"answer": "No."}, if_match='"1"')
    assert (answer.json["answer"], answer.headers["ETag"]) == ("No.", '"2"')
    assert problem(staff.patch(path, {"answer": "Yes."}, if_match='"1"'))[0] == 412
    assert staff.patch(path, {}).headers["ETag"] == '"2"'
    assert staff.delete(path).status_code == 204
    assert problem(staff.delete(path)) == (404, "not-found")
    assert staff.post(f"{path}/restore").json["version"] == 4
    assert problem(staff.post(f"{path}/restore")) == (409, "not-deleted")


def test_a_faq_that_is_none(staff: Client) -> None:
    """Every mistake is pointed at."""
    body = {
        "question": " ",
        "answer": "a" * 20_001,
        "product_id": str(uuid4()),
        "tags": ["a", "a"],
        "is_published": "yes",
        "snippet": "x",
    }
    assert codes(staff.post("/v1/faqs", body)) == {
        "/question": "length",
        "/answer": "length",
        "/tags": "duplicate",
        "/is_published": "type",
        "/snippet": "read-only-field",
    }
    unknown = staff.post("/v1/faqs", {**REFUND, "product_id": str(uuid4())})
    assert problem(unknown)[0] == 422
    assert list(codes(unknown)) == ["/product_id"]


def test_faqs_are_filtered_and_sorted(staff: Client) -> None:
    """By product, tag and whether they are published."""
    card = staff.create("/v1/products", CARD)["id"]
    refund = {**REFUND, "answer": "A refund takes a day."}
    about = {**refund, "question": "A", "product_id": card, "tags": ["x", "y"]}
    staff.create("/v1/faqs", about)
    staff.create("/v1/faqs", {**refund, "question": "B", "tags": ["y"], "is_published": True})
    staff.create("/v1/faqs", {**refund, "question": "C"})

    def found(query: str) -> str:
        answer = staff.get(f"/v1/faqs?sort=question&include_total=true&{query}").json
        assert answer["total"] == len(answer["items"])
        return "".join(item["question"] for item in answer["items"])

    assert found(f"product_id={card}") == "A"
    assert found("product_id__is_null=true") == "BC"
    assert found("tags__contains=y") == "AB"
    assert found("is_published=true") == "B"
    assert found("q=refund&is_published=false") == "AC"
    assert found("q=refund&tags__contains=x") == "A"
    assert found("question__contains=b") == "B"


def test_an_agent_reads_and_searches_faqs(staff: Client, hire: Callable[..., Client]) -> None:
    """All of them, without a task that refers to any; it asks for published ones by a filter."""
    key = staff.create("/v1/faqs", REFUND)["id"]
    agent = hire()
    assert agent.get(f"/v1/faqs/{key}").json["question"] == REFUND["question"]
    assert len(agent.get("/v1/faqs?q=refund").json["items"]) == 1
    assert agent.get("/v1/faqs?q=refund&is_published=true").json["items"] == []
    assert problem(agent.patch(f"/v1/faqs/{key}", {"answer": "x"})) == (403, "forbidden")
