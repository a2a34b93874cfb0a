"""A page ends where an answer would be too large, and its cursor goes on from there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from app import create_app
from app.db import Query
from app.repositories import TaskRepository
from app.settings import Settings
from tests.client import Client
from tests.event_feed import read_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask import Flask

    from app.db import Database
    from app.db.testing import RoundTrips

    Hire = Callable[..., Client]
    Sql = Callable[..., list[tuple[Any, ...]]]

KIB = 1024
MOST = 64 * KIB
WORK = {"kind": "x", "queue": "work"}


@pytest.fixture
def small(database_url: str, sql: Sql) -> Iterator[Flask]:
    """A service whose answers have at most 64 KiB."""
    app = create_app(
        Settings(database_url=database_url, given_secret_key="k" * 32, max_answer=MOST)
    )
    yield app
    app.extensions["database"].dispose()


@pytest.fixture
def reader(small: Flask, staff: Client) -> Client:
    return Client(small, staff.token, user_id=staff.user_id)


def text_of(number: int, size: int) -> str:
    """So many bytes, compressible or not by turns, none of which JSON has to escape."""
    return "x" * size if number % 2 else (f"{number:064x}" * (size // 64 + 1))[:size]


def make_tasks(staff: Client, count: int, size: int = 10 * KIB, **values: Any) -> list[str]:
    items = [{**WORK, "input": {"text": text_of(n, size)}, **values} for n in range(count)]
    made = staff.post("/v1/tasks/bulk", {"items": items})
    assert made.status_code == 201, made.text
    return [task["id"] for task in made.json["items"]]


def walk(client: Client, path: str) -> list[list[dict[str, Any]]]:
    """All pages, each of which is within the limit or has one item."""
    pages: list[list[dict[str, Any]]] = []
    following: str | None = path
    while following is not None:
        answer = client.get(following)
        assert answer.status_code == 200, answer.text
        items = answer.json["items"]
        assert len(answer.data) <= MOST or len(items) == 1
        assert items or not pages
        pages.append(items)
        link = answer.headers.get("Link")
        assert (link is None) == (answer.json["next_cursor"] is None)
        following = None if link is None else link.partition(">")[0].removeprefix("<")
    return pages


def ids_of(pages: list[list[dict[str, Any]]]) -> list[str]:
    return [item["id"] for page in pages for item in page]


@pytest.mark.parametrize("sort", ["created_at", "-created_at", "priority", "-started_at"])
def test_pages_of_large_tasks_end_earlier(staff: Client, reader: Client, sort: str) -> None:
    """Every task is answered once, in the order of the list, with all that it has."""
    made = make_tasks(staff, 25)
    whole = {task["id"]: task for task in staff.get("/v1/tasks?limit=100").json["items"]}
    pages = walk(reader, f"/v1/tasks?limit=100&sort={sort}")
    assert len(pages) > 3
    assert sorted(ids_of(pages)) == sorted(made)
    in_order = [item["id"] for item in staff.get(f"/v1/tasks?limit=100&sort={sort}").json["items"]]
    assert ids_of(pages) == in_order
    assert all(item == whole[item["id"]] for page in pages for item in page)


def test_pages_of_small_tasks_are_full(staff: Client, reader: Client) -> None:
    """The limit alone ends them."""
    make_tasks(staff, 25, size=100)
    assert [len(page) for page in walk(reader, "/v1/tasks?limit=10")] == [10, 10, 5]


def test_one_item_is_always_answered(staff: Client, reader: Client) -> None:
    """However large: else nobody could read on behind it."""
    made = make_tasks(staff, 3, size=200 * KIB)
    pages = walk(reader, "/v1/tasks?sort=created_at")
    assert [len(page) for page in pages] == [1, 1, 1]
    assert sorted(ids_of(pages)) == sorted(made)


def test_text_that_grows_when_it_is_written_counts_as_written(
    staff: Client, reader: Client
) -> None:
    """Control characters take six bytes of JSON each, and one in the database."""
    items = [{**WORK, "input": {"text": "\x1b" * KIB}} for _ in range(30)]
    assert staff.post("/v1/tasks/bulk", {"items": items}).status_code == 201
    assert len(ids_of(walk(reader, "/v1/tasks?limit=100"))) == 30


def test_sub_lists_are_bounded_too(staff: Client, reader: Client) -> None:
    """Messages of a conversation and sub-tasks of a task."""
    customer = staff.create("/v1/customers", {"reference": "C", "name": "Ann"})["id"]
    new = {"customer_id": customer, "subject": "S", "channel": "web"}
    talk = staff.create("/v1/conversations", new)["id"]
    path = f"/v1/conversations/{talk}/messages"
    for number in range(12):
        staff.create(path, {"direction": "note", "body": text_of(number, 10 * KIB)})
    messages = walk(reader, f"{path}?limit=100")
    assert len(messages) > 1
    assert [item["seq"] for page in messages for item in page] == list(range(1, 13))
    parent = staff.create("/v1/tasks", WORK)["id"]
    below = make_tasks(staff, 12, parent_id=parent)
    subtasks = walk(reader, f"/v1/tasks/{parent}/subtasks?limit=100")
    assert len(subtasks) > 1
    assert sorted(ids_of(subtasks)) == sorted(below)


# Expansions


def test_what_is_expanded_counts_each_time(staff: Client, reader: Client) -> None:
    """Twenty sub-tasks of one parent of 10 KiB do not fit into a page of 64 KiB."""
    parent = staff.create("/v1/tasks", {**WORK, "input": {"text": "x" * 10 * KIB}})["id"]
    make_tasks(staff, 20, size=10, parent_id=parent)
    pages = walk(reader, f"/v1/tasks/{parent}/subtasks?expand=parent&limit=100")
    assert len(pages) >= 4
    assert sum(map(len, pages)) == 20
    assert {item["parent"]["id"] for page in pages for item in page} == {parent}


def test_large_rows_of_expansions_are_read_as_far_as_they_fit(
    staff: Client, reader: Client, small: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each item has its own parent, of 20 KiB; a row that is not there is null, as ever."""
    parents = make_tasks(staff, 12, size=20 * KIB)
    for parent in parents:
        make_tasks(staff, 1, size=10, parent_id=parent)
    read = record_reads(monkeypatch)
    pages = walk(reader, "/v1/tasks?expand=parent,claimed_by&limit=100&sort=created_at")
    items = [item for page in pages for item in page]
    assert len(items) == 24
    for item in items:
        if item["parent_id"] is None:
            assert item["parent"] is None
        else:
            assert item["parent"]["id"] == item["parent_id"]
            assert len(item["parent"]["input"]["text"]) == 20 * KIB
        assert item["claimed_by"] is None
    assert max(read) <= 3  # 64 KiB between page and two expansions: 20 KiB each, and one more


