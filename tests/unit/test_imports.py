"""Another service can take the data layer, or the embedded server, without Caseload."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

import pytest

from app.settings import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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


def modules() -> dict[str, Path]:
    """The files of `app` by the names of their modules."""
    found = {}
    for path in sorted((ROOT / "app").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported_by(name: str, path: Path) -> Iterator[str]:
    """What its import statements name, those for type checkers and in functions included."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: 1 - node.level or None] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def test_no_modules_import_each_other() -> None:
    """Not even for type hints: a circle has no first module to read."""
    files = modules()
    graph = {}
    for name, path in files.items():
        named = {each for each in imported_by(name, path) if each in files}
        # `from package import module` names the package too, which need not be meant.
        inner = {each.rpartition(".")[0] for each in named}
        graph[name] = named - inner - {name}
    TopologicalSorter(graph).prepare()
