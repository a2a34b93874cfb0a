"""Alive, ready, clear about a database that can't serve, and unharmed by random input."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app import create_app
from app.settings import Settings
from tests.client import Client, problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from flask import Flask
    from sqlalchemy import QueuePool

    from app.db import Database

    Sql = Callable[..., list[tuple[Any, ...]]]

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
HASTY = {"pool_size": 1, "pool_timeout": 0.2, "lock_timeout": 0.2}


@contextmanager
def _running(**settings: Any) -> Iterator[Flask]:
    app = create_app(Settings(given_secret_key="k" * 32, **settings))
    yield app
    app.extensions["database"].dispose()


def test_alive_and_ready(anonymous: Client) -> None:
    """Both answer without a token, and not to parameters."""
    assert anonymous.get("/livez").json == {"status": "ok"}
    assert anonymous.get("/readyz").json == {"status": "ready"}
    assert anonymous.send("HEAD", "/readyz").status_code == 200
    assert problem(anonymous.get("/readyz?verbose=1")) == (400, "invalid-parameter")


def test_without_a_database_it_is_alive_and_not_ready() -> None:
    """Every route that needs the database is 503 with Retry-After; restarting would not help."""
    with _running(database_url=NOWHERE) as app:
        client = Client(app, "cl_any")
        assert client.get("/livez").status_code == 200
        for path in ("/readyz", "/v1/me", "/v1/customers"):
            answer = client.get(path)
            assert problem(answer) == (503, "database-unavailable")
            assert int(answer.headers["Retry-After"]) > 0
            assert "127.0.0.1" not in answer.text


def test_where_the_embedded_server_can_not_run(tmp_path: Path) -> None:
    """It is a database that cannot be reached; the detail says what to do."""
    file = tmp_path / "file"
    file.touch()
    with _running(data_dir=file) as app:
        answer = Client(app, "cl_any").get("/readyz")
        assert problem(answer) == (503, "database-unavailable")
        assert answer.json["detail"].startswith("The data directory can't be used")
        assert answer.json["detail"].endswith("; set CASELOAD_DATA_DIR.")


def test_another_schema_is_not_ready(anonymous: Client, sql: Sql) -> None:
    """Old code on a new schema, or the other way round, takes no requests."""
    ((head,),) = sql("SELECT version_num FROM alembic_version")
    sql("UPDATE alembic_version SET version_num = 'other'")
    answer = anonymous.get("/readyz")
    sql("UPDATE alembic_version SET version_num = %s", head)
    assert problem(answer) == (503, "schema-mismatch")
    assert anonymous.get("/readyz").status_code == 200


@pytest.mark.parametrize("path", ["/v1/customers", "/readyz"])
def test_when_all_connections_are_in_use(staff: Client, database_url: str, path: str) -> None:
    """The wait for one is short and ends in 503, and all is well once one is free."""
    with _running(database_url=database_url, **HASTY) as app:
        client = Client(app, staff.token)
        assert client.get(path).status_code == 200
        answers = _while_held(app.extensions["database"], lambda: client.get(path))
        assert problem(answers[0]) == (503, "pool-exhausted")
        assert answers[0].headers["Retry-After"] == "1"
        assert client.get(path).status_code == 200


def _while_held(database: Database, call: Callable[[], Any]) -> list[Any]:
    """What `call` returns on another thread while this one holds a connection."""
    returned: list[Any] = []
    with database.connect():
        thread = threading.Thread(target=lambda: returned.append(call()))
        thread.start()
        thread.join()
    return returned


def test_when_somebody_holds_the_row(staff: Client, database_url: str, sql: Sql) -> None:
    """The wait is limited, nothing is half done, and a retry succeeds."""
    path = f"/v1/customers/{staff.create('/v1/customers', {'reference': 'C', 'name': 'A'})['id']}"
    with _running(database_url=database_url, **HASTY) as app:
        client = Client(app, staff.token)
        sql("BEGIN")
        sql("SELECT FROM customers FOR UPDATE")
        for answer in (client.patch(path, {"name": "B"}), client.delete(path)):
            assert problem(answer) == (503, "lock-timeout")
            assert answer.headers["Retry-After"] == "1"
        assert client.get(path).json["name"] == "A"
        sql("COMMIT")
        assert client.patch(path, {"name": "B"}).json["version"] == 2


def test_when_the_use_of_a_token_can_not_be_recorded(
    staff: Client, database_url: str, sql: Sql, caplog: pytest.LogCaptureFixture
) -> None:
    """The answer is out already; the log tells, and the next use is recorded instead."""
    with _running(database_url=database_url, **HASTY) as app:
        sql("BEGIN")
        sql("SELECT FROM tokens FOR UPDATE")
        answer = Client(app, staff.token).get("/v1/me")
        assert answer.status_code == 200
        answer.close()
        sql("COMMIT")
    assert "The use of a token was not recorded" in caplog.text


def test_when_a_statement_takes_too_long(staff: Client, database_url: str, sql: Sql) -> None:
    """PostgreSQL ends it, and the connection serves the next request."""
    with _running(database_url=database_url, pool_size=1, statement_timeout=0.2) as app:
        client = Client(app, staff.token)
        client.get("/v1/me").close()
        sql("BEGIN")
        sql("LOCK TABLE customers IN ACCESS EXCLUSIVE MODE")
        assert problem(client.get("/v1/customers")) == (503, "statement-timeout")
        sql("COMMIT")
        assert client.get("/v1/customers").status_code == 200


TEXTS = st.text(max_size=8) | st.sampled_from(["", "\0", "\ud800", "Ann", "%", "a@x.example"])
NUMBERS = st.integers() | st.floats() | st.sampled_from([2**63, 10**400, 1e22, 5e-324])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(TEXTS, VALUES, max_size=3)
LIKELY = st.fixed_dictionaries(
    {"reference": TEXTS, "name": TEXTS},
    optional={"email": VALUES, "attributes": OBJECTS | VALUES, "id": VALUES, "x": VALUES},
)
BODIES = (LIKELY | OBJECTS | VALUES).map(json.dumps).map(str.encode) | st.binary(max_size=9)
NAMES = st.sampled_from(["limit", "cursor", "sort", "q", "include_total", "include_deleted"])
FILTERS = st.sampled_from(["name", "name__in", "email__is_null", "email__ne", "created_at", "x"])
ARGUMENTS = TEXTS | st.sampled_from(["1", "true", "-name,email", "2030-01-01T00:00:00Z"])
QUERIES = st.dictionaries(
    NAMES | FILTERS,
    ARGUMENTS.map(lambda text: text.encode(errors="surrogatepass")) | st.binary(max_size=3),
    max_size=3,
)
TAGS = st.sampled_from(["*", '"1"', 'W/"2"']) | st.text(
    st.characters(max_codepoint=255), max_size=6
)
DOCUMENTED = {
    "GET": {200, 304, 400, 403, 412},
    "POST": {201, 400, 409, 415, 422},
    "PATCH": {200, 400, 409, 412, 415, 422},
}


def test_random_input_gets_documented_answers(staff: Client, database: Database) -> None:
    """Never 5xx, always problem+json for errors, and no connection stays checked out."""
    path = f"/v1/customers/{staff.create('/v1/customers', {'reference': 'C', 'name': 'A'})['id']}"
    pool = cast("QueuePool", database.pool)
    seen: set[tuple[str, int]] = set()

    @settings(max_examples=800, deadline=None, derandomize=True, database=None)
    @given(BODIES, QUERIES, TAGS, st.sampled_from(["application/json"] * 9 + ["text/plain"]))
    def send(raw: bytes, query: dict[str, bytes], tag: str, media_type: str) -> None:
        tag = "".join(filter(str.isprintable, tag))
        for method, url, body, headers in (
            ("GET", f"/v1/customers?{urlencode(query)}", None, {}),
            ("GET", path, None, {"If-None-Match": tag}),
            ("GET", path, None, {"If-Match": tag}),
            ("POST", "/v1/customers", raw, {}),
            ("PATCH", path, raw, {"If-Match": tag}),
            ("PATCH", path, raw, {}),
        ):
            answer = staff.send(method, url, headers=headers, raw=body, content_type=media_type)
            seen.add((method, answer.status_code))
            assert answer.status_code in DOCUMENTED[method]
            if answer.status_code >= 400:
                problem(answer)
        assert pool.checkedout() == 0

    send()
    assert seen >= {("GET", 200), ("GET", 304), ("GET", 400), ("GET", 412)}
    assert seen >= {(method, status) for method in ("POST", "PATCH") for status in (400, 415, 422)}
    assert seen >= {("POST", 201), ("POST", 409), ("PATCH", 200), ("PATCH", 412)}
