"""The SQL that creates a service's roles in PostgreSQL."""

from __future__ import annotations

import pytest

from app.db.admin import Roles


def test_the_service_names_its_roles() -> None:
    """No other service is named."""
    setup = Roles(owner="library_owner", app="library_app", read="library_read").setup_sql()
    assert "'CREATE ROLE '" in setup
    assert "ARRAY['library_owner', 'library_app', 'library_read']" in setup
    assert "caseload" not in setup


@pytest.mark.parametrize("name", ["", "App", "it's", "my-app", "1st", "x" * 64, "a; DROP"])
def test_a_name_that_needs_quotes_is_refused(name: str) -> None:
    """SQL and connection strings repeat it everywhere."""
    with pytest.raises(ValueError, match="needs a name of a-z"):
        Roles(owner="owner", app=name, read="read")
