"""What a body costs before it is refused: its values are counted, its mistakes up to a hundred."""

from __future__ import annotations

from time import process_time
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from app import create_app
from app.api.kit import large_bodies
from app.settings import Settings
from tests.client import Client, codes, problem

if TYPE_CHECKING:
    from tests.client import Answer

CUSTOMER = {"reference": "C-1", "name": "Ann"}
MOST = 100


def check_truncated(answer: Answer, status: int = 422) -> None:
    """A hundred mistakes, a word that there are more, and an answer that is small."""
    assert answer.status_code == status
    assert len(answer.json["errors"]) == MOST
    assert answer.json["errors_truncated"] is True
    assert len(answer.data) < 100_000


def test_a_hundred_mistakes_are_all_listed(staff: Client) -> None:
    """Exactly a hundred: nothing is left out, and nothing says so."""
    answer = staff.post("/v1/customers", {**CUSTOMER, **{f"x{n}": 1 for n in range(MOST)}})
    assert len(answer.json["errors"]) == MOST
    assert "errors_truncated" not in answer.json


def test_more_than_a_hundred_mistakes_are_cut_off(staff: Client) -> None:
    """Unknown fields of one body."""
    answer = staff.post("/v1/customers", {**CUSTOMER, **{f"x{n}": 1 for n in range(MOST + 1)}})
    check_truncated(answer)
    assert answer.json["detail"] == "There are many mistakes; `errors` lists the first 100."


def test_a_body_of_forbidden_characters_has_a_small_answer(staff: Client) -> None:
    """90,000 strings of NUL, which had been 90,000 mistakes and an answer of 12 MiB."""
    raw = orjson.dumps({**CUSTOMER, "attributes": {"list": ["\0"] * 90_000}})
    check_truncated(staff.send("POST", "/v1/customers", raw=raw))


@pytest.mark.parametrize(
    "items", [[{"nope": 1}] * 1000, [dict.fromkeys(map(str, range(90)), 1)] * 1000, [1] * 1000]
)
def test_a_bulk_body_full_of_mistakes_is_read_up_to_a_hundred(
    staff: Client, items: list[Any]
) -> None:
    """By index, from the first item on."""
    answer = staff.post("/v1/customers/bulk", {"items": items})
    check_truncated(answer)
    assert answer.json["errors"][0]["pointer"].startswith("/items/0")


def test_conflicts_are_cut_off_too(staff: Client) -> None:
    """A thousand items whose reference is taken."""
    items = [{"reference": f"C-{n}", "name": "Ann"} for n in range(150)]
    assert staff.post("/v1/customers/bulk", {"items": items}).status_code == 201
    check_truncated(staff.post("/v1/customers/bulk", {"items": items}), 409)


def test_a_long_key_is_not_repeated_in_full(staff: Client) -> None:
    """Else a hundred mistakes below a key of 500 KiB would be 50 MiB."""
    raw = orjson.dumps({**CUSTOMER, "attributes": {"k" * 500_000: ["\0"] * 200}})
    answer = staff.send("POST", "/v1/customers", raw=raw)
    check_truncated(answer)
    pointer = answer.json["errors"][0]["pointer"]
    assert pointer == f"/attributes/{'k' * 200}\N{HORIZONTAL ELLIPSIS}/0"


EIGHT_MIB = 8 * 1024 * 1024 - 100


@pytest.mark.parametrize(
    "part", [b"[]", b"{}", b"1.5", b'""', b'{"a":1}', b'{"reference":"C","name":"A","nope":[]}']
)
def test_a_flood_of_values_is_refused_by_their_count(staff: Client, part: bytes) -> None:
    """Before they are parsed: 8 MiB of them cost less than a second."""
    count = EIGHT_MIB // (len(part) + 1)
    raw = b'{"items":[' + b",".join([part] * count) + b"]}"
    began = process_time()
    answer = staff.send("POST", "/v1/customers/bulk", raw=raw)
    assert process_time() - began < 1
    assert problem(answer) == (413, "body-too-large")
    assert answer.json["detail"] == "The body has more than 150,000 JSON values."


def test_signs_in_strings_are_no_values(staff: Client) -> None:
    """A text of commas, brackets and quotes is one value, however long."""
    text = '[,"{\\' * 20_000
    answer = staff.post("/v1/tasks", {"kind": "x", "queue": "work", "input": {"text": text}})
    assert answer.status_code == 201
    assert answer.json["input"] == {"text": text}


def task_with(count: int) -> dict[str, Any]:
    return {"kind": "x", "queue": "work", "input": {"list": ["some text"] * count}}


def test_the_number_of_values_is_a_setting(staff: Client, database_url: str) -> None:
    """One over it is refused, for every route."""
    app = create_app(
        Settings(database_url=database_url, given_secret_key="k" * 32, max_values=1000)
    )
    client = Client(app, staff.token, user_id=staff.user_id)
    try:
        # Three objects and lists, two more fields, and 995 more items: a thousand.
        assert client.post("/v1/tasks", task_with(996)).status_code == 201
        assert problem(client.post("/v1/tasks", task_with(997))) == (413, "body-too-large")
    finally:
        app.extensions["database"].dispose()


def test_too_many_entries_are_refused_before_each_is_read(staff: Client) -> None:
    """One mistake about the list, not one about each entry."""
    body = {"kind": "transfer", "entries": [{}] * 40_000}
    began = process_time()
    answer = staff.post("/v1/transactions", body)
    assert process_time() - began < 1
    assert codes(answer) == {"/entries": "length"}


def test_large_bodies_take_turns(staff: Client, database_url: str) -> None:
    """One at a time: the next is 503 when it has waited for long, and small ones do not wait."""
    items = [
        {"reference": f"C-{n}", "name": "Ann", "attributes": {"t": "x" * 3000}} for n in range(400)
    ]
    impatient = create_app(
        Settings(database_url=database_url, given_secret_key="k" * 32, lock_timeout=0.1)
    )
    client = Client(impatient, staff.token, user_id=staff.user_id)
    try:
        with impatient.test_request_context():
            large_bodies.wait_for_turn()
            answer = client.post("/v1/customers/bulk", {"items": items})
            assert problem(answer) == (503, "pool-exhausted")
            assert client.post("/v1/customers/bulk", {"items": items[:10]}).status_code == 201
            large_bodies.end_turn()
        for _ in range(2):  # a turn ends with its request, also where that is refused
            assert client.post("/v1/customers/bulk", {"items": items}).status_code == 409
        assert client.post("/v1/customers/bulk", {"items": items[10:]}).status_code == 201
    finally:
        impatient.extensions["database"].dispose()
