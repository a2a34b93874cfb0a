"""Wrong tokens: limited per address, and never at the cost of good ones."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from app import create_app
from app.db.testing import RoundTrips
from app.errors import InvalidToken, RateLimited
from app.services import Authenticator
from app.services.authentication_failures import WrongTokens
from app.settings import Settings
from tests.client import Client, problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask import Flask

    from app.db import Database

    Sql = Callable[..., list[tuple[Any, ...]]]

RATE = 3
BEHIND_A_PROXY = "X-Forwarded-For"


@pytest.fixture
def limited(app: Flask, database_url: str) -> Iterator[Flask]:
    """A process behind a proxy that lets an address send few wrong tokens."""
    app = create_app(
        Settings(
            database_url=database_url,
            given_secret_key="k" * 32,
            wrong_token_rate=RATE,
            trusted_proxies=1,
            token_cache=60,
        )
    )
    yield app
    app.extensions["database"].dispose()


def send_wrong(app: Flask, count: int, address: str = "192.0.2.1") -> Counter[int]:
    """How often each status was answered to so many different wrong tokens."""
    sent = (Client(app, f"cl_{number}") for number in range(count))
    reported = (client.get("/v1/me", **{BEHIND_A_PROXY: address}) for client in sent)
    return Counter(answer.status_code for answer in reported)


def test_an_address_that_sends_many_wrong_tokens_is_limited(limited: Flask) -> None:
    """429 with Retry-After and the limit that was passed, after a burst of 401."""
    reported = send_wrong(limited, 10 * RATE)
    assert reported[401] >= RATE
    assert reported[429] > 0
    assert reported.keys() == {401, 429}
    refused = Client(limited, "cl_x").get("/v1/me", **{BEHIND_A_PROXY: "192.0.2.1"})
    assert problem(refused) == (429, "rate-limited")
    assert refused.headers["Retry-After"] == "1"
    assert refused.headers["RateLimit-Policy"] == f'"wrong-token";q={RATE};w=1'
    assert refused.headers["RateLimit"] == '"wrong-token";r=0;t=1'


def test_a_good_token_is_never_refused_for_it(
    limited: Flask, staff: Client, admin: Client, sql: Sql
) -> None:
    """From the same address: one that is known, one that is not, and one made that moment."""
    assert 429 in send_wrong(limited, 10 * RATE)
    for client in (staff, admin):
        for _ in range(2):
            good = Client(limited, client.token)
            assert good.get("/v1/me", **{BEHIND_A_PROXY: "192.0.2.1"}).status_code == 200
    for number in range(3):
        body = {"user_id": staff.user_id, "name": f"{number}"}
        made = Client(limited, admin.token).create("/v1/tokens", body)["token"]
        send_wrong(limited, RATE)
        answer = Client(limited, made).get("/v1/me", **{BEHIND_A_PROXY: "192.0.2.1"})
        assert answer.status_code == 200


def test_addresses_are_limited_apart(limited: Flask) -> None:
    """The client's address is the one that the trusted proxy names."""
    assert 429 in send_wrong(limited, 10 * RATE)
    assert send_wrong(limited, RATE, "192.0.2.2") == {401: RATE}


def test_nobody_names_an_address_without_a_trusted_proxy(app: Flask, database_url: str) -> None:
    """By default X-Forwarded-For changes nothing: it is the client's own word."""
    app = create_app(
        Settings(database_url=database_url, given_secret_key="k" * 32, wrong_token_rate=RATE)
    )
    reported = [send_wrong(app, 1, f"192.0.2.{number}") for number in range(10 * RATE)]
    app.extensions["database"].dispose()
    assert {429: 1} in reported


def test_a_known_wrong_token_costs_no_read(limited: Flask) -> None:
    """Neither below the limit nor above it: a client with an old token is no load."""
    database: Database = limited.extensions["database"]
    with RoundTrips(database) as round_trips:
        stale = Client(limited, "cl_stale")
        reported = [stale.get("/v1/me").status_code for _ in range(10 * RATE)]
        assert len(round_trips.take()) == 1
    assert {401, 429} == set(reported)


def test_a_token_that_is_good_again_is_accepted(
    database: Database, staff: Client, sql: Sql
) -> None:
    """Its user is active again, by another process: within the time that it is remembered."""
    assert staff.token is not None
    authenticator = Authenticator(database, remember=0.3)
    sql("UPDATE users SET is_active = false WHERE id = %s", staff.user_id)
    with pytest.raises(InvalidToken):
        authenticator.authenticate(staff.token)
    sql("UPDATE users SET is_active = true WHERE id = %s", staff.user_id)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            assert authenticator.authenticate(staff.token).actor.name == "Staff"
            break
        except InvalidToken:
            time.sleep(0.02)
    else:
        pytest.fail("It stays refused.")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def wrong(clock: Clock) -> WrongTokens:
    return WrongTokens(rate=RATE, remember=2.0, clock=clock)


def spend_all(wrong: WrongTokens, address: str) -> int:
    """How many wrong tokens the address may send at once."""
    for count in range(100):
        try:
            wrong.count(address)
        except RateLimited:
            return count
    raise AssertionError("It is not limited.")


def test_an_address_has_its_rate_again_after_a_while(wrong: WrongTokens, clock: Clock) -> None:
    """As many per second as it may send at once."""
    assert spend_all(wrong, "192.0.2.1") == RATE
    assert spend_all(wrong, "192.0.2.1") == 0
    clock.now += 1
    assert spend_all(wrong, "192.0.2.1") == RATE


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:40001", "192.0.2.1:40002"),
        ("192.0.2.1:40001", "192.0.2.1"),
        ("[2001:db8:1:2::1]:40001", "2001:db8:1:2::9"),
        ("[2001:db8:1:2::1]", "[2001:db8:1:2::9]:40001"),
        ("x" * 64, "x" * 10_000),
    ],
)
def test_addresses_of_one_client_are_one(wrong: WrongTokens, one: str, other: str) -> None:
    """A client with IPv6 has 2^64 addresses, and a port per connection, which some proxies add.

    A name that is no address is cut off.
    """
    assert spend_all(wrong, one) == RATE
    assert spend_all(wrong, other) == 0


def test_addresses_of_two_clients_are_two(wrong: WrongTokens) -> None:
    """Of two networks, or without any name."""
    for address in ("2001:db8:1:2::1", "2001:db8:1:3::1", "192.0.2.1", ""):
        assert spend_all(wrong, address) == RATE


def test_what_is_remembered_has_a_bound(wrong: WrongTokens) -> None:
    """Of tokens and addresses the latest; an address that goes on sending stays limited."""
    for number in range(30_000):
        wrong.add(str(number).encode(), 1000.0)
        wrong.count(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
        if number % 1000 == 0:
            assert spend_all(wrong, "192.0.2.1") == (0 if number else RATE)
    assert (len(wrong._known), len(wrong._buckets)) == (10_000, 10_000)
    assert wrong.knows(b"29999")
    assert not wrong.knows(b"1")


def test_zero_limits_nobody() -> None:
    """And nothing is kept of addresses."""
    wrong = WrongTokens(rate=0, remember=2.0)
    for _ in range(1000):
        wrong.count("192.0.2.1")
    assert not wrong._buckets
