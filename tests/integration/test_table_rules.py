"""Rule 5: what the database itself sees to, tried with raw SQL."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any

import psycopg2
import psycopg2.errors
import pytest
from sqlalchemy import CheckConstraint
from uuid_utils.compat import uuid7

from app.db import violations
from app.db.marks import BOOKKEEPING
from app.domain.actors import Role
from app.domain.users import LastAdmin
from app.models import Base, Customer
from app.services import UserService

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.db import Database

    Sql = Callable[..., list[tuple[Any, ...]]]
    NewCustomer = Callable[..., Customer]


def test_raw_sql_raises_the_version(sql: Sql, new_customer: NewCustomer) -> None:
    """No path around the trigger: not even one that sets the version itself."""
    new_customer("A")
    sql("UPDATE customers SET name = 'Bea', version = 99")
    assert sql("SELECT version, updated_at > created_at FROM customers") == [(2, True)]


def test_an_update_that_changes_nothing_leaves_the_version(
    sql: Sql, new_customer: NewCustomer
) -> None:
    """The same value again is no change."""
    new_customer("A")
    sql("UPDATE customers SET name = name")
    assert sql("SELECT version, updated_at = created_at FROM customers") == [(1, True)]


def test_bookkeeping_leaves_the_version(sql: Sql, admin: Any) -> None:
    """A token's last use is noted without making a new version of it; its name is not."""
    sql("UPDATE tokens SET last_used_at = now()")
    assert sql("SELECT version, updated_at = created_at FROM tokens") == [(1, True)]
    sql("UPDATE tokens SET last_used_at = now(), name = 'x'")
    assert sql("SELECT version FROM tokens") == [(2,)]


def test_the_triggers_know_the_bookkeeping_columns(sql: Sql, database: Database) -> None:
    """What the models call bookkeeping is what the trigger of each table leaves out."""
    triggers: dict[str, tuple[str, str]] = {
        table: (arguments, definition)
        for table, arguments, definition in sql(
            "SELECT tgrelid::regclass::text, encode(tgargs, 'escape'), pg_get_triggerdef(oid)"
            " FROM pg_trigger WHERE tgfoid = 'touch_row'::regproc"
        )
    }
    for table in Base.metadata.tables.values():
        if "version" in table.c:
            arguments, definition = triggers[table.name]
            left_out = arguments.split("\\000")[:-1]
            if "WHEN" in definition and "old.*" not in definition:  # it names columns
                named = re.findall(r"new\.\"?(\w+)", definition)
                left_out = [c.name for c in table.c if c.name not in (*named, "updated_at")]
            follows = [c for c in table.c if c.info.get(BOOKKEEPING) or c.computed is not None]
            assert left_out == [c.name for c in follows], table.name


@pytest.mark.parametrize(
    "statement", ["UPDATE events SET action = 'x'", "DELETE FROM events", "TRUNCATE events CASCADE"]
)
def test_events_are_append_only(sql: Sql, new_customer: NewCustomer, statement: str) -> None:
    """The database refuses every way to change them."""
    new_customer("A")
    with pytest.raises(psycopg2.errors.IntegrityConstraintViolation):
        sql(statement)


def test_personal_values_are_kept_beside_the_event(sql: Sql, new_customer: NewCustomer) -> None:
    """They can be erased, and not be altered; the event stays and names the fields."""
    new_customer("A", email="ann@x.example")
    [(changes,)] = sql("SELECT changes FROM events")
    assert changes == dict.fromkeys(("reference", "name", "email", "attributes"))
    [(personal,)] = sql("SELECT changes FROM event_personal_values")
    assert personal["email"] == {"before": None, "after": "ann@x.example"}
    with pytest.raises(psycopg2.errors.IntegrityConstraintViolation):
        sql("UPDATE event_personal_values SET changes = '{}'")
    sql("DELETE FROM event_personal_values")
    assert sql("SELECT count(*) FROM events") == [(1,)]


