"""Another service can take the data layer, or the embedded server, without Caseload."""

from __future__ import annotations

import subprocess
import sys

import pytest

from app.settings import ROOT

_ROOTS = ("app", "flask", "werkzeug", "click", "marshmallow")
# The data layer's errors are not its own yet.
_CASELOADS_ERRORS = {"app.errors", "app.wording"}


def loaded_with(name: str) -> set[str]:
    """The modules of `app` and of web frameworks that a new interpreter loads with this one."""
    program = f"import sys, {name}; print(*sys.modules, sep='\\n')"
    done = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return {line for line in done.stdout.splitlines() if line.partition(".")[0] in _ROOTS}


@pytest.mark.parametrize(
    ("name", "package", "allowed"),
    [
        ("app.embedded", "app.embedded", set()),
        ("app.db", "app.db", _CASELOADS_ERRORS),
        ("app.db.admin", "app.db", _CASELOADS_ERRORS),
    ],
)
def test_a_package_that_knows_no_service_loads_none(
    name: str, package: str, allowed: set[str]
) -> None:
    """Neither the rest of `app` nor Flask."""
    others = loaded_with(name) - {"app"} - allowed
    assert {each for each in others if not f"{each}.".startswith(f"{package}.")} == set()
