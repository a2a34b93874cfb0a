"""Columns with names of bind parameters, REAL numbers, and columns that are searched alone."""

from __future__ import annotations

from datetime import time, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from sqlalchemy import REAL, CheckConstraint, Double, ForeignKey, MetaData, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, registry

from app.db import (
    Base,
    BulkWriter,
    Database,
    DeletableResource,
    Inserter,
    Query,
    Repository,
    Resource,
    Sort,
    UnitOfWorkError,
    create_tables,
    filters_on,
    lock_name,
    sorts_on,
    try_lock_name,
    violations,
)
from app.db.errors import Invalid, NotUnique, StillReferenced
from app.db.listing import Cursors
from app.db.tables import NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator


class AwkwardResource(Resource):
    __abstract__ = True
    metadata = MetaData(naming_convention=NAMES)
    registry = registry(type_annotation_map=Base.type_annotation_map)


class Sample(DeletableResource, AwkwardResource):
    __tablename__ = "awkward_samples"

    name: Mapped[str]
    key: Mapped[str] = mapped_column(server_default="k")
    keys: Mapped[str] = mapped_column(server_default="k")
    limit: Mapped[int] = mapped_column(server_default="1")
    at_most: Mapped[int] = mapped_column(server_default="1")
    expected: Mapped[int] = mapped_column(server_default="1")
    values: Mapped[str] = mapped_column(server_default="v")
    connection: Mapped[str] = mapped_column(server_default="c")
    set_name: Mapped[str] = mapped_column(server_default="s")
    new_name: Mapped[str] = mapped_column(server_default="n")
    filter_name: Mapped[str] = mapped_column(server_default="f")
    weight: Mapped[float] = mapped_column(REAL, server_default="0.1")
    length: Mapped[float] = mapped_column(Double, server_default="0.1")
    at: Mapped[time] = mapped_column(server_default="10:00")
    lasts: Mapped[timedelta] = mapped_column(server_default="1 hour")


class Part(AwkwardResource):
    __tablename__ = "awkward_parts"

    sample_id: Mapped[UUID] = mapped_column(ForeignKey("awkward_samples.id"))


class LongName(AwkwardResource):
    __tablename__ = "awkward_labels_with_a_name_that_postgresql_has_to_shorten"

    printed_text: Mapped[str]
    size_in_points: Mapped[int] = mapped_column(server_default="12")

    __table_args__ = (
        UniqueConstraint("printed_text"),
        CheckConstraint("size_in_points > 0", name="size_in_points"),
    )


class LongNames(Inserter[LongName], BulkWriter[LongName]):
    model = LongName


_CONSTRAINT = text(
    "SELECT conname FROM pg_constraint WHERE conname LIKE :stored"
    " AND conrelid = CAST(:table AS regclass)"
)


class Samples(Repository[Sample]):
    model = Sample
    filters = filters_on(
        Sample.name, Sample.values, Sample.connection, Sample.weight, Sample.filter_name
    )
    sorts = sorts_on(Sample.created_at, Sample.weight, Sample.length, Sample.at, Sample.lasts)
    searched = Sample.name  # type: ignore[assignment] # to mypy a descriptor


SAMPLES, LONG_NAMES = Samples(), LongNames()


@pytest.fixture
def samples(database_url: str) -> Iterator[Database]:
    database = Database(database_url, violations=violations(AwkwardResource.metadata))
    with database.connect() as connection:
        create_tables(connection, AwkwardResource.metadata)
    yield database
    with database.connect() as connection:
        AwkwardResource.metadata.drop_all(connection)
    database.dispose()


def names(database: Database, **filters: object) -> list[str]:
    with database.connect(read_only=True) as connection:
        return [row["name"] for row in SAMPLES.records(connection, Query(filters)).items]


def test_a_column_may_have_the_name_of_any_parameter(samples: Database) -> None:
    """No statement takes its own parameter for the column's new value."""
    with samples.session() as session:
        connection = session.connection()
        key = SAMPLES.add(session, Sample(name="a")).id
        other = SAMPLES.insert_many(connection, [{"name": "b", "limit": 7, "values": "w"}])[0]
        changed = SAMPLES.update_where(connection, {"name": "c"}, at_most=1, values="w")
        assert changed == [other]
        SAMPLES.update_each(connection, [{"id": other, "new_name": "x", "key": "y"}])
        assert len(SAMPLES.claim(connection, {"set_name": "t"}, limit=9, connection="c")) == 2
        assert SAMPLES.soft_delete(connection, key, expected=[2]) is not None
        restored = SAMPLES.restore(connection, key, {"name": "d"}, expected=[3])
        assert restored is not None
        assert SAMPLES.delete(connection, at_most=1, values="v", filter_name="f") == [key]
        assert SAMPLES.find(session, values="w", name="c") is not None
        assert SAMPLES.count(connection, connection="c") == 1
        record = SAMPLES.record(connection, other)
    assert record is not None
    shown = [record[n] for n in ("name", "key", "limit", "at_most", "expected", "set_name")]
    assert shown == ["c", "y", 7, 1, 1, "t"]
    assert (restored["key"], restored["expected"], restored["name"]) == ("k", 1, "d")


