"""A customer's personal data, overwritten wherever it lies."""

from __future__ import annotations

from dataclasses import dataclass, replace
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
_LONGEST = 600.0  # seconds of one: messages, tasks and keys are read as a whole


@dataclass(frozen=True, kw_only=True)
class ErasureService(Service):
    """The ledger and the audit stay: amounts, accounts, and who did what when."""

    traces: CustomerTraces = CustomerTraces()
    erasure: Erasure = Erasure()
    keys: IdempotencyKeyRepository = IdempotencyKeyRepository()
    statistics: PlannerStatistics = PlannerStatistics()

    @allowed(SYSTEM_ONLY)
    @retry
    def erase(self, key: UUID, *, messages: bool = False) -> dict[str, int]:
        """Of a customer, live or deleted; with `messages` also what was said in conversations.

        Returns how many rows of what have told something until now: of a customer who is erased
        already, none. Raises NotFound, NotErasable.
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
        """Erase from PostgreSQL's statistics what was erased from rows. Call it after `erase`, in
        a unit of work of its own: it sees what is committed."""
        with self.database.connect(timeout=_LONGEST) as connection:
            self.statistics.renew(connection)

    def _erase(self, connection: Connection, traces: Traces, *, messages: bool) -> dict[str, int]:
        """The rows first: who is changing one is waited for, so that what that leaves is seen."""
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
            self._tell(connection, {**changed, Customer: traces[Customer]}, messages=messages)
        return erased

    def _overwrite(
        self, connection: Connection, model: type[Resource], keys: Sequence[UUID], *, messages: bool
    ) -> list[UUID]:
        return [
            key
            for part in _parts(keys)
            for key in self.erasure.overwrite(connection, model, part, messages=messages)
        ]

    def _tell(self, connection: Connection, changed: Traces, *, messages: bool) -> None:
        """One event per row, naming what it no longer has: who keeps copies learns of it."""
        for model, keys in changed.items():
            names = self.erasure.fields(model, messages=messages)
            for part in _parts(keys):
                told = [self._erased(model, key, names) for key in part]
                self.events.add_many(connection, model, told)

    def _erased(self, model: type[Resource], key: UUID, names: Sequence[str]) -> NewEvent:
        return replace(self._event("erased", model, key, {}), changes=dict.fromkeys(names))


def _parts(keys: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    return (keys[start : start + _AT_ONCE] for start in range(0, len(keys), _AT_ONCE))
