from __future__ import annotations

import click

from app.cli.commands import Group, service
from app.cli.output import as_json, print_json
from app.services.jobs import JobService

jobs = Group("jobs", help="What time brings about; the service runs them by itself.")


@jobs.command("run")
@as_json
def run(*, as_json: bool) -> None:
    """Wake snoozed conversations, take back leases, let transactions expire: once."""
    done = service(JobService).run_due()
    if as_json:
        print_json(done)
    else:
        click.echo(", ".join(f"{count} {what}" for what, count in done.items()))
