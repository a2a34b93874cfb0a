"""What a message does to the status of its conversation, and when it re-opens it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from app import create_app
from app.settings import Settings
from tests.client import Client
from tests.conversations import STATUSES, actions_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Sql = Callable[..., list[tuple[Any, ...]]]
    Start = Callable[..., str]


@pytest.fixture
def rooms(database_url: str) -> Iterator[Callable[..., Client]]:
    """The same service under other settings, for who is given."""
    apps = []

    def enter(client: Client, **values: Any) -> Client:
        app = create_app(Settings(database_url=database_url, given_secret_key="k" * 32, **values))
        apps.append(app)
        return Client(app, client.token, user_id=client.user_id)

    yield enter
    for app in apps:
        app.extensions["database"].dispose()


def _write(client: Client, path: str, direction: str) -> None:
    client.create(f"{path}/messages", {"direction": direction, "body": "x"})


@pytest.mark.parametrize("status", ["open", "pending", "snoozed", "resolved"])
@pytest.mark.parametrize(
    ("direction", "becomes"),
    [
        ("inbound", {}),
        ("outbound", {"open": "pending", "snoozed": "pending", "pending": "pending"}),
        ("note", {status: status for status in STATUSES}),
    ],
)
def test_a_message_moves_the_conversation_on(
    staff: Client, start: Start, status: str, direction: str, becomes: dict[str, str]
) -> None:
    """The customer's re-opens it, an answer makes it wait, a note does nothing."""
    path = start(status)
    before = staff.get(path).json
    _write(staff, path, direction)
    after = staff.get(path).json
    default = "open" if direction == "inbound" else status
    assert after["status"] == becomes.get(status, default)
    if after["status"] == before["status"] and direction != "outbound":
        assert after == before
    elif direction == "inbound":
        assert actions_of(staff, path)[-1] == "reopened"
    if after["status"] != "snoozed":
        assert after["snoozed_until"] is None


@pytest.mark.parametrize(("days", "status"), [(6.99, "open"), (7.01, "resolved")])
def test_a_resolved_one_is_reopened_within_the_window(
    staff: Client, start: Start, sql: Sql, days: float, status: str
) -> None:
    """A week, unless the firm says otherwise; a message that is later is kept all the same."""
    path = start("resolved")
    sql("UPDATE conversations SET status_changed_at = now() - %s * interval '1 day'", days)
    _write(staff, path, "inbound")
    assert staff.get(path).json["status"] == status
    assert len(staff.get(f"{path}/messages").json["items"]) == 1
    assert staff.post(f"{path}/close").json["status"] == "closed"


@pytest.mark.parametrize(("window", "status"), [(60, "resolved"), (7200, "open")])
def test_the_window_is_the_firms(
    staff: Client,
    start: Start,
    sql: Sql,
    rooms: Callable[..., Client],
    *,
    window: int,
    status: str,
) -> None:
    """An hour after it was resolved, the setting decides."""
    path = start("resolved")
    sql("UPDATE conversations SET status_changed_at = now() - interval '1 hour'")
    _write(rooms(staff, reopen_window=window), path, "inbound")
    assert staff.get(path).json["status"] == status


def test_the_window_binds_customers_alone(staff: Client, start: Start, sql: Sql) -> None:
    """The desk re-opens by hand, however late."""
    path = start("resolved")
    sql("UPDATE conversations SET status_changed_at = now() - interval '1 year'")
    assert staff.post(f"{path}/reopen").json["status"] == "open"


def test_the_first_answer_is_the_first_response(staff: Client, start: Start) -> None:
    """Neither a note nor the customer's own message is one, and a second answer changes nothing."""
    path = start()
    for direction in ("note", "inbound"):
        _write(staff, path, direction)
    assert staff.get(path).json["first_responded_at"] is None
    _write(staff, path, "outbound")
    first = staff.get(path).json["first_responded_at"]
    assert first is not None
    _write(staff, path, "inbound")
    _write(staff, path, "outbound")
    assert staff.get(path).json["first_responded_at"] == first
