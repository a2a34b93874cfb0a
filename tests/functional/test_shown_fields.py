"""Fields that are shown alone; and ETags and cursors of answers that show something else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest

from tests.client import Client, codes, problem
from tests.expansion import CONVERSATIONS, CUSTOMERS, TASKS, create_conversation, create_task

if TYPE_CHECKING:
    Body = dict[str, Any]


# fields


def test_named_fields_are_shown_alone(staff: Client, ann: Body) -> None:
    """On a read and on a list, exactly those, in whatever order they are named."""
    talk = create_conversation(staff, ann)
    wanted = {"id": talk["id"], "subject": "Help"}
    assert staff.get(f"{CONVERSATIONS}/{talk['id']}?fields=subject,id").json == wanted
    assert staff.get(f"{CONVERSATIONS}?fields=id,subject").json["items"] == [wanted]
    assert staff.get(f"{CONVERSATIONS}?fields=subject").json["items"] == [{"subject": "Help"}]


def test_what_is_expanded_is_shown_whatever_the_fields(staff: Client, ann: Body) -> None:
    """It may be named among them, and need not; below it nothing is left out."""
    path = f"{CONVERSATIONS}/{create_conversation(staff, ann)['id']}"
    for fields in ("subject", "subject,customer"):
        found = staff.get(f"{path}?expand=customer&fields={fields}").json
        assert found == {"subject": "Help", "customer": ann}


@pytest.mark.parametrize(
    "fields", ["", ",", "id,", "id,id", "customer", "nope", "customer.name", "message", "ID"]
)
def test_fields_that_are_none_are_refused(staff: Client, fields: str) -> None:
    """Unknown, repeated, not expanded, or of requests alone."""
    answer = staff.get(f"{CONVERSATIONS}?fields={fields}")
    assert problem(answer) == (400, "invalid-parameter")
    assert codes(answer) == {"fields": "invalid-parameter"}


def test_deleted_at_is_the_admins(admin: Client, viewer: Client, ann: Body) -> None:
    """To others it is in no answer, though they name it."""
    path = f"{CUSTOMERS}/{ann['id']}?fields=deleted_at"
    assert admin.get(path).json == {"deleted_at": None}
    assert viewer.get(path).json == {}


def test_every_list_takes_fields(admin: Client, staff: Client, ann: Body) -> None:
    """Also those that are no resources of their own."""
    talk = create_conversation(admin, ann, message={"body": "Hello?"})
    task = create_task(admin)
    staff.create("/v1/accounts", {"name": "x", "currency": "GBP", "customer_id": ann["id"]})
    for path in (
        "/v1/users",
        "/v1/tokens",
        "/v1/events",
        f"{CUSTOMERS}/{ann['id']}/accounts",
        f"{CUSTOMERS}/{ann['id']}/conversations",
        f"{CONVERSATIONS}/{talk['id']}/messages",
    ):
        items = admin.get(f"{path}?fields=id").json["items"]
        assert items
        assert all(item.keys() == {"id"} for item in items)
    attempts = f"{TASKS}/{task['id']}/attempts"
    assert admin.get(f"{attempts}?fields=number,outcome").json["items"] == []
    assert problem(admin.get(f"{attempts}?fields=id")) == (400, "invalid-parameter")


def test_an_etag_is_of_what_was_shown(staff: Client, ann: Body) -> None:
    """The plain one is the version; one that shows more or less is no other's."""
    path = f"{CONVERSATIONS}/{create_conversation(staff, ann)['id']}"
    urls = [path, f"{path}?expand=customer", f"{path}?fields=id", f"{path}?fields=id,subject"]
    tags = [staff.get(url).headers["ETag"] for url in urls]
    assert tags[0] == '"1:0"'
    assert len(set(tags)) == len(tags)
    for url in urls:
        for other, tag in zip(urls, tags, strict=True):
            expected = 304 if url == other else 200
            assert staff.get(url, if_none_match=tag).status_code == expected
        assert staff.get(url, if_none_match="*").status_code == 304


def test_an_expanded_thing_that_changes_changes_the_etag(staff: Client, ann: Body) -> None:
    """304 would be a lie, though the version is the same."""
    path = f"{CONVERSATIONS}/{create_conversation(staff, ann)['id']}?expand=customer"
    tag = staff.get(path).headers["ETag"]
    assert staff.get(path, if_none_match=tag).status_code == 304
    staff.patch(f"{CUSTOMERS}/{ann['id']}", {"name": "Anne"})
    again = staff.get(path, if_none_match=tag)
    assert (again.status_code, again.json["customer"]["name"]) == (200, "Anne")


def test_any_etag_says_which_version_to_change(staff: Client, ann: Body) -> None:
    """What was read with `expand` or `fields` may be written on the condition that it stayed."""
    path = f"{CONVERSATIONS}/{create_conversation(staff, ann)['id']}"
    for query in ("expand=customer", "fields=subject"):
        tag = staff.get(f"{path}?{query}").headers["ETag"]
        assert staff.get(f"{path}?{query}", if_match=tag).status_code == 200
        changed = staff.patch(path, {"subject": f"By {query}"}, if_match=tag)
        assert changed.status_code == 200
        assert staff.patch(path, {"subject": "No"}, if_match=tag).status_code == 412


def test_an_account_says_its_balance_in_every_etag(staff: Client, ann: Body) -> None:
    """In that of a part of it too, where it is shown."""
    account = {"name": "Main", "currency": "GBP", "customer_id": ann["id"]}
    path = f"/v1/accounts/{staff.create('/v1/accounts', account)['id']}?fields=balance"
    answer = staff.get(path)
    assert answer.json == {"balance": {"amount": "0.00", "currency": "GBP"}}
    assert staff.get(path, if_none_match=answer.headers["ETag"]).status_code == 304


def test_the_next_page_may_show_something_else(staff: Client, ann: Body) -> None:
    """A cursor belongs to sort and filters alone; `Link` keeps what was asked for."""
    talks = [create_conversation(staff, ann) for _ in range(3)]
    first = staff.get(f"{CONVERSATIONS}?sort=number&limit=1&expand=customer&fields=number,customer")
    cursor = first.json["next_cursor"]
    following = staff.get(first.headers["Link"].partition(">")[0].removeprefix("<"))
    assert following.json["items"] == [{"number": talks[1]["number"], "customer": ann}]
    assert "expand=customer&fields=number,customer" in unquote(first.headers["Link"])
    plain = staff.get(f"{CONVERSATIONS}?sort=number&limit=1&cursor={cursor}").json
    assert plain["items"] == [talks[1]]
