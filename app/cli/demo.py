from __future__ import annotations

import click

from app.cli.commands import Command, service
from app.cli.output import print_line
from app.services.demo import DemoService


@click.command("demo", cls=Command)
def demo() -> None:
    """Load a small data set to try things on; again without harm."""
    loaded = service(DemoService).load()
    print_line("Loaded " + ", ".join(f"{count} {what}" for what, count in loaded.items()) + ".")
