"""Readers of the feed keep right copies with the lines that docs/api.md gives them."""

from __future__ import annotations

import random
import re
import threading
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from app.services import CustomerService, ErasureService
from app.settings import ROOT
from tests.event_feed import read_all

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.db import Database
    from tests.client import Client

    Event = dict[str, Any]
    Copy = dict[tuple[str, str], dict[tuple[str, ...], tuple[int, Any]]]

_SECTION = (ROOT / "docs/api.md").read_text().partition("## The change feed")[2]
_WRITERS, _REQUESTS = 8, 30


@pytest.fixture
def apply() -> Callable[[Copy, Event], None]:
    """The lines of the documentation, as they stand there."""
    (lines,) = re.findall(r"```python\n(.+?)```", _SECTION.partition("\n## ")[0], re.DOTALL)
    namespace: dict[str, Any] = {}
    exec(lines, namespace)  # noqa: S102 - what a reader would copy
    return namespace["apply"]  # type: ignore[no-any-return] # whatever it is, it is called


def values_of(copy: Copy, kind: str, key: object) -> dict[str, Any]:
    """An object of the copy as the API would show it, without nulls."""
    shown: dict[str, Any] = {}
    for path, (_, value) in copy[kind, str(key)].items():
        if value is not None:
            within = shown
            for name in path[:-1]:
                within = within.setdefault(name, {})
            within[path[-1]] = value
    return shown


def without_nulls(value: dict[str, Any]) -> dict[str, Any]:
    kept = {k: without_nulls(v) if isinstance(v, dict) else v for k, v in value.items()}
    return {name: each for name, each in kept.items() if each not in (None, {})}


def check(copy: Copy, kind: str, resource: dict[str, Any]) -> None:
    """The copy has what the resource has, in every field that events of it have named."""
    named = {path[0] for path in copy[kind, resource["id"]]} & resource.keys()
    held = values_of(copy, kind, resource["id"])
    assert {name: held[name] for name in named & held.keys()} == without_nulls(
        {name: resource[name] for name in named}
    )
    newest = max(version for version, _ in copy[kind, resource["id"]].values())
    assert newest == resource["version"]


def swapped(database: Database, client: Client) -> tuple[UUID, list[Event]]:
    """A customer whose two changes stand in the feed the other way round, and their events."""
    customers = CustomerService.as_system(database)
    key = customers.create({"reference": "A", "name": "zero", "attributes": {"n": 0}}).id
    _, cursor = read_all(client, at_least=1)
    begun, go_on = threading.Event(), threading.Event()

    def late() -> None:
        with database.connect():
            customers.create({"reference": "B", "name": "x"})  # here the unit gets its xid
            begun.set()
            assert go_on.wait(60)
            customers.update(key, {"name": "second", "attributes": {"n": 2, "late": True}})

    thread = threading.Thread(target=late)
    thread.start()
    assert begun.wait(60)
    customers.update(key, {"name": "first", "attributes": {"n": 1, "early": True}})
    go_on.set()
    thread.join()
    events, _ = read_all(client, cursor, at_least=3)
    return key, [event for event in events if event["object_id"] == str(key)]


def test_the_feed_is_not_the_order_of_an_objects_changes(staff: Client, database: Database) -> None:
    """A unit that began first and changes the object last stands first: versions say so."""
    _, events = swapped(database, staff)
    assert [event["object_version"] for event in events] == [3, 2]
    assert [event["changes"]["name"]["after"] for event in events] == ["second", "first"]


def test_a_copy_drops_what_is_older_than_what_it_has(
    staff: Client, database: Database, apply: Callable[[Copy, Event], None]
) -> None:
    """Without the versions the same lines would keep the wrong name."""
    key, events = swapped(database, staff)
    customer = staff.get(f"/v1/customers/{key}").json
    copy: Copy = {}
    for event in read_all(staff, at_least=4)[0]:
        apply(copy, event)
    check(copy, "customers", customer)
    assert customer["attributes"] == {"n": 2, "early": True, "late": True}
    unversioned: Copy = {}
    for event in events:
        apply(unversioned, {**event, "object_version": None})
    assert values_of(unversioned, "customers", key)["name"] == "first" != customer["name"]


def test_a_copy_forgets_what_was_deleted_and_what_was_erased(
    admin: Client, database: Database, apply: Callable[[Copy, Event], None]
) -> None:
    """Deletion is a change like any other; of erased fields no value is left."""
    path = "/v1/customers"
    values = {"reference": "A", "name": "Ann", "attributes": {"a": {"b": 1}}}
    gone = admin.create(path, {**values, "reference": "B"})
    back = admin.create(path, {**values, "reference": "C"})
    erased = admin.create(path, values)
    copy: Copy = {}
    events, cursor = read_all(admin, at_least=5)  # the user and the token too
    for event in events:
        apply(copy, event)
    assert values_of(copy, "customers", erased["id"])["attributes"] == {"a": {"b": 1}}
    admin.delete(f"{path}/{gone['id']}")
    admin.delete(f"{path}/{back['id']}")
    admin.post(f"{path}/{back['id']}/restore")
    ErasureService.as_system(database).erase(UUID(erased["id"]))
    for event in read_all(admin, cursor, at_least=4)[0]:
        apply(copy, event)
    for resource in (gone, back):
        shown = admin.get(f"{path}/{resource['id']}?include_deleted=true").json
        check(copy, "customers", shown)
        assert (shown["deleted_at"] is not None) == (resource is gone)
    assert "Ann" not in str(copy["customers", erased["id"]])
    assert "attributes" not in values_of(copy, "customers", erased["id"])


def test_a_copy_of_what_eight_writers_change_is_right(
    desk: Client,
    admin: Client,
    hire: Callable[..., Client],
    sql: Any,
    apply: Callable[[Copy, Event], None],
) -> None:
    """Ten conversations, assigned, deleted and restored at once, every second time under a key."""
    agents = [hire(f"bot {number}").user_id for number in range(3)]
    customer = admin.create("/v1/customers", {"reference": "A", "name": "Ann"})["id"]
    opened = {"customer_id": customer, "subject": "x", "channel": "web"}
    talks = [admin.create("/v1/conversations", opened)["id"] for _ in range(10)]
    statuses: set[int] = set()

    def write(seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311 - a choice that can be repeated
        for number in range(_REQUESTS):
            path = f"/v1/conversations/{chance.choice(talks)}"
            headers = {"Idempotency-Key": uuid4().hex} if number % 2 else {}
            if (kind := chance.random()) < 0.1:
                answer = desk.delete(path)
            elif kind < 0.3:
                answer = desk.post(f"{path}/restore", **headers)
            else:
                body = {"agent_id": chance.choice([*agents, None]), "reason": f"{seed}-{number}"}
                answer = desk.post(f"{path}/assign", body, **headers)
            statuses.add(answer.status_code)

    threads = [threading.Thread(target=write, args=(seed,)) for seed in range(_WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {200, 204} <= statuses <= {200, 204, 404, 409}
    [(count,)] = sql("SELECT count(*) FROM events")
    events, _ = read_all(admin, at_least=count)
    assert len(events) == count
    copy: Copy = {}
    for event in events:
        apply(copy, event)
    for key in talks:
        shown = admin.get(f"/v1/conversations/{key}?include_deleted=true").json
        check(copy, "conversations", shown)
