"""`flask serve`: migrates, loads the demo and runs gunicorn."""

from __future__ import annotations

import fcntl
import os
import sys
from contextvars import Context
from pathlib import Path
from runpy import run_path

import click

from app.administration import MIGRATIONS
from app.cli import listener
from app.cli.kit.commands import Command, database, service, settings
from app.cli.kit.output import print_text
from app.services.demo import DemoService
from app.services.demo_data import ADMIN
from app.settings import ROOT


@click.command("serve", cls=Command)
def serve() -> None:
    """Migrate and serve, as `make run` does. The embedded server gets the demo once."""
    own_address = not listener.operator_binds()
    if own_address:
        listener.listen(settings().port)
    MIGRATIONS.upgrade(database().url)
    embedded = settings().database_url is None
    if embedded:
        _load_demo_once()
    if own_address:  # other addresses are in gunicorn's log
        user = ADMIN if embedded else "EMAIL"
        print_text(_WELCOME.format(port=settings().port, user=user))
        sys.stdout.flush()
    _run_gunicorn()


def _load_demo_once() -> None:
    """Load the demo once in the life of the data directory: deleted rows do not come back."""
    with (settings().data_dir / "demo-loaded").open("a+") as marker:
        fcntl.flock(marker, fcntl.LOCK_EX)  # two may start at the same time
        if marker.tell() == 0:
            service(DemoService).load()
            marker.write("The demo was loaded, and is not loaded again.\n")


def _run_gunicorn() -> None:
    """Run it in this process, which holds the embedded server until it ends."""
    database().dispose()
    os.chdir(ROOT)
    gunicorn = Path(sys.executable).with_name("gunicorn")
    sys.argv = [str(gunicorn), "wsgi:app"]
    # In a context of its own, so that requests do not see the command's application context.
    Context().run(run_path, str(gunicorn), run_name="__main__")


_WELCOME = """
Caseload answers on http://127.0.0.1:{port}

Get a token with
    .venv/bin/flask tokens create --user {user}
and use it:
    curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:{port}/v1/customers

Ctrl-C stops it.
"""
