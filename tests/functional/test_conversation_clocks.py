"""The clocks of a conversation: what is stored is what its events say, whatever happened."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import time_machine

from app import create_app
from app.db.listing import format_timestamp, parse_timestamp
from app.domain.clocks import Clocks
from app.services import ConversationLifecycle
from app.settings import Settings
from tests.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.client import Answer

    Sql = Callable[..., list[tuple[Any, ...]]]
    Start = Callable[..., str]

PATH = "/v1/conversations"
OFFICE: dict[str, str] = {}  # as it is where nothing is set
ALWAYS = {"opening_hours": "mon-sun 00:00-24:00", "holidays": ""}
MONDAY = datetime(2026, 1, 5, 9, tzinfo=UTC)
PRIORITIES = ["low", "normal", "high", "urgent"]


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """The application's, which stands still until it is moved; the database keeps its own."""
    with time_machine.travel(MONDAY, tick=False) as clock:
        yield clock


@pytest.fixture(params=[OFFICE, ALWAYS], ids=["office", "always"])
def desk(request: pytest.FixtureRequest, staff: Client, database_url: str) -> Iterator[Client]:
    """A client of a service with opening hours, or one that is always open."""
    yield from _desk(staff, database_url, request.param)


@pytest.fixture
def always(staff: Client, database_url: str) -> Iterator[Client]:
    """A client of a service that is always open."""
    yield from _desk(staff, database_url, ALWAYS)


@pytest.fixture
def office(staff: Client, database_url: str) -> Iterator[Client]:
    """A client of a service from nine to five."""
    yield from _desk(staff, database_url, OFFICE)


def _desk(staff: Client, url: str, hours: dict[str, str]) -> Iterator[Client]:
    app = create_app(Settings(database_url=url, given_secret_key="k" * 32, **hours))  # type: ignore[arg-type] # only texts are given
    yield Client(app, staff.token)
    app.extensions["database"].dispose()


@pytest.fixture
def start(staff: Client) -> Start:
    """Open a conversation at a desk; answers its path."""
    customer = staff.create("/v1/customers", {"reference": "C-1", "name": "Ann"})["id"]

    def start(desk: Client, **values: Any) -> str:
        body = {"customer_id": customer, "subject": "Help", "channel": "email", **values}
        return f"{PATH}/{desk.create(PATH, body)['id']}"

    return start


def _write(client: Client, path: str, direction: str) -> Answer:
    return client.post(f"{path}/messages", {"direction": direction, "body": "x"})


def _stored(client: Client, path: str, sql: Sql) -> Clocks:
    """As the conversation shows them, and what it keeps to itself."""
    shown = client.get(path).json
    responded = shown["first_responded_at"]
    key = path.rpartition("/")[2]
    [(left,)] = sql("SELECT resolution_left FROM conversations WHERE id = %s", key)
    return Clocks(
        parse_timestamp(shown["first_response_due_at"]),
        parse_timestamp(shown["resolution_due_at"]),
        parse_timestamp(responded) if responded else None,
        left,
    )


def _recomputed(client: Client, path: str) -> Clocks:
    """As the events tell, which anybody may read."""
    url, changes = f"/v1/events?object_id={path.rpartition('/')[2]}&sort=occurred_at&limit=100", []
    following = url
    while following:
        page = client.get(following).json
        changes += [event["changes"] for event in page["items"]]
        following = page["next_cursor"] and f"{url}&cursor={page['next_cursor']}"
    app = client._client.application
    clocks: Clocks = app.extensions["settings"].rules.service_levels.recompute(changes)
    return clocks


def _due(client: Client, path: str) -> tuple[str, str]:
    """By when to respond and to resolve, as `01-05 09:00`."""
    found = client.get(path).json
    response, resolution = (
        found[name].replace("T", " ")[5:].removesuffix(":00Z")
        for name in ("first_response_due_at", "resolution_due_at")
    )
    return response, resolution


@pytest.mark.parametrize(
    ("priority", "due"),
    [
        ("low", ("01-05 17:00", "01-09 17:00")),
        ("normal", ("01-05 13:00", "01-07 17:00")),
        ("high", ("01-05 10:00", "01-05 17:00")),
        ("urgent", ("01-05 09:15", "01-05 13:00")),
    ],
)
def test_a_new_conversation_is_due_by_its_priority(
    office: Client, start: Start, clock: time_machine.Traveller, priority: str, due: object
) -> None:
    """In open time, from the moment it was opened; a later priority counts from there too."""
    assert _due(office, start(office, priority=priority)) == due
    path = start(office, priority="low")
    clock.shift(timedelta(hours=3))
    office.patch(path, {"priority": priority})
    assert _due(office, path) == due


