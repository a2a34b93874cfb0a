from __future__ import annotations

import click

from app.cli.commands import Command, service
from app.services.demo import DemoService


@click.command("demo", cls=Command)
def demo() -> None:
    """Load a small data set to try things on; again without harm."""
    users, customers = service(DemoService).load()
    click.echo(f"Loaded {users} users and {customers} customers.")
