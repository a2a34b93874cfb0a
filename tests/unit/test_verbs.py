"""Services and repositories offer only what their resource can do."""

from __future__ import annotations

import pytest

from app.models import Account, Event, Message, Transaction
from app.repositories import AccountRepository, MessageRepository, TransactionRepository
from app.services import (
    AccountService,
    EventService,
    MessageService,
    TokenService,
    TransactionService,
)

_DELETION = ("soft_delete", "restore", "purge", "dependants", "delete")


@pytest.mark.parametrize(
    ("service", "absent"),
    [
        (AccountService, ("create", "update", "remove", "restore")),
        (TokenService, ("create", "update", "restore")),
        (TransactionService, ("update", "remove", "restore")),
        (MessageService, ("create", "update", "remove", "restore")),
        (EventService, ("create", "update", "remove", "restore")),
    ],
)
def test_a_service_has_no_verb_that_its_resource_lacks(
    service: type[object], absent: tuple[str, ...]
) -> None:
    """An account is opened and changed, a token revoked for good, a message never edited."""
    assert [name for name in absent if hasattr(service, name)] == []


@pytest.mark.parametrize(
    "repository", [AccountRepository, MessageRepository, TransactionRepository]
)
def test_a_table_without_deleted_at_has_no_repository_that_deletes(
    repository: type[object],
) -> None:
    assert [name for name in _DELETION if hasattr(repository, name)] == []


@pytest.mark.parametrize("model", [Account, Message, Transaction, Event])
def test_these_tables_have_no_deleted_at(model: type[object]) -> None:
    """The tests above name them because of this."""
    assert not hasattr(model, "deleted_at")


def test_a_message_is_never_updated() -> None:
    assert not hasattr(MessageRepository, "update")