def record_reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each read by id got with their large values."""
    read: list[int] = []
    plain = TaskRepository.by_id

    def by_id(*arguments: Any, **options: Any) -> dict[Any, Any]:
        found = plain(*arguments, **options)
        read.append(sum(record is not None for record in found.values()))
        return found

    monkeypatch.setattr(TaskRepository, "by_id", by_id)
    return read


def test_two_levels_of_expansions_are_bounded(staff: Client, reader: Client, sql: Sql) -> None:
    """Notes with their conversation and its customer, whose attributes are written each time."""
    attributes = {"text": "x" * 20 * KIB}
    customer = {"reference": "C", "name": "Ann", "attributes": attributes}
    key = staff.create("/v1/customers", customer)["id"]
    new = {"customer_id": key, "subject": "S", "channel": "web"}
    talk = staff.create("/v1/conversations", new)["id"]
    path = f"/v1/conversations/{talk}/messages"
    for number in range(10):
        staff.create(path, {"direction": "note", "body": f"{number}"})
    pages = walk(reader, f"{path}?expand=conversation.customer&limit=100")
    items = [item for page in pages for item in page]
    assert [item["body"] for item in items] == [str(number) for number in range(10)]
    assert {len(page) for page in pages} <= {2, 3}
    assert all(item["conversation"]["customer"]["attributes"] == attributes for item in items)


# Events, and claims


def test_events_and_the_feed_are_bounded(admin: Client, small: Flask, sql: Sql) -> None:
    """The feed's cursor stands behind the last event that it has answered."""
    reader = Client(small, admin.token, user_id=admin.user_id)
    make_tasks(admin, 12)
    listed = ids_of(walk(reader, "/v1/events?limit=100"))
    read_all(admin, at_least=len(listed))  # other tests' transactions hold the feed back
    found: list[str] = []
    path = "/v1/events/feed?limit=100"
    while events := (answer := reader.get(path)).json["items"]:
        assert len(answer.data) <= MOST
        found += [event["id"] for event in events]
        path = f"/v1/events/feed?limit=100&cursor={answer.json['next_cursor']}"
    assert sorted(found) == sorted(listed)


