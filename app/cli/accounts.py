"""`flask accounts`: lists, shows and checks accounts, and loads opening balances."""

from __future__ import annotations

import csv
from itertools import chain, islice
from typing import IO, TYPE_CHECKING

import click

from app.cli.kit.commands import Group, Refused, service
from app.cli.kit.output import (
    as_json,
    print_fields,
    print_json,
    print_line,
    print_table,
    print_text,
)
from app.cli.kit.types import Text
from app.db import Query, Sort
from app.db.errors import Invalid, Mistake
from app.db.listing import parse_uuid
from app.domain.accounts import AccountStatus
from app.domain.money import Money
from app.errors import NotFound
from app.services import AccountService
from app.services.account_opening_balances import Line, OpeningBalanceService
from app.services.ledger_check import LedgerCheckService

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.db import Record

accounts = Group("accounts", help="Customers' accounts and the firm's own.")

_HEADER = ["number", "amount", "currency"]
_MONEY = ("overdraft_limit", "balance", "available", "amount")


@accounts.command("list")
@click.option("--status", type=click.Choice([status.value for status in AccountStatus]))
@click.option("--firm", is_flag=True, help="Only the firm's own.")
@click.option("--search", type=Text(), help="Words in the name or number.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=25, show_default=True)
@as_json
def list_accounts(
    status: str | None, search: str | None, limit: int, *, firm: bool, as_json: bool
) -> None:
    """List accounts, the newest first."""
    filters: dict[str, object] = {} if status is None else {"status": status}
    if firm:
        filters["customer_id__is_null"] = True
    page, _ = service(AccountService).page(Query(filters=filters, search=search, limit=limit))
    rows = [_with_money(account) for account in page.items]
    if as_json:
        print_json(rows)
    else:
        columns = ["id", "number", "name", "status", "balance", "available", "created_at"]
        print_table([_readable(row) for row in rows], columns)


@accounts.command("show")
@click.argument("account", type=Text(64))
@click.option("--entries", "count", type=click.IntRange(0, 1000), default=10, show_default=True)
@as_json
def show(account: str, count: int, *, as_json: bool) -> None:
    """Show the account with the id or number ACCOUNT, and its latest entries."""
    found = _find(account)
    entries: list[Record] = []
    if count:
        query = Query(sort=(Sort("seq", descending=True),), limit=count)
        entries = service(AccountService).statement(found["id"], query)[0].items
    lines = [_with_money(entry) for entry in entries]
    if as_json:
        print_json({**_with_money(found), "entries": lines})
        return
    print_fields(_readable(_with_money(found)))
    if lines:
        print_text("\nEntries")
        columns = ["created_at", "kind", "amount", "balance", "description"]
        print_table([_readable(line) for line in lines], columns)


@accounts.command("verify")
@as_json
def verify(*, as_json: bool) -> None:
    """Compute every balance from the entries, check every rule, and fail where a row differs."""
    differences = service(LedgerCheckService).verify()
    if as_json:
        print_json(differences)
    elif differences:
        print_table(differences, ["check", "thing", "id", "expected", "found"])
    else:
        print_line("Every balance matches its entries, and no rule is broken.")
    if differences:
        raise Refused(f"Wrong rows in the ledger: {len(differences)}.", 1)


@accounts.command("import")
@click.argument("file", type=click.File("rb"))
@click.option("--against", type=Text(64), required=True, help="The number of the firm's account.")
def import_balances(file: IO[bytes], against: str) -> None:
    """Load opening balances from FILE, or - for stdin: CSV with number,amount,currency.

    All or nothing; an account that has entries already is refused.
    """
    loaded = service(OpeningBalanceService).load(_lines(file), against=against)
    print_line(f"Loaded {loaded} opening balances.")


def _lines(file: IO[bytes]) -> Iterator[Line]:
    """The lines of the file; each is decoded by itself, so that a mistake names its line."""
    texts = chain(
        (line.decode("utf-8-sig") for line in islice(file, 1)), (line.decode() for line in file)
    )
    reader = csv.reader(texts, strict=True)
    try:
        if next(reader, None) != _HEADER:
            raise _wrong(1, f"The first line must be {','.join(_HEADER)}.")
        for row in filter(None, reader):  # csv returns [] for a blank line
            if len(row) != len(_HEADER):
                detail = f"It has {len(row)} values, and must have {','.join(_HEADER)}."
                raise _wrong(reader.line_num, detail)
            yield Line(reader.line_num, *row)
    except csv.Error as error:
        raise _wrong(reader.line_num, f"It is not valid CSV: {error}.") from error
    except UnicodeDecodeError as error:
        raise _wrong(reader.line_num + 1, "It is not UTF-8.") from error


def _wrong(line: int, detail: str) -> Invalid:
    return Invalid([Mistake((f"line {line}",), "invalid", detail)])


def _find(text: str) -> Record:
    accounts = service(AccountService)
    try:
        return accounts.get(parse_uuid(text))
    except ValueError:  # not an id: a number, then
        found = accounts.page(Query(filters={"number": text}))[0].items
    if not found:
        raise NotFound("accounts", text)
    return found[0]


def _with_money(row: Record) -> Record:
    """The row, with amounts as the API has them: an amount and its currency."""
    shown = dict(row)
    for name in _MONEY:
        if row.get(name) is not None:
            shown[name] = Money(row[name], row["currency"]).as_json
    return shown


def _readable(row: Record) -> Record:
    """The row, with each amount as one text."""
    return {
        name: f"{value['amount']} {value['currency']}" if name in _MONEY and value else value
        for name, value in row.items()
    }
