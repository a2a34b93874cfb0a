"""Messages and openings that are delivered at once are written once, without a gap."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg2

from tests.client import Client, problem
from tests.conversations import IN, NOBODY, NOTE, PATH, at_once, messages_of
from tests.desk import TASK

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.client import Answer

    Sql = Callable[..., list[tuple[Any, ...]]]
    Start = Callable[..., str]


def test_fifty_deliveries_to_one_conversation(desk: Client, start: Start) -> None:
    """One is new, all are answered with it, and the next message is number 2."""
    path, body = start(), {**IN, "external_id": "m-1"}
    answers = at_once([lambda: desk.post(f"{path}/messages", body)] * 50)
    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: 49}
    assert len({answer.data for answer in answers}) == 1
    assert [item["id"] for item in messages_of(desk, path)] == [answers[0].json["id"]]
    assert desk.create(f"{path}/messages", NOTE)["seq"] == 2


def test_fifty_deliveries_to_two_conversations(desk: Client, start: Start) -> None:
    """The message is in one of them, and neither has a gap."""
    paths, body = [start(), start()], {**IN, "external_id": "m-1"}
    calls = [lambda path=path: desk.post(f"{path}/messages", body) for path in paths * 25]
    answers = at_once(calls)
    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: 49}
    assert len({answer.data for answer in answers}) == 1
    assert sum(len(messages_of(desk, path)) for path in paths) == 1
    for path in paths:
        desk.create(f"{path}/messages", NOTE)
        numbers = [item["seq"] for item in messages_of(desk, path)]
        assert numbers == list(range(1, len(numbers) + 1))


def test_twenty_deliveries_of_different_words(desk: Client, start: Start) -> None:
    """The first is new, its repeats get it, and all that say something else are refused."""
    paths = [start(), start()]

    def send(number: int) -> Answer:
        body = {**IN, "body": f"Hello {number % 2}", "external_id": "m-1"}
        return desk.post(f"{paths[number // 2 % 2]}/messages", body)

    answers = at_once([partial(send, number) for number in range(20)])
    counted = Counter(answer.status_code for answer in answers)
    assert counted == {201: 1, 200: 9, 409: 10}
    (written,) = [message for path in paths for message in messages_of(desk, path)]
    for number, answer in enumerate(answers):
        if written["body"] == f"Hello {number % 2}":
            assert answer.json == written
        else:
            assert problem(answer) == (409, "external-id-reused")
            assert written["id"] not in answer.text


def test_twenty_openings_of_two_customers_with_one_external_id(
    desk: Client, opening: dict[str, Any], bob: str, sql: Sql
) -> None:
    """One conversation is left, and the other customer's are refused."""
    message = {"body": "Hello?", "external_id": "m-1"}
    bodies = [{**opening, "message": message}, {**opening, "customer_id": bob, "message": message}]
    answers = at_once([partial(desk.post, PATH, bodies[n % 2]) for n in range(20)])
    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: 9, 409: 10}
    assert sql("SELECT count(*) FROM conversations") == [(1,)]
    for answer in answers[0::2] if answers[0].status_code == 409 else answers[1::2]:
        assert problem(answer) == (409, "external-id-reused")


def test_fifty_openings_with_one_first_message(
    desk: Client, opening: dict[str, Any], sql: Sql
) -> None:
    """One conversation, one message, one task; all are answered with the same id."""
    body = {**opening, "message": {"body": "Hello?", "external_id": "m-1"}, "task": TASK}
    answers = at_once([lambda: desk.post(PATH, body)] * 50)
    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: 49}
    assert len({answer.json["id"] for answer in answers}) == 1
    for table in ("conversations", "messages", "tasks"):
        assert sql(f"SELECT count(*) FROM {table}") == [(1,)]


def test_an_opening_that_is_overtaken_leaves_no_empty_conversation(
    desk: Client,
    start: Start,
    opening: dict[str, Any],
    database_url: str,
    wait_for_lock: Callable[[], None],
) -> None:
    """Its message came into another one after it had looked: it is answered with that one."""
    other, message = start(), {**IN, "external_id": "m-1"}
    with (
        ThreadPoolExecutor(1) as pool,
        closing(psycopg2.connect(database_url)) as holder,
        holder.cursor() as cursor,
    ):
        cursor.execute("SELECT FROM customers FOR UPDATE")
        opened = pool.submit(desk.post, PATH, {**opening, "message": message})
        wait_for_lock()
        assert desk.post(f"{other}/messages", message).status_code == 201
        holder.rollback()
        answer = opened.result()
    assert (answer.status_code, answer.json["id"]) == (200, other.rpartition("/")[2])
    assert desk.get(f"{PATH}?include_total=true").json["total"] == 1


def test_numbers_have_no_gap_in_a_crowd(
    desk: Client, start: Start, hire: Callable[..., Client]
) -> None:
    """Eight write twenty each, while repeats, invalid ones and undone ones take no number."""
    paths = [start(task=TASK), start()]
    task = hire("bot").post("/v1/tasks/claim", {}).json["items"][0]
    lost = {"complete_task": {"id": task["id"], "lease_token": NOBODY}, "message": {"body": "x"}}
    answers: list[tuple[int, str]] = []

    def write(writer: int) -> None:
        path = paths[0]
        for number in range(20):
            answer = desk.post(f"{path}/messages", {**NOTE, "body": f"{writer} {number}"})
            assert answer.status_code == 201, answer.text
            shared = {**NOTE, "external_id": f"m-{number}"}
            match number % 5:
                case 0:  # the same one at the same time, into either conversation
                    answer = desk.post(f"{paths[writer % 2]}/messages", shared)
                case 2:
                    answer = desk.post(f"{path}/resolve", lost)
                case 4:
                    answer = desk.post(f"{path}/messages", {**NOTE, "body": ""})
            answers.append((number % 5, str(answer.status_code)))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    counted = Counter(answers)
    assert counted[2, "409"] == counted[4, "422"] == counted[0, "200"] + counted[0, "201"] == 32
    assert counted[0, "201"] == 4
    written = [messages_of(desk, path) for path in paths]
    for messages in written:
        assert [item["seq"] for item in messages] == list(range(1, len(messages) + 1))
    bodies = Counter(item["body"] for item in written[0])
    for writer in range(8):
        own = [item["body"] for item in written[0] if item["body"].startswith(f"{writer} ")]
        assert own == [f"{writer} {number}" for number in range(20)]
    assert bodies.total() == 160 + bodies["Hm."]
    assert len(written[1]) == 4 - bodies["Hm."]
