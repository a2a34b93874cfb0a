"""The same six tasks, written in five ways."""

from __future__ import annotations

import io
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

import psycopg2
import psycopg2.extras
from advanced_alchemy.filters import LimitOffset, OrderBy
from advanced_alchemy.repository import SQLAlchemySyncRepository
from sqlalchemy import bindparam, create_engine, insert, make_url, select, tuple_, update
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from app.db import Database, Query
from benchmarks.wallets import FIELDS, Wallet, WalletRepository, row

if TYPE_CHECKING:
    from collections.abc import Iterator

BULK = 10_000
PAGE = 50
TABLE = Wallet.__table__
LATER = datetime.fromisoformat("2099-01-01T00:00:00+00:00")
LAST = UUID("ffffffff-ffff-7fff-bfff-ffffffffffff")
NAMES = ", ".join(column.name for column in TABLE.c)


_AFTER = tuple_(bindparam("time", LATER), bindparam("last", LAST))


class Way(Protocol):
    name: str

    def __init__(self, url: str, ids: list[UUID]) -> None: ...
    def owner_of(self, key: UUID) -> str: ...
    def get(self, number: int) -> None: ...
    def page(self, number: int) -> None: ...
    def insert(self, number: int) -> None: ...
    def update(self, number: int) -> None: ...
    def transfer(self, number: int) -> None: ...
    def bulk(self, number: int) -> None: ...
    def close(self) -> None: ...


class Picks:
    """Which rows the calls are about: the same for every way."""

    def __init__(self, ids: list[UUID]) -> None:
        self.ids = ids

    def one(self, number: int) -> UUID:
        return self.ids[number * 7919 % len(self.ids)]

    def two(self, number: int) -> list[UUID]:
        return sorted([self.one(number), self.one(number + 1)])


class Caseload:
    name = "caseload"

    def __init__(self, url: str, ids: list[UUID]) -> None:
        self.database, self.picks, self.wallets = Database(url), Picks(ids), WalletRepository()

    def owner_of(self, key: UUID) -> str:
        with self.database.connect(read_only=True) as connection:
            found = self.wallets.record(connection, key)
        assert found is not None
        return str(found["owner"])

    def get(self, number: int) -> None:
        self.owner_of(self.picks.one(number))

    def page(self, number: int) -> None:
        query = Query(limit=PAGE, after=(LATER, LAST))
        with self.database.connect(read_only=True) as connection:
            assert len(self.wallets.records(connection, query).items) == PAGE

    def insert(self, number: int) -> None:
        with self.database.session() as session:
            self.wallets.add(session, Wallet(**row(number)))

    def update(self, number: int) -> None:
        with self.database.session() as session:
            wallet = self.wallets.get(session, self.picks.one(number), lock=True)
            assert wallet is not None
            values = {"owner": wallet.owner, "city": f"City {wallet.version}"}
            self.wallets.update(session, wallet, values, expected=[wallet.version])

    def transfer(self, number: int) -> None:
        with self.database.session() as session:
            first, second = self.wallets.get_many(session, self.picks.two(number), lock=True)
            first.balance -= 1
            second.balance += 1

    def bulk(self, number: int) -> None:
        with self.database.connect() as connection:
            rows = (tuple(row(i).values()) for i in range(BULK))
            assert self.wallets.copy(connection, FIELDS, rows) == BULK

    def close(self) -> None:
        self.database.dispose()


