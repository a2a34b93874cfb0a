"""What is remembered of tokens: what it saves, and how long a revoked one lives on."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from psycopg2.extensions import cursor as Cursor  # noqa: N812 - psycopg2 names its class so
from sqlalchemy import event

from app.db.errors import DatabaseUnreachable, OutcomeUnknown
from app.domain.actors import Role
from app.errors import Unauthenticated
from app.services import Authenticator, UserService
from tests.client import Answer, Client, problem
from tests.served import Desk, desk_on
from tests.server import copy_template, drop

if TYPE_CHECKING:
    from flask import Flask

    from app.db import Database
    from app.db.testing import RoundTrips

CACHE = 1.0
MISSING = "01a00000-0000-7000-8000-000000000000"


@pytest.fixture
def bad_tokens(
    app: Flask, admin: Client, sign_in: Callable[..., Client], hire: Callable[..., Client], sql: Any
) -> list[Client]:
    """One that never was, and those that are not good any more, for whatever reason."""
    revoked, expired, agent = _issue(app, admin), _issue(app, admin), hire()
    deactivated, deleted = sign_in("staff"), sign_in("viewer")
    admin.delete(f"/v1/tokens/{revoked.token_id}")
    sql("UPDATE tokens SET expires_at = now() WHERE id = %s", expired.token_id)
    admin.patch(f"/v1/users/{deactivated.user_id}", {"is_active": False})
    admin.delete(f"/v1/users/{deleted.user_id}")
    admin.patch(f"/v1/agents/{agent.user_id}", {"is_active": False})
    return [Client(app, "cl_unknown"), revoked, expired, agent, deactivated, deleted]


def test_a_known_token_costs_no_round_trip(staff: Client, round_trips: RoundTrips) -> None:
    """Only its first use looks it up: all that is sent from then on is the request's own."""
    staff.get("/v1/customers")
    first, second = round_trips.take(), (staff.get("/v1/customers"), round_trips.take())[1]
    assert (len(first), len(second)) == (2, 1)
    assert first[1:] == second
    assert "FROM tokens" in first[0]
    assert "tokens" not in second[0]


def test_every_bad_token_costs_the_same(
    admin: Client, bad_tokens: list[Client], round_trips: RoundTrips
) -> None:
    """One look, the same for all of them and for good ones; for a repeat none."""
    admin.get("/v1/customers")
    look = round_trips.take()[:1]
    for bad in bad_tokens:
        assert problem(bad.get("/v1/customers")) == (401, "unauthenticated")
        assert round_trips.take() == look
        assert problem(bad.get("/v1/customers")) == (401, "unauthenticated")
        assert round_trips.take() == []


def _anonymous(admin: Client) -> Client:
    return Client(admin._app, None)


REFUSED: dict[str, Callable[[Client, Client], Answer]] = {
    "no token": lambda admin, _: _anonymous(admin).post("/v1/users/deactivate", {"ids": []}),
    "a wrong token": lambda admin, _: Client(admin._app, "cl_x").post("/v1/tokens", {}),
    "another role, 403": lambda _, staff: staff.post("/v1/users/deactivate", {"ids": []}),
    "an unknown parameter, 400": lambda admin, _: admin.post("/v1/users?x=1", {}),
    "no JSON, 400": lambda admin, _: admin.send("POST", "/v1/users", raw=b"{"),
    "nothing there, 404": lambda admin, _: admin.patch(f"/v1/users/{MISSING}", {"name": "A"}),
    "no such path, 404": lambda admin, _: admin.post("/v1/tokens/nothing", {}),
    "no such method, 405": lambda admin, _: admin.send("PUT", "/v1/users", {}),
    "the last admin, 409": lambda admin, _: admin.delete(f"/v1/users/{admin.user_id}"),
    "another version, 412": lambda admin, _: admin.patch(
        f"/v1/users/{admin.user_id}", {"name": "A"}, if_match='"99"'
    ),
    "no JSON at all, 415": lambda admin, _: admin.send(
        "POST", "/v1/users", raw=b"x", content_type="text/plain"
    ),
    "not valid, 422": lambda admin, _: admin.post("/v1/agents", {"kind": "cat"}),
    "a read, 200": lambda admin, _: admin.get("/v1/tokens"),
}


@pytest.mark.parametrize("refusal", REFUSED)
def test_a_refused_request_empties_no_cache(
    admin: Client, staff: Client, round_trips: RoundTrips, refusal: str
) -> None:
    """What the process knows of tokens stays: nobody can make good requests cost more."""
    for client in (admin, staff):
        client.get("/v1/customers")
    answer = REFUSED[refusal](admin, staff)
    assert 400 <= answer.status_code < 500 or refusal.startswith("a read")
    round_trips.take()
    staff.get("/v1/customers")
    assert len(round_trips.take()) == 1


