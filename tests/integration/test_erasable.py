"""What never changes may be overwritten by nothing; the database lets no other value pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg2
import pytest

from tests.bank import Bank

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.client import Client

    Sql = Callable[..., list[tuple[Any, ...]]]

MINE = "author_kind = 'customer'"
PAID = "reference = 'ours'"
HASH, HASHED = "content_hash = NULL", "content_hash IS NOT NULL"
BOTH = f"reference = NULL, {HASH}"
SET = "UPDATE events SET changes = changes"

REFUSED = [
    "INSERT INTO event_personal_values SELECT id, '{}' FROM events WHERE action = 'x'",
    "UPDATE messages SET body = '[erased] '",
    "UPDATE messages SET body = ''",
    "UPDATE messages SET body = '[erased]', direction = 'note'",
    "UPDATE messages SET author_name = '[erased]' WHERE author_kind <> 'customer'",
    f"UPDATE messages SET author_name = 'x' WHERE {MINE}",
    "UPDATE messages SET external_id = 'erased-x'",
    "UPDATE messages SET external_id = NULL",
    "UPDATE messages SET external_id = 'erased-' || id WHERE external_id IS NULL",
    "UPDATE accounts SET name = 'x' WHERE status = 'closed'",
    "UPDATE accounts SET name = '[erased]', overdraft_limit = 1 WHERE status = 'closed'",
    "UPDATE accounts SET name = '[erased]', status = 'open' WHERE status = 'closed'",
    f"UPDATE transactions SET description = 'x', {BOTH} WHERE {PAID}",
    f"UPDATE transactions SET description = '', {BOTH} WHERE {PAID}",
    f"UPDATE transactions SET description = '[erased]' WHERE {PAID}",
    f"UPDATE transactions SET description = '[erased]', reference = NULL WHERE {PAID}",
    f"UPDATE transactions SET description = '[erased]', {HASH}, reference = 'x' WHERE {PAID}",
    f"UPDATE transactions SET description = '[erased]', {BOTH}, created_by_name = 'x' WHERE {PAID}",
    "UPDATE transactions SET description = '[erased]' WHERE description = ''",
    "UPDATE transactions SET status = 'voided', posted_at = NULL",
    "UPDATE transactions SET description = description",
    "UPDATE events SET changes = '{}'",
    f"{SET} - 'status'",
    f"{SET} || '{{\"status\": null}}' WHERE changes ? 'status'",
    f'{SET} || \'{{"reference": {{"after": "x"}}}}\'',
    f"{SET} || '{{\"tags\": null}}' WHERE object_type = 'customers'",
    "UPDATE events SET actor_name = 'x'",
    "UPDATE events SET xid = '1'",
    "UPDATE event_personal_values SET changes = '{}'",
]

ALLOWED = [
    f"UPDATE messages SET body = '[erased]', author_name = '[erased]' WHERE {MINE}",
    "UPDATE messages SET external_id = 'erased-' || id WHERE external_id IS NOT NULL",
    "UPDATE accounts SET name = '[erased]' WHERE status = 'closed'",
    f"UPDATE transactions SET description = '[erased]', {HASH} WHERE {PAID} AND {HASHED}",
    f"UPDATE transactions SET description = '[erased]', {BOTH} WHERE description = 'ours'",
    f"{SET} || '{{\"reference\": null}}' WHERE object_type = 'customers' AND changes ? 'reference'",
    "DELETE FROM event_personal_values",
]


@pytest.fixture
def history(admin: Client, sql: Sql) -> None:
    """A message of each side, a closed account, transactions, and events as there were once."""
    bank = Bank(admin)
    account = bank.open("1")
    bank.transfer(account, bank.cash, "1", reference="ours", description="ours")
    admin.post(f"/v1/accounts/{account}/close")
    opened = {"customer_id": bank.customer, "subject": "x", "channel": "web"}
    talk = f"/v1/conversations/{admin.create('/v1/conversations', opened)['id']}/messages"
    for number, direction in enumerate(("inbound", "outbound", "note")):
        message = {"direction": direction, "body": "x", "external_id": f"m-{number}"}
        admin.create(talk, message if number else {**message, "external_id": None})
    sql(
        "INSERT INTO events (id, actor_kind, actor_name, action, object_type, object_id, changes)"
        " SELECT gen_random_uuid(), 'user', 'x', 'x', 'customers', id,"
        ' \'{"reference": {"before": "a"}, "status": {"after": "b"}}\' FROM customers'
    )


@pytest.mark.parametrize("statement", REFUSED)
def test_what_is_kept_is_not_written_anew(history: None, sql: Sql, statement: str) -> None:
    """Whoever comes with SQL can't alter what was said, booked or recorded."""
    with pytest.raises(psycopg2.IntegrityError, match=r"never changed?|only pending .* change"):
        sql(statement)


@pytest.mark.parametrize("statement", ALLOWED)
def test_what_is_kept_can_be_erased(history: None, sql: Sql, statement: str) -> None:
    """The one value that tells nothing passes, on some row at least; a second time too."""
    assert sql(f"WITH done AS ({statement} RETURNING 1) SELECT count(*) > 0 FROM done") == [(True,)]
    sql(statement)