class Raw:
    """psycopg2, with the same statements."""

    name = "psycopg2"

    def __init__(self, url: str, ids: list[UUID]) -> None:
        self.connection, self.picks = psycopg2.connect(url), Picks(ids)
        psycopg2.extras.register_uuid(None, self.connection)  # type: ignore[no-untyped-call] # psycopg2's

    def owner_of(self, key: UUID) -> str:
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {NAMES} FROM wallets WHERE id = %s AND deleted_at IS NULL", [key]
            )
            return str(self._dicts(cursor)[0]["owner"])

    def get(self, number: int) -> None:
        self.owner_of(self.picks.one(number))

    def page(self, number: int) -> None:
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {NAMES} FROM wallets WHERE deleted_at IS NULL AND (created_at, id) <"
                " (%s, %s) ORDER BY created_at DESC, id DESC LIMIT %s",
                [LATER, LAST, PAGE + 1],
            )
            assert len(self._dicts(cursor)) == PAGE + 1

    def insert(self, number: int) -> None:
        values = {**row(number), "id": uuid7()}
        values["attributes"] = json.dumps(values["attributes"])
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO wallets (id, {', '.join(FIELDS)}) VALUES (%(id)s,"
                f" {', '.join(f'%({name})s' for name in FIELDS)})"
                " RETURNING version, created_at, updated_at",
                values,
            )
            cursor.fetchone()

    def update(self, number: int) -> None:
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {NAMES} FROM wallets WHERE id = %s AND deleted_at IS NULL"
                " FOR NO KEY UPDATE",
                [self.picks.one(number)],
            )
            [found] = self._dicts(cursor)
            cursor.execute(
                "UPDATE wallets SET city = %s WHERE id = %s AND version = %s"
                " RETURNING version, updated_at",
                [f"City {found['version']}", found["id"], found["version"]],
            )
            assert cursor.fetchone()

    def transfer(self, number: int) -> None:
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {NAMES} FROM wallets WHERE id IN %s AND deleted_at IS NULL"
                " ORDER BY id FOR NO KEY UPDATE",
                [tuple(self.picks.two(number))],
            )
            for wallet, amount in zip(self._dicts(cursor), (-1, 1), strict=True):
                cursor.execute(
                    "UPDATE wallets SET balance = %s WHERE id = %s AND version = %s"
                    " RETURNING version, updated_at",
                    [wallet["balance"] + amount, wallet["id"], wallet["version"]],
                )
                assert cursor.fetchone()

    def bulk(self, number: int) -> None:
        lines = "".join(_line(row(i)) for i in range(BULK))
        with self.connection, self.connection.cursor() as cursor:
            cursor.copy_expert(
                f"COPY wallets (id, {', '.join(FIELDS)}) FROM STDIN", io.StringIO(lines)
            )

    def close(self) -> None:
        self.connection.close()

    def _dicts(self, cursor: Any) -> list[dict[str, Any]]:
        names = [column.name for column in cursor.description]
        return [dict(zip(names, values, strict=True)) for values in cursor]


def _line(values: dict[str, Any]) -> str:
    attributes = json.dumps(values["attributes"]).replace("\\", "\\\\")
    plain = (values["owner"], values["email"], "\\N", values["city"], values["kind"])
    return "\t".join((str(uuid7()), *plain, str(values["balance"]), attributes)) + "\n"


class Core:
    """SQLAlchemy Core by hand, every statement built once."""

    name = "Core by hand"

    _get = select(TABLE).where(TABLE.c.id == bindparam("key"), TABLE.c.deleted_at.is_(None))
    _page = (
        select(TABLE)
        .where(TABLE.c.deleted_at.is_(None))
        .where(
            tuple_(TABLE.c.created_at, TABLE.c.id)
            < tuple_(bindparam("a", LATER), bindparam("b", LAST))
        )
        .order_by(TABLE.c.created_at.desc(), TABLE.c.id.desc())
        .limit(bindparam("limit"))
    )
    _insert = insert(TABLE).returning(TABLE.c.version, TABLE.c.created_at, TABLE.c.updated_at)
    _lock = _get.with_for_update(key_share=True)
    _lock_many = (
        select(TABLE)
        .where(TABLE.c.id.in_(bindparam("keys", expanding=True)), TABLE.c.deleted_at.is_(None))
        .order_by(TABLE.c.id)
        .with_for_update(key_share=True)
    )
    _update = (
        update(TABLE)
        .where(TABLE.c.id == bindparam("key"), TABLE.c.version == bindparam("seen"))
        .returning(TABLE.c.version, TABLE.c.updated_at)
    )
    _rename = _update.values(city=bindparam("to"))
    _move = _update.values(balance=bindparam("to"))

    def __init__(self, url: str, ids: list[UUID]) -> None:
        self.engine = create_engine(make_url(url).set(drivername="postgresql+psycopg2"))
        self.picks = Picks(ids)

    def owner_of(self, key: UUID) -> str:
        with self.engine.connect() as connection:
            return str(connection.execute(self._get, {"key": key}).one()._asdict()["owner"])

    def get(self, number: int) -> None:
        self.owner_of(self.picks.one(number))

    def page(self, number: int) -> None:
        with self.engine.connect() as connection:
            rows = connection.execute(self._page, {"limit": PAGE + 1})
            assert len([found._asdict() for found in rows]) == PAGE + 1

    def insert(self, number: int) -> None:
        with self.engine.begin() as connection:
            connection.execute(self._insert, {**row(number), "id": uuid7()}).one()

    def update(self, number: int) -> None:
        with self.engine.begin() as connection:
            found = connection.execute(self._lock, {"key": self.picks.one(number)}).one()
            values = {"key": found.id, "seen": found.version, "to": f"City {found.version}"}
            connection.execute(self._rename, values).one()

    def transfer(self, number: int) -> None:
        with self.engine.begin() as connection:
            rows = connection.execute(self._lock_many, {"keys": self.picks.two(number)}).all()
            for found, amount in zip(rows, (-1, 1), strict=True):
                values = {"key": found.id, "seen": found.version, "to": found.balance + amount}
                connection.execute(self._move, values).one()

    def bulk(self, number: int) -> None:
        with self.engine.begin() as connection:
            rows = [{**row(i), "id": uuid7()} for i in range(BULK)]
            connection.execute(insert(TABLE), rows)

    def close(self) -> None:
        self.engine.dispose()


