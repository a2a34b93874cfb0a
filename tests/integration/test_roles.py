"""Caseload's roles in PostgreSQL may do what they need, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import psycopg2.errors
import pytest
from psycopg2.errors import InsufficientPrivilege
from sqlalchemy import Column, Integer, MetaData, Table

from app import create_app
from app.administration import ROLES
from app.db.errors import NotPermitted
from app.models import Base
from app.models.base import CHANGED
from app.models.privileges import table_privileges
from app.services import ErasureService, EventService, RateLimiter
from app.services.jobs import JobService
from app.settings import Settings
from tests.calls import CALLS, TIME_PASSES, Desk, prepare
from tests.roles import as_role, privileges, run
from tests.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.db import Database

# What caseload_app may do beside SELECT, INSERT and, with what is named nowhere, UPDATE of all
# columns that the database does not keep itself.
BESIDE = {
    "accounts": "UPDATE (balance, held, name, overdraft_limit, status)",
    "entries": None,
    "event_personal_values": None,
    "events": None,
    "holds": None,
    "idempotency_keys": "UPDATE (answer, expires_at, objects, request_hash)",
    "messages": "UPDATE (conversation_id, original_conversation_id, seq)",
    "rate_limits": "UPDATE (spent, told, updated_at)",
    "search_words": None,
    "task_attempts": "UPDATE (ended_at, error, outcome)",
    "tokens": "UPDATE (deleted_at, last_used_at)",
    "transactions": "UPDATE (approved_by_id, posted_at, status)",
}
REMOVED = {"idempotency_keys", "rate_limits"}
KEPT = {"id", "version", "created_at", "updated_at"}
OTHERS = ("openings.load", "jobs.run_due", "limiter.reconcile")
HIDDEN = {"tasks": {"lease_token"}, "tokens": {"token_hash"}}
HIDDEN_TABLES = {"event_personal_values", "idempotency_keys"}

OF_THE_OWNER = {"erasure.erase"}  # it overwrites what is said for good

REFUSED = [
    *(f"DELETE FROM {table}" for table in sorted(Base.metadata.tables.keys() - REMOVED)),
    *(f"TRUNCATE {table} CASCADE" for table in Base.metadata.tables),
    *(f"ALTER TABLE {table} DISABLE TRIGGER USER" for table in Base.metadata.tables),
    *(f"UPDATE {table} SET amount = 1" for table in ("entries", "holds")),
    "UPDATE events SET action = 'x'",
    "UPDATE event_personal_values SET changes = '{}'",
    "UPDATE messages SET body = 'x'",
    "UPDATE messages SET author_name = 'x'",
    "UPDATE transactions SET description = 'x'",
    "UPDATE transactions SET created_at = now()",
    "UPDATE accounts SET customer_id = NULL",
    "UPDATE tokens SET token_hash = ''",
    "UPDATE tokens SET user_id = NULL",
    "UPDATE customers SET version = 1",
    "UPDATE alembic_version SET version_num = ''",
    "DROP TRIGGER events_append_only ON events",
    "DROP TABLE events",
    "DROP FUNCTION refuse_change() CASCADE",
    "ALTER FUNCTION refuse_change() RENAME TO allow_change",
    "CREATE TRIGGER mine BEFORE INSERT ON entries EXECUTE FUNCTION touch_row()",
    "CREATE RULE mine AS ON INSERT TO events DO INSTEAD NOTHING",
    "CREATE TABLE accounts_too ()",
    "CREATE TEMPORARY TABLE accounts ()",
    "CREATE SCHEMA mine",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE INDEX ON events (action)",
    "SET session_replication_role = replica",
    "ALTER ROLE caseload_app SUPERUSER",
    "GRANT caseload_owner TO caseload_app",
    "SELECT setval('entries_seq', 1)",
    "SELECT setval('event_epochs', 1)",
    "SELECT nextval('event_epochs')",
    "COPY customers TO PROGRAM 'true'",
]


@pytest.fixture(scope="module")
def desk(owned_url: str) -> Iterator[Desk]:
    """Rows that caseload_app has made, and calls that it makes; the superuser puts rows back."""
    service, administrator = open_database(as_role(owned_url, ROLES.app)), open_database(owned_url)
    calls = {**prepare(service), **prepare_others(service)}
    run(owned_url, TIME_PASSES)
    desk = Desk(administrator, calls, Rows(owned_url))
    yield desk
    desk.rows.close()
    service.dispose()
    administrator.dispose()


def prepare_others(database: Database) -> dict[str, Callable[[], object]]:
    """What is no method of a service that HTTP calls."""
    limiter = RateLimiter(database, rate=10)
    limiter.take(uuid4())
    return {
        "jobs.run_due": JobService.as_system(database).run_due,
        "limiter.reconcile": limiter.reconcile,
    }


def open_database(url: str) -> Database:
    app = create_app(Settings(database_url=url, given_secret_key="k" * 32))
    database: Database = app.extensions["database"]
    return database


@pytest.mark.parametrize("name", [*sorted(set(CALLS) - OF_THE_OWNER), "demo.load", *OTHERS])
def test_the_services_can_do_their_work_as_caseload_app(desk: Desk, name: str) -> None:
    """Every method of every service, with all triggers that it sets off."""
    desk.calls[name]()
    desk.rows.restore()


def test_erasing_takes_the_owner(owned_url: str, desk: Desk) -> None:
    """Who is no superuser, and no trigger stands in the way."""
    with pytest.raises(NotPermitted, match="permission denied for table messages"):
        desk.calls["erasure.erase"]()
    owner = open_database(as_role(owned_url, ROLES.owner))
    served = "SELECT customer_id FROM conversations WHERE subject = 'served'"
    ((customer,),) = run(owned_url, served)
    erased = ErasureService.as_system(owner).erase(UUID(customer), messages=True)
    assert erased["customers"] == 1
    assert erased["messages"] > 0
    ErasureService.as_system(owner).renew_statistics()
    owner.dispose()
    desk.rows.restore()


def test_beginning_an_epoch_takes_the_owner(owned_url: str, desk: Desk) -> None:
    """Who restores a dump owns the tables."""
    service, owner = (open_database(as_role(owned_url, role)) for role in (ROLES.app, ROLES.owner))
    with pytest.raises(NotPermitted, match="permission denied for table events"):
        EventService.as_system(service).begin_epoch()
    before = EventService.as_system(owner).begin_epoch()
    desk.calls["customers.create"]()
    written = "SELECT DISTINCT epoch FROM events WHERE epoch >= %(epoch)s"
    assert run(owned_url, written, epoch=before) == [(before,)]
    service.dispose()
    owner.dispose()
    desk.rows.restore()


def test_renewing_statistics_takes_the_owner(owned_url: str) -> None:
    """For anybody else PostgreSQL would do nothing, and not fail."""
    service = open_database(as_role(owned_url, ROLES.app))
    with pytest.raises(NotPermitted, match="Only the owner of the tables"):
        ErasureService.as_system(service).renew_statistics()
    service.dispose()


@pytest.mark.parametrize("statement", REFUSED)
def test_caseload_app_can_do_nothing_else(owned_url: str, statement: str) -> None:
    """Refused for want of a right, before any trigger is asked."""
    with pytest.raises(InsufficientPrivilege):
        run(as_role(owned_url, ROLES.app), statement)


@pytest.mark.parametrize("role", [ROLES.app, ROLES.read])
def test_nothing_can_be_put_in_the_way_of_what_triggers_name(owned_url: str, role: str) -> None:
    """In no schema, and not for a while either; nor does a role have rights of another's."""
    schemas = "SELECT nspname FROM pg_namespace WHERE has_schema_privilege(oid, 'CREATE')"
    assert run(as_role(owned_url, role), schemas) == []
    for privilege in ("CREATE", "TEMPORARY"):
        asked = "SELECT has_database_privilege(current_database(), %(privilege)s)"
        assert run(as_role(owned_url, role), asked, privilege=privilege) == [(False,)]
    member = "SELECT roleid::regrole FROM pg_auth_members WHERE member = current_user::regrole"
    assert run(as_role(owned_url, role), member) == []