CHANGES: dict[str, Callable[[Client], Answer]] = {
    "created, 201": lambda admin: admin.post(
        "/v1/users", {"email": "new@x.example", "name": "New", "role": "viewer"}
    ),
    "changed, 200": lambda admin: admin.patch(f"/v1/users/{admin.user_id}", {"name": "Bea"}),
    "revoked, 204": lambda admin: admin.delete(f"/v1/tokens/{admin.token_id}"),
    "an agent, 201": lambda admin: admin.post("/v1/agents", {"name": "bot", "kind": "ai"}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_empties_the_cache(
    admin: Client, staff: Client, round_trips: RoundTrips, change: str
) -> None:
    """Every token is looked up again by the process that made the change."""
    staff.get("/v1/customers")
    assert CHANGES[change](admin).status_code == int(change[-3:])
    round_trips.take()
    staff.get("/v1/customers")
    assert len(round_trips.take()) == 2


def test_a_failed_change_empties_the_cache(
    admin: Client, staff: Client, round_trips: RoundTrips, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After 503 nobody knows whether it was committed."""

    def fail(*_: object, **__: object) -> None:
        raise OutcomeUnknown("The connection was lost during COMMIT.")

    for client in (admin, staff):
        client.get("/v1/customers")
    monkeypatch.setattr(UserService, "deactivate", fail)
    answer = admin.post("/v1/users/deactivate", {"ids": [staff.user_id]})
    assert problem(answer) == (503, "outcome-unknown")
    round_trips.take()
    staff.get("/v1/customers")
    assert len(round_trips.take()) == 2


def test_an_outage_lets_nobody_empty_the_cache(
    staff: Client, round_trips: RoundTrips, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong token that can't be looked up is 503, and good tokens stay known."""

    def unreachable(*_: object) -> None:
        raise DatabaseUnreachable("The database can't be reached.")

    staff.get("/v1/customers")
    with monkeypatch.context() as patch:
        patch.setattr(Authenticator, "_look_up", unreachable)
        answer = Client(staff._app, "cl_x").post("/v1/users/deactivate", {"ids": []})
    assert problem(answer) == (503, "database-unavailable")
    round_trips.take()
    staff.get("/v1/customers")
    assert len(round_trips.take()) == 1


def _issue(app: Flask, admin: Client) -> Client:
    made = admin.create("/v1/tokens", {"user_id": admin.user_id, "name": "second"})
    return Client(app, made["token"], token_id=made["id"])


def test_a_slow_look_does_not_prolong_a_tokens_life(
    database: Database, admin: Client, sql: Callable[..., Any]
) -> None:
    """Revoked while it was looked up: the time that it may live on had begun before."""
    authenticator, revoked_at = Authenticator(database, remember=0.5), []

    def revoke() -> None:
        sql("UPDATE tokens SET deleted_at = now() WHERE id = %s", admin.token_id)
        revoked_at.append(time.monotonic())
        time.sleep(0.3)

    assert admin.token is not None
    with _after_the_first_message(database, revoke):
        authenticator.authenticate(admin.token)
    time.sleep(max(0, revoked_at[0] + 0.5 - time.monotonic()))
    with pytest.raises(Unauthenticated):
        authenticator.authenticate(admin.token)


@contextmanager
def _after_the_first_message(database: Database, do: Callable[[], None]) -> Iterator[None]:
    """PostgreSQL has answered it, and the answer is on its way for as long as that takes."""
    left = [do]

    class Slow(Cursor):
        def execute(self, query: Any, vars: Any = None) -> None:  # noqa: A002 - as psycopg2 has it
            super().execute(query, vars)
            if left:
                left.pop()()

    def slow_down(connection: Any, *_: Any) -> None:
        connection.cursor_factory = Slow

    pool = database.pool
    event.listen(pool, "checkout", slow_down)
    yield
    event.remove(pool, "checkout", slow_down)
    database.dispose()


@pytest.fixture
def served(template_url: str, tmp_path: Path) -> Iterator[Desk]:
    url = copy_template(template_url, f"tokens_{os.getpid()}")
    settings = {"CASELOAD_TOKEN_CACHE": str(CACHE), "GUNICORN_CMD_ARGS": "--keep-alive 60"}
    with desk_on(url, tmp_path, DATABASE_URL=url, CASELOAD_SECRET_KEY="k" * 32, **settings) as desk:
        yield desk
    drop(url)


def test_a_revoked_token_is_refused_by_every_worker_in_time(served: Desk) -> None:
    """At once by the one that revoked it, by the others once what they remember is too old."""
    admin, staff = served.employ("admin", Role.ADMIN), served.employ("staff")
    ((token_id,),) = served.sql("SELECT id FROM tokens WHERE user_id = %s", str(staff.id))
    one, other = workers_of(served)
    with line_to(served, without=other) as first, line_to(served, without=one) as second:
        assert [asked(line, staff.token) for line in (first, second, second)] == [200] * 3
        assert asked(first, admin.token, "DELETE", f"/v1/tokens/{token_id}") == 204
        revoked_at = time.monotonic()
        assert asked(first, staff.token) == 401
        time.sleep(max(0, revoked_at + CACHE - time.monotonic()))
        assert [asked(line, staff.token) for line in (first, second)] == [401] * 2


def workers_of(desk: Desk) -> list[int]:
    master = desk.gunicorn.pid
    while True:
        children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
        if len(children) == 2:
            return [int(child) for child in children]
        time.sleep(0.02)


@contextmanager
def line_to(desk: Desk, *, without: int) -> Iterator[HTTPConnection]:
    """A connection that another worker than this one has accepted, and serves to its end."""
    os.kill(without, signal.SIGSTOP)
    try:
        while Path(f"/proc/{without}/stat").read_text().rpartition(")")[2].split()[0] != "T":
            time.sleep(0.01)
        line = HTTPConnection("127.0.0.1", desk.port, timeout=30)
        line.request("GET", "/livez")
        line.getresponse().read()
    finally:
        os.kill(without, signal.SIGCONT)
    with closing(line):
        yield line


def asked(line: HTTPConnection, token: str, method: str = "GET", path: str = "/v1/me") -> int:
    line.request(method, path, headers={"Authorization": f"Bearer {token}"})
    answer = line.getresponse()
    answer.read()
    return answer.status
