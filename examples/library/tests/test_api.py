"""The same over HTTP, and the commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from unitwork import Database

    from library.tests.scene import Scene

EMMA = {"title": "Emma", "isbn": "9780141439587", "copies": 2}


def created(client: FlaskClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    response = client.post(path, json=body)
    assert response.status_code == 201, response.text
    found: dict[str, Any] = response.get_json()
    return found


def test_a_book_is_added_changed_and_removed(client: FlaskClient) -> None:
    """A change that is based on an old version is refused."""
    book = created(client, "/books", EMMA)
    path, old = f"/books/{book['id']}", {"If-Match": '"1"'}
    assert client.patch(path, json={"title": "Emma!"}, headers=old).get_json()["version"] == 2
    refused = client.patch(path, json={"title": "Emma?"}, headers=old)
    assert (refused.status_code, refused.get_json()["code"]) == (412, "precondition-failed")
    assert client.get(path).get_json()["title"] == "Emma!"
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404


def test_a_list_is_read_page_by_page(client: FlaskClient) -> None:
    """`next` leads to the page that follows."""
    for number in range(5):
        created(client, "/books", {"title": f"Volume {number}", "isbn": f"978000000000{number}"})
    path = "/books?q=volume&limit=2"
    page = client.get(path).get_json()
    found = page["items"]
    while page["next"]:
        page = client.get(f"{path}&after={page['next']}").get_json()
        found += page["items"]
    assert [book["title"] for book in found] == [f"Volume {number}" for number in range(5)]


def test_errors_say_what_is_wrong(client: FlaskClient, scene: Scene) -> None:
    """One status for each kind of error."""
    lend = {"book_id": str(scene.lent), "member_id": str(scene.cid)}
    for path, body, status, code in (
        ("/books", EMMA, 409, "already-exists"),
        ("/books", {**EMMA, "isbn": "1"}, 422, "validation-error"),
        ("/books", {"title": "Emma"}, 422, "validation-error"),
        ("/loans", lend, 409, "no-copy-left"),
        ("/loans", {**lend, "book_id": str(uuid4())}, 422, "validation-error"),
        ("/reservations", {**lend, "book_id": str(scene.free)}, 409, "copy-left"),
        (f"/loans/{uuid4()}/return", {}, 404, "not-found"),
    ):
        response = client.post(path, json=body)
        assert (response.status_code, response.get_json()["code"]) == (status, code)
    for path, code in (
        ("/books?after=nonsense", "invalid-cursor"),
        ("/books?autor=Austen", "invalid-parameter"),
        ("/books?sort=copies", "invalid-parameter"),
        ("/books?limit=0", "invalid-parameter"),
        ("/books?limit=1&limit=2", "invalid-parameter"),
    ):
        response = client.get(path)
        assert (response.status_code, response.get_json()["code"]) == (400, code)
    assert client.get("/nowhere").get_json()["code"] == "http-error"


def test_a_loan_from_beginning_to_end(client: FlaskClient, scene: Scene) -> None:
    """Lend, list, give back."""
    body = {"book_id": str(scene.free), "member_id": str(scene.cid)}
    loan = created(client, "/loans", body)
    path = f"/loans?member_id={scene.cid}&returned_at__is_null=true"
    assert [each["id"] for each in client.get(path).get_json()["items"]] == [loan["id"]]
    returned = client.post(f"/loans/{loan['id']}/return").get_json()
    assert (returned["version"], returned["returned_at"] is None) == (2, False)
    assert client.get(path).get_json()["items"] == []
    created(client, "/reservations", {**body, "book_id": str(scene.lent)})


def test_without_a_trigger_it_is_not_ready(client: FlaskClient, database: Database) -> None:
    """Updates would be lost without an error."""
    assert client.get("/ready").get_json() == {"status": "ready", "missing": []}
    for change, status in (("DISABLE", 503), ("ENABLE", 200)):
        with database.connect() as connection:
            connection.exec_driver_sql(f"ALTER TABLE books {change} TRIGGER books_touch")
        assert client.get("/ready").status_code == status


def test_the_commands(client: FlaskClient, database: Database, scene: Scene) -> None:
    """`upgrade` finds nothing to do, `overdue` lists Ann's loan."""
    run = client.application.test_cli_runner().invoke
    assert run(args=["upgrade"]).exit_code == 0
    assert run(args=["overdue"]).output == ""
    with database.connect() as connection:
        connection.exec_driver_sql("UPDATE loans SET due_at = '2026-01-31T12:00Z'")
    expected = f"2026-01-31 book {scene.lent} member {scene.ann}\n"
    result = run(args=["overdue"])
    assert (result.exception, result.output) == (None, expected)
    assert run(args=["expire"]).output == "Closed 0 reservations.\n"
