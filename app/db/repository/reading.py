"""Reads of entities, over the ORM. Every repository has them, and those of records."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, cast

from sqlalchemy import Select
from sqlalchemy.orm import Session
from sqlalchemy.sql.base import ExecutableOption

from ..errors import InvalidCriterion
from ..tables import M
from . import statements
from .pages import Page, Query
from .records import RecordReader

Load = Sequence[ExecutableOption]


class Reader(RecordReader[M]):
    """Name the model and declare what may be filtered, sorted and searched; the rest is here."""

    def get(
        self,
        session: Session,
        key: Any,
        *,
        lock: bool = False,
        include_deleted: bool = False,
        load: Sequence[ExecutableOption] = (),
    ) -> M | None:
        """The live row with this id. `lock` reads it anew and holds it until the unit ends.

        `load` says what to load with it: `selectinload(...)`. Nothing else loads later.
        """
        statement = statements.get(
            self.model, many=False, lock=lock, include_deleted=include_deleted
        )
        found = session.scalars(_loading(statement, load), {"key": key})
        return cast("M | None", found.one_or_none())

    def get_many(
        self,
        session: Session,
        keys: Iterable[Any],
        *,
        lock: bool = False,
        load: Sequence[ExecutableOption] = (),
    ) -> list[M]:
        """The live rows with these ids, in the order of their ids, in which they are locked too.

        So two units that lock some of the same rows wait for each other and never deadlock.
        """
        statement = statements.get(self.model, many=True, lock=lock, include_deleted=False)
        return list(session.scalars(_loading(statement, load), {"keys": list(keys)}))

    def find(self, session: Session, /, **filters: Any) -> M | None:
        """The live row that fits the filters; raises InvalidCriterion where several do.

        So the filters must be of unique fields.
        """
        statement = statements.find(self, tuple(sorted(filters)))
        found = session.scalars(statement, self._bind(filters)).all()
        if len(found) > 1:
            raise InvalidCriterion("filters", f"Several rows have this {' and '.join(filters)}.")
        return cast("M", found[0]) if found else None

    def page(
        self, session: Session, query: Query, *, load: Sequence[ExecutableOption] = ()
    ) -> Page[M]:
        """Entities in the order of the query, from the row after `query.after` on."""
        bound = self._bind_page(session.connection(), query)
        found = session.scalars(self._entities(statements.page, query, load), bound)
        return self._cut(list(found), query, getattr)

    def all(self, session: Session, query: Query, *, offset: int = 0) -> list[M]:
        """Up to `query.limit` entities, without those of the first `offset` rows."""
        bound = self._bind_filters(session.connection(), query)
        bound |= {"limit": query.limit, "offset": offset}
        return list(session.scalars(self._entities(statements.slice_, query), bound))

    def stream_entities(
        self,
        session: Session,
        query: Query,
        *,
        batch: int = 1000,
        load: Sequence[ExecutableOption] = (),
    ) -> Iterator[M]:
        """As `stream`, of entities. Memory stays constant unless the caller keeps them."""
        statement = self._entities(statements.everything, query, load)
        bound = self._bind_filters(session.connection(), query)
        with session.scalars(statement, bound, execution_options={"yield_per": batch}) as found:
            yield from found

    def _entities(
        self, build: Callable[..., Select[Any]], query: Query, load: Load = ()
    ) -> Select[Any]:
        shape = statements.shape(query, entities=True)
        return _loading(statements.prepared(build, self, shape).statement, load)


def _loading(statement: Select[Any], load: Load) -> Select[Any]:
    return statement.options(*load) if load else statement
