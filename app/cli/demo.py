"""`flask demo`: loads a small data set."""

from __future__ import annotations

import sys

import click

from app.cli.kit.commands import Command, Refused, service, settings
from app.cli.kit.output import print_line
from app.cli.kit.place import place
from app.printable import printable
from app.services.demo import DemoService
from app.services.demo_data import ADMIN


@click.command("demo", cls=Command)
@click.option("--yes", is_flag=True, help="Do not ask.")
def demo(*, yes: bool) -> None:
    """Load a small data set to try Caseload with; loading it again does no harm.

    The data includes an administrator and invented money: with DATABASE_URL set, the command asks
    first.
    """
    if settings().database_url is not None and not yes:
        _confirm()
    loaded = service(DemoService).load()
    print_line("Loaded " + ", ".join(f"{count} {what}" for what, count in loaded.items()) + ".")


def _confirm() -> None:
    """Raise Refused where stdin is no terminal, and Abort where the answer is no."""
    what = f"invented customers, accounts and the administrator {ADMIN}"
    where = printable(place(settings()))
    if not sys.stdin.isatty():
        raise Refused(f"flask demo loads {what} into {where}: confirm it with --yes.", 2)
    click.confirm(f"Load {what} into {where}?", abort=True, err=True)
