"""Cursors: nobody reads a row's values from one, and nobody makes or changes one."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from app import create_app
from app.api.kit.context import cursors
from app.api.kit.contract import contract_of
from app.settings import Settings
from tests.client import Client, problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask import Flask

    from tests.scene import Scene


def _text_sorts(app: Flask) -> Iterator[tuple[str, str]]:
    """Each list without an id in its path, with each text that it can be sorted by."""
    for rule in app.url_map.iter_rules():
        contract = contract_of(app.view_functions[rule.endpoint])
        if contract is not None and contract.reader is not None and not rule.arguments:
            for name, column in contract.reader.sorts.items():
                if column.type.python_type is str:
                    yield rule.rule, name


def _readable(cursor: str) -> bytes:
    """The cursor, and what each of its parts is in base64."""
    found = [cursor.encode()]
    for part in cursor.split("."):
        whole = part[: len(part) - (len(part) % 4 == 1)]
        found.append(urlsafe_b64decode(whole + "=" * (-len(whole) % 4)))
    return b" ".join(found)


def test_no_value_of_a_row_is_in_a_cursor(scene: Scene) -> None:
    """Sorted by any text, such as a customer's name: neither next_cursor nor Link shows it."""
    scene.rows.run("UPDATE customers SET email = reference || '@person.example'")
    admin, sorts = scene.client("admin"), set(_text_sorts(scene.app))
    for path, sort in sorts:
        if sort not in ("email", "number"):  # which have forms of their own
            scene.rows.run(f"UPDATE {path.removeprefix('/v1/')} SET {sort} = {sort} || ' Núñez'")
    assert {("/v1/customers", name) for name in ("name", "email", "reference")} <= sorts
    assert {("/v1/users", "email"), ("/v1/faqs", "question")} <= sorts
    for path, sort in sorts:
        answer = admin.get(f"{path}?limit=1&sort={sort}")
        value, cursor = answer.json["items"][0][sort], answer.json["next_cursor"]
        assert len(value) > len(" Núñez")  # too long to be there by chance
        linked = unquote(answer.headers["Link"])
        for reported in (_readable(cursor), linked.encode()):
            assert value.encode() not in reported, (path, sort)
            assert ascii(value)[1:-1].encode() not in reported, (path, sort)


def test_two_cursors_of_one_place_differ(viewer: Client, staff: Client) -> None:
    """So nobody sees from two URLs that they lead to the same row; both lead there."""
    for reference in ("A", "B", "C"):
        staff.create("/v1/customers", {"reference": reference, "name": "Ann"})
    first, second = (viewer.get("/v1/customers?limit=1").json["next_cursor"] for _ in range(2))
    assert first != second
    following = [viewer.get(f"/v1/customers?cursor={cursor}").data for cursor in (first, second)]
    assert following[0] == following[1]


def test_every_bit_of_a_cursor_is_guarded(staff: Client) -> None:
    """One bit changed, a byte cut off or added, or another way to write the same bytes: 400."""
    for reference in ("A", "B"):
        staff.create("/v1/customers", {"reference": reference, "name": "Ann"})
    for path in ("/v1/customers?limit=1&sort=name", "/v1/events/feed?limit=1"):
        cursor = staff.get(path).json["next_cursor"]
        assert staff.get(f"{path}&cursor={cursor}").status_code == 200
        whole = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        changed = [
            whole[:place] + bytes([whole[place] ^ (1 << bit)]) + whole[place + 1 :]
            for place in range(len(whole))
            for bit in (0, 7)
        ]
        bad = [_encoded(data) for data in [*changed, whole[:-1], whole + b"\0", whole[:12], b""]]
        for given in [*bad, *_other_spellings(cursor)]:
            assert problem(staff.get(f"{path}&cursor={given}")) == (400, "invalid-cursor"), given


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _other_spellings(cursor: str) -> list[str]:
    """A lenient decoder would read the same bytes from them."""
    return [f"{cursor}=", f"{cursor}==", f"{cursor}%0A", f"{cursor[:4]}!{cursor[4:]}", f"{cursor}."]


def test_a_cursor_is_sealed_under_the_secret(
    staff: Client, database_url: str, sign_in: Callable[[str], Client]
) -> None:
    """An instance with another CASELOAD_SECRET_KEY refuses it; one with the same takes it."""
    for reference in ("A", "B"):
        staff.create("/v1/customers", {"reference": reference, "name": "Ann"})
    cursor = staff.get("/v1/customers?limit=1").json["next_cursor"]
    for secret, status in (("k" * 32, 200), ("another" * 5, 400)):
        app = create_app(Settings(database_url=database_url, given_secret_key=secret))
        answer = Client(app, staff.token).get(f"/v1/customers?cursor={cursor}")
        assert answer.status_code == status
        app.extensions["database"].dispose()


def test_a_cursor_holds_any_value(app: Flask) -> None:
    """NULL, numbers and text of any script come back as they were, for this list alone."""
    place: list[Any] = [None, 2**53, "Núñez \N{SNOWMAN}", ""]
    with app.app_context():
        cursor = cursors().encode(place, ["/v1/things", "name"])
        assert cursors().decode(cursor, ["/v1/things", "name"]) == place
