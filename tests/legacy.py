"""Tables with keys of other kinds than Caseload's, with their repositories."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    MetaData,
    UniqueConstraint,
    func,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column, registry, relationship

from app.db import (
    Base,
    BulkWriter,
    Inserter,
    MassWriter,
    SoftDeleted,
    Updater,
    filters_on,
    sorts_on,
)
from app.db.tables import NAMES

M = TypeVar("M", bound=Base)


class Legacy(Base):
    __abstract__ = True
    metadata = MetaData(naming_convention=NAMES)
    registry = registry(type_annotation_map=Base.type_annotation_map)


class Country(Legacy):
    """A natural key."""

    __tablename__ = "countries"

    code: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    rank: Mapped[int] = mapped_column(default=1, server_default="1")
    invoices: Mapped[list[Invoice]] = relationship(lazy="raise", back_populates="country")


class Invoice(Legacy):
    """A key that the database makes."""

    __tablename__ = "invoices"
    __table_args__ = (UniqueConstraint("name"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    name: Mapped[str]
    rank: Mapped[int] = mapped_column(default=1, server_default="1")
    country_code: Mapped[str | None] = mapped_column(ForeignKey("countries.code"))
    country: Mapped[Country | None] = relationship(lazy="raise", back_populates="invoices")


class Parcel(Legacy):
    """A key whose column has a name that the program does not use."""

    __tablename__ = "parcels"

    number: Mapped[int] = mapped_column(
        "parcel_no", BigInteger, Identity(always=True), primary_key=True
    )
    name: Mapped[str]
    rank: Mapped[int] = mapped_column(default=1, server_default="1")


class TableRepository(Inserter[M], Updater[M], BulkWriter[M], MassWriter[M]):
    """All that needs no soft deletion."""


class Page(Legacy):
    """A version and a time that the application itself keeps."""

    __tablename__ = "pages"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    version: Mapped[int]
    updated_at: Mapped[datetime | None]


class Pages(TableRepository[Page]):
    model = Page
    filters = filters_on(Page.version)


class Countries(TableRepository[Country]):
    model = Country
    filters = filters_on(Country.code, Country.name, Country.rank)
    sorts = sorts_on(Country.name, Country.rank)


class Invoices(TableRepository[Invoice]):
    model = Invoice
    filters = filters_on(Invoice.name, Invoice.rank)
    sorts = sorts_on(Invoice.name, Invoice.rank)


class Parcels(TableRepository[Parcel]):
    model = Parcel
    filters = filters_on(Parcel.name, Parcel.rank)
    sorts = sorts_on(Parcel.name, Parcel.rank)


@dataclass(frozen=True)
class Kind:
    repository: TableRepository[Any]
    key: str
    given: bool

    def rows(self, *names: str, **values: Any) -> list[dict[str, Any]]:
        """New rows; those of a natural key have it in the order of the names."""
        keys = [{self.key: name.upper()} if self.given else {} for name in names]
        return [{**key, "name": name, **values} for key, name in zip(keys, names, strict=True)]


KINDS = (
    Kind(Countries(), "code", given=True),
    Kind(Invoices(), "id", given=False),
    Kind(Parcels(), "number", given=False),
)


def names(found: list[Any]) -> list[str]:
    return [each["name"] if isinstance(each, dict) else each.name for each in found]


class Seat(SoftDeleted, Legacy):
    """Soft-deleted, and unique among the deleted too; the table has all defaults."""

    __tablename__ = "seats"
    __table_args__ = (UniqueConstraint("label"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    label: Mapped[str | None]
    note: Mapped[str] = mapped_column(server_default="it's 100% :new")
    sold_at: Mapped[datetime | None] = mapped_column(default=func.now())
    local_time: Mapped[datetime | None] = mapped_column(TIMESTAMP())


class Seats(BulkWriter[Seat]):
    model = Seat
    filters = filters_on(Seat.label)


class Line(Legacy):
    __tablename__ = "lines"

    invoice_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)


class Remark(Legacy):
    __tablename__ = "remarks"
    __table_args__ = (
        ForeignKeyConstraint(["invoice_id", "position"], ["lines.invoice_id", "lines.position"]),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    invoice_id: Mapped[int | None] = mapped_column(BigInteger)
    position: Mapped[int | None]


class Remarks(TableRepository[Remark]):
    model = Remark


class Lines(TableRepository[Line]):
    model = Line