class Orm(Core):
    """The ORM by hand."""

    name = "ORM by hand"

    def _session(self) -> Session:
        return Session(self.engine, expire_on_commit=False)

    def owner_of(self, key: UUID) -> str:
        statement = select(Wallet).where(Wallet.id == key, Wallet.deleted_at.is_(None))
        with self._session() as session:
            return session.scalars(statement).one().owner

    def page(self, number: int) -> None:
        with self._session() as session:
            assert len(session.scalars(self._entities().limit(PAGE + 1)).all()) == PAGE + 1

    def _entities(self) -> Any:
        return (
            select(Wallet)
            .where(Wallet.deleted_at.is_(None))
            .where(tuple_(Wallet.created_at, Wallet.id) < (LATER, LAST))
            .order_by(Wallet.created_at.desc(), Wallet.id.desc())
        )

    def insert(self, number: int) -> None:
        with self._session() as session, session.begin():
            session.add(Wallet(**row(number)))

    def update(self, number: int) -> None:
        with self._session() as session, session.begin():
            [wallet] = self._locked(session, [self.picks.one(number)])
            wallet.city = f"City {wallet.version}"

    def transfer(self, number: int) -> None:
        with self._session() as session, session.begin():
            first, second = self._locked(session, self.picks.two(number))
            first.balance -= 1
            second.balance += 1

    def _locked(self, session: Session, keys: list[UUID]) -> Iterator[Wallet]:
        statement = select(Wallet).where(Wallet.id.in_(keys), Wallet.deleted_at.is_(None))
        return iter(session.scalars(statement.order_by(Wallet.id).with_for_update(key_share=True)))

    def bulk(self, number: int) -> None:
        with self._session() as session, session.begin():
            session.execute(insert(Wallet), [{**row(i), "id": uuid7()} for i in range(BULK)])


class AlchemyRepository(SQLAlchemySyncRepository[Wallet]):  # type: ignore[type-var, unused-ignore] # it works on any model with an id
    model_type = Wallet


class AdvancedAlchemy(Orm):
    """advanced-alchemy's sync repository."""

    name = "advanced-alchemy"

    def owner_of(self, key: UUID) -> str:
        with self._session() as session:
            return str(AlchemyRepository(session=session).get_one(id=key, deleted_at=None).owner)

    def page(self, number: int) -> None:
        with self._session() as session:
            filters = [LimitOffset(PAGE + 1, 0), OrderBy("created_at", "desc")]
            found = AlchemyRepository(session=session).list(*filters, deleted_at=None)
            assert len(found) == PAGE + 1

    def insert(self, number: int) -> None:
        with self._session() as session, session.begin():
            AlchemyRepository(session=session).add(Wallet(**row(number)))

    def update(self, number: int) -> None:
        with self._session() as session, session.begin():
            repository = AlchemyRepository(session=session)
            wallet = repository.get(self.picks.one(number), with_for_update=True)
            wallet.city = f"City {wallet.version}"
            repository.update(wallet)

    def transfer(self, number: int) -> None:
        with self._session() as session, session.begin():
            repository = AlchemyRepository(session=session)
            first, second = (
                repository.get(key, with_for_update=True) for key in self.picks.two(number)
            )
            first.balance -= 1
            second.balance += 1
            repository.update(first)
            repository.update(second)

    def bulk(self, number: int) -> None:
        with self._session() as session, session.begin():
            AlchemyRepository(session=session).add_many([Wallet(**row(i)) for i in range(BULK)])


WAYS: list[type[Way]] = [Caseload, Raw, Core, Orm, AdvancedAlchemy]