def test_waiting_for_the_customer_stops_the_resolution_clock(
    always: Client, start: Start, clock: time_machine.Traveller
) -> None:
    """It is due later by exactly the time it was pending, however often; the response is not."""
    path = start(always)
    assert _due(always, path) == ("01-05 13:00", "01-06 09:00")
    clock.shift(timedelta(hours=2))
    _write(always, path, "outbound")
    clock.shift(timedelta(hours=5))
    assert _due(always, path) == ("01-05 13:00", "01-06 09:00")
    _write(always, path, "inbound")
    assert _due(always, path) == ("01-05 13:00", "01-06 14:00")
    clock.shift(timedelta(hours=1))
    _write(always, path, "outbound")
    clock.shift(timedelta(minutes=30))
    always.post(f"{path}/reopen")
    assert _due(always, path) == ("01-05 13:00", "01-06 14:30")


def test_a_pause_over_the_weekend_costs_nothing(
    office: Client, start: Start, clock: time_machine.Traveller
) -> None:
    """Only open time counts: pending from Friday at four to Monday at ten is two hours."""
    path = start(office, priority="high")
    clock.move_to(MONDAY + timedelta(days=4, hours=7))
    _write(office, path, "outbound")
    clock.move_to(MONDAY + timedelta(days=7, hours=1))
    _write(office, path, "inbound")
    assert _due(office, path) == ("01-05 10:00", "01-06 11:00")


@pytest.mark.parametrize("action", ["snooze", "resolve"])
def test_only_what_waits_for_us_runs(
    always: Client, start: Start, clock: time_machine.Traveller, action: str
) -> None:
    """A snoozed one is ours, and its clock goes on; a resolved one's stands still."""
    path = start(always)
    clock.shift(timedelta(hours=1))
    body = {"until": format_timestamp(MONDAY + timedelta(days=9))} if action == "snooze" else {}
    always.post(f"{path}/{action}", body)
    clock.shift(timedelta(hours=4))
    assert _write(always, path, "inbound").status_code == 201
    expected = "01-06 09:00" if action == "snooze" else "01-06 13:00"
    assert _due(always, path)[1] == expected


def test_a_priority_counts_while_the_clock_stands_still(
    always: Client, start: Start, clock: time_machine.Traveller
) -> None:
    """What is left when it goes on is by the new target, and what was used stays used."""
    path = start(always)
    clock.shift(timedelta(hours=1))
    _write(always, path, "outbound")
    always.patch(path, {"priority": "urgent"})
    clock.shift(timedelta(days=1))
    _write(always, path, "inbound")
    assert _due(always, path) == ("01-05 13:00", "01-06 13:00")


def test_what_is_overdue_stays_overdue(
    always: Client, start: Start, clock: time_machine.Traveller, sql: Sql
) -> None:
    """By as much as it was when the clock was stopped."""
    path = start(always, priority="urgent")
    clock.shift(timedelta(hours=10))
    _write(always, path, "outbound")
    assert _stored(always, path, sql).resolution_left == timedelta(hours=-6)
    clock.shift(timedelta(days=3))
    always.post(f"{path}/reopen")
    assert _due(always, path) == ("01-05 09:15", "01-08 13:00")
    assert _stored(always, path, sql).resolution_left is None


def test_a_late_message_starts_no_clock(
    always: Client, start: Start, clock: time_machine.Traveller, sql: Sql
) -> None:
    """A customer who writes after the re-open window leaves it resolved, and the clock at rest."""
    path = start(always)
    always.post(f"{path}/resolve")
    before = _stored(always, path, sql)
    clock.shift(timedelta(days=7, seconds=1))
    _write(always, path, "inbound")
    assert _stored(always, path, sql) == before
    assert before.resolution_left == timedelta(hours=24)


def test_what_becomes_due_first_is_found_first(
    office: Client, start: Start, clock: time_machine.Traveller
) -> None:
    """A filter and a sort by the clocks, as a desk works them off."""
    paths = [start(office, priority=priority) for priority in PRIORITIES]
    keys = [path.rpartition("/")[2] for path in paths]
    url = f"{PATH}?sort=resolution_due_at&resolution_due_at__lte=2026-01-07T17:00:00Z"
    assert [item["id"] for item in office.get(url).json["items"]] == keys[:0:-1]


