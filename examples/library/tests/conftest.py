"""The tests run on DATABASE_URL: an empty database, as a superuser. They migrate it first."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from unitwork import Base, Database, Timeouts

from library import create_app
from library.database import MIGRATIONS, open_database
from library.tests.scene import Scene, prepare

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask.testing import FlaskClient


@pytest.fixture(scope="session")
def shared_database() -> Iterator[Database]:
    url = os.environ["DATABASE_URL"]
    MIGRATIONS.upgrade(url)
    database = open_database(url, Timeouts(retry=60))  # a busy machine takes its time
    yield database
    database.dispose()


@pytest.fixture
def database(shared_database: Database) -> Iterator[Database]:
    """Empty again after the test."""
    yield shared_database
    tables = ", ".join(Base.metadata.tables)
    with shared_database.connect() as connection:
        connection.execute(text(f"TRUNCATE {tables}"))


@pytest.fixture
def client(database: Database) -> FlaskClient:
    return create_app(database, secret="s" * 32).test_client()


@pytest.fixture
def scene(database: Database) -> Scene:
    return prepare(database)