def test_an_event_carries_its_writers_transaction(
    sql: Sql, database: Database, new_customer: NewCustomer
) -> None:
    """Events of one unit of work share an xid8, those of the next one have another."""
    with database.connect():
        new_customer("A")
        new_customer("B")
    new_customer("C")
    [first, second, third] = [xid for (xid,) in sql("SELECT xid::text FROM events ORDER BY id")]
    assert first == second != third


def test_a_token_is_kept_as_a_hash_only(sql: Sql, admin: Any) -> None:
    """Neither the table nor the events hold what a client shows."""
    dump = sql("SELECT (t.*)::text, (e.*)::text FROM tokens t, events e")
    assert admin.token not in str(dump)


def test_a_live_admin_cannot_be_removed_by_raw_sql(sql: Sql, admin: Any) -> None:
    """The last one stays, whatever statement it is."""
    for statement in (
        "UPDATE users SET is_active = false",
        "UPDATE users SET role = 'staff'",
        "UPDATE users SET deleted_at = now()",
        "DELETE FROM tokens; DELETE FROM users",
    ):
        with pytest.raises(psycopg2.errors.CheckViolation):
            sql(statement)


def test_two_units_cannot_remove_the_last_two_admins(database: Database, sql: Sql) -> None:
    """Raced: each deactivates the other's admin, and one of them is refused."""
    users = UserService.as_system(database)
    keys = [
        users.create({"email": f"{n}@x.example", "name": n, "role": Role.ADMIN}).id for n in "ab"
    ]
    ready, refused = threading.Barrier(2), []

    def deactivate(key: Any) -> None:
        try:
            with database.connect():
                ready.wait()
                users.deactivate([key])
        except LastAdmin as error:
            refused.append(error)

    threads = [threading.Thread(target=deactivate, args=(key,)) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    assert sql("SELECT count(*) FROM users WHERE is_active") == [(1,)]


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        ({"name": ""}, "ck_customers_name"),
        ({"reference": "x" * 65}, "ck_customers_reference"),
        ({"email": ""}, "ck_customers_email"),
        ({"phone": "x" * 41}, "ck_customers_phone"),
        ({"attributes": "[]"}, "ck_customers_attributes"),
    ],
)
def test_the_database_checks_what_the_edge_checks(
    sql: Sql, database: Database, values: dict[str, str], constraint: str
) -> None:
    """A bad value that slips past the schemas is refused all the same."""
    row = {
        "id": str(uuid7()),
        "reference": "A",
        "name": "Ann",
        **values,
    }
    with pytest.raises(psycopg2.errors.CheckViolation) as caught:
        sql(
            f"INSERT INTO customers ({', '.join(row)}) VALUES ({', '.join(['%s'] * len(row))})",
            *row.values(),
        )
    assert caught.value.diag.constraint_name == constraint


def test_every_constraint_is_named_and_translated() -> None:
    """A violation that nobody mapped would be told as a bug."""
    mapped = violations(Base.metadata)
    for table in Base.metadata.tables.values():
        for index in table.indexes:
            assert not index.unique or index.name in mapped
        for constraint in table.constraints:
            assert constraint.name in mapped, (table.name, constraint)
            assert not isinstance(constraint, CheckConstraint) or constraint.name
    for error in mapped.values():
        assert error().code


def test_every_constraint_of_the_database_is_translated(sql: Sql, database: Database) -> None:
    """Also those that only the migrations know."""
    names = {
        name
        for (name,) in sql(
            "SELECT conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace"
            " AND contype <> 'n' AND conrelid <> 'alembic_version'::regclass"
            " UNION SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
            " WHERE c.relnamespace = 'public'::regnamespace AND i.indisunique"
            " AND i.indrelid <> 'alembic_version'::regclass"
        )
    }
    assert names <= set(violations(Base.metadata))
