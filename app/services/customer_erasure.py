"""Overwrites the personal data of a customer in every table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.db import retry
from app.domain.customers import NotErasable
from app.errors import NotFound
from app.models import Customer, Task
from app.repositories import CustomerTraces, Erasure, IdempotencyKeyRepository, PlannerStatistics
from app.services.kit.base import Service
from app.services.kit.permissions import SYSTEM_ONLY, allowed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from uuid import UUID

    from sqlalchemy import Connection

    from app.db import Resource
    from app.repositories import NewEvent
    from app.repositories.customer_traces import Traces

_AT_ONCE = 10_000  # rows of one statement
_LONGEST = 600.0  # seconds of one: it reads all messages, tasks and keys


@dataclass(frozen=True, kw_only=True)
class ErasureService(Service):
    """Keeps the ledger and the audit: amounts, accounts, and who did what when."""

    traces: CustomerTraces = CustomerTraces()
    erasure: Erasure = Erasure()
    keys: IdempotencyKeyRepository = IdempotencyKeyRepository()
    statistics: PlannerStatistics = PlannerStatistics()

    @allowed(SYSTEM_ONLY)
    @retry
    def erase(self, key: UUID, *, messages: bool = False) -> dict[str, int]:
        """Erase a customer, live or deleted; with `messages` also the texts of conversations.

        Returns the number of changed rows by table: none for a customer who is erased already.
        Raises NotFound, NotErasable.
        """
        with self.database.connect(timeout=_LONGEST) as connection:
            if not self.traces.lock(connection, key):
                raise NotFound("customers", key)
            traces = self.traces.find(connection, key)
            if unfinished := self.traces.unfinished(connection, key, traces[Task]):
                raise NotErasable(unfinished)
            return self._erase(connection, traces, messages=messages)

    @allowed(SYSTEM_ONLY)
    @retry
    def renew_statistics(self) -> None:
        """Remove the erased values from PostgreSQL's statistics too.

        Call it after `erase`, in a unit of work of its own: ANALYZE sees only committed rows.
        """
        with self.database.connect(timeout=_LONGEST) as connection:
            self.statistics.renew(connection)

    def _erase(self, connection: Connection, traces: Traces, *, messages: bool) -> dict[str, int]:
        """Rows before events: it waits for units that change a row, and then sees their events."""
        changed: Traces = {
            model: self._overwrite(connection, model, keys, messages=messages)
            for model, keys in traces.items()
        }
        erased = {model.__tablename__: len(keys) for model, keys in changed.items()}
        erased["task_attempts"] = self.erasure.erase_errors(connection, traces[Task])
        everything = [key for keys in traces.values() for key in keys]
        parts = list(_parts(everything))
        erased["events"] = sum(self.events.erase(connection, part) for part in parts)
        erased["answers"] = sum(self.keys.erase_answers(connection, part) for part in parts)
        if any(erased.values()):
            self._record_erasure(
                connection, {**changed, Customer: traces[Customer]}, messages=messages
            )
        return erased

    def _overwrite(
        self, connection: Connection, model: type[Resource], keys: Sequence[UUID], *, messages: bool
    ) -> list[UUID]:
        return [
            key
            for part in _parts(keys)
            for key in self.erasure.overwrite(connection, model, part, messages=messages)
        ]

    def _record_erasure(self, connection: Connection, changed: Traces, *, messages: bool) -> None:
        """Write one event per row with the names of the erased fields, for readers of the feed."""
        for model, keys in changed.items():
            names = self.erasure.fields(model, messages=messages)
            for part in _parts(keys):
                erased = [self._erased(model, key, names) for key in part]
                self.events.add_many(connection, model, erased)

    def _erased(self, model: type[Resource], key: UUID, names: Sequence[str]) -> NewEvent:
        return self._event("erased", model, key, {})._replace(changes=dict.fromkeys(names))


def _parts(keys: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    return (keys[start : start + _AT_ONCE] for start in range(0, len(keys), _AT_ONCE))
