"""Every route that writes is failed at every message that it sends to PostgreSQL."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from app.db.testing import DROP, DROP_AFTER, Faults
from tests.client import problem
from tests.routes import WRITES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Flask

    from tests.client import Answer
    from tests.scene import Scene

REFUSED = {
    "57014": (503, "statement-timeout"),
    "55P03": (503, "lock-timeout"),
    "23514": (500, "internal-error"),  # a constraint that nobody has thought of
}
RUN_AGAIN = ("40001", "40P01", DROP)
UNKNOWN = (DROP, DROP_AFTER)  # at COMMIT
AGAIN_WHEN_DONE = {"PATCH": (412, "precondition-failed"), "DELETE": (404, "not-found")}
"""What a repeat is told; of a POST it is the first answer."""


@dataclass
class Sender:
    """One request, sent as often as one likes, on the same rows; `of` names its route."""

    scene: Scene
    of: str

    def __post_init__(self) -> None:
        self.method, _, rule = self.of.partition(" ")
        self.write, self.client = WRITES[self.of], self.scene.client("admin")
        self.path = re.sub("<id:key>", lambda _: self.scene.ids[self.write.on], rule)
        self.body = self.write.body_for(self.scene.ids)
        self.headers = {"Idempotency-Key": "k"} if self.method == "POST" else {}
        if self.method == "PATCH":
            self.headers = {"If-Match": self.client.get(self.path).headers["ETag"]}

    def send(self) -> Answer:
        return self.client.send(self.method, self.path, self.body, headers=self.headers)

    def failed(self, at: int | str, how: str, *, always: bool = False) -> tuple[Answer, Faults]:
        """The token is known by then: what is sent to the database is the route's."""
        self.scene.rows.restore()
        self.scene.app.extensions["authenticator"].authenticate(self.client.token)
        with Faults(self.scene.database, at, how, always) as faults:
            return self.send(), faults


@dataclass(frozen=True)
class Done:
    """What a request does to which nothing happens; `commit` is the number of that message."""

    status: int
    commit: int
    effect: tuple[list[str], list[str]]


@pytest.fixture
def _nothing_is_left(scene: Scene) -> Iterator[None]:
    """Afterwards no connection is in use, no transaction open, and no lock held."""
    yield
    pool: Any = scene.database.pool
    assert pool.checkedout() == 0
    deadline = time.monotonic() + 60
    while scene.rows.others() and time.monotonic() < deadline:
        time.sleep(0.01)  # PostgreSQL takes its time to see that a connection was closed
    assert scene.rows.others() == []


def test_no_route_is_forgotten(app: Flask) -> None:
    """A new route that writes has to be written down in tests/routes.py."""
    writing = {
        f"{method} {rule.rule}"
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"GET", "HEAD"}
    }
    assert writing == set(WRITES)


@pytest.mark.usefixtures("patient")
@pytest.mark.sweep
@pytest.mark.parametrize("route", WRITES)
@pytest.mark.usefixtures("_nothing_is_left")
def test_a_request_that_fails_anywhere_does_all_or_nothing(scene: Scene, route: str) -> None:
    """Whatever it is answered, it can be sent again, and in the end it is done, once."""
    sender = Sender(scene, route)
    answer, unharmed = sender.failed(0, "40001")
    assert answer.status_code < 300, answer.text
    done = Done(answer.status_code, unharmed.seen.index("COMMIT") + 1, scene.rows.difference())
    assert done.effect != ([], [])
    for how in (*REFUSED, *RUN_AGAIN, DROP_AFTER):
        check(sender, "COMMIT", how, done)
    ways, turn = [*REFUSED, *RUN_AGAIN], list(WRITES).index(route)
    for at in range(1, len(unharmed.seen) + 1):
        if at != done.commit:
            check(sender, at, ways[(at + turn) % len(ways)], done)


def check(sender: Sender, at: int | str, how: str, done: Done) -> None:
    """Fail it there, and send it again."""
    expected = expected_of(sender.method, at, how, done.commit)
    first, faults = sender.failed(at, how)
    where = (sender.of, at, how, faults.seen)
    assert faults.struck == 1, where
    assert (None if first.status_code == done.status else problem(first)) == expected, where
    assert ("Retry-After" in first.headers) == (first.status_code == 503), where
    was_done = sender.scene.rows.rows() != sender.scene.rows.taken
    assert was_done == (expected is None or how == DROP_AFTER), where
    again = sender.send()
    effect = sender.scene.rows.difference()
    other = [set(found) ^ set(wanted) for found, wanted in zip(effect, done.effect, strict=True)]
    assert effect == done.effect, f"{where}: {again.status_code}, {other}"
    check_repeat(sender, first, again, done.status, was_done=was_done)


def expected_of(method: str, at: int | str, how: str, commit: int) -> tuple[int, str] | None:
    """The problem, or None where it is done."""
    if at == "COMMIT":
        return (503, "outcome-unknown") if how in UNKNOWN else REFUSED.get(how)
    if int(at) > commit:
        return None  # nobody waits for that
    if (method, at, how) == ("POST", 1, "55P03"):
        return 409, "idempotency-in-progress"  # it is the key that was waited for
    return REFUSED.get(how)


def check_repeat(
    sender: Sender, first: Answer, again: Answer, status: int, *, was_done: bool
) -> None:
    if sender.method != "POST":
        expected = AGAIN_WHEN_DONE[sender.method] if was_done else None
        assert (problem(again) if again.status_code >= 300 else None) == expected
        return
    assert again.status_code == status
    assert ("Idempotency-Replayed" in again.headers) == was_done
    if first.status_code == status:
        assert again.data == first.data


@pytest.mark.parametrize(
    ("route", "at", "how"),
    [
        ("POST /v1/customers", 1, "40001"),
        ("POST /v1/customers", "COMMIT", "40001"),
        ("PATCH /v1/customers/<id:key>", 1, DROP),
        ("DELETE /v1/customers/<id:key>", "COMMIT", "40P01"),
    ],
)
@pytest.mark.usefixtures("_nothing_is_left")
def test_what_fails_for_good_is_given_up(scene: Scene, route: str, at: int | str, how: str) -> None:
    """Nothing is done, and the client is told within seconds that it may try again."""
    sender = Sender(scene, route)
    began = time.monotonic()
    answer, faults = sender.failed(at, how, always=True)
    assert time.monotonic() - began < 10
    assert problem(answer) == (503, "connection-lost" if how == DROP else "contention")
    assert (answer.headers["Retry-After"], faults.struck > 1) == ("1", True)
    assert scene.rows.rows() == scene.rows.taken
    assert sender.send().status_code < 300


@pytest.mark.parametrize(
    ("how", "expected"),
    [(DROP, None), ("40001", None), ("57014", REFUSED["57014"]), ("23514", REFUSED["23514"])],
)
@pytest.mark.usefixtures("_nothing_is_left")
def test_a_token_that_can_not_be_looked_up(
    scene: Scene, how: str, expected: tuple[int, str] | None
) -> None:
    """The request is refused or goes on; it is never let in unknown, nor told that it is 401."""
    sender = Sender(scene, "POST /v1/customers")
    scene.app.extensions["authenticator"].forget()
    with Faults(scene.database, 1, how) as faults:
        answer = sender.client.send(sender.method, sender.path, sender.body)
    assert "FROM tokens" in faults.seen[0]
    assert (problem(answer) if expected else answer.status_code) == (expected or 201)
