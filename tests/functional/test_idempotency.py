"""Idempotency-Key: one effect and one answer, however often a POST is sent."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest

from app import create_app
from app.db.testing import DROP, DROP_AFTER, Faults
from app.settings import Settings
from tests.client import Client, codes, problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.db import Database
    from app.db.testing import RoundTrips
    from tests.client import Answer

CUSTOMER = {"reference": "C-1", "name": "Ada"}


def post(client: Client, path: str, body: Any, key: str) -> Answer:
    return client.post(path, body, Idempotency_Key=key)


def replayed(answer: Answer) -> bool:
    return "Idempotency-Replayed" in answer.headers


def test_a_repeat_gets_the_first_answer(staff: Client) -> None:
    """Byte for byte, with status, Location and ETag, whatever became of the thing since."""
    first = post(staff, "/v1/customers", CUSTOMER, "k1")
    staff.patch(first.headers["Location"], {"name": "Ada Lovelace"})
    again = post(staff, "/v1/customers", CUSTOMER, "k1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.data == first.data
    for name in ("Location", "ETag", "Content-Type", "Content-Length"):
        assert again.headers[name] == first.headers[name]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert not replayed(first)
    assert len(staff.get("/v1/customers").json["items"]) == 1


def test_the_same_json_spelt_otherwise_is_the_same_request(staff: Client) -> None:
    """The key may be quoted, too."""
    post(staff, "/v1/customers", CUSTOMER, "k1")
    other = b'{ "name" : "\\u0041da", "reference" : "C-1" }'
    again = staff.send("POST", "/v1/customers", raw=other, headers={"Idempotency-Key": '"k1"'})
    assert replayed(again)


def test_another_request_with_the_key_is_refused(staff: Client) -> None:
    """Another body, another path: 422, and nothing is done."""
    customer = post(staff, "/v1/customers", CUSTOMER, "k1").json
    other = post(staff, "/v1/customers", {**CUSTOMER, "name": "Eve"}, "k1")
    assert problem(other) == (422, "idempotency-key-reused")
    assert codes(other) == {"Idempotency-Key": "idempotency-key-reused"}
    faq = post(staff, "/v1/faqs", CUSTOMER, "k1")
    assert problem(faq) == (422, "idempotency-key-reused")
    assert staff.get(f"/v1/customers/{customer['id']}").json["name"] == "Ada"


@pytest.mark.parametrize("number", ["1e400", "12345678901234567890123"])
def test_a_number_is_not_the_text_that_spells_it(staff: Client, number: str) -> None:
    """One that can't be kept is refused whatever its key has done before."""
    post(staff, "/v1/customers", {**CUSTOMER, "attributes": {"n": number}}, "k1")
    body = f'{{"reference": "C-1", "name": "Ada", "attributes": {{"n": {number}}}}}'.encode()
    again = staff.send("POST", "/v1/customers", raw=body, headers={"Idempotency-Key": "k1"})
    assert problem(again) == (422, "validation-error")
    assert codes(again) == {"/attributes/n": "range"}


def test_a_key_is_that_of_its_actor(staff: Client, admin: Client, hire: Any) -> None:
    """Two users and an agent may hit upon the same one; two tokens of one user share it."""
    mine = post(staff, "/v1/customers", CUSTOMER, "k1")
    hers = post(admin, "/v1/customers", {**CUSTOMER, "reference": "C-2"}, "k1")
    its = post(hire(), "/v1/tasks/claim", {}, "k1")
    assert [mine.status_code, hers.status_code, its.status_code] == [201, 201, 200]
    issued = admin.post("/v1/tokens", {"user_id": staff.user_id, "name": "second"}).json["token"]
    staff.token = issued
    assert replayed(post(staff, "/v1/customers", CUSTOMER, "k1"))


@pytest.mark.parametrize(
    "key", ["", " ", '""', "x" * 256, '"', '"open', "a\x01b", "caf\xe9", '"a"b"', '"\\x"']
)  # fmt: skip
def test_a_key_that_is_none(staff: Client, key: str) -> None:
    """400, and nothing is done."""
    answer = post(staff, "/v1/customers", CUSTOMER, key)
    assert problem(answer) == (400, "idempotency-key-invalid")
    assert codes(answer) == {"Idempotency-Key": "idempotency-key-invalid"}
    assert staff.get("/v1/customers").json["items"] == []


