"""Who may write which messages, and who may read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.client import Client, codes, problem
from tests.conversations import IN, NOBODY, NOTE, OUT, PATH
from tests.desk import TASK

if TYPE_CHECKING:
    from collections.abc import Callable

    Start = Callable[..., str]


def test_viewers_read_and_do_not_write(viewer: Client, staff: Client, start: Start) -> None:
    """The list and one alike."""
    path = start()
    message = staff.create(f"{path}/messages", NOTE)
    assert viewer.get(f"{path}/messages").json["items"] == [message]
    assert viewer.get(f"/v1/messages/{message['id']}").json == message
    assert problem(viewer.post(f"{path}/messages", NOTE)) == (403, "forbidden")


def test_a_program_does_not_write_in_a_customers_name(
    start: Start, hire: Callable[..., Client]
) -> None:
    """Not even about the task that it runs."""
    path, bot = start(task=TASK), hire("bot")
    bot.post("/v1/tasks/claim", {})
    assert problem(bot.post(f"{path}/messages", IN)) == (403, "forbidden")
    assert bot.get(f"{path}/messages").json["items"] == []


def test_a_program_sees_only_what_its_tasks_refer_to(
    staff: Client, start: Start, hire: Callable[..., Client]
) -> None:
    """And is not told whether anything else is there."""
    mine, other, bot = start(task=TASK), start(), hire("bot")
    bot.post("/v1/tasks/claim", {})
    secret = staff.create(f"{other}/messages", {**IN, "external_id": "m-1"})
    own = staff.create(f"{mine}/messages", IN)
    assert bot.get(f"/v1/messages/{own['id']}").json == own
    refused = [
        bot.get(f"/v1/messages/{secret['id']}"),
        bot.get(f"/v1/messages/{NOBODY}"),
        bot.get(f"{other}/messages"),
        bot.post(f"{other}/messages", OUT),
        bot.get(f"{PATH}/{NOBODY}/messages"),
        bot.post(f"{PATH}/{NOBODY}/messages", OUT),
    ]
    assert [problem(answer) for answer in refused] == [(403, "forbidden")] * len(refused)


def test_a_program_sets_no_external_id(
    staff: Client, start: Start, hire: Callable[..., Client]
) -> None:
    """So it neither learns which are known, nor takes that of a mail which is still to come."""
    mine, other, bot = start(task=TASK), start(), hire("bot")
    bot.post("/v1/tasks/claim", {})
    staff.create(f"{other}/messages", {**IN, "body": "secret", "external_id": "m-1"})
    answers = [
        bot.post(f"{mine}/messages", {**body, "external_id": name})
        for name in ("m-1", "m-2")
        for body in (OUT, NOTE)
    ]
    for answer in answers:
        assert problem(answer) == (422, "validation-error")
        assert codes(answer) == {"/external_id": "not-allowed"}
    assert len({answer.json["detail"] for answer in answers}) == 1
    assert bot.post(f"{mine}/messages", {**OUT, "external_id": None}).status_code == 201
    assert staff.post(f"{mine}/messages", {**IN, "external_id": "m-2"}).status_code == 201
