"""What all tables share: names of constraints, keys, bookkeeping, soft deletion."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    FetchedValue,
    Integer,
    MetaData,
    Select,
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
    ORMExecuteState,
    RelationshipDirection,
    RelationshipProperty,
    declared_attr,
    mapped_column,
    with_loader_criteria,
)
from uuid_utils.compat import uuid7

from app.db.session import INCLUDE_DELETED, SAYS_LIVE, UnitSession
from app.db.types import JSONObject

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Table

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

# What a column's info may say about it:
PERSONAL = "personal"  # tells of a person: its values are kept where they can be erased
SECRET = "secret"  # noqa: S105 - the name of a mark; such a value is in no event
BOOKKEEPING = "bookkeeping"  # a change of it moves no version and writes no event
INTERNAL = "internal"  # how the row is kept or found: in no record and no event
UNRECORDED = "unrecorded"  # its value stands in its row alone: events do not repeat it
LARGE = "large"  # may hold so much that lists bound how much of it they read
TASK_DATA = "task_data"  # JSON that a task works on: it may be larger than other JSON
OWNED = "owned"  # a foreign key to what the row is part of: it is not in the way of its deletion
HISTORY = "history"  # a foreign key that tells who did it: not in the way either
HISTORY_UNLESS = "history_unless"  # SQL condition on the row; while it is false, as HISTORY

MOST_JSON_BYTES = 128 * 1024 * 1024
"""Of a JSON column, in PostgreSQL's own form, which takes up to 16 times the text's bytes."""

SIZE_SUFFIX = "_size"
"""Of a constraint's name, after the field that it is about."""

# What a table's info may say:
LIVE_WHILE = "live_while"  # of rows never deleted: while it holds, one is in the way of its parents
CHANGED = "changed"  # all columns that who serves may change; a resource need not say it
REMOVED = "removed"  # services remove rows, for good
# SECRET: reports see none of it

LIVE = text("deleted_at IS NULL")


def json_size(column: str) -> CheckConstraint:
    """Far above what the settings may allow; reads no value, as a comparison of its text would."""
    return CheckConstraint(
        f"pg_column_size({column}) <= {MOST_JSON_BYTES}", name=f"{column}{SIZE_SUFFIX}"
    )


def one_of(column: str, choices: Iterable[str]) -> CheckConstraint:
    """The column holds one of these."""
    listed = ", ".join(f"'{choice}'" for choice in choices)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


class Base(DeclarativeBase):
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


class SoftDeleted:
    """Mixin: a deleted row stays, and is invisible unless it is asked for."""

    deleted_at: Mapped[datetime | None] = mapped_column(sort_order=92)


class DeletableResource(SoftDeleted, Resource):
    """A resource whose rows are soft-deleted. Only such have verbs that delete and restore."""

    __abstract__ = True


_LIVE_ONLY = with_loader_criteria(
    SoftDeleted,
    lambda cls: cls.deleted_at.is_(None),
    include_aliases=True,
    propagate_to_loaders=False,
)


@event.listens_for(UnitSession, "do_orm_execute")
def _hide_deleted(state: ORMExecuteState) -> None:
    """Every ORM query is about live rows, and so is a collection that is loaded.

    What a row refers to is read in any case: a deleted parent must not look like none. So is a
    loaded object when it is refreshed.
    """
    statement, options = state.statement, state.execution_options
    if not isinstance(statement, Select) or state.is_column_load:
        return
    _refuse_joined_loading(statement)
    if options.get(INCLUDE_DELETED):
        return
    if _loads_parent(state) if state.is_relationship_load else options.get(SAYS_LIVE):
        return
    state.statement = statement.options(_LIVE_ONLY)


def _refuse_joined_loading(statement: Select[Any]) -> None:
    """One join can't hide deleted children and show a deleted parent; two statements can."""
    for option in statement._with_options:  # noqa: SLF001 - no public way to ask
        for element in getattr(option, "context", ()):
            if ("lazy", "joined") in (element.strategy or ()):
                raise TypeError("Load relationships with selectinload().")


def _loads_parent(state: ORMExecuteState) -> bool:
    steps: Any = state.loader_strategy_path or ()
    relationships = [step for step in steps if isinstance(step, RelationshipProperty)]
    return bool(relationships) and relationships[-1].direction is RelationshipDirection.MANYTOONE


@event.listens_for(Base, "mapper_configured", propagate=True)
def _refuse_lazy_loading(mapper: Mapper[Any], _: type[Base]) -> None:
    """What a view dumps was loaded on purpose: a read that nobody asked for is an error."""
    for relationship in mapper.relationships:
        if relationship.lazy != "raise":
            raise TypeError(f'{relationship} must be lazy="raise".')
