from __future__ import annotations

from typing import TYPE_CHECKING

import click

from app.cli.commands import Group, service
from app.cli.output import as_json, as_record, print_fields, print_json, print_table
from app.cli.types import Text
from app.domain.formats import parse_uuid
from app.errors import NotFound
from app.repositories import Query, Record
from app.services import CustomerService

if TYPE_CHECKING:
    from app.models import Customer

customers = Group("customers", help="Those whom the desk serves.")


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


def _find(text: str) -> Record:
    customers = service(CustomerService)
    try:
        return customers.get(parse_uuid(text))
    except ValueError:  # not an id: a reference, then
        found: Customer | None = customers.find(reference=text)
    if found is None:
        raise NotFound("customers", text)
    return as_record(found)
