"""The command line loads what the called command needs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from app import create_app
from app.application import add_routes
from app.cli import COMMANDS, command
from app.settings import Settings

PROGRAM = """
import os, sys
from flask.cli import main
sys.argv = ["flask", *sys.argv[1:]]
try:
    main()
finally:
    print("loaded:", *({"sqlalchemy", "app.services", "app.api"} & sys.modules.keys()))
"""


@pytest.mark.parametrize("name", COMMANDS)
def test_the_overview_repeats_the_first_sentence_of_each_command(name: str) -> None:
    """The overview is printed without loading the command."""
    found = command(name)
    assert found.name == name
    assert (found.help or "").strip().startswith(COMMANDS[name])


def test_the_overview_loads_neither_services_nor_sqlalchemy() -> None:
    """It answers at once."""
    shown = subprocess.run(  # noqa: S603 - the program under test
        [sys.executable, "-c", PROGRAM, "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert all(name in shown for name in COMMANDS)
    assert shown.endswith("loaded:\n")


def test_routes_are_added_once() -> None:
    """gunicorn's master adds them to the application of `flask serve`, which may have them."""
    settings = Settings(database_url="postgresql://127.0.0.1:1/none", given_secret_key="k" * 32)
    app = create_app(settings)
    rules = len(list(app.url_map.iter_rules()))
    add_routes(app)
    assert len(list(app.url_map.iter_rules())) == rules


@pytest.mark.parametrize(
    ("arguments", "has_routes"),
    [
        (["flask", "jobs", "run"], False),
        (["/x/flask/__main__.py", "tasks", "list"], False),
        (["flask", "--help"], False),
        (["flask", "--debug", "run"], True),
        (["flask", "--app", "wsgi", "routes"], True),
        (["/srv/flask/serve.py"], True),
        (["gunicorn", "wsgi:app"], True),
    ],
)
def test_routes_are_loaded_where_something_serves(
    arguments: list[str], *, has_routes: bool
) -> None:
    """A command of Caseload does without, also where one of its words is `run`."""
    program = "import sys; sys.argv = sys.argv[1:]; import wsgi; print(bool(wsgi.app.blueprints))"
    shown = subprocess.run(  # noqa: S603 - the program under test
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True
    ).stdout
    assert shown == f"{has_routes}\n"
