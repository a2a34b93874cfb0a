"""Moving a penny between two accounts, in several ways: each with its event, and durable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import psycopg2
from psycopg2.extras import register_uuid

from app.db import Database, violations
from app.domain.money import Money
from app.domain.transactions import Leg, NewTransaction
from app.models import Base
from app.services import TransactionService
from benchmarks.ledger_statements import LOCK, MAKE, RECORD, event, transaction

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID


# What the backend has counted so far is seen by others at once.
_BACKEND = "SELECT pg_backend_pid(), pg_stat_force_next_flush()"


class Way(Protocol):
    name: str
    database: str

    def __init__(self, urls: Mapping[str, str]) -> None: ...
    def backend(self) -> int: ...
    def transfer(self, source: UUID, target: UUID) -> None: ...
    def close(self) -> None: ...


class Service:
    name = "caseload, service"
    database = "caseload"

    def __init__(self, urls: Mapping[str, str]) -> None:
        self.service = TransactionService.as_system(
            Database(urls[self.database], violations=violations(Base.metadata))
        )

    def backend(self) -> int:
        with self.service.database.connect() as connection:
            pid: int = connection.exec_driver_sql(_BACKEND).scalar_one()
        return pid

    def transfer(self, source: UUID, target: UUID) -> None:
        legs = [Leg(source, Money(-1, "GBP")), Leg(target, Money(1, "GBP"))]
        self.service.create(NewTransaction(entries=legs))

    def close(self) -> None:
        self.service.database.dispose()


class SameStatements:
    """What the service sends, without what it is made by: SQLAlchemy and the unit of work."""

    name = "psycopg2, same statements"
    database = "caseload"

    def __init__(self, urls: Mapping[str, str]) -> None:
        self.connection = psycopg2.connect(urls[self.database])
        self.connection.autocommit = True  # BEGIN and COMMIT are in the statements
        register_uuid(None, self.connection)  # type: ignore[no-untyped-call] # psycopg2's

    def backend(self) -> int:
        with self.connection.cursor() as cursor:
            cursor.execute(_BACKEND)
            [(pid, _)] = cursor.fetchall()
        return int(pid)

    def transfer(self, source: UUID, target: UUID) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute(LOCK, {"keys": [source, target]})
            assert all(status == "open" for _, _, _, status, _ in cursor.fetchall())
            cursor.execute(MAKE, transaction(source, target, 1))
            [made] = cursor.fetchall()
            key, posted_at = made[0], made[11]
            cursor.execute(RECORD, {"rows": event(key, posted_at), "object": "object"})
            cursor.execute("COMMIT")

    def close(self) -> None:
        self.connection.close()


class OneFunction(SameStatements):
    """The classical one by hand."""

    name = "PL/pgSQL, one function"
    database = "by_hand"

    def transfer(self, source: UUID, target: UUID) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT transfer(%s, %s, %s)", (source, target, 1))
            [_] = cursor.fetchall()


WAYS: list[type[Way]] = [Service, SameStatements, OneFunction]
