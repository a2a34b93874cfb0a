"""Soft-deleted rows are invisible to every ORM query that does not ask for them."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Select, event
from sqlalchemy.orm import (
    Mapped,
    ORMExecuteState,
    RelationshipDirection,
    RelationshipProperty,
    mapped_column,
    with_loader_criteria,
)

from .marks import INCLUDE_DELETED, SAYS_LIVE
from .session import UnitSession


class SoftDeleted:
    """Mixin: a deleted row stays, and is invisible unless it is asked for."""

    __set_by_layer__: ClassVar[tuple[str, ...]] = ("deleted_at",)

    deleted_at: Mapped[datetime | None] = mapped_column(sort_order=92)


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
