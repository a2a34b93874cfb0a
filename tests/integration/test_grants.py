"""Migrations grant what is declared to those of Caseload's roles that exist."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from app import administration, create_app
from app.administration import MIGRATIONS, ROLES
from app.db import admin
from app.settings import Settings
from tests.roles import as_role, create_with_roles, privileges, run
from tests.server import drop

if TYPE_CHECKING:
    from collections.abc import Iterator

EXISTING = """
SELECT relname FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S')
"""


@pytest.fixture
def url(template_url: str, worker_id: str) -> Iterator[str]:
    """An empty database with Caseload's roles."""
    url = create_with_roles(template_url, f"grants_{worker_id}")
    yield url
    drop(url)


def upgrade(url: str, revision: str = "head") -> None:
    MIGRATIONS.upgrade(as_role(url, ROLES.owner), revision)


def existing(url: str) -> set[str]:
    return {name for (name,) in run(url, EXISTING)}


def both(url: str) -> tuple[dict[str, str], dict[str, str]]:
    return privileges(url, ROLES.app), privileges(url, ROLES.read)


def test_every_migration_grants_what_there_is_by_then(url: str) -> None:
    """The service can use each schema on the way, up and down."""
    scripts = ScriptDirectory.from_config(Config(MIGRATIONS.ini))
    for script in reversed(list(scripts.walk_revisions())):
        upgrade(url, script.revision)
        assert privileges(url, ROLES.app).keys() == existing(url)
    MIGRATIONS.downgrade(as_role(url, ROLES.owner), "0002")
    assert privileges(url, ROLES.app).keys() == existing(url)


def test_a_migration_and_its_grants_are_one_transaction(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody meets a table that a trigger already writes and the service may not."""
    upgrade(url, "0001")

    def fail(*_: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(admin, "grant", fail)
    with pytest.raises(RuntimeError):
        upgrade(url, "0002")
    assert MIGRATIONS.current(url) == "0001"
    assert "tasks" not in existing(url)


def test_an_upgrade_with_nothing_to_do_leaves_what_is_declared(owned_url: str) -> None:
    """For roles that are newer than the schema, and for what somebody granted by hand."""
    declared = both(owned_url)
    everything = "ALL TABLES IN SCHEMA public"
    run(
        owned_url,
        f"REVOKE ALL ON {everything} FROM {ROLES.app}; GRANT ALL ON {everything} TO {ROLES.read}",
    )
    assert both(owned_url) != declared
    upgrade(owned_url)
    assert both(owned_url) == declared
    run(owned_url, f"GRANT DELETE, UPDATE (action) ON events TO {ROLES.app}")
    MIGRATIONS.upgrade(owned_url)  # who is not the owner but a superuser grants for the owner
    assert both(owned_url) == declared


def test_looking_grants_nothing(owned_url: str) -> None:
    """`flask db check` changes nothing at all."""
    run(owned_url, f"REVOKE SELECT ON events FROM {ROLES.app}")
    MIGRATIONS.check(as_role(owned_url, ROLES.owner))
    assert privileges(owned_url, ROLES.app)["events"] == "INSERT"
    upgrade(owned_url)


def test_where_there_are_no_roles_nothing_is_granted(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on the embedded server."""
    nobody = replace(ROLES, app="caseload_nobody", read="caseload_nobody")
    monkeypatch.setattr(administration, "ROLES", nobody)
    upgrade(url)
    assert both(url) == ({}, {})


def test_one_role_alone_gets_its_own(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who wants no reports drops the role for them."""
    monkeypatch.setattr(administration, "ROLES", replace(ROLES, read="caseload_nobody"))
    upgrade(url)
    assert privileges(url, ROLES.app)["events"] == "INSERT, SELECT"
    assert privileges(url, ROLES.read) == {}


def test_who_serves_may_look_for_migrations(owned_url: str) -> None:
    """`make run` does at every start: at head it is no error, and no grant either."""
    declared = both(owned_url)
    MIGRATIONS.upgrade(as_role(owned_url, ROLES.app))
    assert both(owned_url) == declared


@pytest.mark.parametrize("command", [["db", "upgrade"], ["db", "downgrade", "base"]])
def test_who_serves_can_not_migrate(owned_url: str, command: list[str]) -> None:
    """One line says so."""
    MIGRATIONS.downgrade(as_role(owned_url, ROLES.owner), "0005")
    app = create_app(
        Settings(database_url=as_role(owned_url, ROLES.app), given_secret_key="k" * 32)
    )
    done = app.test_cli_runner().invoke(args=command)
    upgrade(owned_url)
    assert done.exit_code == 1
    assert done.output.startswith("Error: The database's user may not do this: ")
    assert len(done.output.splitlines()) == 1


def test_a_column_of_the_release_before_stays_writable(owned_url: str) -> None:
    """It serves while this one migrates; reports see what is known to be no secret."""
    run(as_role(owned_url, ROLES.owner), "ALTER TABLE customers ADD COLUMN old text")
    upgrade(owned_url)
    app, read = both(owned_url)
    run(as_role(owned_url, ROLES.owner), "ALTER TABLE customers DROP COLUMN old")
    assert "old" in app["customers"]
    assert "old" not in read["customers"]


def test_the_setup_can_be_run_again(owned_url: str) -> None:
    """It takes back what it does not give, and leaves alone what migrations grant."""
    declared = both(owned_url)
    run(owned_url, f"GRANT CREATE ON SCHEMA public TO {ROLES.app}")
    run(owned_url, ROLES.setup_sql())
    assert both(owned_url) == declared
    asked = "SELECT has_schema_privilege('public', 'CREATE')"
    assert run(as_role(owned_url, ROLES.app), asked) == [(False,)]
