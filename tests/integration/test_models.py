"""Rule 10: what leaves a unit of work is loaded, and only what was asked for."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import ForeignKey, MetaData, inspect
from sqlalchemy.orm import Mapped, configure_mappers, mapped_column, registry, relationship

from app.db import Resource
from app.models import Customer
from app.repositories import CustomerRepository

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.db import Database
    from app.db.testing import RoundTrips


@pytest.fixture
def other_tables() -> Iterator[type[Resource]]:
    """A base like the models' own, whose tables and mappers are gone after the test."""

    class Other(Resource):
        __abstract__ = True
        metadata = MetaData()
        registry = registry()

    yield Other
    Other.registry.dispose()


def test_a_relationship_that_loads_lazily_is_refused(other_tables: type[Resource]) -> None:
    """Nobody can forget lazy="raise": the mapper is not even made."""

    class Parent(other_tables):  # type: ignore[valid-type,misc] # made by the fixture
        __tablename__ = "lazy_parents"

    class Child(other_tables):  # type: ignore[valid-type,misc] # made by the fixture
        __tablename__ = "lazy_children"
        parent_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("lazy_parents.id"))
        parent = relationship(Parent)

    with pytest.raises(TypeError, match="lazy"):
        configure_mappers()


def test_what_the_database_fills_in_comes_with_the_write(
    database: Database, new_customer: Callable[..., Customer], round_trips: RoundTrips
) -> None:
    """Neither an insert nor an update leaves anything to be read again."""
    customer = new_customer("A")
    assert len(round_trips.take()) == 3  # BEGIN with the INSERT, the event, COMMIT
    with database.session() as session:
        found = session.merge(customer)
        found.name = "Bea"
        session.flush()
        round_trips.take()
        assert (found.version, found.updated_at > found.created_at) == (2, True)
        assert round_trips.take() == []


def test_a_commit_expires_nothing(
    database: Database, new_customer: Callable[..., Customer]
) -> None:
    """Every column of the object that a service returns can be read after its unit has ended."""
    customer = new_customer("A")
    assert inspect(customer).detached
    with database.connect(read_only=True) as connection:
        row = CustomerRepository().record(connection, customer.id)
    assert {column.key: getattr(customer, column.key) for column in Customer.__table__.c} == row
