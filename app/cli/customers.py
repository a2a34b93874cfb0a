"""`flask customers`: lists, shows, exports and erases customers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from app.cli.kit.commands import Group, Refused, exit_code_of, service
from app.cli.kit.exports import WRITERS, format_of
from app.cli.kit.files import STDOUT, whole_file
from app.cli.kit.output import (
    as_json,
    print_fields,
    print_json,
    print_line,
    print_table,
    with_progress,
)
from app.cli.kit.types import Text
from app.db import Query, Record
from app.db.errors import ApplicationError
from app.db.listing import parse_uuid
from app.errors import NotFound
from app.printable import printable
from app.services import CustomerService, ErasureService

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

_EXPORTED = (
    "id",
    "version",
    "reference",
    "name",
    "email",
    "phone",
    "attributes",
    "created_at",
    "updated_at",
)

customers = Group("customers", help="The customers of the firm.")


@customers.command("list")
@click.option("--limit", type=click.IntRange(1, 10_000), default=25, show_default=True)
@click.option("--search", type=Text(), help="Words in the reference, name or e-mail.")
@as_json
def list_customers(limit: int, search: str | None, *, as_json: bool) -> None:
    """List customers, the newest first."""
    page, _ = service(CustomerService).page(Query(limit=limit, search=search))
    if as_json:
        print_json(page.items)
    else:
        print_table(page.items, ["id", "reference", "name", "email", "created_at"])


@customers.command("show")
@click.argument("customer", type=Text(64))
@as_json
def show(customer: str, *, as_json: bool) -> None:
    """Show the customer with the id or reference CUSTOMER."""
    record = _find(customer)
    if as_json:
        print_json(record)
    else:
        print_fields(record)


@customers.command("erase")
@click.argument("customer", type=Text(64))
@click.option("--messages", is_flag=True, help="Also erase bodies of messages, subjects and tags.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_json
def erase(customer: str, *, messages: bool, yes: bool, as_json: bool) -> None:
    """Overwrite the personal data of the customer with the id or reference CUSTOMER, for good.

    Refused while there is an account that is not closed, a conversation that is not resolved or a
    task that has not ended. The ledger stays, and the events without their personal values. The
    command also renews PostgreSQL's statistics of the tables, which hold values of rows.
    """
    found = _find(customer, deleted_too=True)
    if not yes:
        whom = f"{found['name']} ({found['reference']})"
        click.confirm(f"Erase {printable(whom)} for good?", abort=True, err=True)
    erased = service(ErasureService).erase(found["id"], messages=messages)
    _renew_statistics(found["id"])
    if as_json:
        print_json({"id": found["id"], "erased": erased})
        return
    counts = [f"{count} {name.replace('_', ' ')}" for name, count in erased.items() if count]
    rows = ", ".join(counts) or "nothing was left"
    print_line(f"Erased {found['id']}: {rows}. Statistics are renewed.")


def _renew_statistics(key: UUID) -> None:
    try:
        service(ErasureService).renew_statistics()
    except ApplicationError as error:
        message = f"{key} is erased, but values may be left in PostgreSQL's statistics: {error}"
        message += " Run the same command again, as the owner of the tables: it renews them."
        raise Refused(message, exit_code_of(type(error))) from error


@customers.command("export")
@click.argument("file", type=Text(4096), default=STDOUT)
@click.option(
    "--format",
    "format_",
    type=click.Choice(list(WRITERS)),
    help="By the end of FILE's name, or else csv.",
)
def export(file: str, format_: str | None) -> None:
    """Write all customers that are not deleted to FILE, or to stdout.

    A FILE is written completely or not at all, and only its owner may read it.
    """
    write = WRITERS[format_ or format_of(file)]
    with whole_file(file) as out:

        def read(records: Iterator[Record]) -> None:
            out.seek(0)  # a retry after a conflict reads the customers again
            out.truncate()
            with with_progress(records, label="Customers") as seen:
                write(out, _EXPORTED, seen)

        service(CustomerService).read_all(read)


def _find(text: str, *, deleted_too: bool = False) -> Record:
    customers = service(CustomerService)
    try:
        return customers.get(parse_uuid(text), include_deleted=deleted_too)
    except ValueError:  # not an id: a reference, then
        query = Query(filters={"reference": text}, include_deleted=deleted_too)
        found = customers.page(query)[0].items
    found = [record for record in found if record["deleted_at"] is None] or found
    if not found:
        raise NotFound("customers", text)
    if len(found) > 1:
        raise click.UsageError(
            f"{len(found)} deleted customers had the reference {text}: use the id of one."
        )
    return found[0]