class Desk:
    """Does something at random to a conversation, at a random later time."""

    def __init__(
        self,
        client: Client,
        path: str,
        other: str,
        rng: random.Random,
        *,
        clock: time_machine.Traveller,
        sql: Sql,
    ) -> None:
        self.client, self.path, self.other, self.random = client, path, other, rng
        self.clock, self.sql = clock, sql
        self.customer = client.get(path).json["customer_id"]

    def step(self) -> str:
        """What it was, and what came of it."""
        self.clock.shift(timedelta(seconds=self.random.choice([0, 1e-6, 59, 4000, 30_000, 2e5])))
        weights: dict[Callable[[], Answer | None], float] = {
            self.write: 6,
            self.prioritise: 3,
            self.snooze: 2,
            self.resolve: 2,
            self.resolve_in_bulk: 1,
            self.assign_in_bulk: 1,
            self.reopen: 2,
            self.assign: 1,
            self.wake: 1,
            self.delete: 1,
            self.absorb: 1,
            self.close: 0.2,  # these two end it all
            self.merge: 0.2,
        }
        [act] = self.random.choices(list(weights), list(weights.values()))
        answer = act()
        assert answer is None or answer.status_code in (200, 201, 204, 409), answer.text
        return f"{getattr(act, '__name__', act)} {answer and answer.status_code}"

    def write(self) -> Answer:
        direction = self.random.choice(["inbound", "outbound", "note"])
        return _write(self.client, self.path, direction)

    def prioritise(self) -> Answer:
        priority = self.random.choice(PRIORITIES)
        return self.client.patch(self.path, {"priority": priority, "tags": [priority]})

    def snooze(self) -> Answer:
        until = format_timestamp(datetime.now(UTC) + timedelta(hours=1))
        return self.client.post(f"{self.path}/snooze", {"until": until})

    def resolve(self) -> Answer:
        body = self.random.choice([{}, {"message": {"body": "Bye."}}])
        return self.client.post(f"{self.path}/resolve", body)

    def resolve_in_bulk(self) -> Answer:
        return self._in_bulk("resolve", {})

    def assign_in_bulk(self) -> Answer:
        return self._in_bulk("assign", {"agent_id": None, "reason": str(self.random.random())})

    def _in_bulk(self, verb: str, body: dict[str, Any]) -> Answer:
        number = self.client.get(self.path).json["number"]
        body = {**body, "filter": {"number": number}, "expected_count": 1}
        return self.client.post(f"{PATH}/bulk-{verb}", body)

    def reopen(self) -> Answer:
        return self.client.post(f"{self.path}/reopen")

    def assign(self) -> Answer:
        body = {"agent_id": None, "reason": str(self.random.random())}
        return self.client.post(f"{self.path}/assign", body)

    def wake(self) -> None:
        self.sql(
            "UPDATE conversations SET snoozed_until = now() - interval '1 second'"
            " WHERE status = 'snoozed'"
        )
        app = self.client._client.application
        rules = app.extensions["settings"].rules
        ConversationLifecycle.as_system(app.extensions["database"], rules=rules).wake_due()

    def delete(self) -> Answer:
        self.client.delete(self.path)
        return self.client.post(f"{self.path}/restore")

    def close(self) -> Answer:
        return self.client.post(f"{self.path}/close")

    def absorb(self) -> Answer:
        """Merge another one into this one, in whatever status the two are."""
        body = {"customer_id": self.customer, "subject": "x", "channel": "email"}
        if self.random.random() < 0.7:
            direction = self.random.choice(["inbound", "outbound", "note"])
            body["message"] = {"body": "x", "direction": direction}
        path = f"{PATH}/{self.client.create(PATH, body)['id']}"
        self.clock.shift(timedelta(hours=self.random.choice([0, 1, 50])))
        match self.random.choice(["resolve", "snooze", "open"]):
            case "resolve":
                self.client.post(f"{path}/resolve")
            case "snooze":
                until = format_timestamp(datetime.now(UTC) + timedelta(hours=2))
                self.client.post(f"{path}/snooze", {"until": until})
        return self.client.post(f"{path}/merge", {"into": self.path.rpartition("/")[2]})

    def merge(self) -> Answer:
        return self.client.post(f"{self.path}/merge", {"into": self.other.rpartition("/")[2]})


@pytest.mark.parametrize("seed", range(8))
def test_the_events_tell_what_is_due(
    desk: Client, start: Start, clock: time_machine.Traveller, sql: Sql, seed: int
) -> None:
    """After each of many steps at random times, what is stored is what the events give."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    first = rng.choice(
        [{}, {"message": {"body": "x"}}, {"message": {"body": "x", "direction": "outbound"}}]
    )
    path, other = start(desk, priority=rng.choice(PRIORITIES), **first), start(desk)
    actor, done = Desk(desk, path, other, rng, clock=clock, sql=sql), ["created"]
    assert _recomputed(desk, path) == _stored(desk, path, sql)
    for _ in range(25):
        done.append(actor.step())
        assert _recomputed(desk, path) == _stored(desk, path, sql), done
    assert _recomputed(desk, other) == _stored(desk, other, sql)
