from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from sqlalchemy import text

from app.administration import MIGRATIONS, ROLES
from app.models import Customer
from app.services import CustomerService
from tests import catalogue as catalogue_tables
from tests import orders
from tests.library import TABLES, open_library
from tests.roles import as_role, create_with_roles
from tests.server import copy_template, drop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.db import Database


@pytest.fixture
def customers(database: Database) -> CustomerService:
    return CustomerService.as_system(database)


@pytest.fixture
def new_customer(customers: CustomerService) -> Callable[..., Customer]:
    """Make a customer, committed; only the reference is asked for."""

    def make(reference: str, **values: object) -> Customer:
        return customers.create({"reference": reference, "name": "Ann", **values})

    return make


@pytest.fixture
def connected(database: Database) -> None:
    """By connections that no earlier test has closed: attempts are counted here."""
    database.dispose()


@pytest.fixture
def vacuum(sql: Callable[..., list[tuple[Any, ...]]]) -> Callable[[str], None]:
    """Make a table's statistics, with its pages marked as visible to everybody.

    VACUUM marks none while an older snapshot is in use; the planner then avoids index-only scans.
    It never marks the few pages by which writers extended the table and that are still empty.
    """
    unmarked = "SELECT relpages * 0.9 > relallvisible FROM pg_class WHERE oid = %s::regclass"

    def vacuum(table: str) -> None:
        for _ in range(300):
            sql(f"VACUUM (ANALYZE) {table}")
            if sql(unmarked, table) == [(False,)]:
                return
            time.sleep(0.1)
        pytest.fail(f"A snapshot older than the rows of {table} stays in use.")

    return vacuum


@pytest.fixture(scope="module")
def owned_url(template_url: str, worker_id: str) -> Iterator[str]:
    """A database with Caseload's roles, which its owner has migrated."""
    url = create_with_roles(template_url, f"owned_{worker_id}")
    MIGRATIONS.upgrade(as_role(url, ROLES.owner))
    yield url
    drop(url)


@pytest.fixture(scope="session")
def library_url(template_url: str, worker_id: str) -> Iterator[str]:
    url = copy_template(template_url, f"library_{worker_id}")
    yield url
    drop(url)


@pytest.fixture(scope="session")
def shared_library(library_url: str) -> Iterator[Database]:
    database = open_library(library_url)
    yield database
    database.dispose()


@pytest.fixture
def library(shared_library: Database) -> Iterator[Database]:
    """A database with books and shelves, emptied after the test."""
    yield shared_library
    with shared_library.connect() as connection:
        connection.execute(text(f"TRUNCATE {', '.join(TABLES)}"))


@pytest.fixture(scope="session")
def shared_orders(template_url: str, worker_id: str) -> Iterator[tuple[Database, str]]:
    url = copy_template(template_url, f"orders_{worker_id}")
    database = orders.open_orders(url)
    yield database, url
    database.dispose()
    drop(url)


@pytest.fixture
def orders_database(shared_orders: tuple[Database, str]) -> Iterator[Database]:
    """A database with the tables of `tests.orders`, emptied after the test."""
    database, _ = shared_orders
    yield database
    with database.connect() as connection:
        connection.execute(text(f"TRUNCATE {', '.join(orders.TABLES)}"))


@pytest.fixture
def elsewhere(
    orders_database: Database, shared_orders: tuple[Database, str]
) -> Iterator[Callable[[str], list[tuple[Any, ...]]]]:
    """Run SQL on another connection to those tables, committed at once."""
    with closing(psycopg2.connect(shared_orders[1])) as connection:
        connection.autocommit = True

        def run(statement: str) -> list[tuple[Any, ...]]:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []

        yield run


@pytest.fixture(scope="session")
def shared_catalogue(template_url: str, worker_id: str) -> Iterator[Database]:
    url = copy_template(template_url, f"catalogue_{worker_id}")
    database = catalogue_tables.open_catalogue(url)
    yield database
    database.dispose()
    drop(url)


@pytest.fixture
def catalogue(shared_catalogue: Database) -> Iterator[Database]:
    """A database with the tables of `tests.catalogue`, emptied after the test."""
    yield shared_catalogue
    with shared_catalogue.connect() as connection:
        connection.execute(text(f"TRUNCATE {', '.join(catalogue_tables.TABLES)}"))


@pytest.fixture
def rolled_back(shared_library: Database) -> Iterator[Database]:
    """The library inside one unit of work that is undone: for tests of a single thread.

    All blocks join it, so nothing of the test is ever committed. It hides what happens at COMMIT,
    and its clock stands still.
    """
    with pytest.raises(_UndoneError), shared_library.connect():
        yield shared_library
        raise _UndoneError


class _UndoneError(Exception):
    pass
