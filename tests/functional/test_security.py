"""Headers, proxies, and secrets that show nowhere."""

from __future__ import annotations

import logging
import os
import re
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import pytest

from app import create_app
from app.db.testing import Faults
from app.settings import Settings
from tests.client import Client
from tests.served import desk_on
from tests.server import copy_template, drop

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.db import Database

HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
CUSTOMER = {"reference": "C-1", "name": "Ann"}


def test_every_answer_has_the_headers(staff: Client, anonymous: Client) -> None:
    """Whatever it is: a thing, a list, nothing at all, a refusal, a bug."""
    made = staff.post("/v1/customers", CUSTOMER)
    path = f"/v1/customers/{made.json['id']}"
    answers = [
        made,
        staff.get(path),
        staff.get(path, If_None_Match=made.headers["ETag"]),
        staff.get("/v1/customers"),
        staff.post("/v1/customers", {}),
        staff.delete(path),
        staff.get("/nowhere"),
        staff.send("PUT", path),
        anonymous.get(path),
        anonymous.get("/livez"),
    ]
    assert {answer.status_code for answer in answers} >= {200, 201, 204, 304, 401, 404, 405, 422}
    for answer in answers:
        reported = {name: answer.headers.get(name) for name in HEADERS}
        assert reported == HEADERS, answer.status
        assert "Strict-Transport-Security" not in answer.headers


def test_a_page_has_its_own_policy(anonymous: Client) -> None:
    """It may be kept, as it tells of nobody, and run what comes from here."""
    page = anonymous.get("/docs")
    assert page.headers["Cache-Control"] == "no-cache"
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]


@pytest.mark.parametrize("proxies", [{}, {"CASELOAD_TRUSTED_PROXIES": "1"}])
def test_proxies_are_believed_by_setting_alone(
    template_url: str, tmp_path: Path, proxies: dict[str, str]
) -> None:
    """Through gunicorn, which believes those on the same machine by itself."""
    url = copy_template(template_url, f"proxy_{os.getpid()}")
    secret = {"DATABASE_URL": url, "CASELOAD_SECRET_KEY": "k" * 32}
    with desk_on(url, tmp_path, **proxies, **secret) as desk:
        headers = {
            "Authorization": f"Bearer {desk.employ('one').token}",
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Host": "desk.example",
            "X-Forwarded-For": "192.0.2.1",
            "Content-Type": "application/json",
        }
        where = f"http://127.0.0.1:{desk.port}/v1/customers"
        asked = Request(where, b'{"reference": "C-1", "name": "Ann"}', headers)
        with closing(urlopen(asked)) as answer:  # noqa: S310 - same
            reported = dict(answer.headers)
    drop(url)
    assert reported["Location"].startswith("/v1/customers/")
    assert ("Strict-Transport-Security" in reported) == bool(proxies)


CANARY = "canary-3f9a"
PERSON = {"reference": f"{CANARY}-1", "name": f"{CANARY} Smith"}


def test_secrets_show_nowhere(
    database: Database,
    admin: Client,
    database_url: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Not in logs at their most talkative, not in what fails, not in what is printed by mistake."""
    settings = Settings(
        database_url=f"{database_url}&password={CANARY}-password",
        given_secret_key=f"{CANARY}-secret-key-of-the-app",
    )
    app = create_app(settings)
    reported = [repr(thing) for thing in (settings, app, app.config, app.extensions)]
    issued = admin.create("/v1/tokens", {"user_id": admin.user_id, "name": "second"})["token"]
    client = Client(app, issued)
    with caplog.at_level(logging.DEBUG):
        reported += [
            client.get(path).text for path in ("/v1/me", "/v1/tokens", "/v1/events", "/nope")
        ]
        reported.append(client.post("/v1/tokens", {"user_id": issued, "token": issued}).text)
        reported.append(client.get(f"/v1/customers?q={issued}", Authorization="Bearer nobody").text)
        for how in ("42P01", "53300", "57014"):
            with Faults(app.extensions["database"], 3, how):  # the row itself
                reported.append(client.post("/v1/customers", PERSON, Idempotency_Key=issued).text)
        gone = create_app(
            Settings(
                database_url=f"postgresql://u:{CANARY}-password@127.0.0.1:1/x",
                given_secret_key=settings.secret_key,
            )
        )
        reported.append(Client(gone, issued).get("/v1/me").text)
    app.extensions["database"].dispose()
    reported += [caplog.text, *capfd.readouterr()]
    assert "Traceback" in caplog.text
    assert [text for text in reported if CANARY in text or issued in text] == []
    assert not re.search(r"cl_[\w-]{20}", "\n".join(reported))


def test_a_token_is_kept_as_its_hash_alone(
    admin: Client, sql: Callable[..., list[tuple[Any, ...]]]
) -> None:
    """Nothing in any table holds it, events and kept answers included."""
    body = {"user_id": admin.user_id, "name": "second"}
    issued = admin.post("/v1/tokens", body, Idempotency_Key="k1").json["token"]
    tables = sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    for (table,) in tables:
        found = sql(f"SELECT 1 FROM {table} AS t WHERE strpos(t::text, %s) > 0", issued)
        assert found == [], table
