"""Another service can take the data layer, or the embedded server, without Caseload."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from app.settings import ROOT

_ROOTS = ("app", "flask", "werkzeug", "click", "marshmallow")


def loaded_with(name: str) -> set[str]:
    """The modules of `app` and of web frameworks that a new interpreter loads with this one."""
    program = f"import sys, {name}; print(*sys.modules, sep='\\n')"
    done = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return {line for line in done.stdout.splitlines() if line.partition(".")[0] in _ROOTS}


@pytest.mark.parametrize(
    ("name", "package"),
    [("app.embedded", "app.embedded"), ("app.db", "app.db"), ("app.db.admin", "app.db")],
)
def test_a_package_that_knows_no_service_loads_none(name: str, package: str) -> None:
    """Neither the rest of `app` nor Flask."""
    others = loaded_with(name) - {"app"}
    assert {each for each in others if not f"{each}.".startswith(f"{package}.")} == set()


def test_the_application_starts_without_what_few_commands_need() -> None:
    """Alembic and the calendars of all countries make up a fifth of the time of `flask --help`."""
    program = "import sys, wsgi; print(*sys.modules, sep='\\n')"
    settings = {
        name: value
        for name, value in os.environ.items()
        if name != "PORT" and not name.startswith(("CASELOAD_", "DATABASE_"))
    }
    done = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=settings,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {line.partition(".")[0] for line in done.stdout.splitlines()}
    assert "sqlalchemy" in loaded
    assert loaded.isdisjoint({"alembic", "holidays", "mako"})
