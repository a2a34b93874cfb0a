"""Walks all errors: each has its answer in HTTP and on the command line, and a plain message."""

from __future__ import annotations

import copy
import pickle
from functools import partial
from typing import TYPE_CHECKING

import pytest

import app.services.readiness
from app.api.kit.problems import status_of
from app.cli.kit.commands import exit_code_of
from app.db.errors import (
    ApplicationError,
    Contention,
    Invalid,
    InvalidCriterion,
    Mistake,
    NotUnique,
    StillReferenced,
    TooManyRows,
    UnitRolledBack,
    UnknownReference,
    VersionMismatch,
)
from app.domain import accounts, conversations, tasks, transactions
from app.errors import AlreadyExists, InUse, InvalidTransition, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def every_error(
    kind: type[ApplicationError] = ApplicationError,
) -> Iterator[type[ApplicationError]]:
    for inner in kind.__subclasses__():
        yield inner
        yield from every_error(inner)


# Mistakes in the settings end the program before there is anything to answer.
ANSWERED = [kind for kind in every_error() if kind.__name__ != "SettingsError"]


@pytest.mark.parametrize("kind", ANSWERED, ids=lambda kind: kind.__name__)
def test_every_error_has_a_status_and_an_exit_code(kind: type[ApplicationError]) -> None:
    """None is told as a bug by accident."""
    assert 400 <= status_of(kind) <= 503
    assert 1 <= exit_code_of(kind) <= 5


def test_errors_in_other_layers_are_walked_too() -> None:
    """What a layer adds to the tree is found by the walk."""
    assert app.services.readiness.SchemaMismatch in ANSWERED


@pytest.mark.parametrize("kind", list(every_error()), ids=lambda kind: kind.__name__)
def test_every_error_has_a_code(kind: type[ApplicationError]) -> None:
    """Directly or from its parent; groups that are never raised have none."""
    assert hasattr(kind, "code") or kind.__subclasses__()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (NotFound("users", "ada@demo.example"), "No user ada@demo.example."),
        (NotFound("todos", "7"), "No to-do 7."),
        (AlreadyExists("faqs", ("question",)), "An FAQ with this question exists already."),
        (AlreadyExists("users", ("email",)), "A user with this email exists already."),
        (
            InUse("customers", ["accounts", "conversations"]),
            "The customer cannot be deleted: accounts, conversations refer to it.",
        ),
        (VersionMismatch(3), "The current version is 3."),
    ],
)
def test_a_message_names_what_it_is_about(error: ApplicationError, message: str) -> None:
    """In words that are a sentence: a row is called by the singular of its resource."""
    assert str(error) == message


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (
            partial(accounts.check_account_action, "freeze", "closed"),
            "A closed account cannot be frozen.",
        ),
        (
            partial(tasks.check_task_action, "cancel", "failed"),
            "A failed task cannot be cancelled.",
        ),
        (
            partial(conversations.check_conversation_action, "message", "closed"),
            "A closed conversation cannot be written to.",
        ),
        (
            partial(conversations.check_conversation_action, "reopen", "open"),
            "An open conversation cannot be reopened.",
        ),
        (
            partial(transactions.check_transaction_action, "void", "expired", "fee"),
            "An expired transaction cannot be voided.",
        ),
        (
            partial(transactions.check_transaction_action, "reverse", "posted", "reversal"),
            "A posted reversal cannot be reversed.",
        ),
        (
            partial(transactions.check_transaction_action, "approve", "pending", "transfer"),
            "A pending transaction that waits for no approval cannot be approved.",
        ),
    ],
)
def test_a_refused_action_is_a_sentence(check: Callable[[], None], message: str) -> None:
    """It says the state and the action, each in its form."""
    with pytest.raises(InvalidTransition) as caught:
        check()
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "error",
    [
        Contention("Two units of work waited for each other."),
        Invalid([Mistake(("lines", 0, "title"), "required", "It is required.")]),
        UnknownReference("book_id"),
        InvalidCriterion("limit", "It must be at least 1."),
        NotUnique("books", ("isbn", "title")),
        StillReferenced("loans"),
        TooManyRows(5),
        VersionMismatch(3),
        NotFound("todos", "7"),
        InUse("customers", ["accounts"]),
        UnitRolledBack.after(Contention("It lost.")),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_can_be_pickled_and_copied(error: Exception) -> None:
    """A pool of processes passes it on, with its message and its attributes."""
    for same in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301 - our own
        assert type(same) is type(error)
        assert str(same) == str(error)
        assert vars(same) == vars(error)