def test_a_claim_takes_no_more_than_an_answer_holds(
    staff: Client, hire: Hire, small: Flask
) -> None:
    """The others stay pending, and the next claim takes them."""
    agent = hire()
    claimer = Client(small, agent.token, user_id=agent.user_id)
    made = make_tasks(staff, 12, size=20 * KIB)
    claimed: list[str] = []
    while items := (answer := claimer.post("/v1/tasks/claim", {"limit": 100})).json["items"]:
        assert len(items) * 20 * KIB <= MOST
        assert len(answer.data) < 2 * MOST
        claimed += [task["id"] for task in items]
    assert sorted(claimed) == sorted(made)
    assert {task["status"] for task in staff.get("/v1/tasks").json["items"]} == {"running"}


def test_large_tasks_that_only_end_take_no_place_in_a_claim(
    staff: Client, small: Flask, hire: Hire, sql: Sql
) -> None:
    """Their last lease ran out. The task behind them is claimed, as it is behind small ones."""
    agent = hire(queues=["work"])
    claimer = Client(small, agent.token, user_id=agent.user_id)
    make_tasks(staff, 9, max_attempts=1)
    while claimer.post("/v1/tasks/claim", {"limit": 10}).json["items"]:
        pass
    sql("UPDATE tasks SET lease_expires_at = now() - interval '1 minute'")
    [waiting] = make_tasks(staff, 1)

    answer = claimer.post("/v1/tasks/claim", {"limit": 10})
    assert [task["id"] for task in answer.json["items"]] == [waiting]


# What is read


def test_a_page_is_read_by_one_statement(staff: Client, round_trips: RoundTrips) -> None:
    """Bounded or not: the database adds up the sizes."""
    make_tasks(staff, 3)
    staff.get("/v1/tasks")
    round_trips.take()
    staff.get("/v1/tasks")
    assert len(round_trips) == 1


def test_fields_read_no_large_column_that_they_do_not_name(
    staff: Client, round_trips: RoundTrips
) -> None:
    """`fields=id` does not even name the input; `fields=metadata` names it alone."""
    make_tasks(staff, 3, metadata={"a": 1})
    round_trips.take()
    items = staff.get("/v1/tasks?fields=id").json["items"]
    (message,) = round_trips.take()
    assert {frozenset(item) for item in items} == {frozenset({"id"})}
    assert not any(f"tasks.{name}" in message for name in ("input", "metadata", "output"))
    items = staff.get("/v1/tasks?fields=id,metadata").json["items"]
    (message,) = round_trips.take()
    assert [item["metadata"] for item in items] == [{"a": 1}] * 3
    assert "tasks.metadata" in message
    assert "tasks.input" not in message


def test_large_values_behind_the_budget_are_not_sent(staff: Client, database: Database) -> None:
    """PostgreSQL keeps them: the rows come, their values do not."""
    make_tasks(staff, 10, size=10 * KIB)
    with database.connect(read_only=True) as connection:
        page = TaskRepository().records(connection, Query(limit=10, most_bytes=25 * KIB))
        assert len(page.items) == 3
        assert page.next is not None
        keys = [item["id"] for item in TaskRepository().records(connection, Query()).items]
    with database.connect(read_only=True) as connection:
        found = TaskRepository().by_id(connection, keys, 25 * KIB)
    assert list(found) == keys
    assert [record is not None for record in found.values()] == [True] * 3 + [False] * 7
