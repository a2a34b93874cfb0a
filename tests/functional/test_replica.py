"""DATABASE_REPLICA_URL: what is read there, and what is read from the primary."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app import create_app
from app.db import Database
from app.services import CustomerService
from app.settings import Settings
from tests.client import Client
from tests.event_feed import read_all
from tests.server import copy_template, drop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Flask


@pytest.fixture
def replica_url(template_url: str, worker_id: str) -> Iterator[str]:
    """Another database in the replica's place, with one event that the primary has not."""
    url = copy_template(template_url, f"feed_replica_{worker_id}")
    database = Database(url)
    CustomerService.as_system(database).create({"reference": "REPLICA", "name": "x"})
    database.dispose()
    yield url
    drop(url)


@pytest.fixture
def replicated(app: Flask, database_url: str, replica_url: str) -> Iterator[Flask]:
    settings = Settings(
        database_url=database_url, replica_url=replica_url, given_secret_key="k" * 32
    )
    replicated = create_app(settings)
    yield replicated
    replicated.extensions["database"].dispose()


def references(events: list[dict[str, object]]) -> set[str]:
    return {name for name in ("REPLICA", "PRIMARY") for event in events if name in str(event)}


def test_the_feed_is_read_from_the_replica(replicated: Flask, staff: Client) -> None:
    """It alone: lists and single rows are the primary's, where clients read what they wrote."""
    client = Client(replicated, staff.token)
    made = client.create("/v1/customers", {"reference": "PRIMARY", "name": "x"})
    assert references(read_all(client, at_least=1)[0]) == {"REPLICA"}
    assert references(client.get("/v1/events").json["items"]) == {"PRIMARY"}
    assert references(client.get("/v1/customers").json["items"]) == {"PRIMARY"}
    assert client.get(f"/v1/customers/{made['id']}").status_code == 200


def test_a_cursor_of_the_feed_is_good_on_both(replicated: Flask, staff: Client) -> None:
    """A reader who began on one goes on at the other."""
    cursor = read_all(Client(replicated, staff.token), at_least=1)[1]
    assert staff.get(f"/v1/events/feed?cursor={cursor}").status_code == 200


def test_while_the_replica_is_away_the_primary_answers(
    database_url: str, staff: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """One line of the log says so, however many requests there are."""
    settings = Settings(
        database_url=database_url,
        replica_url="postgresql://nobody@127.0.0.1:1/nothing",
        given_secret_key="k" * 32,
    )
    without = create_app(settings)
    client = Client(without, staff.token)
    client.create("/v1/customers", {"reference": "PRIMARY", "name": "x"})
    for _ in range(3):
        assert references(read_all(client, at_least=1)[0]) == {"PRIMARY"}
    assert len([line for line in caplog.messages if "instead of the replica" in line]) == 1
    without.extensions["database"].dispose()