@pytest.mark.parametrize("key", ["x" * 255, '"' + "x" * 255 + '"', '"a\\"b"', "a b", "a,b;c=1"])
def test_a_key_may_be_any_text(staff: Client, key: str) -> None:
    """Up to 255 printable characters."""
    assert post(staff, "/v1/customers", CUSTOMER, key).status_code == 201
    assert replayed(post(staff, "/v1/customers", CUSTOMER, key))


def test_what_is_refused_is_not_kept(staff: Client) -> None:
    """What changed nothing leaves the key free, also for another request."""
    for body, status in ((None, 400), ({}, 422), ({**CUSTOMER, "id": "x"}, 422)):
        assert post(staff, "/v1/customers", body, "k1").status_code == status
    staff.create("/v1/customers", {**CUSTOMER, "reference": "C-2"})
    taken = post(staff, "/v1/customers", {**CUSTOMER, "reference": "C-2"}, "k1")
    assert problem(taken) == (409, "already-exists")
    made = post(staff, "/v1/customers", CUSTOMER, "k1")
    assert (made.status_code, replayed(made)) == (201, False)


def test_a_new_token_is_shown_again_and_kept_unreadable(
    admin: Client, sql: Callable[..., list[tuple[Any, ...]]]
) -> None:
    """The client that lost the answer needs it; whoever reads the database does not."""
    body = {"user_id": admin.user_id, "name": "second"}
    first = post(admin, "/v1/tokens", body, "k1")
    again = post(admin, "/v1/tokens", body, "k1")
    assert again.data == first.data
    secret = first.json["token"]
    ((kept,),) = sql("SELECT answer FROM idempotency_keys")
    assert secret.encode() not in bytes(kept)
    assert admin.user_id.encode() not in bytes(kept)
    assert sql("SELECT 1 FROM idempotency_keys k WHERE k::text LIKE %s", "%k1%") == []


def test_an_answer_that_is_gone(staff: Client, sql: Callable[..., list[tuple[Any, ...]]]) -> None:
    """Erased, or sealed under a secret that is no more: it is not carried out a second time."""
    post(staff, "/v1/customers", CUSTOMER, "k1")
    for spoilt in ("decode(repeat('00', 64), 'hex')", "NULL"):
        sql(f"UPDATE idempotency_keys SET answer = {spoilt}")
        again = post(staff, "/v1/customers", CUSTOMER, "k1")
        assert problem(again) == (409, "idempotency-answer-gone")
    assert len(staff.get("/v1/customers").json["items"]) == 1


def test_a_key_expires(staff: Client, sql: Callable[..., list[tuple[Any, ...]]]) -> None:
    """After a day it names nothing, also before the job has removed it."""
    post(staff, "/v1/customers", CUSTOMER, "k1")
    ((left,),) = sql("SELECT expires_at - now() FROM idempotency_keys")
    assert 86_390 < left.total_seconds() <= 86_400
    sql("UPDATE idempotency_keys SET expires_at = now()")
    other = post(staff, "/v1/customers", {**CUSTOMER, "reference": "C-2"}, "k1")
    assert (other.status_code, replayed(other)) == (201, False)
    assert replayed(post(staff, "/v1/customers", {**CUSTOMER, "reference": "C-2"}, "k1"))


def test_other_methods_take_no_notice_of_it(staff: Client) -> None:
    """PATCH and DELETE are repeated safely as they are."""
    customer = post(staff, "/v1/customers", CUSTOMER, "k1").json
    path = f"/v1/customers/{customer['id']}"
    for name in ("Eve", "Ann"):
        assert staff.patch(path, {"name": name}, Idempotency_Key="k1").json["name"] == name
    assert staff.delete(path, Idempotency_Key="k1").status_code == 204


def test_a_key_costs_two_round_trips(staff: Client, round_trips: RoundTrips) -> None:
    """One takes it, where BEGIN rides along, and one stores the answer."""
    staff.get("/v1/me")
    round_trips.take()
    post(staff, "/v1/customers", CUSTOMER, "k1")
    taken, _, _, kept, commit = round_trips.take()
    assert taken.startswith("BEGIN")
    assert "INSERT INTO idempotency_keys" in taken
    assert kept.startswith("SET CONSTRAINTS ALL IMMEDIATE; UPDATE idempotency_keys")
    assert commit == "COMMIT"
    assert replayed(post(staff, "/v1/customers", CUSTOMER, "k1"))
    assert len(round_trips.take()) == 3