def test_the_catalog_says_what_is_declared(owned_url: str) -> None:
    """No table is forgotten, and nobody has more than what stands above."""
    granted, readable = privileges(owned_url, ROLES.app), privileges(owned_url, ROLES.read)
    assert granted.pop("alembic_version") == "SELECT"
    sequences = {"account_numbers", "entries_seq", "conversations_number_seq"}
    assert {granted.pop(name) for name in sequences} == {"USAGE"}
    assert granted.pop("event_epochs") == "SELECT"
    assert granted == {name: of_app(table) for name, table in Base.metadata.tables.items()}
    assert readable == {
        name: spelt("SELECT", {column.name for column in table.c} - HIDDEN.get(name, set()))
        for name, table in Base.metadata.tables.items()
        if name not in HIDDEN_TABLES
    }


def of_app(table: Table) -> str:
    changed = spelt("UPDATE", {column.name for column in table.c} - KEPT)
    if table.name in BESIDE:
        changed = BESIDE[table.name] or ""
    removed = "DELETE" if table.name in REMOVED else ""
    return ", ".join(filter(None, [removed, "INSERT", "SELECT", changed]))


def spelt(privilege: str, columns: set[str]) -> str:
    return f"{privilege} ({', '.join(sorted(columns))})"


def test_reports_see_all_but_secrets(owned_url: str) -> None:
    """A role that only reads, and not what lets somebody in or was to be forgotten."""
    url = as_role(owned_url, ROLES.read)
    run(url, "SELECT count(*), max(name) FROM customers JOIN accounts USING (name)")
    run(url, "SELECT id, name, last_used_at FROM tokens")
    for hidden in (
        "SELECT token_hash FROM tokens",
        "SELECT * FROM tokens",
        "SELECT 1 FROM tokens WHERE token_hash = ''",
        "SELECT lease_token FROM tasks",
        "SELECT FROM idempotency_keys",
        "SELECT FROM event_personal_values",
        "INSERT INTO todos DEFAULT VALUES",
        "SELECT FROM customers FOR SHARE",
        "SELECT nextval('entries_seq')",
    ):
        with pytest.raises(InsufficientPrivilege):
            run(url, hidden)


def test_no_balance_is_written_by_hand(owned_url: str, desk: Desk) -> None:
    """caseload_app may write balances, for triggers do so with its rights; they alone get to."""
    for column in ("balance", "held"):
        with pytest.raises(psycopg2.errors.CheckViolation, match="by entries and holds alone"):
            run(as_role(owned_url, ROLES.app), f"UPDATE accounts SET {column} = {column} + 1")


def test_a_table_that_is_no_resource_has_to_say_what_changes() -> None:
    """Whoever adds one is told, before it is migrated."""
    metadata = MetaData()
    Table("plain", metadata, Column("id", Integer), Column("version", Integer))
    assert table_privileges(metadata)["plain"].changed is None
    table = Table("odd", metadata, Column("id", Integer))
    with pytest.raises(TypeError, match="Table odd is no resource"):
        table_privileges(metadata)
    table.info[CHANGED] = ("idd",)
    with pytest.raises(TypeError, match=r"Table odd has no columns \['idd'\]"):
        table_privileges(metadata)
