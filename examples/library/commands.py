"""Commands for operators: `flask --app library upgrade`, and for a daily job `expire`."""

import click
from flask import Blueprint, current_app

from library.database import MIGRATIONS
from library.services import LoanService, ReservationService

blueprint = Blueprint("commands", __name__, cli_group=None)


@blueprint.cli.command("upgrade")
def upgrade() -> None:
    """Bring the schema up to date."""
    MIGRATIONS.upgrade(current_app.extensions["database"].url)


@blueprint.cli.command("overdue")
def overdue() -> None:
    """List overdue loans, the oldest first."""
    for loan in LoanService(current_app.extensions["database"]).overdue():
        click.echo(f"{loan['due_at']:%Y-%m-%d} book {loan['book_id']} member {loan['member_id']}")


@blueprint.cli.command("expire")
def expire() -> None:
    """Close reservations whose member has not come for the book."""
    service, total = ReservationService(current_app.extensions["database"]), 0
    while closed := service.expire():
        total += closed
    click.echo(f"Closed {total} reservations.")
