"""Caseload's roles in PostgreSQL, as SQL for an administrator: nothing here runs it."""

from __future__ import annotations

OWNER, APP, READ = "caseload_owner", "caseload_app", "caseload_read"

# Triggers run with the rights, and the search_path, of whoever writes. Nobody can put a table or a
# function of their own in the way of what a trigger names, for only the owner can make any.
SETUP = """\
-- Caseload's roles, each with as little as it needs:
--
--     caseload_owner  owns the tables and migrates them
--     caseload_app    serves, and runs commands and workers; no event or entry can it change
--     caseload_read   reads for reports, all but secrets
--
-- Run this in Caseload's database, as a superuser or as that database's owner with CREATEROLE:
--
--     flask db roles | psql -v ON_ERROR_STOP=1 "$ADMIN_URL"
--
-- It may be run again, and leaves a role that is there as it is. The roles are made without
-- passwords: give them some, for example with \\password in psql. Then migrate as caseload_owner
-- (flask db upgrade), which also grants what each may do with which table, and serve as
-- caseload_app. docs/operations.md tells of databases that have tables already.

BEGIN;

DO $$
DECLARE
    role text;
    here text := quote_ident(current_database());
BEGIN
    FOREACH role IN ARRAY ARRAY['caseload_owner', 'caseload_app', 'caseload_read'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
            EXECUTE 'CREATE ROLE ' || role || ' LOGIN';
        END IF;
    END LOOP;
    EXECUTE 'REVOKE TEMPORARY ON DATABASE ' || here || ' FROM PUBLIC';
    EXECUTE 'REVOKE ALL ON DATABASE ' || here || ' FROM caseload_app, caseload_read';
    EXECUTE 'GRANT CONNECT ON DATABASE ' || here
        || ' TO caseload_owner, caseload_app, caseload_read';
    EXECUTE 'GRANT CREATE ON DATABASE ' || here || ' TO caseload_owner';  -- the extension pg_trgm
END $$;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM caseload_app, caseload_read;
GRANT USAGE ON SCHEMA public TO caseload_owner, caseload_app, caseload_read;
GRANT CREATE ON SCHEMA public TO caseload_owner;

COMMIT;
"""