def test_a_real_number_is_found_and_paged_by(samples: Database) -> None:
    """As it is stored, although 0.1 as REAL is not 0.1 as numeric."""
    weights = [0.1, 0.2, 0.2, 0.3, 0.4, 0.5]
    with samples.connect() as connection:
        rows = [{"name": f"{at}", "weight": value} for at, value in enumerate(weights)]
        SAMPLES.insert_many(connection, rows)
    assert names(samples, weight=0.1) == ["0"]
    for descending in (False, True):
        assert pages(samples, Sort("weight", descending)) == sorted(weights, reverse=descending)


def test_cursors_lead_through_every_value(samples: Database) -> None:
    """Numbers that are none, times, and spans of time."""
    lengths = [float("-inf"), 0.1, float("inf"), float("nan")]
    with samples.connect() as connection:
        rows = [
            {
                "name": f"{at}",
                "length": value,
                "at": time(at, 0, 0, at),
                "lasts": timedelta(days=at, microseconds=1),
            }
            for at, value in enumerate(lengths)
        ]
        SAMPLES.insert_many(connection, rows)
    for name in ("length", "at", "lasts"):
        for descending in (False, True):
            assert len(pages(samples, Sort(name, descending))) == 4


def pages(database: Database, sort: Sort) -> list[object]:
    """The values that pages of one row show, each found by the cursor of the one before."""
    cursors, query = Cursors("secret"), Query(sort=(sort,), limit=1)
    found: list[object] = []
    while len(found) < 10:
        with database.connect(read_only=True) as connection:
            page = SAMPLES.records(connection, query)
        found += [row[sort.name] for row in page.items]
        if page.next is None:
            return found
        after = cursors.after(cursors.of(page.next, query, "x"), query, SAMPLES, "x")
        query = Query(sort=(sort,), limit=1, after=after)
    raise AssertionError(found)


def test_a_single_column_may_be_searched(samples: Database) -> None:
    """It needs no expression around it."""
    with samples.connect() as connection:
        SAMPLES.insert_many(connection, [{"name": "one"}, {"name": "two"}])
        found = SAMPLES.records(connection, Query(search="tw")).items
    assert [row["name"] for row in found] == ["two"]


def test_a_row_that_others_refer_to_is_not_removed(samples: Database) -> None:
    """The error names their table, and is no mistake of the input."""
    with samples.session() as session:
        sample = SAMPLES.add(session, Sample(name="a"))
        session.add(Part(sample_id=sample.id))
    with pytest.raises(StillReferenced) as caught, samples.connect() as connection:
        SAMPLES.delete(connection, at_most=1, name="a")
    assert caught.value.table == "awkward_parts"


@pytest.mark.parametrize("lock", [lock_name, try_lock_name])
def test_a_name_is_locked_in_a_transaction_alone(samples: Database, lock: object) -> None:
    """In a unit whose statements are each a transaction it would be free again at once."""
    with pytest.raises(UnitOfWorkError), samples.connect(read_only=True) as connection:
        lock(connection, "x")  # type: ignore[operator] # one of two functions
    with samples.connect(read_only=True, isolation="REPEATABLE READ") as connection:
        lock(connection, "x")  # type: ignore[operator] # same


@pytest.mark.parametrize("by", ["SQLAlchemy", "PostgreSQL"])
def test_a_constraint_whose_name_is_too_long_has_its_error(samples: Database, by: str) -> None:
    """SQLAlchemy puts a hash at its end, and PostgreSQL cuts the end off."""
    if by == "PostgreSQL":
        table = LongName.__tablename__
        with samples.connect() as connection:
            for name, rule in (
                (f"uq_{table}_printed_text", "UNIQUE (printed_text)"),
                (f"ck_{table}_size_in_points", "CHECK (size_in_points > 0)"),
            ):
                found = {"stored": f"{name[:55]}%", "table": table}
                stored = connection.execute(_CONSTRAINT, found).scalar_one()
                connection.exec_driver_sql(f'ALTER TABLE {table} DROP CONSTRAINT "{stored}"')
                connection.exec_driver_sql(f"ALTER TABLE {table} ADD CONSTRAINT {name} {rule}")
    with samples.session() as session:
        LONG_NAMES.add(session, LongName(printed_text="a"))
    with pytest.raises(NotUnique) as taken, samples.session() as session:
        LONG_NAMES.add(session, LongName(printed_text="a"))
    assert taken.value.fields == ("printed_text",)
    with pytest.raises(Invalid) as refused, samples.session() as session:
        LONG_NAMES.add(session, LongName(printed_text="b", size_in_points=0))
    assert [mistake.path for mistake in refused.value.mistakes] == [("size_in_points",)]


def test_a_batch_sees_what_a_unique_constraint_refuses(samples: Database) -> None:
    """As it sees what a unique index refuses: a row has the value, or one before it."""
    rows = [{"printed_text": text} for text in ("a", "b", "b")]
    with samples.connect() as connection:
        LONG_NAMES.insert_many(connection, rows[:1])
        taken = LONG_NAMES.taken_among(connection, rows)
    assert taken == [(0, "printed_text"), (2, "printed_text")]
