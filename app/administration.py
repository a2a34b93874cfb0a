"""Caseload's names and paths for migrations, for roles, and for the embedded server."""

from __future__ import annotations

from pathlib import Path

from app.db.admin import Migrations, Roles
from app.embedded import Names

MIGRATIONS = Migrations(ini=Path(__file__).parents[1] / "alembic.ini", lock=7203114)

EMBEDDED = Names(
    user="caseload",
    database="caseload",
    shared_home=Path("/var/lib/caseload"),
    socket_prefix="caseload",
    advice="set CASELOAD_DATA_DIR",
)

ROLES = Roles(owner="caseload_owner", app="caseload_app", read="caseload_read")

ROLES_SQL = f"""\
-- Caseload's roles, each with as few rights as it needs:
--
--     caseload_owner  owns the tables and migrates them
--     caseload_app    serves, and runs commands and workers; it cannot change events or entries
--     caseload_read   reads for reports, all but secrets
--
-- Run this in Caseload's database, as a superuser or as that database's owner with CREATEROLE:
--
--     flask db roles | psql -v ON_ERROR_STOP=1 "$ADMIN_URL"
--
-- You can run it again: it leaves a role that exists as it is. The roles have no passwords: set
-- them, for example with \\password in psql. Then migrate as caseload_owner (flask db upgrade),
-- which also grants each role its rights on each table, and serve as caseload_app.
-- docs/operations.md says what to do with a database that has tables already.

{ROLES.setup_sql()}"""
