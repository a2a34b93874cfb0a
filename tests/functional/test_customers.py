"""The life of a resource, told of customers: created, read, patched, deleted, restored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.client import codes, problem

if TYPE_CHECKING:
    from app.db.testing import RoundTrips
    from tests.client import Client

ANN = {"reference": "C-1", "name": "Ann"}


@pytest.fixture
def path(staff: Client) -> str:
    """Where a customer with an e-mail address, a phone and attributes is."""
    whole = {**ANN, "email": "Ann@x.example", "phone": "1", "attributes": {"a": {"b": 1}, "c": 2}}
    return f"/v1/customers/{staff.create('/v1/customers', whole)['id']}"


def test_create_answers_201_with_location_and_etag(staff: Client) -> None:
    """What is created can be read again where Location says, under the same ETag."""
    answer = staff.post("/v1/customers", ANN)
    assert answer.status_code == 201
    assert answer.headers["ETag"] == '"1"'
    assert answer.headers["Location"] == f"/v1/customers/{answer.json['id']}"
    read = staff.get(answer.headers["Location"])
    assert (read.status_code, read.json) == (200, answer.json)


def test_a_new_customer_has_every_field(staff: Client) -> None:
    """Optional fields are there from the start, null or empty, and times are UTC with Z."""
    created = staff.create("/v1/customers", ANN)
    assert created["created_at"].endswith("Z")
    assert created["updated_at"] == created["created_at"]
    bookkeeping = {"id", "version", "created_at", "updated_at"}
    assert {name: value for name, value in created.items() if name not in bookkeeping} == {
        **ANN,
        "email": None,
        "phone": None,
        "attributes": {},
    }


def test_patch_keeps_what_is_absent(staff: Client, path: str) -> None:
    """Only the named field changes, and with it the version, the ETag and updated_at."""
    before = staff.get(path).json
    answer = staff.patch(path, {"name": "Anna"})
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"2"')
    moved = {"version": 2, "updated_at": answer.json["updated_at"]}
    assert answer.json == {**before, "name": "Anna", **moved}
    assert answer.json["updated_at"] > before["updated_at"]
    assert staff.get(path).json == answer.json


def test_patch_takes_merge_patch_json(staff: Client, path: str) -> None:
    """The media type of RFC 7396 is read as application/json is."""
    raw = b'{"phone": "2"}'
    answer = staff.send("PATCH", path, raw=raw, content_type="application/merge-patch+json")
    assert (answer.status_code, answer.json["phone"]) == (200, "2")


def test_null_clears_an_optional_field(staff: Client, path: str) -> None:
    """E-mail and phone may be taken away again."""
    answer = staff.patch(path, {"email": None, "phone": None})
    assert (answer.json["email"], answer.json["phone"]) == (None, None)


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        ({"d": 3}, {"a": {"b": 1}, "c": 2, "d": 3}),
        ({"c": None}, {"a": {"b": 1}}),
        ({"a": {"b": None}}, {"a": {}, "c": 2}),
        ({"a": {"x": [1, None]}}, {"a": {"b": 1, "x": [1, None]}, "c": 2}),
        ({"a": {"x": {"y": None}}}, {"a": {"b": 1, "x": {}}, "c": 2}),
        ({"a": 5}, {"a": 5, "c": 2}),
        ({"c": {"d": 1}}, {"a": {"b": 1}, "c": {"d": 1}}),
        (None, {}),
    ],
)
def test_attributes_are_merged_in_depth(
    staff: Client, path: str, patch: Any, expected: dict[str, Any]
) -> None:
    """RFC 7396: members are merged, null removes one, null on the whole leaves an empty object."""
    answer = staff.patch(path, {"attributes": patch})
    assert (answer.status_code, answer.json["attributes"]) == (200, expected)
    assert staff.get(path).json["attributes"] == expected


def test_a_new_type_of_the_same_value_is_a_change(staff: Client, path: str) -> None:
    """To Python 1 and true are equal, to JSON they are not."""
    for version, value in enumerate([True, 1.0, "1", 1, True, 1, 0, False], start=2):
        answer = staff.patch(path, {"attributes": {"c": value}})
        assert answer.headers["ETag"] == f'"{version}"'
        read = staff.get(path).json["attributes"]["c"]
        assert (type(read), read) == (type(value), value)


@pytest.mark.parametrize("name", ["reference", "name"])
def test_null_on_a_required_field_is_refused(staff: Client, path: str, name: str) -> None:
    """What is required can't be patched away."""
    answer = staff.patch(path, {name: None})
    assert problem(answer) == (422, "validation-error")
    assert codes(answer) == {f"/{name}": "null"}


