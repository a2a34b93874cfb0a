"""Rate limits: per token, over all processes, told in every answer."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import timedelta
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from app import create_app
from app.db.errors import DatabaseUnreachable
from app.domain.allowances import LeakyBucket
from app.errors import RateLimited
from app.services import RateLimiter
from app.settings import Settings
from tests.client import Client, problem
from tests.served import desk_on
from tests.server import copy_template, drop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from flask import Flask

    from app.db import Database
    from app.db.testing import RoundTrips

    Sql = Callable[..., list[tuple[Any, ...]]]

RATE = 5


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limited(staff: Client, database_url: str) -> Iterator[Client]:
    """A client of a process that lets few requests in."""
    app = create_app(
        Settings(database_url=database_url, given_secret_key="k" * 32, rate_limit=RATE)
    )
    yield Client(app, staff.token)
    app.extensions["database"].dispose()


def drain(limiter: RateLimiter, token: Any) -> int:
    """How many requests it lets in at once."""
    for count in range(5000):
        try:
            limiter.take(token)
        except RateLimited:
            return count
    raise AssertionError("It lets in everything.")


def test_what_is_left_is_told(limited: Client) -> None:
    """In every answer, also in one that refuses."""
    reported = [limited.get(path) for path in ("/v1/me", "/v1/customers?nope=1", "/v1/users")]
    assert [answer.status_code for answer in reported] == [200, 400, 403]
    assert {answer.headers["RateLimit-Policy"] for answer in reported} == {'"token";q=5;w=1'}
    left = [answer.headers["RateLimit"] for answer in reported]
    assert left[0] == '"token";r=4;t=1'
    assert left == sorted(left, reverse=True)


def test_who_has_none_left_is_refused(limited: Client) -> None:
    """429 with Retry-After, and nothing is done; others go on."""
    refused = None
    for number in range(3 * RATE):
        answer = limited.post("/v1/customers", {"reference": f"C-{number}", "name": "Ann"})
        if answer.status_code == 429:
            refused = answer
    assert refused is not None
    assert problem(refused) == (429, "rate-limited")
    assert refused.headers["Retry-After"] == "1"
    assert refused.headers["RateLimit"] == '"token";r=0;t=1'
    time.sleep(1.1)
    assert limited.get("/v1/me").status_code == 200


def test_what_needs_no_token_is_not_limited(limited: Client) -> None:
    """Whoever watches over the service may look as often as it likes."""
    reported = [limited.get(path) for path in ("/livez", "/readyz", "/openapi.json") * RATE]
    assert {answer.status_code for answer in reported} == {200}
    assert not any("RateLimit" in answer.headers for answer in reported[:2])


def test_another_token_has_its_own(limited: Client, staff: Client, admin: Client) -> None:
    """Also one of the same user."""
    while limited.get("/v1/me").status_code == 200:
        pass
    body = {"user_id": staff.user_id, "name": "second"}
    limited.token = admin.create("/v1/tokens", body)["token"]
    assert limited.get("/v1/me").status_code == 200


def test_zero_lets_everybody_in(staff: Client, database_url: str) -> None:
    """And says nothing of limits."""
    settings = Settings(
        database_url=database_url, given_secret_key="k" * 32, rate_limit=0, wrong_token_rate=0
    )
    app = create_app(settings)
    client, headers = app.test_client(), {"Authorization": f"Bearer {staff.token}"}
    reported = [client.get("/v1/me", headers=headers) for _ in range(20)]
    document = client.get("/openapi.json").text
    app.extensions["database"].dispose()
    assert {answer.status_code for answer in reported} == {200}
    assert not any("RateLimit" in answer.headers for answer in reported)
    assert '"429"' not in document


def test_no_request_writes(
    staff: Client, round_trips: RoundTrips, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """About once a second, one statement tells of all of them."""
    staff.get("/v1/me").close()
    limiter = app.extensions["rate_limiter"]
    monkeypatch.setattr(limiter, "_reconciled_at", time.monotonic() - 1)  # due from now on
    round_trips.take()
    began = time.monotonic()
    for _ in range(100):
        staff.get("/v1/todos").close()
    reported = [message for message in round_trips.take() if "rate_limits" in message]
    assert 1 <= len(reported) <= 1 + (time.monotonic() - began)


def test_processes_learn_of_each_other(database: Database, clock: Clock) -> None:
    """What one has let in is spent for the other from its next look on."""
    one, other = (RateLimiter(database, rate=100, clock=clock) for _ in range(2))
    token = uuid4()
    for _ in range(60):
        one.take(token)
    other.take(token)
    began = time.monotonic()
    one.reconcile()
    other.reconcile()
    leaked = 100 * (time.monotonic() - began)  # by the database's clock
    assert 38 <= drain(other, token) <= 40 + leaked


def test_too_much_is_a_debt(database: Database, clock: Clock) -> None:
    """Two that did not know of each other let in twice as much; the rate holds all the same."""
    one, other = (RateLimiter(database, rate=1000, clock=clock) for _ in range(2))
    token = uuid4()
    assert [drain(each, token) for each in (one, other)] == [1000, 1000]
    one.reconcile()
    other.reconcile()
    clock.now += 0.7
    assert drain(other, token) == 0
    clock.now += 0.4
    assert 50 <= drain(other, token) <= 700


@pytest.mark.parametrize("told_every", [1.0, 2.0])
def test_nobody_is_refused_what_the_rate_allows(
    database: Database, clock: Clock, sql: Sql, told_every: float
) -> None:
    """A process by itself lets in as many as one bucket would, however often it reconciles."""
    limiter, bucket = RateLimiter(database, rate=100, clock=clock), LeakyBucket(100, 0.0, clock.now)
    token, dice = uuid4(), random.Random(1)  # noqa: S311 - no secret
    told_at, ahead, leaked = clock.now, 0, 0.0
    for _ in range(3000):
        clock.now += dice.choice((0.0,) * 60 + (0.005,) * 20 + (0.02,) * 19 + (0.7,))  # in bursts
        ahead -= bucket.take(clock.now)
        with suppress(RateLimited):
            limiter.take(token)
            ahead += 1
        assert -1 <= ahead <= 1 + leaked
        if clock.now >= told_at + told_every:
            passed, began = timedelta(seconds=clock.now - told_at), time.monotonic()
            sql("UPDATE rate_limits SET updated_at = clock_timestamp() - %s", passed)
            limiter.reconcile()
            told_at = clock.now
            leaked += 100 * (time.monotonic() - began)  # the database's clock goes on meanwhile


def test_what_could_not_be_told_is_told_later(database: Database, clock: Clock) -> None:
    """While the database is away, each process counts for itself."""
    away = create_app(
        Settings(database_url="postgresql://127.0.0.1:1/none", given_secret_key="k" * 32)
    ).extensions["database"]
    token = uuid4()
    limiter = RateLimiter(away, rate=100, clock=clock)
    limiter.take(token)
    with pytest.raises(DatabaseUnreachable):
        limiter.reconcile()
    limiter._database = database
    limiter.take(token)
    limiter.reconcile()
    with database.connect(read_only=True) as connection:
        found = connection.exec_driver_sql("SELECT spent FROM rate_limits").scalar_one()
    assert found == 2


def test_what_has_leaked_away_is_forgotten(database: Database, clock: Clock) -> None:
    """A process remembers only those who ask."""
    limiter = RateLimiter(database, rate=100, clock=clock)
    for _ in range(50):
        limiter.take(uuid4())
    limiter.reconcile()
    clock.now += 60
    limiter.take(uuid4())
    limiter.reconcile()
    assert len(limiter._buckets) == 1


def test_a_bucket_never_goes_back_in_time() -> None:
    """A clock that jumps back costs nothing and gives nothing."""
    bucket = LeakyBucket(10, 5.0, 100.0)
    bucket.leak(90.0)
    assert bucket.level == 5.0
    assert bucket.allowance.remaining == 5


def test_unused_rows_are_removed_by_a_job(
    flask: Callable[..., Any], limited: Client, sql: Sql
) -> None:
    """An hour later they say nothing."""
    time.sleep(1)
    limited.get("/v1/me").close()
    assert len(sql("SELECT 1 FROM rate_limits")) == 1
    sql("UPDATE rate_limits SET updated_at = now() - interval '2 hours'")
    flask("jobs", "run")
    assert sql("SELECT 1 FROM rate_limits") == []


def test_the_rate_holds_over_all_processes(template_url: str, tmp_path: Path) -> None:
    """Eight clients of two gunicorn workers, each asking as often as it can."""
    rate, seconds = 20, 6
    url = copy_template(template_url, f"rate_{os.getpid()}")
    secret = {"DATABASE_URL": url, "CASELOAD_SECRET_KEY": "k" * 32}
    with desk_on(url, tmp_path, CASELOAD_RATE_LIMIT=str(rate), **secret) as desk:
        headers = {"Authorization": f"Bearer {desk.employ('eager').token}"}

        def ask(end: float) -> Counter[int]:
            reported: Counter[int] = Counter()
            while time.monotonic() < end:
                line = HTTPConnection("127.0.0.1", desk.port, timeout=60)
                with closing(line):  # any of the workers accepts it
                    line.request("GET", "/v1/me", headers=headers)
                    reported[line.getresponse().status] += 1
            return reported

        with ThreadPoolExecutor(8) as pool:
            ends = [time.monotonic() + seconds] * 8
            reported = sum(pool.map(ask, ends), Counter[int]())
    drop(url)
    assert set(reported) == {200, 429}
    assert 0.7 * rate * seconds <= reported[200] <= rate * (seconds + 3)
