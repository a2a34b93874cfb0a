"""What was deleted is not shown by its events either; only admins still see it there."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from app.db import Base, Query
from app.domain.actors import SYSTEM, Actor, ActorKind, Role
from app.domain.conversations import NewConversation
from app.domain.messages import NewMessage
from app.models.base import PERSONAL
from app.services import ConversationOpener, CustomerService, EventService
from tests.event_feed import read_all

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.db import Database
    from app.db.testing import RoundTrips
    from tests.client import Client

    Sql = Callable[..., list[tuple[Any, ...]]]

CANARY = "canary-7c1e"
CUSTOMER = {
    "reference": f"{CANARY}-1",
    "name": f"{CANARY} Smith",
    "email": f"{CANARY}@x.example",
    "phone": f"{CANARY} 44",
    "attributes": {"note": CANARY},
}


def reported(client: Client, object_id: str) -> dict[str, list[dict[str, Any]]]:
    """The events of an object, from every place that shows them."""
    listed = client.get(f"/v1/events?object_id={object_id}&sort=occurred_at").json["items"]
    counted = client.get(f"/v1/events?object_id={object_id}&include_total=true&limit=1").json
    fed: list[dict[str, Any]] = []
    deadline = time.monotonic() + 60
    while len(fed) < len(listed) and time.monotonic() < deadline:  # others hold the feed back
        fed = [event for event in read_all(client)[0] if event["object_id"] == object_id]
    singles = [client.get(f"/v1/events/{event['id']}").json for event in listed]
    assert counted["total"] == len(listed) == len(fed)
    return {"list": listed, "feed": fed, "single": singles}


def shows(client: Client, object_id: str) -> set[str]:
    """The places that show the canary."""
    return {place for place, events in reported(client, object_id).items() if CANARY in str(events)}


EVERYWHERE = {"list", "feed", "single"}


def test_events_of_a_deleted_customer_show_no_personal_values(
    admin: Client, staff: Client, viewer: Client
) -> None:
    """To admins alone; all else stays, the fields' names too, and a restore shows them again."""
    key = staff.create("/v1/customers", CUSTOMER)["id"]
    staff.patch(f"/v1/customers/{key}", {"name": f"{CANARY} Jones"})
    for client in (admin, staff, viewer):
        assert shows(client, key) == EVERYWHERE
    before = reported(staff, key)["list"]
    path = f"/v1/events/{before[0]['id']}"
    tag = viewer.get(path).headers["ETag"]
    assert viewer.get(path, if_none_match=tag).status_code == 304
    staff.delete(f"/v1/customers/{key}")
    assert viewer.get(path, if_none_match=tag).status_code == 200  # it is another answer now
    assert shows(admin, key) == EVERYWHERE
    for client in (staff, viewer):
        assert shows(client, key) == set()
        created, updated, deleted = reported(client, key)["list"]
        assert created == {**before[0], "changes": dict.fromkeys(before[0]["changes"])}
        assert updated == {**before[1], "changes": {"name": None}}
        assert deleted["changes"]["deleted_at"]["after"]
    staff.post(f"/v1/customers/{key}/restore")
    assert shows(viewer, key) == EVERYWHERE
    assert reported(viewer, key)["list"][:2] == before


def test_events_of_messages_of_a_deleted_conversation_show_no_text(
    admin: Client, staff: Client, viewer: Client
) -> None:
    """A message can be read only with its conversation."""
    customer = staff.create("/v1/customers", {"reference": "C-1", "name": "Ann"})["id"]
    message = {"body": f"{CANARY} hello", "external_id": CANARY}
    opened = {"customer_id": customer, "subject": CANARY, "channel": "web", "message": message}
    talk = staff.create("/v1/conversations", opened)["id"]
    (said,) = staff.get(f"/v1/conversations/{talk}/messages").json["items"]
    for key in (talk, said["id"]):
        assert shows(viewer, key) == EVERYWHERE
    assert staff.delete(f"/v1/conversations/{talk}").status_code == 204
    for key in (talk, said["id"]):
        assert shows(viewer, key) == set()
        assert shows(staff, key) == set()
        assert shows(admin, key) == EVERYWHERE
    staff.post(f"/v1/conversations/{talk}/restore")
    for key in (talk, said["id"]):
        assert shows(viewer, key) == EVERYWHERE


