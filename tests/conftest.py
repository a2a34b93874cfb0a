from __future__ import annotations

import math
import os
import signal
import time
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg2
import psycopg2.extensions
import pytest

from app import create_app
from app.db.retries import keep_trying
from app.db.testing import RoundTrips
from app.domain.tokens import NewToken
from app.models import Base
from app.services import AgentService, TokenService, UserService
from app.settings import Settings
from tests import client
from tests.client import Client
from tests.served import desk_on
from tests.server import TestServer, copy_template, drop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from flask import Flask

    from app.db import Database
    from tests.served import Desk

# What a shell runs in the background ignores Ctrl-C, and so would all that the tests start.
for _number in (signal.SIGINT, signal.SIGQUIT):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler)

SWEEP_STRIDE = 5
"""Of so many cases of a sweep `make test` runs one, and `make test WHOLE=1` all."""

_server = pytest.StashKey[TestServer]()
_template = pytest.StashKey[str]()

_TABLES = [table.name for table in Base.metadata.sorted_tables]
# Without triggers and foreign keys: events, messages and entries refuse to be removed.
_WITHOUT_RULES = "SET LOCAL session_replication_role = replica"
_IS_LARGE = """
SELECT coalesce(bool_or(pg_relation_size(oid) > 1000000), false)
FROM pg_class WHERE relname = ANY (%s) AND relnamespace = 'public'::regnamespace
"""
# TRUNCATE takes 25 ms whatever the tables hold, and DELETE takes 1 ms where they hold little.
_DELETE = "; ".join([_WITHOUT_RULES, *(f"DELETE FROM {name}" for name in _TABLES)])
_TRUNCATE = f"{_WITHOUT_RULES}; TRUNCATE {', '.join(_TABLES)}"


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        config.stash[_template] = config.workerinput["template_url"]
    elif not config.option.collectonly and not config.option.help:
        config.stash[_server] = TestServer()
        config.stash[_template] = config.stash[_server].create_template()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--whole", action="store_true", help=f"all cases of sweeps; else one in {SWEEP_STRIDE}"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep one in SWEEP_STRIDE cases of each test that is a `sweep`, the first one among them."""
    if config.option.whole:
        return
    seen: Counter[str] = Counter()
    kept: list[pytest.Item] = []
    left_out: list[pytest.Item] = []
    for item in items:
        test = item.nodeid.partition("[")[0]
        is_kept = item.get_closest_marker("sweep") is None or seen[test] % SWEEP_STRIDE == 0
        seen[test] += 1
        (kept if is_kept else left_out).append(item)
    items[:] = kept
    config.hook.pytest_deselected(items=left_out)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["template_url"] = node.config.stash[_template]


def pytest_unconfigure(config: pytest.Config) -> None:
    if _server in config.stash:
        config.stash[_server].stop()


@pytest.fixture(scope="session")
def template_url(request: pytest.FixtureRequest) -> str:
    return request.config.stash[_template]


@pytest.fixture(scope="session")
def database_url(template_url: str, worker_id: str) -> Iterator[str]:
    """A migrated database of this worker's own, emptied after each test that uses `app`."""
    url = copy_template(template_url, worker_id)
    yield url
    drop(url)


@pytest.fixture(scope="session")
def shared_app(database_url: str) -> Iterator[Flask]:
    settings = Settings(database_url=database_url, given_secret_key="k" * 32, wrong_token_rate=0)
    app = create_app(settings)
    yield app
    app.extensions["database"].dispose()


@pytest.fixture
def empty(database_url: str) -> Callable[[], None]:
    """Remove all rows."""

    def empty() -> None:
        with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
            cursor.execute(_IS_LARGE, [_TABLES])
            (is_large,) = cursor.fetchone() or (True,)
            cursor.execute(_TRUNCATE if is_large else _DELETE)
            connection.commit()

    return empty


@pytest.fixture
def app(shared_app: Flask, empty: Callable[[], None]) -> Iterator[Flask]:
    yield shared_app
    shared_app.extensions["authenticator"].forget()
    empty()


@pytest.fixture
def database(app: Flask) -> Database:
    database: Database = app.extensions["database"]
    return database