@pytest.mark.parametrize(
    ("field", "value", "taken"),
    [("reference", "C-1", "reference"), ("email", "ANN@X.example", "email")],
)
def test_a_taken_value_is_named(
    staff: Client, path: str, field: str, value: str, taken: str
) -> None:
    """POST and PATCH alike name the field; e-mails are the same in any case."""
    created = staff.post("/v1/customers", {"reference": "C-2", "name": "Bob", field: value})
    assert problem(created) == (409, "already-exists")
    assert codes(created) == {f"/{taken}": "already-exists"}
    other = staff.create("/v1/customers", {"reference": "C-3", "name": "Cid"})
    patched = staff.patch(f"/v1/customers/{other['id']}", {field: value})
    assert problem(patched) == (409, "already-exists")
    holder = path.removeprefix("/v1/customers/")
    assert (created.json["existing_id"], patched.json["existing_id"]) == (holder, holder)
    given = {"reference": "C-4", "name": "Bob", field: value}
    keyed = staff.post("/v1/customers", given, Idempotency_Key="k" * 32)
    assert keyed.json["existing_id"] == holder


def test_a_deleted_customer_is_nowhere(staff: Client, path: str) -> None:
    """It is 404 to every method, and in no list, search or count."""
    answer = staff.delete(path)
    assert (answer.status_code, answer.data) == (204, b"")
    assert "Content-Type" not in answer.headers
    for again in (staff.get(path), staff.patch(path, {"name": "x"}), staff.delete(path)):
        assert problem(again) == (404, "not-found")
    for query in ("", "q=Ann&", "reference=C-1&"):
        found = staff.get(f"/v1/customers?{query}include_total=true").json
        assert (found["items"], found["total"]) == ([], 0)


def test_restore_brings_it_back(staff: Client, path: str) -> None:
    """The same customer is there again, two versions on, and is not restored twice."""
    before = staff.get(path).json
    staff.delete(path)
    answer = staff.post(f"{path}/restore")
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"3"')
    assert answer.json == {**before, "version": 3, "updated_at": answer.json["updated_at"]}
    assert staff.get(path).json == answer.json
    assert problem(staff.post(f"{path}/restore", {})) == (409, "not-deleted")


@pytest.mark.parametrize(
    "taken", [{"reference": "C-1"}, {"reference": "N", "email": "ANN@x.example"}]
)
def test_restore_where_its_value_was_taken(staff: Client, path: str, taken: dict[str, str]) -> None:
    """A deleted one's reference and e-mail are free, and then it can't come back."""
    staff.delete(path)
    new = staff.create("/v1/customers", {"name": "New", **taken})
    refused = staff.post(f"{path}/restore")
    assert problem(refused) == (409, "already-exists")
    assert refused.json["existing_id"] == new["id"]
    assert staff.get(path).status_code == 404


def test_nothing_unknown_is_found(staff: Client) -> None:
    """An id that never was is 404 to every route."""
    path = f"/v1/customers/{uuid4()}"
    answers = [staff.get(path), staff.patch(path, {}), staff.delete(path)]
    for answer in [*answers, staff.post(f"{path}/restore")]:
        assert problem(answer) == (404, "not-found")


def test_only_admins_see_what_was_deleted(
    admin: Client, staff: Client, viewer: Client, path: str
) -> None:
    """include_deleted shows it, with its deleted_at, to admins; others are refused."""
    assert "deleted_at" not in staff.get(path).json
    assert admin.get(path).json["deleted_at"] is None
    staff.delete(path)
    found = admin.get(f"{path}?include_deleted=true").json
    assert found["deleted_at"].endswith("Z")
    assert admin.get("/v1/customers?include_deleted=true").json["items"] == [found]
    assert problem(admin.get(f"{path}?include_deleted=false")) == (404, "not-found")
    for client in (staff, viewer):
        for refused in (path, "/v1/customers"):
            answer = client.get(f"{refused}?include_deleted=true")
            assert problem(answer) == (403, "forbidden")
        assert client.get("/v1/customers?include_deleted=false").status_code == 200


def test_a_create_takes_three_round_trips(staff: Client, round_trips: RoundTrips) -> None:
    """BEGIN rides along with the INSERT; then the event, then COMMIT."""
    staff.get("/v1/me")
    round_trips.take()
    staff.create("/v1/customers", ANN)
    first, second, third = round_trips.take()
    assert first.startswith("BEGIN")
    assert "INSERT INTO customers" in first
    assert "INSERT INTO events" in second
    assert third == "COMMIT"


@pytest.mark.parametrize("query", ["", "?sort=name,-email&limit=1&q=ann"])
def test_a_read_takes_one_round_trip(
    staff: Client, path: str, round_trips: RoundTrips, query: str
) -> None:
    """By id or as a page, once the token is known and its use recorded."""
    staff.get("/v1/me").close()
    round_trips.take()
    for read in (f"/v1/customers{query}", path):
        staff.get(read).close()
        (message,) = round_trips.take()
        assert "SELECT" in message