@pytest.mark.parametrize("name", ["agents", "todos", "tasks", "products", "faqs"])
def test_events_of_all_else_that_is_deleted_show_none(
    viewer: Client, staff: Client, name: str
) -> None:
    """Of every kind that can be deleted: no personal column of the table has a value."""
    bodies: dict[str, dict[str, Any]] = {
        "agents": {"name": CANARY, "kind": "ai"},
        "todos": {"description": CANARY},
        "tasks": {"kind": "k", "queue": "q", "input": {"a": CANARY}, "dedupe_key": CANARY},
        "products": {"sku": "A", "name": "Card", "price": {"amount": "1.00", "currency": "GBP"}},
        "faqs": {"question": "Why?", "answer": "So."},
    }
    key = staff.create(f"/v1/{name}", bodies[name])["id"]
    personal = [column.name for column in Base.metadata.tables[name].c if PERSONAL in column.info]
    assert (shows(viewer, key) == EVERYWHERE) == (CANARY in str(bodies[name]))
    assert staff.delete(f"/v1/{name}/{key}").status_code == 204
    for place, events in reported(viewer, key).items():
        for event in events:
            shown = [field for field in personal if event["changes"].get(field) is not None]
            assert shown == [], place


def test_a_row_that_is_purged_shows_none(viewer: Client, staff: Client, sql: Sql) -> None:
    """Where there is no row any more, it is not there to be read either."""
    key = staff.create("/v1/customers", CUSTOMER)["id"]
    sql("DELETE FROM customers WHERE id = %s", key)
    assert shows(viewer, key) == set()


def test_values_of_events_from_before_are_withheld_too(
    viewer: Client, staff: Client, sql: Sql
) -> None:
    """A reference was no personal value once, and stands in the event itself."""
    key = staff.create("/v1/customers", CUSTOMER)["id"]
    sql("SET session_replication_role = replica")
    sql(
        "UPDATE events SET changes = changes || jsonb_build_object('reference', %s::text)"
        " WHERE object_id = %s",
        CANARY,
        key,
    )
    staff.delete(f"/v1/customers/{key}")
    assert shows(viewer, key) == set()


def test_a_page_of_events_costs_one_look_more(
    viewer: Client, admin: Client, database: Database, round_trips: RoundTrips
) -> None:
    """However many events and kinds are on it; an admin's costs none."""
    customers = CustomerService.as_system(database)
    talks = ConversationOpener.as_system(database)
    for number in range(20):
        key = customers.create({"reference": f"R{number}", "name": "x"}).id
        hello = NewMessage(body="x")
        talks.open(NewConversation(customer_id=key, subject="x", channel="web", message=hello))
    for client, statements in ((admin, 1), (viewer, 2)):
        client.get("/v1/me")
        for path in ("/v1/events?limit=60", "/v1/events/feed?limit=60"):
            round_trips.take()
            client.get(path)
            assert len(round_trips.take()) == statements


def test_the_service_decides_who_sees_them(database: Database) -> None:
    """Whoever calls it, as a command does: the system sees all values, a viewer none."""
    customers = CustomerService.as_system(database)
    key = customers.create(CUSTOMER).id
    customers.remove(key)
    viewer = Actor(ActorKind.USER, uuid4(), "Vi", Role.VIEWER)
    for actor, shown in ((SYSTEM, True), (viewer, False)):
        service = EventService(database=database, actor=actor)
        events = service.page(Query(filters={"object_id": key}))[0].items
        assert len(events) == 2
        assert (CANARY in str([event["changes"] for event in events])) == shown
