"""The limits that the reference of the data layer names: what it does not check, see or undo."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import ForeignKey, Index, MetaData, Numeric, text
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import Mapped, mapped_column, registry, relationship, selectinload

from app.db import (
    LIVE,
    Base,
    BulkWriter,
    Database,
    DeletableResource,
    Inserter,
    MassWriter,
    Repository,
    Resource,
    Timeouts,
    Updater,
    create_tables,
    filters_on,
    marks,
    retry,
    violations,
)
from app.db.errors import Contention, Invalid, InvalidCriterion, OutcomeUnknown
from app.db.listing import parse_filter
from app.db.tables import NAMES
from app.db.testing import Faults

if TYPE_CHECKING:
    from collections.abc import Iterator


class Limited(Resource):
    __abstract__ = True
    metadata = MetaData(naming_convention=NAMES)
    registry = registry(type_annotation_map=Base.type_annotation_map)


class Status(Enum):
    LENT = "lent"
    RETURNED = "returned"


class Volume(DeletableResource, Limited):
    __tablename__ = "limited_volumes"

    name: Mapped[str]
    price: Mapped[Decimal | None] = mapped_column(Numeric(4, 2))
    changed_by: Mapped[str | None] = mapped_column(onupdate=lambda: "onupdate")
    loans: Mapped[list[Borrowing]] = relationship(lazy="raise")

    __table_args__ = (Index("uq_limited_volumes_name", "name", unique=True, postgresql_where=LIVE),)


class Borrowing(Limited):
    __tablename__ = "limited_borrowings"

    volume_id: Mapped[UUID] = mapped_column(ForeignKey("limited_volumes.id"))
    status: Mapped[Status] = mapped_column(server_default="LENT")

    __table_args__ = ({"info": {marks.LIVE_WHILE: "limited_borrowings.status = 'LENT'"}},)


class Volumes(Repository[Volume]):
    model = Volume


class Borrowings(
    Inserter[Borrowing], Updater[Borrowing], BulkWriter[Borrowing], MassWriter[Borrowing]
):
    model = Borrowing
    filters = filters_on(Borrowing.status)


volumes, borrowings = Volumes(), Borrowings()


@pytest.fixture
def limited(database_url: str) -> Iterator[Database]:
    database = Database(database_url, violations=violations(Limited.metadata))
    with database.connect() as connection:
        create_tables(connection, Limited.metadata)
    yield database
    with database.connect() as connection:
        connection.execute(text("DROP TABLE limited_borrowings, limited_volumes"))
        connection.execute(text("DROP TYPE status"))
    database.dispose()


@pytest.fixture
def volume(limited: Database) -> Volume:
    with limited.session() as session:
        return volumes.add(session, Volume(name="Emma"))


def lend(database: Database, volume: Volume) -> Borrowing:
    with database.session() as session:
        return borrowings.add(session, Borrowing(volume_id=volume.id))


def test_a_soft_deletion_and_a_new_row_check_no_reference(
    limited: Database, volume: Volume
) -> None:
    """`dependants` and `missing_references` do."""
    lend(limited, volume)
    with limited.connect() as connection:
        assert volumes.dependants(connection, volume.id) == ["limited_borrowings"]
        assert volumes.soft_delete(connection, volume.id)
    lend(limited, volume)
    with limited.connect() as connection:
        values = {"volume_id": volume.id}
        assert borrowings.missing_references(connection, values) == ["volume_id"]


def test_an_enum_is_stored_by_name_and_read_from_a_url_by_value(
    limited: Database, volume: Volume
) -> None:
    lend(limited, volume)
    with limited.connect() as connection:
        stored = connection.scalar(text("SELECT status::text FROM limited_borrowings"))
    assert stored == "LENT"
    assert parse_filter(borrowings, "status", "lent") is Status.LENT
    with pytest.raises(InvalidCriterion):
        parse_filter(borrowings, "status", "LENT")


def test_an_upsert_finds_no_row_by_an_id_of_the_layer(limited: Database, volume: Volume) -> None:
    """And sets the given fields alone: no `onupdate`."""
    with limited.connect() as connection:
        with pytest.raises(AttributeError, match="id"):
            volumes.upsert(connection, {"id": uuid4(), "name": "a"}, on=["id"])
        assert volumes.upsert(connection, {"name": "a"}, on=["id"])[1]
        again, is_new = volumes.upsert(connection, {"name": "Emma"}, on=["name"])
    assert (again["id"], again["changed_by"], is_new) == (volume.id, None, False)


def test_a_number_that_is_too_large_is_refused_without_its_field(limited: Database) -> None:
    with pytest.raises(Invalid) as caught, limited.connect() as connection:
        volumes.insert_many(connection, [{"name": "a", "price": Decimal(100)}])
    assert caught.value.mistakes[0].path == ()


def test_an_enum_refuses_a_value_without_its_field(limited: Database, volume: Volume) -> None:
    with pytest.raises(Invalid) as caught, limited.connect() as connection:
        borrowings.insert_many(connection, [{"volume_id": volume.id, "status": "lent"}])
    assert caught.value.mistakes[0].path == ()


def test_a_stale_collection_raises_the_message_of_one_that_was_not_loaded(
    limited: Database, volume: Volume
) -> None:
    lend(limited, volume)
    with limited.session() as session:
        loaded = volumes.get(session, volume.id, load=[selectinload(Volume.loans)])
        assert loaded is not None
        assert len(loaded.loans) == 1
        borrowings.insert_many(session.connection(), [{"volume_id": volume.id}])
        with pytest.raises(InvalidRequestError, match="lazy='raise'"):
            _ = loaded.loans
        volumes.get(session, volume.id, load=[selectinload(Volume.loans)])
        assert len(loaded.loans) == 2


def test_a_retry_on_a_generator_retries_nothing(limited: Database) -> None:
    class Service:
        database = limited

        @retry
        def names(self) -> Iterator[Any]:
            with self.database.connect() as connection:
                yield connection.scalar(text("SELECT 1"))

    with Faults(limited, at=1), pytest.raises(Contention):
        list(Service().names())


def test_a_setting_of_the_session_stays_on_the_pooled_connection(limited: Database) -> None:
    with limited.connect() as connection:
        connection.execute(text("SET work_mem = '77MB'"))
    with limited.connect() as connection:
        assert connection.scalar(text("SHOW work_mem")) == "77MB"


def test_a_unit_that_is_idle_before_commit_has_an_unknown_outcome(database_url: str) -> None:
    """Its connection is lost by the time that COMMIT is sent."""
    database = Database(database_url, timeouts=Timeouts(idle=0.1))
    with pytest.raises(OutcomeUnknown), database.connect() as connection:
        pid = connection.scalar(text("SELECT pg_backend_pid()"))
        wait_for_end(database_url, pid)
    database.dispose()


def wait_for_end(url: str, pid: Any) -> None:
    other = Database(url)
    has_ended = text("SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = :pid")
    ended = False
    while not ended:
        with other.connect() as connection:
            ended = bool(connection.scalar(has_ended, {"pid": pid}))
    other.dispose()


def test_autogenerate_sees_no_check_predicate_member_and_default(limited: Database) -> None:
    """Of the tables of this module, whose columns and indexes it compares."""
    changes = """
        DROP INDEX uq_limited_volumes_name;
        CREATE UNIQUE INDEX uq_limited_volumes_name ON limited_volumes (name);
        ALTER TABLE limited_volumes ADD CONSTRAINT ck_more CHECK (name <> 'x');
        ALTER TABLE limited_borrowings ALTER status DROP DEFAULT;
        ALTER TYPE status ADD VALUE 'LOST';
    """
    with limited.connect() as connection:
        for change in filter(str.strip, changes.split(";")):
            connection.execute(text(change))
    with limited.connect() as connection:
        assert differences(connection) == []
        connection.execute(text("ALTER TABLE limited_volumes DROP price"))
        assert [each[0] for each in differences(connection)] == ["add_column"]


def differences(connection: Any) -> list[Any]:
    names = Limited.metadata.tables
    options = {"include_name": lambda name, kind, _: kind != "table" or name in names}
    context = MigrationContext.configure(connection, opts=options)
    return list(compare_metadata(context, Limited.metadata))