@pytest.mark.parametrize("fault", ["40001", "40P01", DROP])
def test_a_conflict_runs_the_whole_again(staff: Client, database: Database, fault: str) -> None:
    """Wherever it happens, COMMIT included: one effect, one answer, and the key is kept with it."""
    staff.get("/v1/me")
    points: list[int | str] = [1, 2, 3, 4]
    points += [] if fault == DROP else ["COMMIT"]  # a connection lost there is told of, see below
    for at in points:
        body, key = {**CUSTOMER, "reference": f"C-{at}"}, f"key-{at}"
        with Faults(database, at, fault) as faults:
            first = post(staff, "/v1/customers", body, key)
        assert (faults.struck, first.status_code, replayed(first)) == (1, 201, False)
        again = post(staff, "/v1/customers", body, key)
        assert (again.data, replayed(again)) == (first.data, True)
    assert len(staff.get("/v1/customers").json["items"]) == len(points)


@pytest.mark.parametrize("how", [DROP, DROP_AFTER])
def test_after_an_unknown_outcome_a_repeat_is_safe(
    staff: Client, database: Database, how: str
) -> None:
    """Whether COMMIT went through or not, it is there once afterwards."""
    staff.get("/v1/me")
    with Faults(database, "COMMIT", how):
        first = post(staff, "/v1/customers", CUSTOMER, "k1")
    assert problem(first) == (503, "outcome-unknown")
    again = post(staff, "/v1/customers", CUSTOMER, "k1")
    assert (again.status_code, replayed(again)) == (201, how == DROP_AFTER)
    assert len(staff.get("/v1/customers").json["items"]) == 1


def test_while_it_is_carried_out_a_repeat_waits_or_is_told_so(
    staff: Client, database_url: str
) -> None:
    """409 once the lock was waited for; the answer of the first as soon as there is one."""
    app = create_app(
        Settings(database_url=database_url, given_secret_key="k" * 32, lock_timeout=0.3)
    )
    impatient = Client(app, staff.token)
    with closing(psycopg2.connect(database_url)) as first, first.cursor() as cursor:
        cursor.execute(
            "INSERT INTO idempotency_keys VALUES (%s, sha256('k1'), sha256('x'), NULL, '{}',"
            " now() + interval '1 day')",
            (staff.user_id,),
        )
        busy = post(impatient, "/v1/customers", CUSTOMER, "k1")
        assert problem(busy) == (409, "idempotency-in-progress")
        first.rollback()
    assert post(impatient, "/v1/customers", CUSTOMER, "k1").status_code == 201
    app.extensions["database"].dispose()


def test_a_deferred_constraint_speaks_before_the_answer_is_kept(
    staff: Client, sql: Callable[..., list[tuple[Any, ...]]]
) -> None:
    """What COMMIT would refuse, the client is told of, and it can send the key again."""
    late = "UNIQUE (name) DEFERRABLE INITIALLY DEFERRED"
    sql(f"ALTER TABLE customers ADD CONSTRAINT customers_late {late}")
    try:
        post(staff, "/v1/customers", CUSTOMER, "k1")
        refused = post(staff, "/v1/customers", {**CUSTOMER, "reference": "C-2"}, "k2")
        assert refused.status_code == 500
        better = post(staff, "/v1/customers", {"reference": "C-2", "name": "Eve"}, "k2")
        assert (better.status_code, replayed(better)) == (201, False)
    finally:
        sql("ALTER TABLE customers DROP CONSTRAINT customers_late")


def test_what_has_expired_is_removed_by_a_job(
    flask: Callable[..., Any], staff: Client, sql: Callable[..., list[tuple[Any, ...]]]
) -> None:
    """And what has not is left."""
    for number in range(3):
        post(staff, "/v1/customers", {**CUSTOMER, "reference": f"C-{number}"}, f"k{number}")
    sql("UPDATE idempotency_keys SET expires_at = now() WHERE key_hash <> sha256('k1')")
    done = flask("jobs", "run")
    assert "idempotency keys removed" in done.stdout, done
    assert sql("SELECT key_hash = sha256('k1') FROM idempotency_keys") == [(True,)]