@pytest.fixture
def sql(database_url: str) -> Iterator[Callable[..., list[tuple[Any, ...]]]]:
    """Run SQL on a connection of its own, outside the application, committed at once."""
    with closing(psycopg2.connect(database_url)) as connection:
        connection.autocommit = True

        def run(statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
            with connection.cursor() as cursor:
                cursor.execute(statement, parameters)
                return cursor.fetchall() if cursor.description else []

        yield run


@pytest.fixture
def wait_for_lock(database_url: str) -> Iterator[Callable[[], None]]:
    """Wait until another connection to this worker's database waits for a lock."""
    waiting = """SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'"""
    with closing(psycopg2.connect(database_url)) as connection:  # `sql` may be what waits
        connection.autocommit = True

        def wait_for_lock() -> None:
            deadline = time.monotonic() + 60
            with connection.cursor() as cursor:
                cursor.execute(waiting)
                while cursor.fetchone() == (0,):
                    assert time.monotonic() < deadline, "Nobody waits."
                    time.sleep(0.01)
                    cursor.execute(waiting)

        yield wait_for_lock


@pytest.fixture
def sign_in(app: Flask, database: Database) -> Callable[[str], Client]:
    """A client with the token of a new user of this role."""

    def sign_in(role: str, name: str | None = None) -> Client:
        name = name or role
        values = {"email": f"{name}@desk.example", "name": name.title(), "role": role}
        user = UserService.as_system(database).create(values)
        token, secret = TokenService.as_system(database).issue(
            NewToken(user_id=user.id, name="test")
        )
        return Client(app, secret, user_id=str(user.id), token_id=str(token.id))

    return sign_in


@pytest.fixture
def hire(app: Flask, database: Database) -> Callable[..., Client]:
    """A client with the token of a new agent; its id is the client's `user_id`."""

    def hire(
        name: str = "bot",
        queues: Sequence[str] = ("work",),
        user_id: str | None = None,
        **values: Any,
    ) -> Client:
        values = {"name": name, "kind": "ai", "queues": list(queues), **values}
        values["user_id"] = None if user_id is None else UUID(user_id)
        agent = AgentService.as_system(database).create(values)
        issued = TokenService.as_system(database).issue(NewToken(agent_id=agent.id, name="test"))
        return Client(app, issued[1], user_id=str(agent.id), token_id=str(issued[0].id))

    return hire


@pytest.fixture
def admin(sign_in: Callable[[str], Client]) -> Client:
    return sign_in("admin")


@pytest.fixture
def staff(sign_in: Callable[[str], Client]) -> Client:
    return sign_in("staff")


@pytest.fixture
def viewer(sign_in: Callable[[str], Client]) -> Client:
    return sign_in("viewer")


@pytest.fixture
def anonymous(app: Flask) -> Client:
    return Client(app, None)


@pytest.fixture
def served(template_url: str, tmp_path: Path) -> Iterator[Desk]:
    """The service as gunicorn serves it, on an empty database of its own."""
    url = copy_template(template_url, f"served_{os.getpid()}")
    with desk_on(url, tmp_path, DATABASE_URL=url, CASELOAD_SECRET_KEY="k" * 32) as desk:
        yield desk
    drop(url)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry for a minute: an attempt on a busy machine may take more than the usual 3 seconds."""

    def keep_trying_for_a_minute(attempt: Callable[[], Any], **options: Any) -> Any:
        return keep_trying(attempt, **{**options, "deadline": 60})

    monkeypatch.setattr("app.db.database.keep_trying", keep_trying_for_a_minute)


@pytest.fixture
def round_trips(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[RoundTrips]:
    """What is sent to PostgreSQL while it is recording, message by message.

    Messages that a request sends only after some time, on a slow machine, are switched off: a token
    is looked up once, and rate limits are not reconciled.
    """
    monkeypatch.setattr(client, "POSTS_HAVE_KEYS", False)  # they would add to it
    authenticator = app.extensions["authenticator"]
    monkeypatch.setattr(authenticator, "_remember", 3600)
    for token, (_, identity) in authenticator._known.items():  # those of fixtures too
        authenticator._known[token] = (math.inf, identity)
    monkeypatch.setattr(app.extensions["rate_limiter"], "_reconciled_at", math.inf)
    with RoundTrips(app.extensions["database"]) as recorder:
        yield recorder
