"""The table that the data layer is measured on, and the server that it is on."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2
from sqlalchemy import MetaData
from sqlalchemy.orm import Mapped, mapped_column, registry
from uuid_utils.compat import uuid7

from app.administration import MIGRATIONS
from app.db import Base, Database, DeletableResource, Repository, Resource, filters_on, sorts_on
from app.db.tables import NAMES
from app.embedded import EmbeddedServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID


class BenchmarkResource(Resource):
    __abstract__ = True
    metadata = MetaData(naming_convention=NAMES)
    registry = registry(type_annotation_map=Base.type_annotation_map)


class Wallet(DeletableResource, BenchmarkResource):
    __tablename__ = "wallets"

    owner: Mapped[str]
    email: Mapped[str | None]
    phone: Mapped[str | None]
    city: Mapped[str]
    kind: Mapped[str]
    balance: Mapped[int] = mapped_column(default=0, server_default="0")
    attributes: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")


class WalletRepository(Repository[Wallet]):
    model = Wallet
    filters = filters_on(Wallet.owner)
    sorts = sorts_on(Wallet.created_at)


FIELDS = ("owner", "email", "phone", "city", "kind", "balance", "attributes")


def row(number: int) -> dict[str, Any]:
    return {
        "owner": f"Owner {number}",
        "email": f"owner{number}@wallets.example",
        "phone": None,
        "city": "Leeds",
        "kind": "personal",
        "balance": 1_000_000,
        "attributes": {"tier": number % 5, "source": "benchmark"},
    }


@contextmanager
def wallets(count: int) -> Iterator[tuple[str, list[UUID]]]:
    """A throw-away server with that many wallets; yields its URL and their ids."""
    directory = Path(tempfile.mkdtemp(prefix="caseload-bench-"))
    directory.chmod(0o711)
    server = EmbeddedServer(directory, prepare=MIGRATIONS.upgrade, settings={"fsync": "off"})
    try:
        url = server.url()
        yield url, _fill(url, count)
    finally:
        server.release()
        shutil.rmtree(directory)


def _fill(url: str, count: int) -> list[UUID]:
    database = Database(url)
    with database.connect() as connection:
        Wallet.metadata.create_all(connection)
        connection.exec_driver_sql(
            "CREATE INDEX ON wallets (created_at, id);"
            "CREATE TRIGGER wallets_touch BEFORE UPDATE ON wallets FOR EACH ROW"
            " WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION touch_row()"
        )
        ids = [uuid7() for _ in range(count)]
        rows = ((key, *row(i).values()) for i, key in enumerate(ids))
        WalletRepository().copy(connection, ("id", *FIELDS), rows)
    database.dispose()
    with closing(psycopg2.connect(url)) as connection_:
        connection_.autocommit = True
        with connection_.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE wallets")
    return ids
