"""The bases of all tables: names of constraints, keys, bookkeeping, soft deletion."""

from datetime import datetime
from typing import Any, ClassVar, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Mapper,
    ORMExecuteState,
    RelationshipDirection,
    RelationshipProperty,
    declared_attr,
    mapped_column,
    with_loader_criteria,
)
from uuid_utils.compat import uuid7

from .fields import mark_fields
from .marks import INCLUDE_DELETED, SAYS_LIVE
from .session import UnitSession
from .types import JSONObject

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

LIVE = sa.text("deleted_at IS NULL")


class Base(DeclarativeBase):
    """The base of all models: names of constraints, and the column types of annotations."""

    __table__: ClassVar[sa.Table]

    metadata = sa.MetaData(naming_convention=NAMES)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: sa.Text,
        datetime: TIMESTAMP(timezone=True),
        dict[str, Any]: JSONObject,
    }


class Identified(Base):
    """A row with an id that the application creates, in the order of time."""

    __abstract__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7, sort_order=-2)


class Resource(Identified):
    """A row with a version, which a trigger raises at every change.

    The version also guards the ORM's writes: one that is based on an older version fails.
    """

    __abstract__ = True
    __set_by_layer__: ClassVar[tuple[str, ...]] = ("version", "created_at", "updated_at")

    version: Mapped[int] = mapped_column(
        sa.Integer, server_default="1", server_onupdate=sa.FetchedValue(), sort_order=-1
    )
    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.now(), sort_order=90)
    updated_at: Mapped[datetime] = mapped_column(
        server_default=sa.func.now(), server_onupdate=sa.FetchedValue(), sort_order=91
    )

    @declared_attr.directive
    @classmethod
    def __mapper_args__(cls) -> dict[str, Any]:
        return {
            "eager_defaults": True,
            "version_id_col": cls.version,
            "version_id_generator": False,
        }


class SoftDeleted:
    """Mixin: a deleted row stays in the table, and reads that do not ask for it hide it."""

    __set_by_layer__: ClassVar[tuple[str, ...]] = ("deleted_at",)

    deleted_at: Mapped[datetime | None] = mapped_column(sort_order=92)


class DeletableResource(SoftDeleted, Resource):
    """A resource whose rows are soft-deleted. Only such have verbs that delete and restore."""

    __abstract__ = True


# The model of a repository, and of one that soft-deletes.
M = TypeVar("M", bound=Base)
D = TypeVar("D", bound=DeletableResource)


@sa.event.listens_for(Base, "mapper_configured", propagate=True)
def _refuse_lazy_loading(mapper: Mapper[Any], _: type[Base]) -> None:
    """A view dumps only what was loaded on purpose: an implicit read is an error."""
    for relationship in mapper.relationships:
        if relationship.lazy != "raise":
            raise TypeError(f'{relationship} must be lazy="raise".')


sa.event.listen(Base, "after_mapper_constructed", mark_fields, propagate=True)


_LIVE_ONLY = with_loader_criteria(
    SoftDeleted,
    lambda cls: cls.deleted_at.is_(None),
    include_aliases=True,
    propagate_to_loaders=False,
)


@sa.event.listens_for(UnitSession, "do_orm_execute")
def _hide_deleted(state: ORMExecuteState) -> None:
    """Add the condition that rows are live to ORM SELECTs, and to the loading of collections.

    These run without it: a union, or SQL as text; a SELECT that asks for deleted rows
    (INCLUDE_DELETED), or has the condition itself (SAYS_LIVE); the read of a row to which another
    one refers, because a deleted parent must not look like none; the refresh of a loaded object.
    """
    statement, options = state.statement, state.execution_options
    if not isinstance(statement, sa.Select) or state.is_column_load:
        return
    _refuse_joined_loading(statement)
    if options.get(INCLUDE_DELETED):
        return
    if _loads_parent(state) if state.is_relationship_load else options.get(SAYS_LIVE):
        return
    state.statement = statement.options(_LIVE_ONLY)


def _refuse_joined_loading(statement: sa.Select[Any]) -> None:
    """One join can't hide deleted children and show a deleted parent; two statements can."""
    for option in statement._with_options:  # noqa: SLF001 - SQLAlchemy has no public name for it
        for element in getattr(option, "context", ()):
            if ("lazy", "joined") in (element.strategy or ()):
                raise TypeError("Load relationships with selectinload().")


def _loads_parent(state: ORMExecuteState) -> bool:
    steps: Any = state.loader_strategy_path or ()
    relationships = [step for step in steps if isinstance(step, RelationshipProperty)]
    return bool(relationships) and relationships[-1].direction is RelationshipDirection.MANYTOONE
