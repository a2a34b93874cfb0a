"""What all tables share: names of constraints, keys, bookkeeping, soft deletion."""

from datetime import datetime
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from sqlalchemy import (
    FetchedValue,
    Integer,
    MetaData,
    Table,
    Text,
    event,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Mapper,
    declared_attr,
    mapped_column,
)
from uuid_utils.compat import uuid7

from .fields import mark_fields
from .types import JSONObject
from .visibility import SoftDeleted

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

LIVE = text("deleted_at IS NULL")


class Base(DeclarativeBase):
    """The base of all models: names of constraints, and the column types of annotations."""

    __table__: ClassVar[Table]

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text,
        datetime: TIMESTAMP(timezone=True),
        dict[str, Any]: JSONObject,
    }


class Identified(Base):
    """A row with an id that the application makes, in the order of time."""

    __abstract__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7, sort_order=-2)


class Resource(Identified):
    """A row with a version, which a trigger moves.

    The version also guards the ORM's writes: one that is based on an older version fails.
    """

    __abstract__ = True
    __set_by_layer__: ClassVar[tuple[str, ...]] = ("version", "created_at", "updated_at")

    version: Mapped[int] = mapped_column(
        Integer, server_default="1", server_onupdate=FetchedValue(), sort_order=-1
    )
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), sort_order=90)
    updated_at: Mapped[datetime] = mapped_column(
        server_default=func.now(), server_onupdate=FetchedValue(), sort_order=91
    )

    @declared_attr.directive
    @classmethod
    def __mapper_args__(cls) -> dict[str, Any]:
        return {
            "eager_defaults": True,
            "version_id_col": cls.version,
            "version_id_generator": False,
        }


class DeletableResource(SoftDeleted, Resource):
    """A resource whose rows are soft-deleted. Only such have verbs that delete and restore."""

    __abstract__ = True


# The model of a repository, and of one that soft-deletes.
M = TypeVar("M", bound=Base)
D = TypeVar("D", bound=DeletableResource)


@event.listens_for(Base, "mapper_configured", propagate=True)
def _refuse_lazy_loading(mapper: Mapper[Any], _: type[Base]) -> None:
    """What a view dumps was loaded on purpose: a read that nobody asked for is an error."""
    for relationship in mapper.relationships:
        if relationship.lazy != "raise":
            raise TypeError(f'{relationship} must be lazy="raise".')


event.listen(Base, "after_mapper_constructed", mark_fields, propagate=True)
